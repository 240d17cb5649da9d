"""Waivers from signed files: what stands beside a grant on record, for runs that cannot read the ledger that holds it.

A file proves that its approvers signed, and nothing of what came after: whether it was granted, and revoked. Where the
run's ledger is the one that the waiver was asked for in, that is asked for request and revocation. Of another ledger,
and without any, a file counts where the policy says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path

from msgspec import Struct
from policy_audit.entry import Blob, EntryType

from policy_engine.errors import InputError, Problem, Span
from policy_engine.loading.yaml_source import read_bytes
from policy_engine.model.waiver import Asked, Statement
from policy_engine.waivers.checking import NOT_ASKED, Candidate
from policy_engine.waivers.files import WaiverFile, read_file
from policy_engine.waivers.notes import note_of
from policy_engine.waivers.on_record import (
    Record,
    Source,
    is_asked_by,
    opened_value,
    origin_of,
    records,
    revoked_ids,
    signed_requester,
)

Place = tuple[str, str]
_SUFFIXES = (".yaml", ".yml")
MOST_FILES = 10_000


class GivenFile(Struct, frozen=True):
    """A waiver's file that was given to a run, by its name there."""

    name: str
    file: WaiverFile

    @property
    def note(self) -> str:
        return note_of(self.file.statement, self.file.signatures)

    @property
    def place(self) -> Place:
        """Namespace and name of the workload that it is for."""
        scope = self.file.statement.scope
        return scope.namespace, scope.name


def read_given(paths: Iterable[Path]) -> tuple[list[GivenFile], list[Problem]]:
    """Read the files at `paths`, and those below that are folders; what is no waiver is a problem."""
    found: list[GivenFile] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            for each in _files(path):
                try:
                    found.append(GivenFile(str(each), read_file(_content(each, each == path), str(each))))
                except InputError as error:
                    problems += error.problems
        except OSError as error:
            where = Span(str(error.filename or path), 1, 1)
            message = f"cannot read the folder of waivers: {(error.strerror or str(error)).lower()}"
            problems.append(Problem("file-unreadable", message, where))
    if len(found) > MOST_FILES:
        message = f"{len(found):,} waivers were given, and {MOST_FILES:,} are read at most"
        return [], [Problem("too-many-waivers", message, help="take those out that have ended")]
    return found, problems


def _content(path: Path, is_named: bool) -> bytes:
    """Return a file's bytes. A pipe is read where it was named itself: nobody may ever write to one in a folder.

    Raises:
        InputError: it cannot be read, or is no regular file.
    """
    if not is_named and path.exists() and not path.is_file():
        raise InputError(
            Problem("file-unreadable", "cannot read the file: it is no regular file", Span(str(path), 1, 1))
        )
    return read_bytes(path)


def _files(path: Path) -> Iterator[Path]:
    """Yield `path`, or where it is a folder the YAML files in it and below, in order; hidden ones are left out.

    Raises:
        OSError: a folder cannot be read.
    """
    if not os.path.isdir(path):
        yield path
        return

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(path, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield Path(folder, name)


class WaiversInFiles:
    """The waivers in files that were given, as a run may take them.

    `ledger` gives the run's ledger, opened where a workload has such a waiver; None where there is none to ask.
    """

    def __init__(self, given: Sequence[GivenFile], ledger: Callable[[], Source] | None, now: Callable[[], datetime]):
        self._given: dict[Place, list[GivenFile]] = {}
        for each in given:
            self._given.setdefault(each.place, []).append(each)
        self._ledger, self._now = ledger, now

    @cached_property
    def now(self) -> datetime:
        """When decisions are made, by the clock of the ledger, else of the host."""
        return self._now()

    def candidates(self, workload: Place) -> list[Candidate]:
        """Return the waivers on a workload: what is signed, and what the ledger has against it."""
        return [self._candidate(each) for each in self._given.get(workload, ()) if each.file.signatures]

    def unsigned(self, workload: Place) -> list[str]:
        """Return the names of the files for a workload that nobody has signed: requests, which lift nothing."""
        return [each.name for each in self._given.get(workload, ()) if not each.file.signatures]

    def of_note(self, note: str, workload: Place) -> GivenFile | None:
        """Return the file that holds this note."""
        signed = [each for each in self._given.get(workload, ()) if each.file.signatures]
        return next((each for each in signed if each.note == note), None)

    def is_granted(self, note: str) -> bool:
        """Whether a grant with these very signatures is on record."""
        return Blob(note.encode()).digest in self._granted

    def _candidate(self, given: GivenFile) -> Candidate:
        return self.candidate(given.note, given.file.statement, given.file.requester)

    def candidate(
        self, note: str, statement: Statement, requester: str | None, asked: Asked | None = None
    ) -> Candidate:
        """Return what a file with this note is held to; `asked` stands for the requester where nobody is named."""
        own = self._origin is not None and statement.origin == self._origin
        return Candidate(
            note,
            self.now,
            statement.id in self._revoked,
            self._origin,
            requester,
            asked=asked,
            source="file" if own else "file-unasked",
            problem=NOT_ASKED if own and not self._is_asked_for(statement) else None,
        )

    def requester_on_record(self, note: str, statement: Statement) -> str | None:
        """Return who asked, by the request or a grant with these very signatures; None where neither tells it."""
        if self._ledger is None:
            return None
        for request in self._requests.get(statement.requester.commitment, ()):
            if (name := signed_requester(self._ledger(), statement, request)) is not None:
                return name
        for grant in self._granted.get(Blob(note.encode()).digest, ()):
            if (name := opened_value(self._ledger(), grant, "requester")) is not None:
                return name
        return None

    def _is_asked_for(self, statement: Statement) -> bool:
        known = self._requests.get(statement.requester.commitment, ())
        asked = [each for each in known if each.recorded_at < self.now]
        return self._ledger is not None and any(is_asked_by(self._ledger(), each, statement) for each in asked)

    @cached_property
    def _origin(self) -> str | None:
        return origin_of(self._ledger()) if self._ledger is not None else None

    @cached_property
    def _revoked(self) -> set[str]:
        return revoked_ids(self._ledger()) if self._ledger is not None else set()

    @cached_property
    def _granted(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in self._records(EntryType.WAIVER_GRANTED):
            found.setdefault(record.blobs.get("waiver", ""), []).append(record)
        return found

    @cached_property
    def _requests(self) -> dict[str | None, list[Record]]:
        found: dict[str | None, list[Record]] = {}
        for record in self._records(EntryType.WAIVER_REQUESTED):
            found.setdefault(record.commitments.get("requester"), []).append(record)
        return found

    def _records(self, kind: EntryType) -> Iterator[Record]:
        return records(self._ledger(), kind) if self._ledger is not None else iter(())
