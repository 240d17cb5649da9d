"""Which waivers lift what in one task. Pure: no clock, no keys, no ledger.

INVARIANT: only a rule that is waivable here and now is lifted, only for the waiver's own option, and only where the
rule came to what it came to then, on the same facts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace
from policy_audit.canonical import document_bytes
from policy_audit.errors import CanonicalError

from policy_engine.combining import short_of
from policy_engine.model.rule import PROPOSAL, Enforcement, Rule
from policy_engine.model.task_case import EvidenceStatus, Obligation
from policy_engine.model.waiver import NO_LIFTING, Lift, Lifting, Waiver
from policy_engine.wording import listed, value_text

EVIDENCE = "evidence "
_OUTCOMES = {True: "fired", None: "indeterminate"}


def lift(
    waivers: Sequence[Waiver],
    rules: Sequence[Rule],
    digests: Mapping[str, tuple[int, str]],
    outcomes: Sequence[bool | None],
    enforcement: Sequence[Enforcement],
    facts: Mapping[str, Any],
    evidence: Mapping[str, EvidenceStatus],
) -> Lifting:
    """Return what `waivers` lift of the rules' `outcomes` on `facts`.

    `digests` gives the index and digest of each rule that a waiver names, by id. A waiver that has nothing to lift
    here (another task, a rule that did not fire, evidence that is there) is left out; the others say what they lift, or
    why they lift nothing.
    """
    if not waivers:
        return NO_LIFTING
    pairs: dict[tuple[int, str], Waiver] = {}
    found: list[Lift] = []
    # the one that lasts longest lifts; another of the same scope is not needed
    for waiver in sorted(waivers, key=lambda each: (each.problem is not None, -each.ends.toordinal(), each.id)):
        scope, name = waiver.statement.scope, waiver.statement.rule.id
        if scope.task not in (None, facts["task.name"]):
            continue
        if name not in digests:
            continue  # what is not in force forbids nothing
        index, digest = digests[name]
        if outcomes[index] is False or enforcement[index] == "advisory" or (index, scope.option) in pairs:
            continue
        lifts = _acts(rules[index], scope.option, facts, evidence)
        if not lifts:
            continue
        why = _unfit(waiver, digest, outcomes[index], enforcement[index], facts)
        if why is None:
            pairs[index, scope.option] = waiver
        found.append(Lift(waiver, why, lifts if why is None else ()))
    return Lifting(pairs, tuple(found))


def _acts(rule: Rule, option: str, facts: Mapping[str, Any], evidence: Mapping[str, EvidenceStatus]) -> tuple[str, ...]:
    """Return what the rule holds against `option`: the option, the proposal of it, evidence that is not there."""
    found = ["forbid"] if option in rule.forbid else []
    if PROPOSAL in rule.forbid and facts.get("proposal.deployment") == option:
        found.append("proposal")
    for name, options in sorted(rule.require.items()):
        if option in options and short_of(rule.grade, evidence.get(name)) is not None:
            found.append(f"{EVIDENCE}{name}")
    return tuple(found)


def bearing(lifting: Lifting, option: str | None, owed: Sequence[Obligation] = ()) -> Lifting:
    """Return what of `lifting` stands in the decision: evidence counts where it is owed for the judged `option`."""
    lifted = {(rule, f"{EVIDENCE}{duty.evidence}") for duty in owed for rule in duty.lifted}
    found = []
    for each in lifting.lifts:
        statement = each.waiver.statement
        kept = [
            what
            for what in each.lifts
            if not what.startswith(EVIDENCE)
            or (statement.scope.option == option and (statement.rule.id, what) in lifted)
        ]
        if kept or not each.applies:
            found.append(replace(each, lifts=tuple(kept)))
    return replace(lifting, lifts=tuple(found))


def waives(lifting: Lifting, option: str | None) -> bool:
    """Whether a waiver lifted something that stood against `option`."""
    return any(each.applies and each.waiver.statement.scope.option == option for each in lifting.lifts)


def _unfit(
    waiver: Waiver, digest: str, outcome: bool | None, enforcement: Enforcement, facts: Mapping[str, Any]
) -> str | None:
    """Say why the waiver does not apply; None where it does."""
    statement = waiver.statement
    if enforcement != "waivable":
        return f"the rule is {enforcement} here, and only waivable ones can be waived"
    if waiver.problem is not None:
        return waiver.problem
    if statement.rule.digest != digest:
        return "the rule is another one than was waived: its condition, effect or a parameter has changed"
    changed = [
        f"{name} changed from {value_text(value)} to {value_text(facts.get(name))}"
        for name, value in sorted(statement.decided.facts.items())
        if not same(value, facts.get(name))
    ]
    changed += [
        f"{name} was not known and is {value_text(facts[name])} now"
        for name in statement.decided.missing
        if facts.get(name) is not None
    ]
    if changed:
        return listed(changed)
    if statement.decided.outcome != _OUTCOMES.get(outcome):
        return f"the rule was {statement.decided.outcome} and is {_OUTCOMES.get(outcome)} now"
    return None


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same value of a fact: 5 and 5.0 are, true and 1 are not."""
    if other is None:
        return False
    try:
        return document_bytes(one) == document_bytes(other)
    except CanonicalError:
        return False
