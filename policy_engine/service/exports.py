"""Exports as jobs: what `policy audit export` and `policy audit report --export` write, in an archive to be fetched.

The export's entry is recorded as the command records it, by whoever asked, and only while they may still ask: what is
not on record is not handed out.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace
from policy_audit.durable import sync_folder
from policy_audit.errors import AuditError
from policy_audit.groups import Group

from policy_engine.access.principal import Principal
from policy_engine.asking.exporting import FORMATS, Asked, export_draft, write_format
from policy_engine.errors import InputError, PolicyError, Problem, UsageError
from policy_engine.exports.evidence import MODES
from policy_engine.recorder import recording_error
from policy_engine.reports.registry import FILTERS, REPORTS
from policy_engine.service.acting import context_of
from policy_engine.service.errors import BusyError, ConflictError, NotFoundError
from policy_engine.service.jobs import BEAT_SECONDS, CONTENT, MOST_JOBS, Job, Jobs
from policy_engine.service.recorded import as_parameters, in_parameters
from policy_engine.service.reports import check_keys, make_report, narrowed
from policy_engine.service.telling import CancelledError, Telling

if TYPE_CHECKING:
    from policy_audit.ledger import Recorded

    from policy_engine.service.service import Service

DECISIONS, LOG = "decisions", "log"
TABLES = ("csv", "jsonl", "parquet", "html")
#: What an export's folder may hold, in bytes, before it is packed.
MOST_BYTES = 2 << 30


class Wanted(Struct, frozen=True):
    """What is to be exported: `decisions`, `log` or the name of a report; `given` are its filters by option."""

    report: str
    format: str
    given: Mapping[str, Any] = {}
    proofs: str | None = None
    with_personal: bool = False
    documents: bool = False
    command: str = "POST /v1/exports"
    """What asks this again; it names no person."""


class Exporter:
    """Runs the export jobs of one worker, one at a time; any worker of the host tells of them."""

    def __init__(self, service: Service, folder: Path) -> None:
        self._service = service
        self.jobs = Jobs(folder)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="exporter")
        self._mine: set[str] = set()
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    def start(
        self,
        principal: Principal,
        authorization: str | None,
        wanted: Wanted,
        loop: asyncio.AbstractEventLoop,
        key: str | None = None,
    ) -> Job:
        """Begin a job, whose entry is recorded in `loop`; blocks. With a `key` that was given before it is that job.

        Raises:
            BusyError: there are too many.
            UsageError: it cannot be asked for so, or its files cannot be written.
        """
        _check(wanted)
        given = narrowed(principal, wanted.given, _takes(wanted.report))
        self._check_filters(wanted.report, given)
        name = _name(principal, key) if key is not None else None
        if name is not None and (known := self.jobs.begun(name)) is not None:
            return known
        if len(list(self.jobs.all())) >= MOST_JOBS:
            message = f"the server keeps {MOST_JOBS} exports, and has as many"
            raise BusyError(Problem("too-many-exports", message, help="delete one that is not needed any more"), 60)
        reach = None if principal.namespaces is None else tuple(sorted(principal.namespaces))
        about = {"owner": principal.subject, "known_by": principal.known_by, "namespaces": reach}
        try:
            job = self.jobs.new(name, report=wanted.report, format=wanted.format, **about)
        except FileExistsError:
            if name is None or (known := self.jobs.begun(name)) is None:
                raise
            return known
        self._mine.add(job.id)
        self._beat()
        record = _Recording(self._service, authorization, loop)
        self._pool.submit(self._run, job, Wanted(**{**_members(wanted), "given": given}), record)
        return job

    def _check_filters(self, report: str, given: Mapping[str, Any]) -> None:
        """Refuse filters that select nothing there is, or contradict each other; a job would fail of them.

        Raises:
            UsageError: they do.
        """
        from policy_audit.snapshot import open_snapshot

        from policy_engine.asking.decision_query import decision_query
        from policy_engine.asking.reporting import query_of

        try:
            with open_snapshot(self._service.door.open()) as snapshot:
                (decision_query if report == DECISIONS else query_of)(snapshot, given)
        except (InputError, UsageError) as error:
            raise as_parameters(error) from error
        except AuditError as error:
            raise recording_error(error) from error

    def stop(self) -> None:
        """End: what has not begun is found dead, and what runs stops where it next tells how far it is."""
        self._ended.set()
        for name in list(self._mine):
            self.jobs.cancel(name)
        self._pool.shutdown(cancel_futures=True)

    def seen(self, principal: Principal, name: str) -> Job:
        """Return a job of the principal, or any for an administrator; blocks.

        Raises:
            NotFoundError: there is none, or it is somebody else's.
        """
        job = self.jobs.get(name)
        if job is None or not _may_see(principal, job):
            raise NotFoundError(Problem("export-missing", "there is no such export", help="they are kept for a day"))
        return job

    def listed(self, principal: Principal) -> list[Job]:
        """Return the jobs that the principal may see, the newest first; blocks."""
        found = [job for job in self.jobs.all() if _may_see(principal, job)]
        return sorted(found, key=lambda job: job.created_at, reverse=True)

    def content(self, principal: Principal, name: str) -> tuple[Job, Path]:
        """Return where the archive of a job is; blocks.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it is not done, or failed.
        """
        job = self.seen(principal, name)
        path = self.jobs.place(name) / CONTENT
        if job.state != "done" or not path.exists():
            message = f"the export is not there: its state is {job.state}"
            raise ConflictError(Problem("export-not-done", message, help="ask for its state until it is done"))
        return job, path

    def _beat(self) -> None:
        if self._beating is None:
            self._beating = threading.Thread(target=self._keep_beating, name="beat", daemon=True)
            self._beating.start()

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_SECONDS):
            for name in list(self._mine):
                self.jobs.beat(name)

    def _run(self, job: Job, wanted: Wanted, record: _Recording) -> None:
        try:
            if self.jobs.is_cancelled(job.id):
                raise CancelledError(Problem("cancelled", "it was stopped"))
            job = replace(job, state="running")
            self.jobs.put(job)
            told = Telling(self.jobs, job)
            value = _write(self._service, self.jobs.place(job.id) / "out", wanted, record, told)
            digest, size = _pack(self.jobs.place(job.id), told)
            job = told.job  # whose total was reckoned before anything was made
            job = replace(job, state="done", done=job.total, result=value, sha256=digest, bytes=size)
        except AuditError as error:
            problem = recording_error(error).problems[0]
            job = _failed(job, problem.code, problem.message, problem.help)
        except PolicyError as error:
            (problem, *_) = in_parameters(error.problems)
            job = _failed(job, problem.code, problem.message, problem.help)
        except OSError as error:
            job = _failed(job, "export-unwritable", (error.strerror or type(error).__name__).lower(), None)
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and the thread goes on
            job = _failed(job, "export-failed", f"it failed: {type(error).__name__}", None)
        finally:
            self._finish(job)

    def _finish(self, job: Job) -> None:
        """Leave what is said of a job; what it wrote goes first, since the disk may be full of it."""
        place = self.jobs.place(job.id)
        _remove(place / "out")
        if job.state != "done":
            _remove(place / CONTENT)
        try:
            self.jobs.put(job)
        except OSError:
            pass  # its beat ends, by which it is found dead
        finally:
            self._mine.discard(job.id)


class _Recording:
    """Puts an export on record, from its thread, as whoever asked: while they may still ask."""

    def __init__(self, service: Service, authorization: str | None, loop: asyncio.AbstractEventLoop) -> None:
        self._service, self._authorization, self._loop = service, authorization, loop

    def __call__(self, name: str, body: Mapping[str, Any], persons: Mapping[str, str]) -> Recorded:
        return asyncio.run_coroutine_threadsafe(self._record(name, body, persons), self._loop).result()

    async def _record(self, name: str, body: Mapping[str, Any], persons: Mapping[str, str]) -> Recorded:
        principal = await self._service.principal(self._authorization)
        principal.require("read")
        draft = export_draft(name, body, context_of(principal), persons)
        (recorded,) = await self._service.committer.append(Group([draft]))
        return recorded


def _check(wanted: Wanted) -> None:
    """Refuse what no job could do.

    Raises:
        UsageError, NotFoundError: with what it is.
    """
    from policy_engine.asking.reporting import check_asked
    from policy_engine.exports.writing import open_format
    from policy_engine.service.reports import check_report

    if wanted.report not in (DECISIONS, LOG):
        check_report(wanted.report)
        try:
            check_asked(wanted.report, wanted.given)
        except UsageError as error:
            raise as_parameters(error) from error
        check_keys(wanted.given.get("vkeys") or ())
    allowed = ("tlog",) if wanted.report == LOG else tuple(FORMATS)[1:] if wanted.report == DECISIONS else TABLES
    if wanted.format not in allowed:
        message = f"`{wanted.report}` is exported as {', '.join(allowed)}, and not as `{wanted.format[:20]}`"
        raise UsageError(Problem("export-format", message))
    if wanted.proofs not in (None, *MODES):
        raise UsageError(Problem("export-proofs", f"`proofs` is one of {', '.join(MODES)}"))
    if wanted.report == LOG and (wanted.given or wanted.proofs or wanted.with_personal):
        raise UsageError(Problem("export-filters", "`log` is the whole log: it takes no filters"))
    if wanted.report != LOG and wanted.documents:
        raise UsageError(Problem("export-documents", "`documents` goes with `log` alone"))
    if wanted.format in TABLES:
        open_format(wanted.format)


def _write(service: Service, target: Path, wanted: Wanted, record: _Recording, told: Telling) -> dict[str, Any]:
    """Write the export's folder; return what the command says of it."""
    ledger, made = service.door.open(), []
    options = {**dict.fromkeys(FILTERS | {"expired", "at"}), **wanted.given}
    options |= {"proofs": wanted.proofs, "with_personal": wanted.with_personal}
    persons: dict[str, str] = {}

    def put(body: Mapping[str, Any]) -> Recorded:
        made.append(record(wanted.format, body, persons))
        return made[-1]

    asked = Asked(ledger, target, wanted.documents, told, put, wanted.format, True, options)
    if wanted.report in (DECISIONS, LOG):
        value = dict(write_format(wanted.format, asked).value)
    else:
        value = _write_report(service, asked, wanted, persons, told)
    return {key: each for key, each in value.items() if key != "folder"} | {"entry": made[-1].index}


def _write_report(
    service: Service, asked: Asked, wanted: Wanted, persons: dict[str, str], told: Callable[[int, int], None]
) -> dict[str, Any]:
    from policy_engine.asking.export_tables import write_report

    command = wanted.command
    given = {**wanted.given, "progress": told, "tell": told}
    report = make_report(service, asked.ledger, wanted.report, given, command)
    about = wanted.given.get("subject") or wanted.given.get("owner")
    if about and report.population:  # a question that found nothing puts nobody into the ledger
        persons["subject"] = about
    shown = report if wanted.with_personal else report.without_persons()
    put = asked.record
    named = replaced(asked, record=lambda body: put({**body, "command": command}))
    written = write_report(named, shown, personal=any(column.personal for column in shown.columns))
    return {"report": report.name, **written.value, "ok": report.ok}


def _pack(place: Path, told: Telling) -> tuple[str, int]:
    """Put the folder into one archive; return its SHA-256 and size."""
    files = sorted(path for path in (place / "out").rglob("*") if path.is_file())
    if sum(path.stat().st_size for path in files) > MOST_BYTES:
        message = f"it has more than {MOST_BYTES >> 20:,} MiB"
        raise UsageError(Problem("export-too-large", message, help="narrow it, or use `policy audit export`"))
    partial = place / f"{CONTENT}.partial"
    with zipfile.ZipFile(partial, "x", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for number, path in enumerate(files):
            archive.write(path, path.relative_to(place / "out").as_posix())
            told(number, len(files))
    with partial.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = partial.stat().st_size
    partial.rename(place / CONTENT)
    sync_folder(place)
    return digest, size


def _failed(job: Job, code: str, message: str, hint: str | None) -> Job:
    return replace(job, state="failed", error={"code": code, "message": message, "help": hint})


def _remove(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        for each in (path, path.with_name(f"{path.name}.partial")):
            each.unlink(missing_ok=True)


def _may_see(principal: Principal, job: Job) -> bool:
    if "administer" in principal.roles and principal.namespaces is None:
        return True
    reaches = principal.namespaces is None or (
        job.namespaces is not None and set(job.namespaces) <= principal.namespaces
    )
    return reaches and (principal.subject, principal.known_by) == (job.owner, job.known_by)


def _takes(report: str) -> frozenset[str]:
    """Return the filters of what is exported."""
    if report == DECISIONS:
        return FILTERS
    return frozenset() if report == LOG else REPORTS[report].takes


def _name(principal: Principal, key: str) -> str:
    """Return the name of the one job that a principal begins with a key."""
    return hashlib.sha256(f"{principal.known_by} {principal.subject} {key}".encode()).hexdigest()[:24]


def _members(wanted: Wanted) -> dict[str, Any]:
    from msgspec.structs import asdict

    return asdict(wanted)
