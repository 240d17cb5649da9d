"""Which policy is in force, and who may put another there."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine import activating
from policy_engine.activating import Proposed, activation_draft, statement_of
from policy_engine.activations import activations, policy_in_force
from policy_engine.cli.options import now
from policy_engine.loading.policy import load_policy
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.waiver_scene import Scene, code
from tests.unit.waivers.making import ANN, BOB, EVE

TWO = "activation: {approvals: 2}\n"


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path, policy, monkeypatch.setenv)
    made.rules("version: '1'\n")
    return made


def activate(scene: Scene, *names: str, reason: str | None = "RFC 12") -> list[Outcome]:
    found = []
    for name in names:
        key = ("--key", str(scene.key(name))) if name else ()
        given = ("--reason", reason) if reason is not None else ()
        found.append(scene.run("rules", "activate", str(scene.layer), *given, *key))
    return found


def in_force(scene: Scene, *arguments: str) -> dict[str, Any] | None:
    found = scene.run("rules", "activations", "-o", "json", *arguments)
    assert found.status == 0, found.err
    current: dict[str, Any] | None = found.json["in_force"]
    return current


def digest(scene: Scene) -> str:
    return load_policy([scene.layer], use_cache=False).digest


def test_a_policy_is_in_force_from_its_activation_on(scene: Scene) -> None:
    assert activate(scene, "ann")[0].status == 0
    first = digest(scene)
    current = in_force(scene)
    assert current is not None
    assert (current["policy"], current["approved_by"], current["reason"]) == (first, ["ann"], "RFC 12")
    assert in_force(scene, "--at", "2020-01-01T00:00:00Z") is None
    listed = scene.run("audit", "list", "--type", "policy-activation").out
    assert first in "".join(listed.split())
    assert "approved_by ann" in " ".join(listed.split())
    scene.rules("version: '2'\n")
    assert activate(scene, "bob")[0].status == 0
    assert (in_force(scene) or {})["policy"] == digest(scene) != first
    assert scene.run("rules", "activations").status == 0
    assert scene.verified()


def test_two_people_where_the_policy_asks_for_two(scene: Scene) -> None:
    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    first, again = activate(scene, "ann", "ann")
    assert "proposed" in first.out
    assert in_force(scene) is None
    assert code(again) == "approved-already"
    assert "in force" in activate(scene, "bob")[0].out
    assert sorted((in_force(scene) or {})["approved_by"]) == ["ann", "bob"]


def test_a_proposal_of_another_policy_takes_no_signature_of_this_one(scene: Scene) -> None:
    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    activate(scene, "ann")
    scene.rules("version: '3'\n")
    assert "proposed" in activate(scene, "bob")[0].out
    assert in_force(scene) is None


def test_who_may_activate_is_for_the_policy_in_force_to_say(scene: Scene) -> None:
    """A layer that names its own author as activator is not put in force by that author."""
    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    activate(scene, "ann", "bob")
    before = digest(scene)
    scene.approvers(EVE.entry())
    assert code(activate(scene, "eve")[0]) == "not-an-approver"
    assert code(activate(scene, "")[0]) == "no-key"
    assert "proposed" in activate(scene, "ann")[0].out
    assert (in_force(scene) or {})["policy"] == before
    activate(scene, "bob")
    assert (in_force(scene) or {})["policy"] == digest(scene)
    assert "in force" in activate(scene, "eve")[0].out


@pytest.mark.parametrize("people", [["waiver-approver"], []], ids=["another role", "nobody"])
def test_where_nobody_is_named_the_entry_says_that_nobody_signed(scene: Scene, people: list[str]) -> None:
    scene.approvers(ANN.entry(roles=people or ["evidence-approver"]))
    assert activate(scene, "")[0].status == 0
    current = in_force(scene)
    assert current is not None
    assert current["approved_by"] == []


def test_an_entry_past_the_commands_puts_nothing_in_force(scene: Scene) -> None:
    """The ledger's key is not an activator's."""
    activate(scene, "ann")
    before = digest(scene)
    scene.approvers(EVE.entry())
    policy = load_policy([scene.layer], use_cache=False)
    with open_ledger(f"sqlite:///{scene.ledger}") as ledger:
        statement = statement_of(policy, "mine", ledger.origin, activations(ledger))
        for each in (statement, {**statement, "policy": before}):
            ledger.append(activation_draft(policy, Proposed(each), 1, {}, {}))
        rows = activations(ledger)
        assert [row.status for row in rows] == ["active", "refused", "refused"]
        current = policy_in_force(ledger, now().replace(microsecond=999_999))
    assert current is not None
    assert current.policy == before


@pytest.mark.parametrize("more", ["valid_until: 2020-01-01", "valid_from: 2999-01-01"])
def test_who_may_not_act_today_activates_nothing(scene: Scene, more: str) -> None:
    scene.approvers(ANN.entry(more))
    assert code(activate(scene, "ann")[0]) == "may-not-approve"


def test_who_was_overtaken_is_told_so(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bob's activation comes on record while ann's is being signed."""
    activate(scene, "ann")
    first = digest(scene)
    policy = load_policy([scene.layer], use_cache=False)
    drafted = activating.activation_draft

    def overtaken(*given: Any) -> Any:
        monkeypatch.undo()
        monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{scene.ledger}")
        with open_ledger(f"sqlite:///{scene.ledger}") as ledger:
            before = activations(ledger)
            statement = activating.statement_of(policy, "RFC 13", ledger.origin, before)
            proposed = activating.propose(statement, None, policy.approvers, BOB.signer, now().date())
            ledger.append(drafted(policy, proposed, 1, {}, {}))
        return drafted(*given)

    scene.rules("version: '2'\n")
    monkeypatch.setattr(activating, "activation_draft", overtaken)
    found = activate(scene, "ann")[0]
    assert (found.status, code(found)) == (2, "overtaken")
    assert "in force" not in found.out
    assert "it was signed to follow the entry 0, and the entry 1 was in force" in " ".join(found.err.split())
    assert (in_force(scene) or {})["policy"] == first
    assert "in force: entry 3" in activate(scene, "ann")[0].out


def shown(found: Outcome) -> dict[str, str]:
    return dict(line.split(None, 1) for line in found.out.splitlines() if not line.startswith("signed by"))


def test_what_is_signed_is_shown_with_whoever_signed_it(scene: Scene) -> None:
    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    first, second = activate(scene, "ann")[0], activate(scene, "bob", reason=None)[0]
    for found, signers in ((first, "nobody yet"), (second, "ann")):
        rows = shown(found)
        assert (rows["policy"], rows["reason"], rows["follows"]) == (digest(scene), "RFC 12", "no activation")
        assert f"layer      acme {load_policy([scene.layer], use_cache=False).rules.layers[-1].digest}" in found.out
        assert f"signed by  {signers}" in found.out
        assert found.out.index("signed by") < found.out.index("entry"), "before anything is recorded"
    current = in_force(scene) or {}
    assert (current["reason"], current["approved_by"]) == ("RFC 12", ["ann", "bob"])


def test_another_reason_than_the_first_one_signed_is_refused_with_that_one(scene: Scene) -> None:
    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    activate(scene, "ann", reason="let everything through")
    found = activate(scene, "bob", reason="RFC 12")[0]
    assert (found.status, code(found)) == (2, "other-reason")
    assert "signed by ann: let everything through" in " ".join(found.err.split())
    assert in_force(scene) is None
    assert "proposed" in activate(scene, "ann", reason="RFC 12")[0].out, "whoever signed may mend the words"
    assert "in force" in activate(scene, "bob", reason="RFC 12")[0].out
    assert (in_force(scene) or {})["reason"] == "RFC 12"


def test_without_a_proposal_a_reason_is_needed(scene: Scene) -> None:
    assert code(activate(scene, "ann", reason=None)[0]) == "no-reason"
    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    activate(scene, "ann")
    scene.rules("version: '4'\n")
    assert code(activate(scene, "bob", reason=None)[0]) == "no-reason"
    assert [entry["body"]["reason"] for entry in scene.entries("policy-activation")] == ["RFC 12"]


@pytest.mark.parametrize(("answer", "status"), [("n\n", 2), ("", 7), ("y\n", 0)])
def test_at_a_terminal_who_adopts_a_reason_is_asked(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    activate(scene, "ann")
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    found = activate(scene, "bob", reason=None)[0]
    assert found.status == status
    assert len(scene.entries("policy-activation")) == 2 - bool(status)


@pytest.mark.parametrize("reason", ["rita@acme.example asked", "for Rita", "ann signs it"])
def test_a_reason_that_names_who_runs_or_signs_it_is_refused(scene: Scene, reason: str) -> None:
    found = activate(scene, "ann", reason=reason)[0]
    assert (found.status, code(found)) == (2, "reason-names-subject")
    assert not scene.ledger.exists() or scene.entries() == []


def test_a_reason_that_names_the_second_signer_is_not_adopted(scene: Scene) -> None:
    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    assert activate(scene, "ann", reason="bob wants it")[0].status == 0
    assert code(activate(scene, "bob", reason=None)[0]) == "reason-names-subject"
    assert in_force(scene) is None
