"""The officer's reports, served: in threads of their own and in bounded time, so that a slow one delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from policy_engine.access.principal import ForbiddenError, Principal
from policy_engine.errors import InputError, Problem, RecordingError, UsageError
from policy_engine.reports.registry import NO_VERDICT, REPORTS
from policy_engine.service.errors import BusyError, NotFoundError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.reports.report import Report
    from policy_engine.service.service import Service

T = TypeVar("T")
THREADS = 2
#: Reports that are made or wait, in one worker; with more, whoever asks is told to come back.
MOST_WAITING = 16
#: Rows of a report that is answered at once; of one with more an export is asked for.
MOST_ROWS = 50_000
#: What nobody asks a server for: files and repositories that it would read for them, and its own layers.
NOT_SERVED = frozenset({"kept", "layers"})


class Reporter:
    """Makes reports in threads of its own; used in one event loop."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0

    async def make(self, question: Callable[[], T], seconds: float) -> T:
        """Return what `question` does, asked in a thread.

        Raises:
            BusyError: too many are asked for at once.
            RecordingError: `report-timeout`: it takes longer than a request may.
        """
        if self._waiting >= MOST_WAITING:
            raise BusyError(Problem("busy", "too many reports are being made", help="come back in some seconds"), 5)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="reporter")
        self._waiting += 1
        # what cannot be stopped goes on, and is counted until it ends
        made = asyncio.get_running_loop().run_in_executor(self._pool, question)
        made.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(made), seconds)
        except TimeoutError:
            made.add_done_callback(_looked_at)
            message = f"the report takes longer than {seconds:g} seconds"
            raise RecordingError(
                Problem("report-timeout", message, help="ask for an export: POST /v1/exports")
            ) from None

    def _ended(self, _: object) -> None:
        self._waiting -= 1

    def stop(self) -> None:
        """End, without waiting for reports that nobody waits for any more."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def _looked_at(made: asyncio.Future[Any]) -> None:
    if not made.cancelled():
        made.exception()


def check_report(name: str) -> None:
    """Refuse a report that there is not.

    Raises:
        NotFoundError: with a near name.
    """
    from policy_engine.asking.reporting import named_report
    from policy_engine.errors import InputError

    try:
        named_report(name)
    except InputError as error:
        problem = error.problems[0]
        hint = (problem.help or "").replace("`policy audit report`", "`GET /v1/reports`")
        raise NotFoundError(Problem(problem.code, "there is no report of this name", help=hint)) from error


def narrowed(principal: Principal, given: Mapping[str, Any], takes: frozenset[str]) -> dict[str, Any]:
    """Return the question as far as the principal may ask it: about one of their namespaces, where they have some.

    Its `namespaces` are their reach, by which nothing is told of the rest, not even what it does not hold.

    Raises:
        ForbiddenError: the answer would be about the whole ledger.
        UsageError: they have to say which namespace.
    """
    if principal.namespaces is None:
        return dict(given)
    if not takes >= NO_VERDICT:
        message = "this is about the whole ledger, and your token reaches some namespaces alone"
        raise ForbiddenError(Problem("namespace", message, help="ask an administrator for one that reaches all"))
    namespace = given.get("namespace")
    if namespace is None and given.get("workload"):
        namespace = str(given["workload"]).rpartition("/")[0] or None
    if namespace is None and len(principal.namespaces) == 1:
        (namespace,) = principal.namespaces
    if namespace is None:
        message = "your token reaches several namespaces: say which one"
        raise UsageError(Problem("namespace", message, help=f"one of {', '.join(sorted(principal.namespaces))}"))
    if namespace not in principal.namespaces:
        raise NotFoundError(Problem("namespace-missing", "there is no such namespace"))
    return {**given, "namespace": namespace, "namespaces": principal.namespaces}


def make_report(service: Service, ledger: Ledger, name: str, given: Mapping[str, Any], command: str) -> Report:
    """Return a report; blocks.

    Raises:
        PolicyError: a filter is wrong.
        AuditError: the ledger cannot be read, or is not what it should be.
    """
    from policy_audit.snapshot import open_snapshot

    from policy_engine.asking.reporting import answer, check_asked, compare_sampled, read_as_of

    check_asked(name, given)
    check_keys(given.get("vkeys") or ())
    keys = given.get("vkeys") or ()
    origin = given.get("origin") or (keys[0].partition("+")[0] if keys else ledger.origin or "")
    own = {"own_key": ledger.verifier_key, "origin": origin, "layers": service.settings.layers}
    asked = {**given, **{key: value for key, value in own.items() if key == "own_key" or key in REPORTS[name].takes}}
    with open_snapshot(ledger, as_of=read_as_of(name, given)) as snapshot:
        compare_sampled(snapshot, ledger, given, given.get("tell"))
        return answer(snapshot, name, {**asked, "approvers": service.policy.approvers}, command)


def check_keys(keys: Sequence[str]) -> None:
    """Refuse what is no verifier key.

    Raises:
        UsageError: with the code `verifier-key`.
    """
    from policy_audit.errors import AuditError
    from policy_audit.keys import parse_verifier_key

    for key in keys:
        try:
            parse_verifier_key(key)
        except AuditError as error:
            raise UsageError(Problem("verifier-key", error.message, help=error.help)) from None


async def report(service: Service, principal: Principal, name: str, given: Mapping[str, Any], command: str) -> Report:
    """Return a report, made within a request's time.

    Raises:
        PolicyError: as `make_report`, `narrowed` and `Reporter.make`.
    """
    from policy_audit.errors import AuditError

    from policy_engine.recorder import recording_error
    from policy_engine.service.recorded import as_parameters

    asked = narrowed(principal, given, REPORTS[name].takes)

    def ask() -> Report:
        try:
            return make_report(service, service.door.open(), name, asked, command)
        except AuditError as error:
            raise recording_error(error) from error

    try:
        found = await service.reporter.make(ask, service.settings.limits.request_seconds)
    except (InputError, UsageError) as error:
        raise as_parameters(error) from error
    if len(found.rows) > MOST_ROWS:
        message = f"the report has {len(found.rows):,} rows, and {MOST_ROWS:,} are answered at once"
        raise UsageError(Problem("report-too-large", message, help="ask for an export: POST /v1/exports"))
    return found
