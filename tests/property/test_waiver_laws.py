"""The two laws with waivers there, and what a waiver can never do."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import with_rules
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.model.rule import PROPOSAL, Rule
from policy_engine.model.task_case import VERDICTS, TaskResult
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.waiver import Decided, Requester, Scope, Statement, WaivedRule, Waiver, read_waivers
from policy_engine.model.workload import Workload
from tests.property.made_up_rules import CONDITIONS, extended, rule_of, several
from tests.property.worlds import AT, NOWHERE, allows, cases, decider, leaves, shipped, without, workloads

DAY = AT.date()


def judged(engine: Decider, raw: dict[str, Any], waivers: Sequence[Waiver] = ()) -> tuple[str, list[TaskResult]]:
    workload = Workload.model_validate(raw)
    evidence = check_evidence(workload, DAY, NOWHERE)
    results = [engine.judge.judge(case) for case in engine.cases(workload, evidence, AT, waivers)]
    return max((each.verdict for each in results), key=VERDICTS.index), results


def waivers_of(engine: Decider, raw: dict[str, Any], results: Sequence[TaskResult]) -> list[Waiver]:
    """A waiver, signed by everybody, of every rule that fired or may have, whether or not it can be waived."""
    found = []
    for result in results:
        for index, outcome in enumerate(result.outcomes):
            rule = engine.judge.rules[index]
            if outcome is not False and (rule.forbid or rule.require):
                found += [_waiver(engine, raw, result, index, option) for option in OPTIONS]
    return found


def _waiver(engine: Decider, raw: dict[str, Any], result: TaskResult, index: int, option: str) -> Waiver:
    rule, outcome = engine.judge.rules[index], result.outcomes[index]
    known = {name: result.facts[name] for name in rule.reads if result.facts.get(name) is not None}
    facts = {name: tuple(value) if isinstance(value, list) else value for name, value in known.items()}
    missing = tuple(sorted(result.missing_of[index])) if outcome is None else ()
    statement = Statement(
        origin="policy-ledger.local/00000000",
        rule=WaivedRule(rule.id, waivable_digest(rule_document(rule), engine.policy.rules.values)),
        scope=Scope(raw["metadata"]["namespace"], raw["metadata"]["name"], option, result.facts["task.name"]),
        decided=Decided("0" * 64, engine.policy.digest, "fired" if outcome else "indeterminate", facts, missing),
        reason="r",
        ticket="t",
        valid_from=DAY,
        valid_until=DAY + timedelta(days=30),
        requester=Requester("A" * 43, "asserted"),
    )
    return Waiver(statement.id, statement, ("00000000",), statement.valid_until)


def accepted_unknown(results: Sequence[TaskResult]) -> bool:
    """Whether a waiver was used by which somebody signed that something is not known."""
    lifts = [lift for each in results for lift in (*each.lifting.lifts, *each.fallback_lifting.lifts)]
    return any(lift.applies and lift.waiver.statement.decided.missing for lift in lifts)


FORBIDS = st.builds(
    lambda when, forbid, enforcement: rule_of("one-more", when, forbid=tuple(forbid), enforcement=enforcement),
    CONDITIONS,
    st.lists(st.sampled_from([*OPTIONS, PROPOSAL]), min_size=1, unique=True),
    st.sampled_from(["mandatory", "waivable", "waivable"]),
)


@cases(40, most=1000)
@given(several(2, 4, proposed=True), FORBIDS, st.randoms(use_true_random=False))
def test_law_1_with_waivers(raws: list[dict[str, Any]], rule: Rule, chance: random.Random) -> None:
    """Knowledge taken away never allows, but back into the state for which somebody signed that it is not known."""
    assume("cost.api_spend_usd_per_month" not in rule.reads)
    engine = extended(shipped(), rule)
    for raw in raws:
        places = leaves(raw)
        states = [raw, *(without(raw, *chance.sample(places, n)) for n in (1, 1, 2, 4))]
        waivers = [each for state in states for each in waivers_of(engine, state, judged(engine, state)[1])]
        before, _ = judged(engine, raw, waivers)
        if allows(before):
            continue
        taken = [[path] for path in chance.sample(places, 12)] + [chance.sample(places, 4) for _ in range(3)]
        for state in [*states[1:], *(without(raw, *paths) for paths in taken)]:
            after, results = judged(engine, state, waivers)
            assert not allows(after) or accepted_unknown(results), f"{before} becomes {after} under {rule.when}"


@cases(40, most=1000)
@given(several(3, 6), FORBIDS, st.booleans())
def test_law_2_with_waivers(raws: list[dict[str, Any]], rule: Rule, waived: bool) -> None:
    more = extended(shipped(), rule)
    for raw in raws:
        plain = decider(False)
        waivers = waivers_of(plain, raw, judged(plain, raw)[1])
        if waived:
            waivers += waivers_of(more, raw, judged(more, raw)[1])
        before, _ = judged(plain, raw, waivers)
        after, _ = judged(more, raw, waivers)
        if before == "deny":
            assert after == "deny"
        if raw["spec"]["tasks"][0].get("proposal"):
            assert VERDICTS.index(after) >= VERDICTS.index(before), f"{before} becomes {after} under {rule.when}"


@cases(40, most=1000)
@given(several(3, 6, proposed=True), FORBIDS)
def test_what_is_not_waivable_is_never_lifted(raws: list[dict[str, Any]], rule: Rule) -> None:
    engine = extended(shipped(), rule)
    for raw in raws:
        waivers = waivers_of(engine, raw, judged(engine, raw)[1])
        _, results = judged(engine, raw, waivers)
        for result in results:
            for lifting in (result.lifting, result.fallback_lifting):
                assert all(result.enforcement[index] == "waivable" for index, _ in lifting.pairs)
            hard = [i for i, o in enumerate(result.outcomes) if o and result.enforcement[i] == "mandatory"]
            if any({result.judged, PROPOSAL} & set(engine.judge.rules[i].forbid) for i in hard):
                assert result.verdict == "deny"
            lifts = [*result.lifting.lifts, *result.fallback_lifting.lifts]
            used = [lift for lift in lifts if lift.applies and lift.waiver.statement.scope.option == result.judged]
            assert not used or result.verdict != "allow"


@cases(40, most=1000)
@given(workloads(proposed=True), FORBIDS)
def test_a_rule_waived_for_all_options_forbids_as_if_it_did_not(raw: dict[str, Any], rule: Rule) -> None:
    """The oracle: the same policy with the forbids of that rule taken out."""
    rule = replace(rule, enforcement="waivable", prefer={"edge": 1})
    engine = extended(shipped(), rule)
    results = judged(engine, raw)[1]
    waivers = [w for w in waivers_of(engine, raw, results) if w.statement.rule.id == rule.id]
    rules = [replace(r, forbid=()) if r.id == rule.id else r for r in engine.judge.rules]
    policy = with_rules(engine.policy, rules)
    policy.__dict__["catalog"] = engine.policy.catalog
    for one, other in zip(judged(engine, raw, waivers)[1], judged(Decider(policy), raw)[1], strict=True):
        assert {o: s.status for o, s in one.standings.items()} == {o: s.status for o, s in other.standings.items()}
        assert one.ranking == other.ranking
        assert allows(one.verdict) == allows(other.verdict) or one.fallback is not None


@cases(30)
@given(workloads(proposed=True), st.randoms(use_true_random=False))
def test_the_recorded_waivers_give_the_same_bytes_again(raw: dict[str, Any], chance: random.Random) -> None:
    engine = decider(False)
    waivers = waivers_of(engine, raw, judged(engine, raw)[1])
    assume(waivers)
    workload = Workload.model_validate(raw)
    evidence = check_evidence(workload, DAY, NOWHERE)
    one = engine.decide(workload, evidence, AT, waivers)
    chance.shuffle(waivers)
    assert engine.decide(workload, evidence, AT, waivers).content == one.content
    assert one.waivers_content is not None
    again = engine.decide(workload, evidence, AT, read_waivers(one.waivers_content))
    assert (again.content, again.waivers_content) == (one.content, one.waivers_content)


@cases(40)
@given(workloads(proposed=True))
def test_waivers_of_others_change_no_byte(raw: dict[str, Any]) -> None:
    engine = decider(False)
    waivers = waivers_of(engine, raw, judged(engine, raw)[1])
    raw["metadata"]["name"] = "another-workload"
    workload = Workload.model_validate(raw)
    evidence = check_evidence(workload, DAY, NOWHERE)
    assert engine.decide(workload, evidence, AT, waivers).content == engine.decide(workload, evidence, AT).content
