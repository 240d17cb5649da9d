"""A workload that a waivable rule denies, a layer with approvers, and the commands in one process."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from policy_audit.keys import write_key_file
from policy_audit.ledger import EntryType, open_ledger

from tests.unit.cli.conftest import Outcome
from tests.unit.waivers.making import ANN, BOB, EVE, OPTION, RULE, file_of

RITA = "rita@acme.example"
WORKLOAD = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: claims, name: triage, owner: o@acme.example}
spec:
  stage: pilot
  organisation: enterprise
  tasks:
    - {name: t, kind: classification, complexity: simple, quality: sufficient, batch: false, latency_p95_ms: 3000,
       context_tokens: 4000, proposal: {deployment: self_hosted, model: llama-3.1-8b, region: eu}}
  data: {sensitivity: internal, regulations: [], residency: [eu], may_leave_network: true, must_own_logs: false,
    third_party_accepted: true}
  volume: {input_tokens_per_month: 400000000, output_tokens_per_month: 100000000}
  team: {mlops: none, ml_engineers: 1, gpu_devops_engineers: 1, can_hire: true}
  needs: {}
  migration: none
"""


class Scene:
    """A folder with a workload, a layer `acme`, keys, and a ledger."""

    def __init__(self, folder: Path, policy: Callable[..., Outcome], setenv: Callable[[str, str], None]) -> None:
        self.folder, self._policy, self._setenv = folder, policy, setenv
        self.ledger = folder / "waivers.db"
        self.file, self.workload, self.layer = folder / "wv.yaml", folder / "w.yaml", folder / "acme"
        self.workload.write_text(WORKLOAD, encoding="utf-8")
        for person in (ANN, BOB, EVE):
            write_key_file(self.key(person.name), person.signer)
        self.approvers(ANN.entry(), BOB.entry())
        setenv("POLICY_LEDGER", f"sqlite:///{self.ledger}")
        self.actor(RITA)

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def actor(self, name: str) -> None:
        self._setenv("POLICY_ACTOR", name)

    def approvers(self, *people: str, head: str = "") -> None:
        self.layer.mkdir(exist_ok=True)
        (self.layer / "approvers.yaml").write_text(file_of(*people, head=head), encoding="utf-8")

    def rules(self, text: str) -> None:
        """Set enforcement in the layer."""
        (self.layer / "policy-set.yaml").write_text(text, encoding="utf-8")

    def change(self, old: str, new: str) -> None:
        text = self.workload.read_text(encoding="utf-8")
        assert old in text
        self.workload.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *arguments: str) -> Outcome:
        return self._policy(*arguments)

    def decide(self, *arguments: str, command: str = "evaluate") -> dict[str, Any]:
        found = self.run(command, str(self.workload), "--policy", str(self.layer), "-o", "json", *arguments)
        assert found.status in (0, 1, 5), found.err
        value: dict[str, Any] = found.json
        return value

    def request(self, *arguments: str, until: str = "2999-01-01", **named: str) -> Outcome:
        decision = named.get("decision") or self.decide()["id"]
        rule = named.get("rule", RULE)
        given = ("--rule", rule, "--reason", "soon", "--ticket", "OPS-7", "--until", until, "-o", str(self.file))
        return self.run("waiver", "request", decision, *given, *arguments)

    def approve(self, name: str = "ann", *arguments: str) -> Outcome:
        key = str(self.key(name))
        return self.run("waiver", "approve", str(self.file), "--key", key, "--policy", str(self.layer), *arguments)

    def granted(self) -> str:
        """Have a waiver asked for and granted; return its id."""
        assert self.request(until=self.soon()).status == 0
        found = self.approve()
        assert found.status == 0, found.err
        (row,) = self.listed()
        identifier: str = row["id"]
        return identifier

    def soon(self, days: int = 30) -> str:
        from datetime import UTC, datetime, timedelta

        return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()

    def listed(self, *arguments: str) -> list[dict[str, Any]]:
        found = self.run("waiver", "list", *(arguments or ("--all",)), "-o", "json")
        assert found.status == 0, found.err
        rows: list[dict[str, Any]] = found.json["waivers"]
        return rows

    def entries(self, kind: EntryType | str | None = None) -> list[dict[str, Any]]:
        with open_ledger(f"sqlite:///{self.ledger}", read_only=True) as ledger:
            return [entry.document for entry in ledger.list_entries(type=kind, newest_first=False)]

    def blobs(self) -> list[bytes]:
        with open_ledger(f"sqlite:///{self.ledger}", read_only=True) as ledger:
            names = {digest for entry in self.entries() for digest in entry["blobs"].values()}
            return [ledger.blob(name) for name in names]

    def verified(self) -> bool:
        return self.run("audit", "verify").status == 0


def status(decision: dict[str, Any]) -> str:
    (row,) = [row for row in decision["tasks"][0]["options"] if row["deployment"] == OPTION]
    found: str = row["status"]
    return found


def why(decision: dict[str, Any]) -> str | None:
    """Why the one waiver that was looked at does not apply."""
    (row,) = decision["tasks"][0]["waivers"]
    assert row["applies"] is False
    found: str = row["why"]
    return found


def code(found: Outcome) -> str:
    match = re.search(r"\[([a-z-]+)\]$", found.err, re.MULTILINE)
    return match[1] if match else found.err
