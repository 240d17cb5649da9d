"""Why a recorded decision does not stand any more: what has passed, and what it was decided on that is another now.

| kind | what |
|---|---|
| expired | its `valid_until` is past |
| expiring | it will be, within the days that are asked for |
| engine | it was made under other semantics |
| rules, parameters, catalog, layers | the effective policy is another |
| waivers | one that it used counts no more, or one counts that did not |
| evidence | a piece of it does not count as it did |
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from msgspec import Struct
from policy_audit.view import instant

from policy_engine import SEMANTICS_VERSION
from policy_engine.impact.structure import Differing
from policy_engine.model.waiver import Waiver
from policy_engine.rechecks.policies import Older

Kind = Literal["expired", "expiring", "engine", "rules", "parameters", "catalog", "layers", "waivers", "evidence"]
#: Names that one reason gives; the whole difference of two policies is told once, beside the decisions.
MOST_NAMES = 20
_FEW = 3
_ONE = {"added": "is new", "removed": "is not there any more", "changed": "differs"}


class Reason(Struct, frozen=True):
    """Why a decision is due: a kind, in words, and the names of what is another (`more` of them are left out)."""

    kind: Kind
    why: str
    names: tuple[str, ...] = ()
    more: int = 0


def by_time(valid_until: str | None, at: datetime, within: int | None) -> Iterator[Reason]:
    """Yield that a decision is past its end at `at`, or will be `within` so many days."""
    if valid_until is None:
        return
    moment = at.replace(microsecond=0)  # the end names a second, and is past when that has ended
    day = valid_until[:10]
    if valid_until < instant(moment):
        yield Reason("expired", f"it was valid until {day}")
    elif within is not None and valid_until < instant(_later(moment, within)):
        yield Reason("expiring", f"it is valid until {day}")


def _later(moment: datetime, days: int) -> datetime:
    try:
        return moment + timedelta(days=days)
    except OverflowError:
        return datetime.max.replace(microsecond=0, tzinfo=moment.tzinfo)


def by_engine(semantics: str) -> Iterator[Reason]:
    """Yield that a decision was made under other semantics than this program has."""
    if semantics != SEMANTICS_VERSION:
        yield Reason("engine", f"it was made under semantics {semantics:.40}, and this program has {SEMANTICS_VERSION}")


def by_policy(older: Older | None, document: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield what the effective policy has otherwise; what the decision's `document` names or what acted in it first."""
    if older is None:
        return
    acted = _acted(document)
    rules, parameters = older.of("rules"), older.of("parameters")
    catalog = older.of("catalog") if "catalog" in older.parts else []
    yield from _listed("rules", rules, acted, "acted in it")
    yield from _listed("parameters", parameters, frozenset(), "")
    yield from _listed("catalog", catalog, _named(document), "it names")
    if "rules" in older.parts and not (rules or parameters):
        yield Reason("rules", "the policy has another digest" + _untold(older))
    if "catalog" in older.parts and not catalog:
        yield Reason("catalog", "the catalog has another digest" + _untold(older))
    changed = [said for said in older.layers if not said.endswith("another content")]
    if changed or older.parts == {"layers"}:
        said = "; ".join(older.layers) or f"the layers have another digest{_untold(older)}"
        yield Reason("layers", said, tuple(older.layers[:MOST_NAMES]), max(0, len(older.layers) - MOST_NAMES))


def _untold(older: Older) -> str:
    return "" if older.problem is None else f", and what is another cannot be told: {older.problem}"


def _listed(kind: Kind, found: Sequence[Differing], first: Collection[str], how: str) -> Iterator[Reason]:
    """Yield one reason for all of `found`: those whose names are in `first` before the others, and counted."""
    if not found:
        return
    touched = [each for each in found if each.name in first]
    ordered = [*touched, *(each for each in found if each.name not in first)]
    names = tuple(_name(each) for each in ordered)
    some = f"{', '.join(names[:_FEW])}{f' and {len(names) - _FEW:,} more' if len(names) > _FEW else ''}"
    of_these = f", {len(touched):,} of which {how}" if first and len(found) > 1 else ""
    said = f"{some} {_ONE[found[0].kind] if len(found) == 1 else 'differ'}{of_these}"
    yield Reason(kind, said, names[:MOST_NAMES], max(0, len(names) - MOST_NAMES))


def _name(each: Differing) -> str:
    """Return the name of an entry with what it is, where that is not plain from the kind."""
    section = each.section.removeprefix("catalog ")
    return each.name if section in ("rules", "parameters") else f"{section} {each.name}"


def _acted(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the rules that fired, or are indeterminate, in a decision."""
    rows = (row for task in document["tasks"] for row in task["rules"])
    return frozenset(row["id"] for row in rows if row["outcome"] != "not_fired")


def _named(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the models, providers and regions that a decision names as proposed, or for an option."""
    found: set[Any] = set()
    for task in document["tasks"]:
        proposal = task.get("proposal") or {}
        for place in (proposal, proposal.get("fallback") or {}, task["recommendation"] or {}):
            found |= {place.get(name) for name in ("model", "provider", "region")}
        found |= {row["model"] for row in task["options"]}
    return frozenset(each for each in found if isinstance(each, str))


def by_waivers(then: Sequence[Waiver], now: Sequence[Waiver], document: Mapping[str, Any]) -> Iterator[Reason]:
    """Yield what became of waivers: of those that the decision used, and of those that it could not use."""
    counted, counts = ({each.id: each for each in some if each.problem is None} for some in (then, now))
    known = {each.id: each for each in now}
    used = {row["id"] for task in document["tasks"] for row in task.get("waivers", ()) if row["applies"]}
    for name in sorted(used - counts.keys()):
        problem = known[name].problem if name in known else "it is not on record, or another was granted in its place"
        rule = f" of {counted[name].statement.rule.id}" if name in counted else ""
        yield Reason("waivers", f"the waiver {name[:12]}{rule} counts no more: {problem}", (name,))
    for name in sorted(counts.keys() - counted.keys()):
        yield Reason("waivers", f"the waiver {name[:12]} of {counts[name].statement.rule.id} counts now", (name,))


def by_evidence(changed: Sequence[tuple[str, str]]) -> Iterator[Reason]:
    """Yield the evidence that does not count as it did."""
    for name, why in changed:
        yield Reason("evidence", f"{name}: {why}", (name,))
