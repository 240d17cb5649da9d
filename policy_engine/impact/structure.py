"""What differs between two policies as they are written: rules, parameters, enforcement, vocabulary, catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from policy_engine.impact.sides import document_of
from policy_engine.loading.policy import Policy

Kind = Literal["added", "removed", "changed"]
#: Of a rule's document: what each of its members is a part of.
_PARTS = {
    "when": "condition",
    "forbid": "effects",
    "prefer": "effects",
    "disfavour": "effects",
    "require": "effects",
    "derive": "effects",
    "advise": "effects",
    "grade": "effects",
    "enforcement": "enforcement",
    "enforce_from": "enforcement",
    "message": "message",
}
#: What is compared entry by entry: sections of the report, and where a policy's document has them.
_SECTIONS = (
    ("rules", ("rules",)),
    ("parameters", ("parameters",)),
    ("facts", ("vocabulary", "facts")),
    ("evidence", ("vocabulary", "evidence")),
    ("regulations", ("vocabulary", "regulations")),
    ("disputes", ("disputes",)),
    ("criteria", ("criteria",)),
)
#: What is compared as a whole.
_WHOLES = ("version", "semantics", "approvers")


class Part(Struct, frozen=True):
    """One value of an entry, before and after (None: not there); `name` is its path, `of` the part of a rule it is."""

    name: str
    before: Any
    after: Any
    of: str | None = None


class Differing(Struct, frozen=True):
    """An entry of a section that is not the same; `title` says what it is about, where it has a title."""

    section: str
    name: str
    kind: Kind
    parts: tuple[Part, ...] = ()
    title: str | None = None


def differing(old: Policy, new: Policy) -> list[Differing]:
    """Return every entry that is not the same, by section, in the order of the old policy, then of the new."""
    return differing_documents(document_of(old), document_of(new))


def differing_documents(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Differing]:
    """Return the same of two policies' documents, with the catalog's entries in each (`sides.document_of`)."""
    found: list[Differing] = []
    for section, path in _SECTIONS:
        found += _entries(section, _at(one, path), _at(other, path))
    found += _entries("enforcement", _enforcement(one), _enforcement(other))
    catalogs = (_at(one, ("catalog",)), _at(other, ("catalog",)))
    for section in dict.fromkeys([*catalogs[0], *catalogs[1]]):
        found += _entries(f"catalog {section}", *(each.get(section, {}) for each in catalogs))
    for name in _WHOLES:
        if one.get(name) != other.get(name):
            found.append(Differing("policy", name, "changed", (Part(name, one.get(name), other.get(name)),)))
    return found


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    found: Any = document
    for step in path:
        found = found.get(step, {})
    return found if isinstance(found, Mapping) else {}


def _enforcement(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what acts in a namespace, or in all (`*`), other than the rule says."""
    given: Any = document.get("enforcement", [])
    return {f"{each['rule']} in {each['namespace']}": each["enforcement"] for each in given}


def _entries(section: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[Differing]:
    for name in dict.fromkeys([*one, *other]):
        before, after = one.get(name), other.get(name)
        if before == after:
            continue
        kind: Kind = "added" if name not in one else "removed" if name not in other else "changed"
        known = after if isinstance(after, Mapping) else before
        title = known.get("title") if isinstance(known, Mapping) else None
        parts = tuple(_parts(section, before, after)) if kind == "changed" else ()
        yield Differing(section, name, kind, parts, title)


def _parts(section: str, before: Any, after: Any) -> Iterator[Part]:
    one, other = dict(_leaves(before)), dict(_leaves(after))
    for name in dict.fromkeys([*one, *other]):
        if one.get(name) != other.get(name):
            of = _PARTS.get(name.partition(".")[0], "about it") if section == "rules" else None
            yield Part(name, one.get(name), other.get(name), of)


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value by its dotted path; a list is one value, and so is what is no mapping at all."""
    if isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else str(name))
    else:
        yield path or "value", value
