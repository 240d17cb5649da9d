"""A directory of workload files, read and checked as `policy evaluate` does: each task is a row."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from policy_engine.decide import Decider
from policy_engine.errors import FieldError, InputError, Problem
from policy_engine.fleet.canonical import frame_of, rows_of
from policy_engine.fleet.columns import HARDWARE
from policy_engine.fleet.intake import GIVEN, Intake
from policy_engine.fleet.rejects import Rejects
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.workload_file import LoadedWorkload, load_workload_documents
from policy_engine.loading.yaml_source import read_bytes
from policy_engine.model.task_case import ATTESTED, EvidenceStatus
from policy_engine.model.workload import Workload
from policy_engine.sources.walking import files_below
from policy_engine.vouching.voucher import Voucher

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

FILE = "file"
#: Evidence as checked, where a grade does not say all of it: an attestation of claimed hardware.
STATUSES = "__statuses"
_ROWS_AT_ONCE = 2_000
_MARK = re.compile(r"^---(?=\s|$)", re.MULTILINE)
#: A line that is neither empty, nor a comment, nor a directive.
_SAYS = re.compile(r"^\s*[^\s#%]", re.MULTILINE)


def document_text(content: bytes, number: int) -> str:
    """Return the text of a document of a file, from 1; the whole text where it is not clear which it is."""
    text = content.decode("utf-8", "backslashreplace")
    parts = _MARK.split(text)
    if not _SAYS.search(parts[0]):  # what stands before the first mark is a document where it says anything
        parts = parts[1:]
    return parts[number - 1].strip("\n") if 0 < number <= len(parts) else text


class YamlRows:
    """Reads the files of a directory; `ledger` gives what evidence may name entries of."""

    def __init__(self, intake: Intake, rejects: Rejects, decider: Decider, ledger: Callable[[], Ledger] | None) -> None:
        self._intake, self._rejects, self._decider = intake, rejects, decider
        self._job = intake.job
        self._voucher = Voucher(self._job.policy, ledger)
        self._rows: list[dict[str, Any]] = []
        self._number = 0

    def take_all(self, folder: Path, seen: Callable[[int], None] | None = None) -> None:
        """Read every file below `folder`."""
        for path in files_below(folder, lambda error: self._unreadable(folder, error)):
            self._take(path, os.path.relpath(path, folder))
            if len(self._rows) >= _ROWS_AT_ONCE:
                self._spool()
                if seen is not None:
                    seen(self._intake.rows)
        self._spool()

    def _unreadable(self, folder: Path, error: OSError) -> None:
        place = os.path.relpath(error.filename or folder, folder)
        message = f"the folder cannot be read: {(error.strerror or str(error)).lower()}"
        self._refuse(place, [Problem("file-unreadable", message)], None)

    def _refuse(self, name: str, problems: Any, document: int | None, text: str | None = None) -> None:
        self._intake.rows += 1
        place: dict[str, Any] = {FILE: name} | ({"document": document} if document is not None else {})
        self._rejects.add(place, problems, text)

    def _take(self, path: Path, name: str) -> None:
        if path.exists() and not path.is_file():  # a pipe would keep the others waiting for ever
            self._refuse(name, [Problem("file-unreadable", "it is no regular file")], None)
            return
        try:
            content = read_bytes(path)
        except InputError as error:
            self._refuse(name, error.problems, None)
            return
        for number, loaded in enumerate(load_workload_documents(content, name, self._job.policy.vocabulary), start=1):
            if isinstance(loaded, InputError):
                self._refuse(name, loaded.problems, number, document_text(content, number))
                continue
            try:
                self._add(loaded, path.parent, name)
            except FieldError as error:
                place = loaded.document.key_span(*error.path)
                wrong = [Problem(each.code, each.message, each.span or place, each.help) for each in error.problems]
                self._refuse(name, wrong, number, document_text(content, number))

    def _add(self, loaded: LoadedWorkload, folder: Path, name: str) -> None:
        job, workload = self._job, loaded.workload
        vouch = self._voucher.of(workload, job.at, folder)
        evidence = check_evidence(workload, job.at.date(), folder, vouch)
        self._decider.cases(workload, evidence, job.at)  # refuses what only deciding shows to be wrong
        rows = rows_of(workload, evidence, job.policy, self._number + 1)
        self._number += len(rows)
        self._intake.rows += len(rows)
        attested = rows[0][HARDWARE] is not None and not ATTESTED.isdisjoint(evidence)
        told = {FILE: name, STATUSES: encoded(evidence) if attested else None}
        rows = [row | told for row in rows]
        if job.recorded:
            rows[0][GIVEN] = given_text(workload, evidence)
        self._rows += rows

    def _spool(self) -> None:
        self._intake.spool(frame_of(self._rows, self._job.schema))
        self._rows = []


def encoded(evidence: Mapping[str, EvidenceStatus]) -> str:
    """Return checked evidence as JSON."""
    return msgspec.json.encode(evidence).decode()


def decoded(text: str) -> dict[str, EvidenceStatus]:
    """Return what `encoded` was given."""
    return msgspec.json.decode(text, type=dict[str, EvidenceStatus])


def given_text(workload: Workload, evidence: Mapping[str, EvidenceStatus]) -> str:
    """Return a workload as given, and its evidence as checked, as JSON: names of persons included."""
    document = workload.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return orjson.dumps({"workload": document, "evidence": encoded(evidence)}).decode()


def given_of(text: str) -> tuple[Workload, dict[str, EvidenceStatus]]:
    """Return what `given_text` was given."""
    value = orjson.loads(text)
    return Workload.model_validate(value["workload"]), decoded(value["evidence"])
