"""Check a workload's evidence: is it anything, is it in force, and does an attached file have the digest it claims.

Whether a signature or a receipt proves more is for `vouching` to say, which knows keys: it is handed in.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Mapping
from datetime import date
from pathlib import Path
from typing import IO, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.model.task_case import EVALUATED, EvidenceStatus
from policy_engine.model.workload import Evidence, Workload

T = TypeVar("T")
_CHUNK = 1 << 20
LARGEST_FILE = 64 << 20
#: Grades that somebody has to vouch for.
_VOUCHED = ("approved", "recorded")


class Vouched(Struct, frozen=True):
    """A better grade than evidence has by itself: what proves it, by name and as texts, and until when it counts.

    `against` says what it proves against the workload: then it gives no grade, and is known all the same. `shows` is of
    a report of `policy parity`: see `EvidenceStatus`.
    """

    grade: str
    proof: Mapping[str, str | int]
    ends: date | None = None
    material: Mapping[str, str] | None = None
    against: str | None = None
    shows: Mapping[str, tuple[str, ...]] | None = None


class EvidenceFileError(Exception):
    """A file beside the workload cannot be read; the text says which and why."""


#: Says which better grade a piece of evidence has, if any, and why it has not one that it claims.
Vouch = Callable[[str, Evidence], tuple[Vouched | None, str | None]]
#: Makes a grade of a proof on record again; a text says why it makes none, and None that this is not told.
Proven = Callable[[str, Evidence, EvidenceStatus], Vouched | str | None]


def check_evidence(
    workload: Workload, day: date, folder: Path, vouch: Vouch | None = None
) -> dict[str, EvidenceStatus]:
    """Return the state of each piece of evidence on the day of the decision; files are relative to `folder`.

    Without `vouch` no signature or receipt is looked at, and none gives a grade.
    """
    return _check_all(workload, day, lambda _, file, sha256: _check_file(folder, file, sha256), vouch)


def claims(evidence: Evidence) -> tuple[str, ...]:
    """Return the grades that need somebody who vouches, of those that the evidence claims."""
    receipt = evidence.receipt is not None or evidence.ledger_index is not None
    return (*(("approved",) if evidence.signature is not None else ()), *(("recorded",) if receipt else ()))


def evidence_as_recorded(
    workload: Workload,
    day: date,
    recorded: Mapping[str, EvidenceStatus],
    recorded_on: date,
    proven: Proven | None = None,
    *,
    as_then: bool = False,
) -> dict[str, EvidenceStatus]:
    """Return what `check_evidence` would, without any file: what was found in one is taken from `recorded`.

    `as_then` makes the recorded decision itself again: evidence that nothing proves, and that counted as asserted
    then, counts as asserted; any other decision holds it to what a report of `policy parity` has to show.

    A better grade is what `proven` makes of the proof on record; without it, what it was found to be then. Where that
    says why it makes none, the evidence says so as well.

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

    def vouched(name: str, evidence: Evidence) -> tuple[Vouched | None, str | None]:
        status = recorded.get(name)
        if status is None or _out_of_force(evidence, recorded_on) is not None:
            return None, "its signature or receipt was not looked at when the decision was recorded"
        if status.proof is None:
            return None, status.short
        claimed = claims(evidence)
        if status.grade not in claimed:
            if status.grade in _VOUCHED or "recorded" not in claimed:
                return None, status.short
            found = _against(name, evidence, status, day, proven)
            if isinstance(found, str):
                return None, found
            said = found.against if found is not None else None
            return found, (status.short or "").removeprefix(said or "").removeprefix("; ") or None
        if status.ends is not None and status.ends < day:
            return None, f"what makes it {status.grade} ended on {status.ends}"
        if proven is None:
            return Vouched(status.grade, status.proof, status.ends), status.short
        again = proven(name, evidence, status)
        return (None, again) if isinstance(again, str) else (again, status.short)

    counted = [name for name, status in recorded.items() if status.proof is None and status.problem is None]
    return _check_all(workload, day, seen, vouched, counted if as_then else ())


def _against(
    name: str,
    evidence: Evidence,
    status: EvidenceStatus,
    day: date,
    proven: Proven | None,
) -> Vouched | str | None:
    """Return what is on record of a proof that gives no grade, as it was then or as `proven` makes it again."""
    if proven is None or (status.ends is not None and status.ends < day):
        return Vouched(status.grade, status.proof or {}, status.ends, None, status.short or "it speaks against it")
    return proven(name, evidence, status)


#: Says why the file of a piece of evidence proves nothing, or None: from its name, the file's, and the SHA-256 claimed.
_FileCheck = Callable[[str, str, str], str | None]


def _check_all(
    workload: Workload, day: date, check_file: _FileCheck, vouch: Vouch | None, unproven: Collection[str] = ()
) -> dict[str, EvidenceStatus]:
    """Return the state of each piece; what nothing proves of `unproven` counts as far as it goes by itself."""
    found = {}
    for name, evidence in (workload.spec.evidence or {}).items():
        if evidence is not None:
            status = _check(name, evidence, day, check_file)
            if vouch is not None and status.problem is None and claims(evidence):
                vouched = vouch(name, evidence)
                status = _graded(status, vouched)
                if vouched[0] is not None or name not in unproven:
                    status = _held(status, evidence, vouched[0])
            found[name] = status
    migration = workload.spec.migration
    owner = found.get("owner_named")
    unnamed = owner is None or owner.problem is not None
    if unnamed and migration is not None and migration != "none" and migration.champion is not None:
        # MIGRATE-01: the champion is the migration's named owner
        found["owner_named"] = EvidenceStatus("owner_named", "asserted")
    return found


def _held(status: EvidenceStatus, evidence: Evidence, found: Vouched | None) -> EvidenceStatus:
    """Let evidence that rests on a report of `policy parity` be worth no more than the report says.

    That a team names a report is all that it asserts: where the report shows something else, or nothing stands beside
    one that proves nothing, there is nothing left of it.
    """
    if status.name not in EVALUATED:
        return status
    if found is not None:
        return replace(status, problem=found.against) if found.against is not None else status
    return replace(status, problem=status.short) if evidence.reference is None and evidence.file is None else status


def _graded(status: EvidenceStatus, vouched: tuple[Vouched | None, str | None]) -> EvidenceStatus:
    found, short = vouched
    if found is None:
        return replace(status, short=short)
    if found.against is not None:
        short = "; ".join(each for each in (found.against, short) if each is not None)
        return replace(status, short=short, proof=found.proof, material=found.material, ends=found.ends)
    better = {"grade": found.grade, "ends": found.ends, "proof": found.proof, "otherwise": status.grade}
    better["material"] = found.material
    return replace(status, short=short, shows=found.shows, **better)


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
        found = _read(folder, name, _digest)
    except EvidenceFileError as error:
        return str(error)
    if found is None:
        return f"the file `{name}` is not a regular file of 1 byte to {LARGEST_FILE >> 20} MiB"
    return None if found == sha256 else f"the file `{name}` has another sha256 than the workload says"


def read_within(folder: Path, name: str, most: int) -> bytes:
    """Return the bytes of the file `name` in `folder`.

    Raises:
        EvidenceFileError: it lies outside, cannot be read, is no regular file or empty, or has more than `most` bytes.
    """
    found = _read(folder, name, lambda stream: stream.read(most + 1))
    if not found or len(found) > most:
        raise EvidenceFileError(f"the file `{name}` is not a regular file of 1 to {most:,} bytes")
    return found


def _read(folder: Path, name: str, read: Callable[[IO[bytes]], T]) -> T | None:
    """Return what `read` makes of the file, None where it is no regular file."""
    try:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise EvidenceFileError(f"the file `{name}` lies outside the workload's folder")
        # a pipe that nobody writes to would hold the decision up for good
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            return None
        with os.fdopen(handle, "rb") as stream:
            return read(stream)
    except (OSError, ValueError, RuntimeError) as error:  # a NUL is a ValueError, a loop of links a RuntimeError
        why = getattr(error, "strerror", None) or "no such file"
        raise EvidenceFileError(f"the file `{name}` cannot be read: {why.lower()}") from None


def _digest(stream: IO[bytes]) -> str | None:
    """Return the SHA-256, or None where there is nothing, or too much."""
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
            **({"short": status.short} if status.short is not None else {}),
            **({"proof": dict(status.proof)} if status.proof is not None else {}),
            **({"ends": status.ends.isoformat()} if status.ends is not None else {}),
        }
        for name, status in sorted(statuses.items())
    }
