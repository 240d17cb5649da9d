"""Read `approvers.yaml` at the root of layers: who may approve, by which keys, within which scope.

A later layer adds people, replaces one of the same id, or takes one away with `disabled: true`. A file that says
`locked: true` closes the list: later layers may take people away and ask for more, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from policy_engine.errors import Problem, RulesError
from policy_engine.loading.acceptances import read_baseline, read_files_of
from policy_engine.loading.layers import APPROVERS, LayerFiles
from policy_engine.loading.origins import read_origins
from policy_engine.loading.probes import read_probes, read_revoked
from policy_engine.loading.reader import Reader
from policy_engine.model.approvers import NOBODY, ROLES, Approver, ApproverKey, Approvers
from policy_engine.model.identity import folded
from policy_engine.model.rule import Rule, RuleSet
from policy_engine.model.vocabulary import OPTIONS

FILE_KEYS = ("approvers", "waivers", "activation", "origins", "probes", "revoked_entries", "baseline", "locked")
PERSON_KEYS = (
    "identities",
    "salt",
    "keys",
    "roles",
    "namespaces",
    "rules",
    "options",
    "valid_from",
    "valid_until",
    "disabled",
)
WAIVER_KEYS = ("approvals", "max_days", "files_of")
KEY_KEYS = ("key", "valid_from", "valid_until", "revoked")
ID_PATTERN = r"^[a-z0-9][a-z0-9.-]{0,62}$"
SALT_PATTERN = r"^[A-Za-z0-9_-]{22}$"
MOST_APPROVALS, MOST_DAYS, LONGEST_IDENTITY = 9, 3660, 320
_MINTED = "`policy waiver keygen` makes a key, and prints an entry with a salt"
_ID, _SALT = re.compile(ID_PATTERN), re.compile(SALT_PATTERN)
#: Field of `Approvers`, section and key in the file, most, and whether more of it is stricter.
_SETTINGS = (
    ("waiver_approvals", "waivers", "approvals", MOST_APPROVALS, True),
    ("max_days", "waivers", "max_days", MOST_DAYS, False),
    ("activation_approvals", "activation", "approvals", MOST_APPROVALS, True),
)


def read_approvers(layers: Sequence[LayerFiles], rules: RuleSet) -> Approvers:
    """Return who may approve under `layers`.

    Raises:
        RulesError: with every problem of every `approvers.yaml`.
    """
    if not any(APPROVERS in each.files for each in layers):
        return NOBODY
    problems: list[Problem] = []
    found, locked_by = NOBODY, None
    order = {each.layer.name: place for place, each in enumerate(layers)}
    locks = {rule.id: order[rule.layer] for rule in rules.rules if rule.locked}
    for place, layer in enumerate(layers):
        if APPROVERS not in layer.files:
            continue
        reader = Reader(layer.document(APPROVERS), problems)
        reader.only(FILE_KEYS)
        below = sorted(rule for rule, at in locks.items() if at < place)
        closed = f"layer {locked_by} locks its approvers" if locked_by is not None else None
        held = closed or (f"the rule `{below[0]}` is locked" if below else None)
        found = _settings(reader, found, held)
        files_of, baseline = read_files_of(reader, found.files_of, held), read_baseline(reader, found.baseline, held)
        people = _people(reader, layer.layer.name, found.people, closed, tuple(below), rules.rules)
        origins = read_origins(reader, found.origins, closed, tuple(below))
        probes = read_probes(reader, found.probes, closed, tuple(below))
        revoked = read_revoked(reader, found.revoked_entries)
        found = replace(found, people=people, origins=origins, probes=probes, revoked_entries=revoked)
        found = replace(found, files_of=files_of, baseline=baseline)
        locked_by = locked_by or (layer.layer.name if reader.flag("locked") else None)
        _check_apart(reader, found.people)
    if problems:
        raise RulesError(problems)
    return found


def _settings(reader: Reader, before: Approvers, held: str | None) -> Approvers:
    """Read what approvals are asked for; where something is `held`, only what is stricter."""
    for section, keys in (("waivers", WAIVER_KEYS), ("activation", ("approvals",))):
        if section in reader.value:
            Reader(reader.document, reader.problems, (section,)).only(keys)
    for name, section, key, most, more_is_stricter in _SETTINGS:
        given = reader.value.get(section)
        value = given.get(key) if isinstance(given, dict) else None
        if value is None:
            continue
        if type(value) is not int or not 1 <= value <= most:
            reader.problem("wrong-type", f"`{section}.{key}` must be a whole number from 1 to {most}", section, key)
            continue
        known = getattr(before, name)
        if held is not None and (value < known if more_is_stricter else value > known):
            message = f"`{section}.{key}` is {known}, and a later layer may not weaken it: {held}"
            reader.problem("locked", message, section, key)
            continue
        before = replace(before, **{name: value})
    return before


def _people(
    reader: Reader,
    layer: str,
    before: Mapping[str, Approver],
    closed: str | None,
    not_for: tuple[str, ...],
    rules: Sequence[Rule],
) -> dict[str, Approver]:
    people = dict(before)

    def person(entry: Reader, name: str) -> None:
        entry.only(PERSON_KEYS)
        if not _ID.match(name):
            hint = "lower-case letters, digits, `-` and `.`; it stands in the ledger for good, so no name of a person"
            entry.problem("bad-approver-id", f"`{name}` cannot be the id of an approver", help_=hint, key=True)
        elif entry.flag("disabled"):
            if people.pop(name, None) is None:
                entry.problem("unknown-approver", f"there is no approver `{name}` to disable", key=True)
        elif closed is not None:
            hint = "a later layer may take people away, and ask for more approvals or shorter waivers"
            message = f"{closed}, so `{name}` may not be added or replaced here"
            entry.problem("locked", message, help_=hint, key=True)
        elif (read := _person(entry, name, layer, not_for, rules)) is not None:
            people[name] = read

    reader.each("approvers", person)
    return people


def _person(entry: Reader, name: str, layer: str, not_for: tuple[str, ...], rules: Sequence[Rule]) -> Approver | None:
    identities = entry.texts("identities")
    for place, identity in enumerate(identities):
        if not folded(identity) or len(identity) > LONGEST_IDENTITY:
            entry.problem("bad-identity", "an identity is a name or address of a person", "identities", place)
    if not identities:
        hint = "the names or addresses by which the person asks, so that nobody approves what they asked for"
        entry.problem("missing-key", "`identities` is missing", help_=hint)
    salt = entry.text("salt")
    if salt is None or not _SALT.match(salt):
        entry.problem(
            "missing-salt", "`salt` must be 22 characters of base64url, made at random", "salt", help_=_MINTED
        )
    roles = entry.texts("roles")
    for place, role in enumerate(roles):
        entry.known(role, ROLES, "roles", place, what="role")
    if not roles:
        entry.problem("missing-key", "`roles` is missing", help_=f"one or more of {', '.join(ROLES)}")
    scope = {key: entry.texts(key) for key in ("namespaces", "rules", "options")}
    for key, known, what in (("rules", [rule.id for rule in rules], "rule"), ("options", OPTIONS, "option")):
        for place, word in enumerate(scope[key]):
            entry.known(word, known, key, place, what=what)
    for key in scope:
        if entry.value.get(key) == []:
            entry.problem("empty", f"`{key}` is empty", key, help_="leave it out where there is no restriction")
    keys = _keys(entry)
    since, until = entry.day("valid_from"), entry.day("valid_until")
    if salt is None:
        return None
    return Approver(name, identities, salt, keys, roles, **scope, valid_from=since, valid_until=until, layer=layer,
                    not_for=not_for)  # fmt: skip


def _keys(entry: Reader) -> tuple[ApproverKey, ...]:
    from policy_audit.errors import VerificationError
    from policy_audit.keys import parse_verifier_key

    found = []
    for item in entry.items("keys"):
        item.only(KEY_KEYS)
        text = item.text("key", required=True)
        days = {key: item.day(key) for key in ("valid_from", "valid_until", "revoked")}
        if text is None:
            continue
        try:
            parse_verifier_key(text)
        except VerificationError as error:
            item.problem("bad-key", f"not a verifier key: {error.message}", "key", help_=_MINTED)
            continue
        found.append(ApproverKey(text, **days))
    if not entry.value.get("keys"):
        entry.problem("missing-key", "`keys` is missing", help_=_MINTED)
    return tuple(found)


def _check_apart(reader: Reader, people: Mapping[str, Approver]) -> None:
    """Report two approvers who are one person, by an identity or by a key: they would count as two."""
    from policy_audit.keys import parse_verifier_key

    owners: dict[object, str] = {}
    for name, person in people.items():
        marks: list[tuple[object, str]] = [(folded(identity), "identity") for identity in person.identities]
        marks += [(parse_verifier_key(key.text).public, "key") for key in person.keys]
        for mark, what in marks:
            other = owners.setdefault(mark, name)
            if other != name:
                message = f"`{name}` and `{other}` have the same {what}, so they are one person"
                reader.problem("same-approver", message, "approvers", name, key=True)
