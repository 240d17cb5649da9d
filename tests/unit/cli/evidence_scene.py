"""A self-hosted production workload with evidence, layers that name approvers and pin ledgers, and the commands."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from policy_audit.keys import write_key_file
from policy_audit.ledger import Draft, EntryType, open_ledger

from tests import attesting
from tests.unit.cli.conftest import Outcome
from tests.unit.waivers.making import ANN, BOB, file_of

EXAMPLE = Path(__file__).parents[3] / "examples" / "support-tickets.yaml"
WORKLOAD = "support/ticket-triage"
HARDWARE = "hardware_attestation"
ASKING = """\
id: plan-is-approved
title: The plan is approved
origin: the house
when: "true"
require: {operations_plan: [self_hosted]}
grade: GRADE
enforcement: mandatory
message: somebody has to look at the plan
"""


class EvidenceScene:
    """A folder with the example as `w.yaml`, its plan as a file, a layer `acme`, keys, and two ledgers."""

    def __init__(self, folder: Path, policy: Callable[..., Outcome], setenv: Callable[[str, str], None]) -> None:
        self.folder, self._policy = folder, policy
        self.layer, self.workload = folder / "acme", folder / "w.yaml"
        self.layer.mkdir()
        (folder / "plan.pdf").write_bytes(b"the plan")
        self.document: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
        self.state("operations_plan", file="plan.pdf", sha256=hashlib.sha256(b"the plan").hexdigest())
        del self.document["spec"]["evidence"][HARDWARE]
        self.state("licence_review", reference="LEGAL-7")
        self.approvers(ANN.entry())
        for person in (ANN, BOB):
            write_key_file(folder / f"{person.name}.key", person.signer)
        self.urls = {name: f"sqlite:///{folder / name}.db" for name in ("one", "two")}
        setenv("POLICY_LEDGER", self.urls["one"])

    def state(self, name: str, **fields: Any) -> None:
        self.document["spec"].setdefault("evidence", {})[name] = fields
        self.write()

    def add(self, name: str, **fields: Any) -> None:
        self.document["spec"]["evidence"][name].update(fields)
        self.write()

    def write(self) -> None:
        self.workload.write_text(yaml.safe_dump(self.document), encoding="utf-8")

    def approvers(self, *people: str, origins: list[str] | None = None, more: str = "") -> None:
        head = f"origins: [{', '.join(f'{{vkey: {key}{more}}}' for key in origins)}]\n" if origins else ""
        text = file_of(*people, head=head) if people else head
        (self.layer / "approvers.yaml").write_text(text, encoding="utf-8")

    def asks(self, grade: str) -> None:
        """Have the layer ask for the plan at this grade."""
        (self.layer / "hardware").mkdir(exist_ok=True)
        path = self.layer / "hardware" / "plan-is-approved.yaml"
        path.write_text(ASKING.replace("GRADE", grade), encoding="utf-8")

    def attest(self, ledger: str = "one", **body: Any) -> tuple[int, str]:
        """Record an attestation as a probe does; return its index and the ledger's verifier key."""
        known = attesting.body(attesting.report(), WORKLOAD)
        with open_ledger(self.urls[ledger]) as opened:
            opened.append(Draft(EntryType.HEARTBEAT))
            index = opened.append(Draft(EntryType.PROBE_ATTESTATION, body=known | body)).index
            return index, str(opened.verifier_key)

    def prove(self, index: int, ledger: str = "one") -> None:
        """Write the attestation's receipt and entry beside the workload, and name them."""
        to, entry = self.folder / "h.tlog-proof", self.folder / "h.json"
        url = self.urls[ledger]
        assert (
            self.run("audit", "prove", str(index), "--to", str(to), "--entry", str(entry), "--ledger", url).status == 0
        )
        self.state(HARDWARE, receipt="h.tlog-proof", entry="h.json")

    def run(self, *arguments: str) -> Outcome:
        return self._policy(*arguments)

    def evidence(self, command: str, name: str = "operations_plan", *arguments: str) -> Outcome:
        return self.run("evidence", command, str(self.workload), name, "--policy", str(self.layer), *arguments)

    def approve(self, person: str = "ann", *arguments: str) -> Outcome:
        return self.evidence("approve", "operations_plan", "--key", str(self.folder / f"{person}.key"), *arguments)

    def decide(self, *arguments: str, command: str = "evaluate") -> dict[str, Any]:
        found = self.run(command, str(self.workload), "--policy", str(self.layer), "-o", "json", *arguments)
        assert found.status in (0, 1, 5), found.err
        value: dict[str, Any] = found.json
        return value

    def replayed(self) -> tuple[int, list[str]]:
        """Return how many recorded decisions come out equal, and what became of the others."""
        found = self.run("audit", "replay", "--all", "-o", "json").json
        return found["equal"], [row["status"] for row in found["decisions"]]

    def entries(self, kind: EntryType, ledger: str = "one") -> list[dict[str, Any]]:
        with open_ledger(self.urls[ledger], read_only=True) as opened:
            return [entry.document for entry in opened.list_entries(type=kind, newest_first=False)]
