"""A decision of another second is what deciding anew at that second makes: its bytes, its entries and its answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_audit.canonical import document_bytes
from policy_audit.commitment import opens
from policy_audit.entry import parse_entry, prepare, seal
from policy_audit.renewing import Renewable

from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.decision import Decision
from policy_engine.recorder import Context, Drafter, shown
from policy_engine.service.standing import Standing
from policy_engine.service.written import answer_on_record
from tests.property.recorded_worlds import GOOD, laid_over, recorded_workloads
from tests.property.test_waiver_laws import judged, waivers_of
from tests.property.worlds import cases, shipped

EXAMPLES = sorted(Path("examples").glob("*.yaml"))
PLACE = {"index": 7, "leaf_hash": "ab" * 32, "tree_size": 9, "recorded_at": "x", "status": "recorded"}
TIME = "2026-11-24T12:00:00.000000Z"
CONTEXTS = st.builds(
    Context,
    st.sampled_from(["draft", "pull_request", "deploy"]),
    st.sampled_from([None, "anna@acme.example", "Größe"]),
    st.sampled_from(["token", "oidc"]),
    st.dictionaries(st.sampled_from(["run", "token", "commit"]), st.text("abc0-é", min_size=1, max_size=5)),
)
DAYS = st.sampled_from([datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)])
SECONDS = st.integers(0, 86_399)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("evidence") / "inside"
    path.mkdir()
    (path / "dpa.pdf").write_bytes(GOOD)
    return path


def hold(one: Decision, anew: Decision, drafter: Drafter, context: Context) -> None:
    """Hold the decision `one`, put to the second of `anew`, to `anew` by the way that the command line goes."""
    moment = datetime.fromisoformat(anew.document["decided_at"])
    content, owner = document_bytes(anew.document), anew.workload.metadata.owner
    standing = Standing(one, drafter)
    standing.at(moment + timedelta(seconds=1))
    timed = standing.at(moment)
    assert timed.id == anew.id
    drafts = [drafter.draft(anew, context), *drafter.used(anew, context)]
    entries = [timed.entry(context), *timed.used(context)]
    assert entries[0].blobs[0].content == content
    assert len(entries) == len(drafts)
    for entry, again, draft in zip(entries, [timed.entry(context), *timed.used(context)], drafts, strict=True):
        expected = prepare(draft)
        assert _without_salts(seal(entry, TIME)) == _without_salts(seal(expected, TIME))
        assert (entry.view, entry.tags, entry.blobs) == (expected.view, expected.tags, expected.blobs)
        assert {each.name: each.value for each in entry.disclosures} == draft.personal
        committed = parse_entry(seal(entry, TIME)).commitments
        assert committed.keys() == draft.personal.keys()
        assert all(opens(committed[each.name], each) for each in entry.disclosures)
        assert not {each.salt for each in entry.disclosures} & {each.salt for each in again.disclosures}
    whole = json.loads(orjson.dumps(shown(anew, PLACE)))
    acted = [
        {**task, "rules": [each for each in task["rules"] if each["outcome"] != "not_fired"]} for task in whole["tasks"]
    ]
    for all_rules, told in ((True, whole), (False, {**whole, "tasks": acted})):
        answer = timed.answer(PLACE, all_rules=all_rules)
        assert json.loads(answer) == told
        assert answer == answer_on_record(content, owner, anew.id, PLACE, all_rules=all_rules)


def _without_salts(data: bytes) -> dict[str, Any]:
    entry = json.loads(data)
    return {**entry, "commitments": sorted(entry["commitments"])}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example(path: Path) -> None:
    policy = shipped()
    engine, drafter = Decider(policy), Drafter(policy)
    at = datetime(2026, 11, 24, 9, 59, 59, tzinfo=UTC)
    for loaded in load_workloads(path.read_bytes(), None, policy.vocabulary):
        evidence = check_evidence(loaded.workload, at.date(), path.parent)
        one, anew = (engine.decide(loaded.workload, evidence, each) for each in (at, at.replace(hour=23)))
        hold(one, anew, drafter, Context("deploy", "anna@acme.example", "token", {"run": "7"}))


@pytest.mark.parametrize("layered", [False, True])
def test_a_workload_with_evidence_and_facts_of_a_layer(folder: Path, layered: bool) -> None:
    policy = laid_over() if layered else shipped()
    engine, drafter = Decider(policy), Drafter(policy)

    @cases(12)
    @given(recorded_workloads(layered), DAYS, SECONDS, SECONDS, CONTEXTS)
    def law(raw: dict[str, Any], day: datetime, first: int, second: int, context: Context) -> None:
        (loaded,) = load_workloads(json.dumps(raw, ensure_ascii=False), None, policy.vocabulary)
        evidence = check_evidence(loaded.workload, day.date(), folder)
        times = (day + timedelta(seconds=each) for each in (first, second))
        one, anew = (engine.decide(loaded.workload, evidence, each) for each in times)
        hold(one, anew, drafter, context)

    law()


def test_a_workload_with_waivers(folder: Path) -> None:
    policy = shipped()
    engine, drafter = Decider(policy), Drafter(policy)

    @cases(12)
    @given(recorded_workloads(False), SECONDS, SECONDS, CONTEXTS)
    def law(raw: dict[str, Any], first: int, second: int, context: Context) -> None:
        waivers = waivers_of(engine, raw, judged(engine, raw)[1])
        (loaded,) = load_workloads(json.dumps(raw, ensure_ascii=False), None, policy.vocabulary)
        day = datetime(2026, 11, 24, tzinfo=UTC)
        evidence = check_evidence(loaded.workload, day.date(), folder)
        times = (day + timedelta(seconds=each) for each in (first, second))
        one, anew = (engine.decide(loaded.workload, evidence, each, waivers) for each in times)
        hold(one, anew, drafter, context)

    law()


def test_what_is_recorded_once_is_not_renewed() -> None:
    from policy_audit.entry import Draft, EntryType, Once

    once = Once("0" * 64, "1" * 64)
    with pytest.raises(ValueError, match="once"):
        Renewable(prepare(Draft(EntryType.HEARTBEAT, once=once)))


def test_each_workload_is_made_anew_at_its_own_part_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = shipped()
    at = datetime(2026, 11, 24, 23, 59, 57, tzinfo=UTC)
    (loaded,) = load_workloads(EXAMPLES[0].read_bytes(), None, policy.vocabulary)[:1]
    evidence = check_evidence(loaded.workload, at.date(), EXAMPLES[0].parent)
    made = Standing(Decider(policy).decide(loaded.workload, evidence, at), Drafter(policy))
    monkeypatch.setattr(made, "_phase", 0.5)
    found = []
    # the last is of another day, and the one before it two seconds after the one that it would go on with
    for later, part in ((0, 0.2), (0, 0.9), (1, 0.2), (1, 0.6), (2, 0.4), (3, 0.1)):
        moment = at + timedelta(seconds=later)
        time = moment.timestamp() + part
        monkeypatch.setattr("policy_engine.service.standing.clock", lambda time=time: time)
        found.append(made.at(moment))
    assert [each.moment - at for each in found] == [timedelta(seconds=each) for each in (0, 0, 0, 1, 1, 3)]
    assert [each is before for before, each in pairwise(found)] == [True, True, False, True, False]
    assert len({each.id for each in found}) == 3
