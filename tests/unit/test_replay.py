"""A decision is called equal for equal bytes that were derived again, and for nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger
from policy_audit.view import check_tags

from policy_engine import replay as module
from policy_engine.recorded import ROLES
from policy_engine.recorder import Context, Recorder, tags_of
from policy_engine.replay import NotReplayableError, Replay, Replayer, blobs_of, replay
from policy_engine.replays import replay_mismatches
from policy_engine.tags import decision_tags, tag_differences
from tests.unit.replay_case import Change, decided, documents, engine, forged, recorded


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with open_ledger("sqlite:///:memory:") as opened:
        yield opened


def of(ledger: Ledger, role: str, change: Change, **entry: Any) -> Replay:
    decision = decided()
    return replay(ledger, recorded(ledger, forged(decision, role, change), decision, **entry))


def set_(*path: str | int, to: Any) -> Change:
    def change(value: Any) -> None:
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = to

    return change


def test_what_is_recorded_as_it_came_out_is_equal(ledger: Ledger) -> None:
    found = of(ledger, "decision", lambda value: value)
    assert (found.status, found.why, found.engine_changed) == ("equal", None, False)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (set_("verdict", to="deny"), "verdict"),
        (set_("tasks", 0, "verdict", to="deny"), "tasks[0].verdict"),
        (set_("tasks", 0, "options", 0, "monthly_usd", to=0.5), "tasks[0].options[0].monthly_usd"),
        (set_("tasks", 0, "rules", 0, "outcome", to="indeterminate"), "tasks[0].rules[0].outcome"),
        (set_("valid_until", to=None), "valid_until"),
        (set_("policy", "digest", to=f"sha256:{'0' * 64}"), "policy.digest"),
        (set_("policy", "layers", to=[]), "policy.layers[0]"),
        (set_("catalog", "digest", to=f"sha256:{'0' * 64}"), "catalog.digest"),
        (set_("workload", "digest", to=f"sha256:{'0' * 64}"), "workload.digest"),
        (set_("workload", "name", to="another"), "workload.name"),
        (set_("added", to=1), "added"),
        (set_("evidence", "dpa", to={"grade": "attached", "valid_until": None, "problem": None}), "evidence.dpa"),
    ],
)
def test_a_decision_that_does_not_follow_differs_where_it_does_not(ledger: Ledger, change: Change, path: str) -> None:
    found = of(ledger, "decision", change)
    assert found.status == "differs"
    assert path in [each.path.removesuffix(".grade") for each in found.differences]


def test_the_same_values_in_other_bytes_are_not_equal(ledger: Ledger) -> None:
    decision = decided()
    blobs = documents(decision) | {"decision": json.dumps(json.loads(decision.content)).encode()}
    found = replay(ledger, recorded(ledger, blobs, decision))
    assert found.status == "differs"
    assert found.differences[0].path == "the bytes"


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"view": {"verdict": "allow_with_conditions"}}, "entry.view.verdict"),
        ({"view": {"workload": "another"}}, "entry.view.workload"),
        ({"view": {"decided_at": "2026-11-22T09:00:01Z"}}, "entry.view.decided_at"),
        ({"view": {"policy_digest": "sha256:0"}}, "entry.view.policy_digest"),
        ({"body": {"verdict": "deny"}}, "entry.body.verdict"),
        ({"body": {"tasks": []}}, "entry.body.tasks[0]"),
        ({"context": {"namespace": "another"}}, "entry.context.namespace"),
        ({"context": {"purpose": {"no": "text"}}}, "entry.view.purpose"),
    ],
)
def test_what_the_entry_says_is_held_to_the_decision(ledger: Ledger, entry: dict[str, Any], path: str) -> None:
    found = of(ledger, "decision", lambda value: value, **entry)
    assert found.status == "differs"
    assert path in [each.path for each in found.differences]


def test_another_engine_is_named_and_its_decision_tried(ledger: Ledger) -> None:
    found = of(ledger, "decision", set_("engine", "version", to="0.0.9"))
    assert (found.status, found.engine_changed, found.engine) == ("equal", True, "0.0.9")

    def with_other_words(value: Any) -> None:
        value["engine"]["version"] = "0.0.9"
        value["tasks"][0]["rules"][0]["title"] = "As it was called then"

    found = of(ledger, "decision", with_other_words)
    assert (found.status, found.engine_changed, found.same_outcome) == ("differs", True, True)

    def with_another_outcome(value: Any) -> None:
        with_other_words(value)
        value["verdict"] = "deny"

    assert of(ledger, "decision", with_another_outcome).same_outcome is False


def test_other_semantics_are_a_mismatch_with_a_name(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    found = of(ledger, "decision", set_("engine", "semantics", to="0"))
    assert (found.status, found.reason) == ("not_replayable", "other-semantics")
    entry = recorded(ledger, documents(decided()), decided())
    monkeypatch.setattr(module, "SEMANTICS_VERSION", "2")
    assert replay(ledger, entry).reason == "other-semantics"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{",
        b"\xff\xfe",
        b'"text"',
        b"[" * 100_000,
        b'{"kind":"Policy","kind":"Policy"}',
        b'{"apiVersion":"policy-engine/v1","kind":"Decision","decided_at":"now","engine":{},"evidence":{}}',
    ],
    ids=range(10),
)
def test_what_is_no_document_is_a_stated_failure(ledger: Ledger, role: str, content: bytes) -> None:
    decision = decided()
    found = replay(ledger, recorded(ledger, documents(decision) | {role: content}, decision))
    assert found.status == "not_replayable"
    assert found.reason in ("malformed", "undecidable")
    assert found.why


@pytest.mark.parametrize("role", ROLES)
def test_a_document_that_is_not_named_is_missing(ledger: Ledger, role: str) -> None:
    blobs = {name: content for name, content in documents(decided()).items() if name != role}
    found = replay(ledger, recorded(ledger, blobs, decided()))
    assert (found.status, found.reason) == ("not_replayable", "document-not-named")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (set_("semantics", to="0"), "rules do not follow"),
        (set_("rules", "offline-data-stays", to={}), "not what this program reads"),
        (set_("parameters", "engineer_usd_per_month", "value", to="many"), "is not a"),
        (set_("catalog", to=[f"sha256:{'0' * 64}"]), "rules do not follow"),
        (set_("extra", to=1), "not what this program reads"),
        (set_("vocabulary", "facts", to={}), "condition that does not hold"),
        (set_("parameters", to={}), "condition that does not hold"),
    ],
)
def test_rules_that_are_not_rules_are_refused(ledger: Ledger, change: Change, says: str) -> None:
    found = of(ledger, "rules", change)
    assert found.status == "not_replayable"
    assert found.why is not None
    assert says in found.why


def test_a_workload_with_a_name_in_it_is_refused(ledger: Ledger) -> None:
    found = of(ledger, "workload", set_("metadata", "owner", to="olga@acme.example"))
    assert (found.status, found.reason) == ("not_replayable", "undecidable")
    assert "olga" not in str(found.why)


def test_an_entry_of_another_kind_is_no_decision(ledger: Ledger) -> None:
    entry = ledger.entry(ledger.append(Draft(EntryType.HEARTBEAT)).index)
    with pytest.raises(NotReplayableError, match="records no decision"):
        blobs_of(entry)
    assert replay(ledger, entry).reason == "not-a-decision"


def test_policies_are_loaded_once(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    blob = ledger.blob

    def noted(digest: str) -> bytes:
        read.append(digest)
        return blob(digest)

    replayer = Replayer(ledger)
    entry = recorded(ledger, documents(decided()), decided())
    monkeypatch.setattr(ledger, "blob", noted)
    assert [replayer.replay(entry).status for _ in range(3)] == ["equal"] * 3
    blobs = blobs_of(entry)
    assert [read.count(blobs[role]) for role in ROLES] == [3, 3, 1, 1, 1]


def test_mismatches_are_those_that_do_not_come_out_equal() -> None:
    decision = decided()
    with open_ledger("sqlite:///:memory:") as own:
        recorded(own, documents(decision), decision)
        recorded(own, forged(decision, "decision", set_("verdict", to="deny")), decision)
        own.append(Draft(EntryType.HEARTBEAT))
        Recorder(own, engine().policy).record([decided("hospital")], Context("draft", None, "asserted", {}))
        found = list(replay_mismatches(own))
        assert [(each.index, each.status) for each in found] == [(1, "differs")]
        assert list(replay_mismatches(own, until="2020-01-01T00:00:00Z")) == []


JUNK: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5).filter(lambda text: text.isprintable()),
    st.just([]),
    st.just({}),
    st.just({"present": True}),
)
NAMES = st.sampled_from(["", "a b", "in", "rules", "id", "engine", "task", "task.kind.x", "\0", "é", "decided_at"])
#: What a decision is allowed to say of itself, because nothing else on record knows it.
INPUTS = {("decided_at",), ("engine", "version")}


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.sampled_from(ROLES), st.data())
def test_nothing_that_is_forged_comes_out_equal_or_breaks(ledger: Ledger, role: str, data: st.DataObject) -> None:
    """Any one value in any document is replaced, removed, renamed or added, by whoever can sign."""
    decision = decided()
    path: list[str | int] = []
    value = json.loads(documents(decision)[role])
    whole = value
    while isinstance(value, dict | list) and value:
        steps = list(value) if isinstance(value, dict) else list(range(len(value)))
        path.append(data.draw(st.sampled_from(steps)))
        if data.draw(st.integers(0, 4)) == 0:
            break
        value = value[path[-1]]
    at = whole
    for step in path[:-1]:
        at = at[step]
    if tuple(path) in INPUTS:
        return
    what, last = data.draw(st.sampled_from(("replace", "remove", "rename", "add"))), path[-1]
    if what == "replace":
        at[last] = data.draw(JUNK)
    elif what == "remove":
        del at[last]
    elif isinstance(at, list):
        at.append(at[last])
    else:
        at[data.draw(NAMES)] = at.pop(last) if what == "rename" else at[last]
    blobs = forged(decision, role, lambda _: whole)
    if blobs == documents(decision):
        return
    found = replay(ledger, recorded(ledger, blobs, decision))
    assert found.status != "equal", (role, path, what)
    assert found.differences or found.why


def test_tags_of_before_they_told_of_fallbacks_follow_from_their_decision() -> None:
    decision = decided("leaking-fallback")
    document, tags = decision.document, tags_of(decision)
    assert "proposed-region-outside-residency" in tags["rule"], "it did not fire, and stands against the fallback"
    assert "DATA-06" in tags["criterion"]
    data = decision.workload.spec.data
    regulations = data.regulations if data is not None else None
    before = check_tags("decision", decision_tags(document, regulations, fallbacks=False))
    assert "proposed-region-outside-residency" not in before["rule"]
    whole = check_tags("decision", tags)
    for tags_on_record, differ in (
        (whole, False),
        (before, False),
        ({**before, "rule": before["rule"][1:]}, True),
        ({**whole, "criterion": before["criterion"]}, True),
        ({**before, "model": ["another"]}, True),
    ):
        assert bool(list(tag_differences(tags_on_record, document, regulations, "tags"))) is differ
