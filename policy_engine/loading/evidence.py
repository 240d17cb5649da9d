"""Check a workload's evidence: is it anything, is it in force, and does an attached file have the digest it claims."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.workload import Evidence, Workload

_CHUNK = 1 << 20
LARGEST_FILE = 64 << 20


def check_evidence(workload: Workload, day: date, folder: Path) -> dict[str, EvidenceStatus]:
    """Return the state of each piece of evidence on the day of the decision; files are relative to `folder`."""
    return _check_all(workload, day, lambda _, file, sha256: _check_file(folder, file, sha256))


def evidence_as_recorded(
    workload: Workload, day: date, recorded: Mapping[str, EvidenceStatus], recorded_on: date
) -> dict[str, EvidenceStatus]:
    """Return what `check_evidence` would, without any file: what was found in one is taken from `recorded`.

    All else follows from the workload again, so that a recorded status which does not is seen. A file that was not
    looked at on the day of the record proves nothing on another.
    """
    stated = workload.spec.evidence or {}

    def seen(name: str, file: str, _: str) -> str | None:
        status, evidence = recorded.get(name), stated[name]
        if status is None or evidence is None or _out_of_force(evidence, recorded_on) is not None:
            return f"the file `{file}` was not looked at when the decision was recorded"
        if status.problem is None and status.grade == "asserted":
            # another reason, such as a champion, let the status count in its place
            return f"the file `{file}` proved nothing when the decision was recorded"
        return status.problem

    return _check_all(workload, day, seen)


#: Says why the file of a piece of evidence proves nothing, or None: from its name, the file's, and the SHA-256 claimed.
_FileCheck = Callable[[str, str, str], str | None]


def _check_all(workload: Workload, day: date, check_file: _FileCheck) -> dict[str, EvidenceStatus]:
    found = {}
    for name, evidence in (workload.spec.evidence or {}).items():
        if evidence is not None:
            found[name] = _check(name, evidence, day, check_file)
    migration = workload.spec.migration
    owner = found.get("owner_named")
    unnamed = owner is None or owner.problem is not None
    if unnamed and migration is not None and migration != "none" and migration.champion is not None:
        # MIGRATE-01: the champion is the migration's named owner
        found["owner_named"] = EvidenceStatus("owner_named", "asserted")
    return found


def _check(name: str, evidence: Evidence, day: date, check_file: _FileCheck) -> EvidenceStatus:
    until = date.fromisoformat(evidence.valid_until) if evidence.valid_until else None
    problem = _out_of_force(evidence, day)
    if problem is not None:
        return EvidenceStatus(name, "asserted", until, problem)
    if evidence.file is not None:
        if evidence.sha256 is None:
            problem = f"the file `{evidence.file}` is named without its sha256"
        else:
            problem = check_file(name, evidence.file, evidence.sha256)
        return EvidenceStatus(name, "attached" if problem is None else "asserted", until, problem)
    if any((evidence.reference, evidence.receipt, evidence.signature, evidence.ledger_index is not None)):
        return EvidenceStatus(name, "asserted", until)
    return EvidenceStatus(name, "asserted", until, "it says nothing; give a reference, or a file with its sha256")


def _out_of_force(evidence: Evidence, day: date) -> str | None:
    """Return why the evidence does not count on `day`, or None."""
    if evidence.issued and date.fromisoformat(evidence.issued) > day:
        return f"it is issued on {evidence.issued}, after the decision's day {day}"
    if evidence.valid_until and date.fromisoformat(evidence.valid_until) < day:
        return f"it ended on {evidence.valid_until}"
    return None


def _check_file(folder: Path, name: str, sha256: str) -> str | None:
    """Return why the file `name` of `folder` proves nothing, or None."""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            return f"the file `{name}` lies outside the workload's folder"
        found = _digest(path)
    except (OSError, ValueError, RuntimeError) as error:  # a NUL is a ValueError, a loop of links a RuntimeError
        why = getattr(error, "strerror", None) or "no such file"
        return f"the file `{name}` cannot be read: {why.lower()}"
    if found is None:
        return f"the file `{name}` is not a regular file of 1 byte to {LARGEST_FILE >> 20} MiB"
    return None if found == sha256 else f"the file `{name}` has another sha256 than the workload says"


def _digest(path: Path) -> str | None:
    """Return the file's SHA-256, or None where it is no regular file, empty, or too large."""
    # a pipe that nobody writes to would hold the decision up for good
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        return None
    with os.fdopen(handle, "rb") as stream:
        whole, size = hashlib.sha256(), 0
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > LARGEST_FILE:
                return None
            whole.update(chunk)
    return whole.hexdigest() if size else None


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
