"""Check a workload's evidence: is it anything, is it in force, and does an attached file have the digest it claims."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Evidence, Workload

_CHUNK = 1 << 20


def check_evidence(workload: Workload, day: date, folder: Path) -> dict[str, EvidenceStatus]:
    """Return the state of each piece of evidence on the day of the decision; files are relative to `folder`."""
    found = {}
    for name, evidence in (workload.spec.evidence or {}).items():
        if evidence is not None:
            found[name] = _check(name, evidence, day, folder)
    migration = workload.spec.migration
    owner = found.get("owner_named")
    unnamed = owner is None or owner.problem is not None
    if unnamed and migration is not None and migration != "none" and migration.champion is not None:
        # MIGRATE-01: the champion is the migration's named owner
        found["owner_named"] = EvidenceStatus("owner_named", "asserted")
    return found


def _check(name: str, evidence: Evidence, day: date, folder: Path) -> EvidenceStatus:
    until = date.fromisoformat(evidence.valid_until) if evidence.valid_until else None
    issued = date.fromisoformat(evidence.issued) if evidence.issued else None
    if issued is not None and issued > day:
        return EvidenceStatus(name, "asserted", until, f"it is issued on {issued}, after the decision's day {day}")
    if until is not None and until < day:
        return EvidenceStatus(name, "asserted", until, f"it ended on {until}")
    if evidence.file is not None:
        problem = _check_file(folder / evidence.file, evidence)
        return EvidenceStatus(name, "attached" if problem is None else "asserted", until, problem)
    if any((evidence.reference, evidence.receipt, evidence.signature, evidence.ledger_index is not None)):
        return EvidenceStatus(name, "asserted", until)
    return EvidenceStatus(name, "asserted", until, "it says nothing; give a reference, or a file with its sha256")


def _check_file(path: Path, evidence: Evidence) -> str | None:
    if evidence.sha256 is None:
        return f"the file `{evidence.file}` is named without its sha256"
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except (OSError, ValueError) as error:  # a path with a NUL character is a ValueError
        why = getattr(error, "strerror", None) or "no such file"
        return f"the file `{evidence.file}` cannot be read: {why.lower()}"
    if digest.hexdigest() != evidence.sha256:
        return f"the file `{evidence.file}` has another sha256 than the workload says"
    return None


def evidence_documents(statuses: Mapping[str, EvidenceStatus]) -> dict[str, dict[str, object]]:
    """Return the statuses as plain data: an input of the decision, recorded with it."""
    return {
        name: {
            "grade": status.grade,
            "valid_until": status.valid_until.isoformat() if status.valid_until else None,
            "problem": status.problem,
        }
        for name, status in sorted(statuses.items())
    }
