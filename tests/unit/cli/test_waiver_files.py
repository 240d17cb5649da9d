"""Waivers from signed files: what a run honours of them, what it does not, and what of that is on record."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from policy_audit.commitment import Disclosure
from policy_audit.ledger import EntryType, open_ledger

from policy_engine.cli.waiver_common import write_waiver
from policy_engine.loading.policy import load_policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.model.waiver import Requester
from policy_engine.waivers.files import WaiverFile
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import MEMORY
from tests.unit.cli.waiver_scene import WORKLOAD, Scene, why
from tests.unit.waivers.making import (
    ANN,
    BOB,
    EVE,
    ORIGIN,
    REQUESTER,
    RULE,
    SALT,
    Person,
    file_of,
    statement,
    waiver_file,
)

TODAY = datetime.now(UTC).date()
CAL, DORA = Person("cal"), Person("dora")
HEAD = f"waivers: {{files_of: [{ORIGIN}]}}\n"


def made(standing: str, **more: Any) -> Any:
    period = {"valid_from": TODAY - timedelta(days=9), "valid_until": TODAY + timedelta(days=30)}
    return statement(**({"digest": standing} | period | more))


BAD = f"the signature by the key {ANN.signer.key_id.hex()} is bad"
SELF = "it has 0 of 1 approval; `ann` asked for it, and nobody approves what they asked for"


def by(
    *people: Person, asker: str = REQUESTER, named: str | None = None, **more: Any
) -> Callable[[str, str], WaiverFile]:
    """A file for the workload of this name, signed by these; `asker` asked for it, and `named` stands in the file."""

    def make(name: str, digest: str) -> WaiverFile:
        asked = Requester(Disclosure(SALT, "requester", asker).digest, "asserted")
        given = {"scope": {"name": name, **more.get("scope", {})}, "requester": asked}
        return waiver_file(made(digest, **(more | given)), *people, requester=named or asker)

    return make


def resigned(name: str, digest: str) -> WaiverFile:
    """A file whose day was moved after it was signed."""
    file = by(ANN)(name, digest)
    return replace(file, statement=replace(file.statement, valid_until=TODAY + timedelta(days=60)))


#: Files by the workload that each is for: what it comes to, and why it lifts nothing.
FILES: dict[str, tuple[Callable[[str, str], WaiverFile], str | None]] = {
    "good": (by(ANN), None),
    "last-day": (by(ANN, valid_until=TODAY), None),
    "two-signatures": (by(ANN, CAL), None),
    "stranger-too": (by(EVE, ANN), None),
    "stranger": (by(EVE), "it has 0 of 1 approval; no signature is by a key that the policy names"),
    "self-approved": (by(ANN, asker=ANN.identity), SELF),
    "self-approved-in-capitals": (by(ANN, asker="ANN@ACME.example"), SELF),
    "another-asker-named": (by(ANN, asker=ANN.identity, named="olga@acme.example"), BAD),
    "edited": (resigned, BAD),
    "other-namespace": (by(BOB), "the namespace claims is not in the scope of `bob`"),
    "no-more": (by(CAL, valid_from=TODAY - timedelta(days=200)), "it runs 231 days, and the policy allows 90"),
    "other-role": (by(DORA), "`dora` has not the role waiver-approver"),
    "expired": (by(ANN, valid_until=TODAY - timedelta(days=1)), f"it ended on {TODAY - timedelta(days=1)}"),
    "expired-stranger": (
        by(EVE, valid_until=TODAY - timedelta(days=1)),
        "no signature is by a key that the policy names",
    ),
    "expired-self": (by(ANN, asker=ANN.identity, valid_until=TODAY - timedelta(days=1)), SELF),
    "not-begun": (by(ANN, valid_from=TODAY + timedelta(days=1)), f"it holds from {TODAY + timedelta(days=1)} on"),
    "other-facts": (by(ANN, decided={"facts": {"team.mlops": "building"}}), "team.mlops changed from"),
    "other-rule-text": (by(ANN, digest="sha256:" + "2" * 64), "the rule is another one than was waived"),
    "other-ledger": (by(ANN, origin="another.example/1"), "it is a file of the ledger another.example/1, which cannot"),
    "revoked-in-the-layer": (by(ANN), "it was revoked"),
}
#: Files that lift nothing of their workload, and have nothing to: their scope is another.
BESIDE = {
    "unsigned": by(),
    "other-option": by(ANN, scope={"option": "edge"}),
    "other-task": by(ANN, scope={"task": "u"}),
    "other-rule": by(ANN, rule="no-such-rule"),
}


@dataclass(frozen=True)
class Found:
    """What one run over a workload for each file came to."""

    outcome: Outcome
    tasks: dict[str, dict[str, Any]]
    folder: Path


@pytest.fixture(scope="module")
def digest() -> str:
    policy = load_policy([])
    rule = policy.rules.rule(RULE)
    assert rule is not None
    return waivable_digest(rule_document(rule), policy.rules.values)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, digest: str) -> Found:
    from policy_engine.cli.main import call

    folder = tmp_path_factory.mktemp("files")
    layer, waivers = folder / "acme", folder / "waivers"
    (waivers / "below").mkdir(parents=True)
    layer.mkdir()
    texts = []
    revoked = ""
    for name in (*FILES, *BESIDE):
        file = (FILES[name][0] if name in FILES else BESIDE[name])(name, digest)
        write_waiver(waivers / ("below" if name == "good" else ".") / f"{name}.yaml", file)
        texts.append(WORKLOAD.replace("name: triage", f"name: {name}"))
        if name == "revoked-in-the-layer":
            revoked = f"revoked_entries: [{file.statement.id}]\n"
    write_waiver(waivers / "unrelated.yaml", by(ANN)("somebody-elses", digest))
    people = ANN.entry(), BOB.entry("namespaces: [payments]"), CAL.entry(), DORA.entry(roles=["evidence-approver"])
    (layer / "approvers.yaml").write_text(file_of(*people, head=HEAD + revoked), encoding="utf-8")
    (folder / "w.yaml").write_text("---\n".join(texts), encoding="utf-8")
    given = ["gate", str(folder / "w.yaml"), *MEMORY, "--policy", str(layer), "--waivers", str(waivers)]
    err = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(err):
        patch.setenv("POLICY_CACHE_DIR", str(folder / "cache"))
        status = call([*given, "-o", f"json={folder / 'd.json'}", "-o", f"text={folder / 't.txt'}"])
    documents = json.loads((folder / "d.json").read_text(encoding="utf-8"))
    return Found(Outcome(status, "", err.getvalue()), {each["workload"]["name"]: each for each in documents}, folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_checked_as_a_grant_on_record_is(found: Found, name: str) -> None:
    expected, decision = FILES[name][1], found.tasks[name]
    assert decision["verdict"] == ("allow_with_conditions" if expected is None else "deny")
    (row,) = decision["tasks"][0]["waivers"]
    assert row["applies"] is (expected is None)
    assert (expected or "") in (row["why"] or "")


@pytest.mark.parametrize("name", BESIDE)
def test_what_a_file_does_not_name_it_does_not_lift(found: Found, name: str) -> None:
    decision = found.tasks[name]
    assert decision["verdict"] == "deny"
    assert "waivers" not in decision["tasks"][0]


def test_the_report_tells_what_lifts_nothing_and_what_could_not_be_asked(found: Found) -> None:
    text = " ".join((found.folder / "t.txt").read_text(encoding="utf-8").split())
    for name in BESIDE.keys() - {"unsigned"}:
        assert f"- claims/{name}: the waiver" in text
    assert "there is nothing that it could lift: the rule holds nothing against edge" in text
    unasked = text.partition("Waivers whose ledger was not asked ")[2]
    assert [name for name in FILES if f"- claims/{name}: " in unasked] == [
        n for n, (_, why) in FILES.items() if not why
    ]
    assert found.outcome.err.count("nobody has signed") == 1
    assert "waivers/unsigned.yaml yet" in found.outcome.err


def test_the_gate_is_as_red_as_the_worst(found: Found) -> None:
    assert found.outcome.status == 1
    assert "somebody-elses" not in (found.folder / "d.json").read_text(encoding="utf-8")


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, policy, monkeypatch.setenv)


def test_the_file_of_the_ledger_itself_needs_no_leave_and_becomes_a_grant_once(scene: Scene, digest: str) -> None:
    """One approval was too few when it was signed; by now it is enough, and nobody has recorded that."""
    scene.approvers(ANN.entry(), BOB.entry(), head="waivers: {approvals: 2}\n")
    assert scene.request(until=scene.soon()).status == 0
    assert "not granted yet" in scene.approve().out
    scene.approvers(ANN.entry(), BOB.entry())
    assert scene.decide(command="gate")["verdict"] == "deny"
    given = ("--waivers", str(scene.file))
    one = scene.decide(*given, command="gate")
    assert one["verdict"] == "allow_with_conditions"
    assert [each["type"] for each in scene.entries()][-3:] == ["decision", "waiver-granted", "waiver-used"]
    other = scene.decide(*given, command="gate")
    assert other["verdict"] == "allow_with_conditions"
    assert len(scene.entries(EntryType.WAIVER_GRANTED)) == 1
    assert scene.entries(EntryType.WAIVER_GRANTED)[0]["body"]["from_file"] is True
    (row,) = scene.listed()
    assert (row["status"], len(row["uses"]), row["used_out_of_time"]) == ("active", 2, [])
    assert row["requester_as_signed"] is True
    assert scene.run("audit", "replay", "--all").status == 0
    assert scene.verified()
    assert scene.run("waiver", "revoke", row["id"][:12], "--reason", "over").status == 0
    after = scene.decide(*given, command="gate")
    assert (after["verdict"], why(after)) == ("deny", "it was revoked")
    assert scene.run("audit", "replay", "--all").status == 0
    assert scene.verified()


def test_of_another_ledger_a_file_counts_where_the_policy_says_so(scene: Scene, tmp_path: Path) -> None:
    scene.granted()
    origin = scene.file.read_text(encoding="utf-8").partition("origin: ")[2].split()[0]
    elsewhere = ("--ledger", f"sqlite:///{tmp_path}/other.db", "--waivers", str(scene.file))
    refused = scene.decide(*elsewhere)
    assert refused["verdict"] == "deny"
    assert "cannot be asked here" in str(why(refused))
    scene.approvers(ANN.entry(), BOB.entry(), head=f"waivers: {{files_of: [{origin}]}}\n")
    for _ in range(2):
        assert scene.decide(*elsewhere)["verdict"] == "allow_with_conditions"
    url = elsewhere[1]
    with open_ledger(url, read_only=True) as ledger:
        types = [entry.type for entry in ledger.list_entries(newest_first=False)]
    assert types == ["decision", "decision", "waiver-granted", "waiver-used", "decision", "waiver-used"]
    rows = scene.run("waiver", "list", "--all", "--ledger", url)
    assert f"of the ledger {origin}" in " ".join(rows.out.split())
    assert scene.run("audit", "replay", "--all", "--ledger", url).status == 0
    assert scene.run("audit", "verify", "--ledger", url).status == 0
    # and what is revoked where the decisions are counts against the file
    identifier = scene.run("waiver", "list", "--all", "--ledger", url, "-o", "json").json["waivers"][0]["id"]
    assert scene.run("waiver", "revoke", identifier[:12], "--reason", "over", "--ledger", url).status == 0
    assert why(scene.decide(*elsewhere)) == "it was revoked"
    assert scene.run("audit", "replay", "--all", "--ledger", url).status == 0


def test_a_file_is_for_the_present_alone(scene: Scene, digest: str) -> None:
    scene.approvers(ANN.entry(), head=HEAD)
    write_waiver(scene.file, by(ANN)("triage", digest))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    decision = scene.decide("--waivers", str(scene.file), "--at", yesterday, *MEMORY)
    assert "another time than the present" in str(why(decision))


def test_what_is_no_waiver_makes_the_gate_fail_and_keeps_nothing_from_being_decided(scene: Scene, digest: str) -> None:
    scene.approvers(ANN.entry(), head=HEAD)
    folder = scene.folder / "waivers"
    folder.mkdir()
    write_waiver(folder / "a.yaml", by(ANN)("triage", digest))
    gate = ("gate", str(scene.workload), "--policy", str(scene.layer), *MEMORY, "-q")
    assert scene.run(*gate, "--waivers", str(folder)).status == 0
    (folder / "notes.txt").write_text("not read", encoding="utf-8")
    (folder / ".hidden.yaml").write_text("nor this", encoding="utf-8")
    assert scene.run(*gate, "--waivers", str(folder)).status == 0
    (folder / "b.yaml").write_text("apiVersion: policy-engine/v1\nkind: Waiver\n", encoding="utf-8")
    done = scene.run(*gate, "--waivers", str(folder))
    assert (done.status, "allow_with_conditions claims/triage" in done.out) == (2, True)
    assert "b.yaml:" in done.err
    missing = scene.run(*gate, "--waivers", str(scene.folder / "none"))
    assert (missing.status, missing.out) == (2, "deny claims/triage\n")
    spared = scene.run(*gate[:-1], "--waivers", str(folder), "-o", f"json={folder / 'a.yaml'}")
    assert (spared.status, spared.out) == (2, "")
    assert "no place for its report" in spared.err


def test_without_approvers_a_file_lifts_nothing_and_that_is_said(scene: Scene, digest: str) -> None:
    write_waiver(scene.file, by(ANN)("triage", digest))
    found = scene.run("gate", str(scene.workload), *MEMORY, "--waivers", str(scene.file), "-o", "json")
    assert found.status == 1
    assert "no signature is by a key that the policy names" in str(why(found.json))
