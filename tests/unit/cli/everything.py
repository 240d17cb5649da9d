"""A ledger in which everything has happened, through the commands: made once, and copied for each test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.unit.cli.waiver_scene import Scene

OWNER, GUEST, OFFICER = "o@acme.example", "guest@acme.example", "olga.officer@acme.example"
TWO = "activation: {approvals: 2}\n"


@dataclass
class Everything:
    """What happened: the folder, ids of decisions in order, digests of policies, the verifier keys in their order."""

    folder: Path
    decisions: list[dict[str, Any]] = field(default_factory=list)
    policies: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    waiver: str = ""

    @property
    def worm(self) -> str:
        return f"file:{self.folder / 'worm'}"


def perform(scene: Scene) -> Everything:
    """Do all that is done with a ledger."""
    made = Everything(scene.folder)
    (scene.folder / "worm").mkdir()
    _decide(scene, made)
    scene.actor(OFFICER)
    _keep(scene)
    _vouch(scene)
    _befall(scene, made)
    return made


def _decide(scene: Scene, made: Everything) -> None:
    from tests.unit.waivers.making import ANN, BOB

    scene.approvers(ANN.entry(), BOB.entry(), head=TWO)
    scene.rules("version: '1'\n")
    _activate(scene)
    scene.actor(GUEST)
    made.decisions.append(scene.decide())  # 2: denied
    scene.actor("rita@acme.example")
    made.decisions.append(scene.decide())  # 3: denied again, unchanged
    assert scene.request(until=scene.soon()).status == 0  # 4: decided once more, 5 requested
    scene.actor(ANN.identity)
    assert scene.approve().status == 0  # 6: granted
    scene.actor("rita@acme.example")
    made.waiver = scene.listed()[0]["id"]
    made.decisions.append(scene.decide("--purpose", "deploy"))  # 7, 8 used
    assert scene.run("waiver", "revoke", made.waiver[:12], "--reason", "the team is here").status == 0  # 9
    scene.rules("version: '2'\n")
    _activate(scene)  # 10, 11
    made.decisions.append(scene.decide())  # 12: denied, under other rules
    scene.change("mlops: none", "mlops: mature")
    made.decisions.append(scene.decide())  # 13: allowed, by other facts
    made.policies = [made.decisions[0]["policy"]["digest"], made.decisions[-1]["policy"]["digest"]]


def _activate(scene: Scene) -> None:
    for name in ("ann", "bob"):
        given = ("--reason", "RFC 12", "--key", str(scene.key(name)))
        assert scene.run("rules", "activate", str(scene.layer), *given).status == 0


def _keep(scene: Scene) -> None:
    """Hold, refuse, erase, ask and export."""
    why = ("--reason", "case 7", "--ticket", "LAW-7")
    assert scene.run("audit", "hold", "place", "--subject", OWNER, "--id", "case-7", *why).status == 0
    assert scene.run("audit", "erase", OWNER, "--reason", "asked to").status == 6
    assert scene.run("audit", "hold", "release", "case-7", "--reason", "over").status == 0
    assert scene.run("audit", "erase", GUEST, "--reason", "asked to").status == 0
    assert scene.run("audit", "hold", "place", "--workload", "claims/triage", "--id", "case-8", *why).status == 0
    assert scene.run("audit", "list", "--owner", OWNER, "--record-query").status == 0
    assert scene.run("audit", "subject", OWNER).status == 0
    assert scene.run("audit", "export", str(scene.folder / "out"), "--format", "csv").status == 0
    assert scene.run("audit", "rekey", "--reason", "a backup was lost").status == 0


def _vouch(scene: Scene) -> None:
    """Approve, record and revoke a piece of evidence, attest the hardware, and let a task's rollout begin."""
    from policy_audit.ledger import Draft, EntryType, open_ledger

    from tests import attesting, rollouts
    from tests.unit.waivers.making import ANN

    (scene.folder / "soc2.txt").write_bytes(b"controls")
    attached = f"security_controls: {{file: soc2.txt, sha256: {sha256(b'controls').hexdigest()}}}"
    scene.change("  migration: none\n", f"  migration: none\n  evidence: {{{attached}}}\n")
    vouched = (str(scene.workload), "security_controls", "--policy", str(scene.layer))
    scene.actor(ANN.identity)
    assert scene.run("evidence", "approve", *vouched, "--key", str(scene.key("ann"))).status == 0
    scene.actor(OFFICER)
    recorded = scene.run("evidence", "record", *vouched)
    assert recorded.status == 0
    index = recorded.out.removeprefix("recorded: entry ").partition(",")[0]
    assert scene.run("evidence", "revoke", index, "--reason", "the controls were changed").status == 0
    attestation = attesting.body(attesting.report(), "claims/triage")
    with open_ledger(f"sqlite:///{scene.ledger}") as ledger:
        ledger.append(Draft(EntryType.PROBE_ATTESTATION, body=attestation))
        ledger.append(rollouts.begun_draft(scene.workload))
    _compare(scene)


def _compare(scene: Scene) -> None:
    """Compare two models on two examples, which is too few, and put that on record."""
    for name, member in (("golden", "expected"), ("one", "answer"), ("other", "answer")):
        said = "no" if name == "other" else "yes"
        lines = "".join(f'{{"id": {number}, "{member}": "{said}"}}\n' for number in range(2))
        (scene.folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    golden, one, other = (str(scene.folder / f"{name}.jsonl") for name in ("golden", "one", "other"))
    models = ("--current", f"gpt-4o={one}", "--candidate", f"llama-3.1-8b={other}")
    given = (str(scene.workload), "--golden", golden, *models, "--metric", "accuracy", "--resamples", "1000")
    assert scene.run("parity", *given, "--record").status == 0


def _befall(scene: Scene, made: Everything) -> None:
    """Anchor, watch, rotate, verify, restore."""
    made.keys.append(_vkey(scene))
    assert scene.run("audit", "anchor", "--to", made.worm).status == 0
    _watch(made, signal.SIGKILL)
    _watch(made, signal.SIGTERM)
    key, new = scene.ledger.with_name("waivers.db.key"), scene.folder / "new.key"
    assert scene.run("audit", "rotate-key", "--new-key", str(new), "--reason", "yearly").status == 0
    os.replace(new, key)
    if (beside := new.with_name("new.key.personal")).exists():
        os.replace(beside, key.with_name("waivers.db.key.personal"))
    made.keys.append(_vkey(scene))
    assert scene.run("audit", "verify", "--vkey", made.keys[1], "--record").status == 0
    given = ("--from", "backup of Sunday", "--reason", "the disk failed", "--kept", made.worm)
    assert scene.run("audit", "restored", *given).status == 0
    _collect(scene)


def _collect(scene: Scene) -> None:
    """Collect a spool that is empty, and of which a decision is missing."""
    (scene.folder / "spool" / "blobs").mkdir(parents=True)
    runs = scene.folder / "runs.txt"
    runs.write_text("4711\n", encoding="utf-8")
    assert scene.run("audit", "collect", str(scene.folder / "spool"), "--runs", str(runs)).status == 6


def _vkey(scene: Scene) -> str:
    from policy_audit.ledger import open_ledger

    with open_ledger(f"sqlite:///{scene.ledger}") as ledger:
        return str(ledger.verifier_key)


def _watch(made: Everything, how: signal.Signals) -> None:
    """Watch in a process of its own until something is anchored, and end it."""
    command = [sys.executable, "-m", "policy_engine", "audit", "anchor", "--to", made.worm, "--watch", "--every", "1s"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        try:
            assert b"held" in process.stdout.readline()
        finally:
            process.send_signal(how)
            process.communicate(timeout=60)


def copied(made: Everything, folder: Path) -> Path:
    """Copy the ledger and its keys; return where it is."""
    for path in made.folder.glob("waivers.db*"):
        if path.name != "waivers.db-shm":
            shutil.copy2(path, folder / path.name)
    return folder / "waivers.db"
