"""Entries and files that are there to get a waiver, or to keep others from one: what a ledger's key alone can write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.canonical import document_bytes
from policy_audit.disposing import dispose
from policy_audit.ledger import Draft, EntryType, open_ledger

from policy_engine.loading.policy import load_policy
from policy_engine.loading.retention import read_retention, regulations_of
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.model.waiver import Statement
from policy_engine.waivers.on_record import granted_draft
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.waiver_scene import RITA, Scene, code, why
from tests.unit.waivers.making import ANN, BOB, RULE, asked_for, signed, statement


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


def write(scene: Scene, *drafts: Draft, ahead: timedelta = timedelta()) -> None:
    """Append as whoever holds the ledger's key can."""
    with open_ledger(f"sqlite:///{scene.ledger}", clock=lambda: datetime.now(UTC) + ahead) as ledger:
        ledger.append_many(drafts)


def test_who_writes_another_name_into_the_file_approves_nothing(scene: Scene) -> None:
    """Ann asks, and signs as if Rita had asked."""
    scene.actor(ANN.identity)
    assert scene.request(until=scene.soon()).status == 0
    assert code(scene.approve()) == "self-approval"
    text = scene.file.read_text(encoding="utf-8")
    assert ANN.identity in text
    scene.file.write_text(text.replace(ANN.identity, "rita@acme.example"), encoding="utf-8")
    found = scene.approve()
    assert (found.status, code(found)) == (2, "not-requested")
    assert scene.decide()["verdict"] == "deny"


def test_what_was_asked_for_in_another_ledger_was_not_asked_for_here(scene: Scene, tmp_path: Path) -> None:
    assert scene.request(until=scene.soon()).status == 0
    found = scene.approve("ann", "--ledger", f"sqlite:///{tmp_path / 'other.db'}")
    assert (found.status, code(found)) == (2, "other-ledger")


@pytest.mark.parametrize("kind", [EntryType.WAIVER_REQUESTED, EntryType.WAIVER_GRANTED])
@pytest.mark.parametrize("blobs", [{}, {"request": b"[]", "waiver": b"\xff"}, {"request": b"{", "waiver": b"no note"}])
def test_an_entry_that_holds_no_waiver_keeps_nobody_from_revoking(
    scene: Scene, kind: EntryType, blobs: Mapping[str, bytes]
) -> None:
    identifier = scene.granted()
    write(scene, Draft(kind, blobs=blobs))
    assert [row["id"] for row in scene.listed()] == [identifier]
    assert scene.run("waiver", "show", identifier[:12]).status == 0
    revoked = scene.run("waiver", "revoke", identifier[:12], "--reason", "over")
    assert revoked.status == 0
    assert "is left out" in revoked.err
    assert scene.decide()["verdict"] == "deny"
    scene.file.unlink()
    assert scene.request(until=scene.soon(31)).status == 0
    assert scene.approve().status == 0, "nor from being granted another one"


def test_a_use_that_was_recorded_after_the_end_is_told_whatever_time_was_said(scene: Scene) -> None:
    identifier = scene.granted()
    said = datetime.now(UTC).isoformat()
    body = {"waiver": identifier, "decision": "d", "decided_at": said}
    write(scene, Draft(EntryType.WAIVER_USED, body=body), ahead=timedelta(days=60))
    (row,) = scene.listed()
    assert [use["decision"] for use in row["used_out_of_time"]] == ["d"]


@pytest.mark.parametrize("said", ["T23:59:59Z", "T23:59:59.5Z", "T13:59:59-10:00"])
def test_a_use_in_the_last_second_is_in_time(scene: Scene, said: str) -> None:
    identifier = scene.granted()
    body = {"waiver": identifier, "decision": "d", "decided_at": f"{scene.soon()}{said}"}
    write(scene, Draft(EntryType.WAIVER_USED, body=body))
    (row,) = scene.listed()
    assert (len(row["uses"]), row["used_out_of_time"]) == (1, [])


@pytest.mark.parametrize("said", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "x"])
def test_a_use_at_no_time_or_at_the_end_of_all_time_is_told(scene: Scene, said: str) -> None:
    write(scene, Draft(EntryType.WAIVER_USED, body={"waiver": scene.granted(), "decision": "d", "decided_at": said}))
    (row,) = scene.listed()
    assert len(row["used_out_of_time"]) == 1


def grant(scene: Scene, asked: str | None, claimed: str | None, origin: str | None = None) -> Statement:
    """Record a waiver that ann signed, past all commands: whom the request names, and whom the grant does."""
    policy = load_policy()
    rule = policy.rules.rule(RULE)
    assert rule is not None
    made = statement(digest=waivable_digest(rule_document(rule), policy.rules.values))
    made = replace(made, valid_until=datetime.now(UTC).date() + timedelta(days=20))
    personal = {"approver": ANN.identity, **({"requester": claimed} if claimed is not None else {})}
    with open_ledger(f"sqlite:///{scene.ledger}") as ledger:
        made = replace(made, origin=origin or ledger.origin)
        if asked is not None:
            made = asked_for(ledger, made, asked, origin)
        ledger.append(granted_draft(made, signed(made, ANN), {}, personal, {}))
    return made


UNTOLD = "who asked for it cannot be told, so that it may be whoever approved it"


@pytest.mark.parametrize(
    ("asked", "claimed", "problem"),
    [
        (None, RITA, UNTOLD),
        (None, None, UNTOLD),
        (RITA, "rolf@acme.example", "its grant names another requester than was signed"),
        (ANN.identity, RITA, "it has 0 of 1 approval; `ann` asked for it, and nobody approves what they asked for"),
        (RITA, RITA, None),
    ],
)
def test_a_grant_lifts_only_where_the_signed_requester_is_known(
    scene: Scene, asked: str | None, claimed: str | None, problem: str | None
) -> None:
    """Who holds the ledger's key and an approver's note writes into the grant whatever they like."""
    made = grant(scene, asked, claimed)
    decided = scene.decide()
    assert decided["verdict"] == ("deny" if problem else "allow_with_conditions")
    if problem is None:
        return
    assert why(decided) == problem
    listed = scene.run("waiver", "list", "--all", "--policy", str(scene.layer))
    assert "the signatures do not count" in listed.out
    shown = " ".join(scene.run("waiver", "show", made.id[:16], "--policy", str(scene.layer)).out.split())
    assert "it lifts nothing" in shown


def test_what_was_approved_for_another_ledger_lifts_nothing_here(scene: Scene) -> None:
    """Request and note of a ledger for trying things out, written into the one that decisions go to."""
    made = grant(scene, RITA, RITA, "policy-ledger.local/ffffffff")
    problem = "it was asked for in the ledger policy-ledger.local/ffffffff, and lifts nothing in another"
    assert why(scene.decide()) == problem
    shown = " ".join(scene.run("waiver", "show", made.id[:16], "--policy", str(scene.layer)).out.split())
    assert problem in shown


def test_a_waiver_whose_requester_was_erased_lifts_nothing_any_more(scene: Scene) -> None:
    scene.granted()
    assert scene.decide()["verdict"] == "allow_with_conditions"
    assert scene.run("audit", "erase", RITA, "--reason", "request of 3 May").status == 0
    assert why(scene.decide()) == UNTOLD
    report = scene.run("audit", "report", "waivers").out
    assert "granted to whom cannot be told, or to another than was signed" in " ".join(report.split())


@pytest.mark.parametrize("blobs", [{}, {"waiver": b"no note"}, {"waiver": b"\xff"}])
def test_a_grant_that_holds_no_waiver_keeps_no_other_from_lifting(scene: Scene, blobs: Mapping[str, bytes]) -> None:
    scene.granted()
    context = {"namespace": "claims", "workload": "triage"}
    write(scene, Draft(EntryType.WAIVER_GRANTED, context=context, blobs=blobs))
    assert scene.decide()["verdict"] == "allow_with_conditions"


def test_a_waiver_whose_documents_were_disposed_of_keeps_nobody_from_deciding_or_verifying(scene: Scene) -> None:
    """Its period has long ended by then; the decision that it lifted is kept, and follows from its inputs still."""
    scene.granted()
    kept = scene.decide()["ledger"]["index"]
    held = ("--first", str(kept), "--last", str(kept), "--reason", "litigation")
    assert scene.run("audit", "hold", "place", *held).status == 0
    later = datetime.now(UTC) + timedelta(days=9 * 366)
    with open_ledger(f"sqlite:///{scene.ledger}", clock=lambda: later) as ledger:
        assert dispose(ledger, read_retention(()), regulations_of, reason="due").documents
    assert scene.run("audit", "verify", "--recompute").status == 0
    assert scene.run("audit", "replay", str(kept)).status == 0
    assert scene.decide()["verdict"] == "deny"
    made = json.loads(scene.run("audit", "report", "waivers", "-o", "json").out)
    assert [row["status"] for row in made["rows"]] == ["disposed of"] * 3, "request, grant and use"
    told = {each["name"]: each["value"] for each in made["summary"]}
    assert told["entries of waivers that were disposed of"] == 3
    assert told["entries that hold no waiver, or use none on record"] == 0
    listed = scene.run("waiver", "list", "--all")
    assert (listed.status, listed.err) == (0, "")


@pytest.mark.parametrize("approvals", [7, True, None, [7], [{}], {"by": "ann"}])
def test_a_grant_that_says_nonsense_of_its_approvals_spoils_no_register(scene: Scene, approvals: Any) -> None:
    scene.granted()
    note = next(each for each in scene.blobs() if each.startswith(b"policy-engine/v1 waiver\n"))
    write(scene, Draft(EntryType.WAIVER_GRANTED, body={"approvals": approvals}, blobs={"waiver": note}))
    other = grant(scene, RITA, RITA)
    with open_ledger(f"sqlite:///{scene.ledger}") as ledger:
        made = asked_for(ledger, replace(other, reason="another"))
        more = {"approvals": approvals}
        ledger.append(granted_draft(made, signed(made, ANN), more, {"approver": ANN.identity}, {}))
    assert len(scene.listed()) == 3
    assert scene.run("waiver", "show", made.id[:16]).status == 0
    for name in ("waivers", "separation-of-duties"):
        assert scene.run("audit", "report", name).status == 0


POLICIES: list[Any] = [
    {"approvers": {"people": 3}},
    {"approvers": {"people": {"x": {"keys": [{}], "roles": []}}}},
    {"approvers": {"people": {"x": {"keys": [], "roles": 2}}}},
    {"approvers": {"people": {}}},
    [],
    None,
]


@pytest.mark.parametrize("document", POLICIES)
def test_an_entry_that_holds_no_policy_puts_none_in_force_and_keeps_none_from_it(scene: Scene, document: Any) -> None:
    scene.approvers(ANN.entry(), BOB.entry())
    activate = ("rules", "activate", str(scene.layer), "--reason", "RFC 12", "--key", str(scene.key("ann")))
    assert scene.run(*activate).status == 0
    content = document_bytes(document) if document is not None else b"{"
    body = {"policy": f"sha256:{sha256(content).hexdigest()}", "version": "1", "layers": [], "reason": "mine"}
    write(scene, Draft(EntryType.POLICY_ACTIVATION, body=body, blobs={"rules": content}))
    write(scene, Draft(EntryType.POLICY_ACTIVATION, body=body))
    found = scene.run("rules", "activations", "-o", "json")
    assert found.status == 0, found.err
    assert [row["status"] for row in found.json["activations"]].count("active") == 1
    for report in ("policy-in-force", "policy-changes", "separation-of-duties"):
        assert scene.run("audit", "report", report).status == 0
    scene.rules("version: '2'\n")
    assert scene.run(*activate).status == 0
    rows = scene.run("rules", "activations", "-o", "json").json["activations"]
    assert [row["status"] for row in rows].count("active") == 2
