"""Approved and recorded evidence in processes of their own, on either database, and what its administrator can do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from policy_audit.canonical import canonical_bytes, parse_canonical
from policy_audit.keys import write_key_file
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.merkle import leaf_hash

from tests import attesting
from tests.integration.place import Place
from tests.integration.tampering import administrator
from tests.unit.waivers.making import ANN, file_of

pytestmark = pytest.mark.slow
HARDWARE, IDENTITY = "hardware_attestation", "support/ticket-triage"
EXAMPLE = Path(__file__).parents[2] / "examples" / "support-tickets.yaml"


def prepare(place: Place, **evidence: Any) -> None:
    """Write a workload that lacks nothing but an attestation, and a layer that names an approver."""
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    document["spec"]["evidence"] |= {"licence_review": {"reference": "LEGAL-7"}, **evidence}
    place.workload.write_text(yaml.safe_dump(document), encoding="utf-8")
    layer = place.home / "acme"
    layer.mkdir(exist_ok=True)
    if not (layer / "approvers.yaml").exists():
        (layer / "approvers.yaml").write_text(file_of(ANN.entry()), encoding="utf-8")


def attest(place: Place, workload: str = IDENTITY) -> int:
    """Record an attestation as a probe will: `place` has its ledger by then."""
    body = attesting.body(attesting.report(), workload)
    key = None if place.store.kind == "sqlite" else place.store.key
    with open_ledger(place.url, key_path=key) as ledger:
        return ledger.append(Draft(EntryType.PROBE_ATTESTATION, body=body)).index


def decide(place: Place, command: str = "gate", *more: str) -> tuple[int, dict[str, Any]]:
    layer = str(place.home / "acme")
    found = place.run(command, str(place.workload), "--policy", layer, "--ledger", place.url, "-o", "json", *more)
    assert b"Traceback" not in found.stderr
    assert found.stdout, found.stderr
    return found.returncode, json.loads(found.stdout)


def test_a_bare_index_and_an_approval_open_a_gate_and_are_replayed(either: Place) -> None:
    prepare(either)
    assert decide(either)[0] == 5
    index = attest(either)
    prepare(either, **{HARDWARE: {"ledger_index": index}, "operations_plan": {"reference": "OPS-118"}})
    key = either.home / "ann.key"
    write_key_file(key, ANN.signer)
    signed = either.run(
        "evidence", "approve", str(either.workload), "operations_plan", "--key", str(key), "--policy",
        str(either.home / "acme"),
    )  # fmt: skip
    assert signed.returncode == 0, signed.stderr
    plan = {"reference": "OPS-118", "signature": "operations_plan.sig"}
    prepare(either, **{HARDWARE: {"ledger_index": index}, "operations_plan": plan})
    status, document = decide(either)
    assert status == 0
    grades = {name: document["evidence"][name]["grade"] for name in (HARDWARE, "operations_plan")}
    assert grades == {HARDWARE: "recorded", "operations_plan": "approved"}
    shutil.rmtree(either.home / "acme")
    (either.home / "operations_plan.sig").unlink()
    either.workload.unlink()
    replayed = either.run("audit", "replay", "--all", "-o", "json")
    assert (replayed.returncode, json.loads(replayed.stdout)["equal"]) == (0, 2)
    either.verified()


def _rewritten(connection: Any, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the attestation and all that follows from it but the tree."""
    (index, entry) = connection.execute(
        "SELECT leaf_index, entry FROM log_entry WHERE type = 'probe-attestation'"
    ).fetchone()
    value = parse_canonical(entry)
    change(value)
    forged = canonical_bytes(value)
    connection.execute(
        "UPDATE log_entry SET entry = ?, leaf_hash = ? WHERE leaf_index = ?", (forged, leaf_hash(forged), index)
    )


def test_an_attestation_of_another_workload_that_was_rewritten_proves_nothing(place: Place) -> None:
    prepare(place)
    decide(place)
    index = attest(place, "support/other")
    prepare(place, **{HARDWARE: {"ledger_index": index}})
    assert decide(place)[1]["evidence"][HARDWARE]["short"] == "its entry is about another workload"
    with administrator(place.path) as connection:
        _rewritten(connection, lambda value: value["body"].update(workload=IDENTITY))
    status, document = decide(place)
    assert (status, document["evidence"][HARDWARE]["grade"]) == (5, "asserted")
    assert document["evidence"][HARDWARE]["short"] == f"the entry {index} of this ledger does not verify"
    assert place.verify().returncode == 6
