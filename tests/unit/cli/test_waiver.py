"""A waiver from its request to its end, through the commands, on a real ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.model.waiver import read_waivers
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.waiver_scene import RITA, Scene, code, status, why
from tests.unit.waivers.making import ANN, BOB, RULE


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


def test_a_waiver_lifts_what_it_was_granted_for_and_every_use_is_on_record(scene: Scene) -> None:
    before = scene.decide()
    assert (before["verdict"], status(before)) == ("deny", "forbidden")
    assert "waivers" not in before
    identifier = scene.granted()
    after = scene.decide()
    assert (after["verdict"], status(after)) == ("allow_with_conditions", "permitted")
    assert after["valid_until"] <= f"{scene.soon()}T23:59:59Z"
    (row,) = after["tasks"][0]["waivers"]
    assert (row["id"], row["applies"], row["lifts"], row["on"]) == (identifier, True, ["forbid"], "judged")
    (known,) = after["waivers"]["known"]
    assert known["keys"] == [ANN.signer.key_id.hex()]
    types = [entry["type"] for entry in scene.entries()]
    assert types[-2:] == ["decision", "waiver-used"]
    used = scene.entries(EntryType.WAIVER_USED)[-1]["body"]
    assert (used["waiver"], used["decision"], used["rule"]) == (identifier, after["id"], RULE)
    assert scene.decide(command="gate")["verdict"] == "allow_with_conditions"
    explained = scene.run("explain", after["id"])
    assert "lifts it through" in " ".join(explained.out.split())
    assert scene.verified()


def test_the_recorded_waivers_are_the_decisions_input(scene: Scene) -> None:
    scene.granted()
    after = scene.decide()
    entry = scene.entries(EntryType.DECISION)[-1]
    assert entry["blobs"]["waivers"] == after["waivers"]["digest"]
    (content,) = [blob for blob in scene.blobs() if b'"kind":"Waivers"' in blob]
    (waiver,) = read_waivers(content)
    assert waiver.problem is None
    assert waiver.statement.id == waiver.id == after["tasks"][0]["waivers"][0]["id"]


def test_no_name_stands_in_an_entry_or_a_blob(scene: Scene) -> None:
    scene.granted()
    scene.decide()
    whole = [json.dumps(entry).encode() for entry in scene.entries()] + scene.blobs()
    assert not [text for text in whole if b"rita" in text or b"ann@" in text or b"bob@" in text]
    shown = scene.run("waiver", "show", scene.listed()[0]["id"][:8])
    assert RITA in shown.out
    assert ANN.identity in shown.out


def test_a_decision_without_waivers_keeps_its_bytes(scene: Scene) -> None:
    """Approvers are part of the policy, so only the policy's digest tells the two apart."""
    at = ("--at", "2026-11-22T09:00:00Z")
    one = scene.decide(*at)
    other = scene.run("evaluate", str(scene.workload), "-o", "json", *at).json
    for document in (one, other):
        for key in ("id", "policy", "ledger"):
            document.pop(key)
    assert one == other


REFUSED: dict[str, tuple[Callable[[Scene], object], str]] = {
    "an approver who asked": (lambda s: s.actor(ANN.identity), "self-approval"),
    "an approver who asked in capitals": (lambda s: s.actor("ANN@ACME.example"), "self-approval"),
    "an approver who asked by a short name": (lambda s: s.actor("ann"), "self-approval"),
    "an approver with look-alike letters": (lambda s: s.actor("\u0430nn@acme.example"), "self-approval"),
    "nobody in the policy": (lambda s: s.approvers(BOB.entry()), "not-an-approver"),
    "another role": (lambda s: s.approvers(ANN.entry(roles=["policy-activator"]), BOB.entry()), "may-not-approve"),
    "another namespace": (lambda s: s.approvers(ANN.entry("namespaces: [payments]")), "may-not-approve"),
    "another option": (lambda s: s.approvers(ANN.entry("options: [edge]")), "may-not-approve"),
    "an expired approver": (lambda s: s.approvers(ANN.entry("valid_until: 2020-01-01")), "may-not-approve"),
    "a longer time than allowed": (lambda s: s.approvers(ANN.entry(), head="waivers: {max_days: 7}\n"), "bad-period"),
    "no approvers at all": (lambda s: s.approvers(ANN.entry(roles=["evidence-approver"])), "no-approvers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_approval_that_may_not_be_is_refused(name: str, scene: Scene) -> None:
    change, refusal = REFUSED[name]
    change(scene)
    assert scene.request(until=scene.soon()).status == 0
    scene.actor("somebody@acme.example")
    found = scene.approve()
    assert (found.status, code(found)) == (2, refusal), found.err
    assert scene.entries(EntryType.WAIVER_GRANTED) == []
    assert scene.decide()["verdict"] == "deny"


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Scene], None]:
    def edit(scene: Scene) -> None:
        text = scene.file.read_text(encoding="utf-8")
        document = yaml.safe_load(text)
        change(document)
        scene.file.write_text(yaml.safe_dump(document), encoding="utf-8")

    return edit


EDITS = {
    "a later day": edited(lambda d: d.update(valid_until="2027-01-05")),
    "another option": edited(lambda d: d["scope"].update(option="edge")),
    "another workload": edited(lambda d: d["scope"].update(name="other")),
    "another fact": edited(lambda d: d["decided"].update(facts={"team.mlops": "building"})),
    "no facts": edited(lambda d: d["decided"].update(facts={})),
    "another reason": edited(lambda d: d.update(reason="because")),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_file_that_was_edited_since_the_request_is_refused(name: str, scene: Scene) -> None:
    assert scene.request(until="2026-12-31" if name != "a later day" else scene.soon()).status == 0
    EDITS[name](scene)
    found = scene.approve()
    assert (found.status, code(found)) == (2, "edited-file"), found.err


def test_a_file_that_was_edited_between_two_approvals_is_refused(scene: Scene) -> None:
    scene.approvers(ANN.entry(), BOB.entry(), head="waivers: {approvals: 2}\n")
    assert scene.request(until=scene.soon()).status == 0
    assert "not granted yet: 1 more" in scene.approve().out
    assert scene.entries(EntryType.WAIVER_GRANTED) == []
    assert scene.decide()["verdict"] == "deny"
    again = scene.approve()
    assert (again.status, code(again)) == (2, "approved-already")
    kept = scene.file.read_text(encoding="utf-8")
    edited(lambda d: d.update(ticket="OPS-8"))(scene)
    assert code(scene.approve("bob")) == "bad-signature"
    scene.file.write_text(kept, encoding="utf-8")
    assert "granted" in scene.approve("bob").out
    assert scene.decide()["verdict"] == "allow_with_conditions"
    assert len(scene.listed()[0]["approvals"]) == 2
    assert code(scene.approve("bob")) == "approved-already"


def test_a_mandatory_rule_is_refused_when_asked_and_when_approved(scene: Scene) -> None:
    scene.rules(f"enforcement: [{{rule: {RULE}, namespace: claims, enforcement: mandatory}}]\n")
    found = scene.request(until=scene.soon())
    assert (found.status, code(found)) == (2, "not-waivable")
    assert not scene.file.exists()
    (scene.layer / "policy-set.yaml").unlink()
    assert scene.request(until=scene.soon()).status == 0
    scene.rules(f"enforcement: [{{rule: {RULE}, enforcement: mandatory}}]\n")
    assert code(scene.approve()) == "not-waivable"


def test_requests_that_ask_for_nothing_are_refused(scene: Scene) -> None:
    decision = scene.decide()["id"]
    assert code(scene.request(decision=decision, rule="no-such-rule")) == "unknown-rule"
    assert code(scene.request(decision=decision, rule="self-hosting-needs-an-engineer")) == "rule-did-not-act"
    assert code(scene.request("--option", "edge", decision=decision)) == "not-against-option"
    assert code(scene.request("--task", "u", decision=decision)) == "unknown-task"
    assert code(scene.request("--from", "2999-02-01", decision=decision)) == "bad-period"
    assert code(scene.request(decision=decision, until="2020-01-01")) == "bad-period"
    assert code(scene.request(decision="f" * 12)) == "decision-missing"
    scene.file.write_text("x", encoding="utf-8")
    assert code(scene.request(decision=decision)) == "cannot-write"
    assert scene.entries(EntryType.WAIVER_REQUESTED) == []


VOID: dict[str, tuple[Callable[[Scene], object], str]] = {
    "a changed fact": (
        lambda s: s.change("mlops: none, ml_engineers: 1", "mlops: none, ml_engineers: 2"),
        "",
    ),
    "an approver who is gone": (lambda s: s.approvers(BOB.entry()), "no signature is by a key that the policy names"),
    "a role that is gone": (
        lambda s: s.approvers(ANN.entry(roles=["evidence-approver"]), BOB.entry()),
        "has not the role",
    ),
    "a key that is revoked": (
        lambda s: s.approvers(ANN.entry().replace("}]", ", revoked: 2026-01-01}]")),
        "the key was revoked",
    ),
    "two approvals asked for": (
        lambda s: s.approvers(ANN.entry(), BOB.entry(), head="waivers: {approvals: 2}\n"),
        "it has 1 of 2 approvals",
    ),
    "shorter waivers asked for": (lambda s: s.approvers(ANN.entry(), head="waivers: {max_days: 5}\n"), "allows 5"),
    "a rule that is mandatory by now": (
        lambda s: s.rules(f"enforcement: [{{rule: {RULE}, enforcement: mandatory}}]\n"),
        "the rule is mandatory here",
    ),
    "revoked": (lambda s: s.run("waiver", "revoke", s.listed()[0]["id"], "--reason", "gone"), "it was revoked"),
}


@pytest.mark.parametrize("name", VOID)
def test_what_ends_a_waiver_ends_it_everywhere(name: str, scene: Scene) -> None:
    scene.granted()
    assert scene.decide()["verdict"] == "allow_with_conditions"
    end, text = VOID[name]
    end(scene)
    for command in ("evaluate", "gate"):
        found = scene.decide(command=command)
        if not text:  # a fact that this rule does not read
            assert found["verdict"] == "allow_with_conditions"
            continue
        assert (found["verdict"], status(found)) == ("deny", "forbidden")
        assert text in str(why(found))
        assert "does not apply" in " ".join(scene.run("explain", found["id"]).out.split())
    last = scene.entries()[-1]["type"]
    assert last == ("decision" if text else "waiver-used")


def test_another_workload_namespace_or_option_is_not_lifted(scene: Scene) -> None:
    scene.granted()
    kept = scene.workload.read_text(encoding="utf-8")
    for old, new in (("name: triage", "name: triage-2"), ("namespace: claims", "namespace: default")):
        scene.change(old, new)
        found = scene.decide()
        assert (found["verdict"], "waivers" in found) == ("deny", False)
        scene.workload.write_text(kept, encoding="utf-8")


def test_an_expired_waiver_lifts_nothing_and_the_register_tells(scene: Scene) -> None:
    scene.granted()
    after = ("--at", "2999-06-01T00:00:00Z")
    found = scene.decide(*after)
    assert found["verdict"] == "deny"
    assert "it ended on" in str(why(found))
    before = scene.decide("--at", "2026-01-01T00:00:00Z")
    assert "granted after the decision's time" in str(why(before))
    assert scene.listed("--expired") == []
    assert len(scene.listed("--expired", *after)) == 1
    assert len(scene.listed("--expiring", "60")) == 1
    assert scene.listed("--expiring", "3") == []


def test_who_says_an_earlier_time_is_not_lifted_by_what_has_ended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waiver held at the time that the decision is for, and does not hold when it is made."""
    scene.granted()
    said = ("--at", datetime.now(UTC).isoformat(), "--purpose", "deploy")
    assert scene.decide(*said)["verdict"] == "allow_with_conditions"
    later = datetime.now(UTC) + timedelta(days=31)
    monkeypatch.setattr("policy_audit.ledger._now", lambda: later)
    found = scene.decide(*said)
    assert found["verdict"] == "deny"
    assert why(found) == f"it ended on {scene.soon()}, and the decision was made on {later.date()}"
    assert scene.run("audit", "replay", "--all").status == 0
    assert scene.run("audit", "verify", "--recompute").status == 0


def test_what_took_too_long_to_be_decided_is_not_recorded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a replay could not tell it from a decision by a waiver that was revoked meanwhile."""
    scene.granted()
    start, asked = datetime.now(UTC), []

    def clock() -> datetime:
        asked.append(None)
        return start + timedelta(hours=2) * (len(asked) > 1)

    monkeypatch.setattr("policy_audit.ledger._now", clock)
    found = scene.run("evaluate", str(scene.workload), "--policy", str(scene.layer))
    assert (found.status, code(found), found.out) == (6, "waivers-outdated", "")


def test_without_the_layer_that_names_approvers_nothing_is_lifted(scene: Scene) -> None:
    scene.granted()
    found = scene.run("evaluate", str(scene.workload), "-o", "json")
    assert found.json["verdict"] == "deny"


def test_a_revoked_waiver_can_neither_be_granted_nor_revoked_again(scene: Scene) -> None:
    identifier = scene.granted()
    kept = yaml.safe_load(scene.file.read_text(encoding="utf-8"))
    revoked = scene.run("waiver", "revoke", identifier[:10], "--reason", "gone", "--key", str(scene.key("bob")),
                        "--policy", str(scene.layer))  # fmt: skip
    assert revoked.status == 0, revoked.err
    assert code(scene.run("waiver", "revoke", identifier, "--reason", "again")) == "revoked"
    scene.file.write_text(yaml.safe_dump({**kept, "signatures": []}), encoding="utf-8")
    assert code(scene.approve()) == "revoked"
    (row,) = scene.listed("--revoked")
    assert row["revoked_why"] == "gone"
    stranger = scene.run("waiver", "revoke", identifier, "--reason", "x", "--key", str(scene.key("eve")),
                         "--policy", str(scene.layer))  # fmt: skip
    assert code(stranger) == "not-an-approver"


def test_the_name_that_is_given_has_to_be_that_of_the_key(scene: Scene) -> None:
    assert scene.request(until=scene.soon()).status == 0
    assert code(scene.approve("ann", "--by", "bob@acme.example")) == "other-approver"
    assert code(scene.approve("eve")) == "not-an-approver"
    scene.key("ann").chmod(0o644)
    assert code(scene.approve()) == "signing-key-exposed"
    scene.key("ann").chmod(0o600)
    assert scene.approve("ann", "--by", ANN.identity).status == 0


def test_who_ran_both_commands_is_told(scene: Scene) -> None:
    assert scene.request(until=scene.soon()).status == 0
    assert "warning: who runs this is who asked for it" in scene.approve().err
    assert scene.listed()[0]["same_actor"] is True
    assert scene.listed()[0]["self_approved"] is False


def test_a_waiver_that_was_disposed_of_lifts_nothing_and_keeps_nothing_from_being_decided(scene: Scene) -> None:
    scene.granted()
    assert scene.decide()["verdict"] == "allow_with_conditions"
    (grant,) = scene.entries(EntryType.WAIVER_GRANTED)
    gone = grant["blobs"]["waiver"]
    with open_ledger(f"sqlite:///{scene.ledger}") as ledger:
        ledger.append(Draft(EntryType.DISPOSAL, body={"disposed": [], "documents": [gone]}))
        with ledger._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM blob WHERE digest = ?", (gone,))
    for command in ("evaluate", "gate"):
        assert scene.decide("--ledger", f"sqlite:///{scene.ledger}", command=command)["verdict"] == "deny"


def test_a_request_that_was_disposed_of_leaves_the_decisions_that_rest_on_it_as_they_were(scene: Scene) -> None:
    scene.granted()
    scene.decide()
    (request,) = scene.entries(EntryType.WAIVER_REQUESTED)
    gone = request["blobs"]["request"]
    with open_ledger(f"sqlite:///{scene.ledger}") as ledger:
        ledger.append(Draft(EntryType.DISPOSAL, body={"disposed": [], "documents": [gone]}))
        with ledger._database.write() as connection:
            connection.exec_driver_sql("DELETE FROM blob WHERE digest = ?", (gone,))
    replayed = scene.run("audit", "replay", "--all")
    assert (replayed.status, "EQUAL" in replayed.out) == (0, True), replayed.out
    assert scene.run("audit", "verify", "--recompute").status == 0


def test_a_fallback_is_lifted_by_the_waiver_that_fits_it(scene: Scene) -> None:
    """The rule reads the team alone, so that a waiver of it covers the option as fallback, too."""
    own = "proposal: {deployment: self_hosted, model: llama-3.1-8b, region: eu}"
    fallback = "fallback: {deployment: self_hosted, model: llama-3.1-8b, region: eu}"
    scene.change(own, f"proposal: {{deployment: proprietary_api, model: gpt-4o-mini, region: eu, {fallback}}}")
    before = scene.decide()
    assert before["tasks"][0]["proposal"]["fallback"]["verdict"] == "deny"
    assert scene.request("--option", "self_hosted", until=scene.soon(), decision=before["id"]).status == 0
    assert scene.approve().status == 0
    after = scene.decide()
    assert after["tasks"][0]["proposal"]["fallback"]["verdict"] == "allow_with_conditions"
    assert {(row["on"], row["applies"]) for row in after["tasks"][0]["waivers"]} == {
        ("option", True),
        ("fallback", True),
    }
    assert "the fallback, lifts it" in " ".join(scene.run("explain", after["id"]).out.split())
    scene.change("mlops: none", "mlops: building")
    assert "waivers" not in scene.decide()["tasks"][0]


def test_a_ledger_is_asked_once_where_nothing_was_granted_and_never_where_nobody_may(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    from policy_audit.ledger import Ledger

    asked: list[str] = []
    listed = Ledger.list_entries

    def counted(self: Ledger, **wanted: Any) -> Any:
        asked.append(str(wanted["type"]))
        return listed(self, **wanted)

    monkeypatch.setattr(Ledger, "list_entries", counted)
    scene.decide()
    assert asked == ["waiver-granted"]
    asked.clear()
    scene.run("evaluate", str(scene.workload), "-q")
    assert asked == []
