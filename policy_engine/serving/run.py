"""Start the workers and keep them."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from policy_engine import telemetry
from policy_engine.errors import PolicyError
from policy_engine.service.settings import Settings
from policy_engine.serving import logs
from policy_engine.serving.app import create_app
from policy_engine.serving.draining import DrainingProtocol
from policy_engine.serving.hearing import Told, hearing, unless_ended
from policy_engine.serving.listening import address_of, listening_on
from policy_engine.serving.reloading import Reloader
from policy_engine.serving.saying import problem_text
from policy_engine.serving.shared import shared_state
from policy_engine.serving.supervisor import Supervisor

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE_SECONDS = 30
#: After so long a worker that was told to end is killed: it needs more, to commit what waits and to close the ledger.
#: Whoever stops the server has to wait longer than that (deploy/).
STOP_SECONDS = GRACE_SECONDS + 15
#: A start that is told to end waits so long for rules that are being read.
PATIENCE_SECONDS = 5.0
#: So long a thread waits for Python's lock before whoever has it is asked to give it up.
SWITCH_SECONDS = 0.0001
#: So many new objects are let be before the collector looks at the youngest.
COLLECTED_EACH = 10_000
#: A server of the ledger that says nothing for so long is asked, and has as long again to answer.
SILENT_SECONDS = 5.0


def serve(settings: Settings) -> None:
    """Serve until told to stop: SIGTERM or SIGINT lets what was accepted finish, and SIGHUP reloads the rules.

    Raises:
        PolicyError: it cannot start, or was stopped hard.
    """
    with hearing() as told, listening_on(settings) as listening, shared_state(settings) as shared:
        log = logs.begin(settings.log_form, settings.log_level)
        try:
            ledger, reloader = _named(settings), Reloader(shared, log.event)
            supervisor = Supervisor(configuration(shared), [listening], log.event, told, STOP_SECONDS)
            supervisor.reload, supervisor.before_start = reloader.ask, reloader.keep
            policy = _loaded(reloader, log, told)
            if policy is not None:
                place = f"http://{address_of(settings)}"
                log.event("info", "serving", listen=place, ledger=ledger, policy=policy, workers=settings.workers)
                threading.Thread(target=_warn_of_rights, args=(settings, log), daemon=True).start()
                reloader.start()
            try:
                supervisor.run()
            finally:
                reloader.stop()
            log.event("info", "stopped")
        finally:
            log.close()


def _loaded(reloader: Reloader, log: logs.Log, told: Told) -> str | None:
    """Load the rules; where they are refused whoever reads the log is told as well, and not the command's caller alone.

    Returns None where the server was told to end before they were read.

    Raises:
        PolicyError: they are invalid.
    """
    try:
        return unless_ended(reloader.load, told, PATIENCE_SECONDS)
    except PolicyError as error:
        for problem in error.problems:
            log.event("error", "not started", code=problem.code, message=problem_text(problem))
        raise


def configuration(settings: Settings) -> uvicorn.Config:
    """Return what uvicorn is told."""
    return uvicorn.Config(
        partial(worker_app, settings),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=DrainingProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=75,
        log_config=None,
        log_level="warning",
    )


def worker_app(settings: Settings) -> FastAPI:
    """Return the application of a process that is a worker: with a log and telemetry of its own."""
    # evaluations share the interpreter with the event loop, which is to have its turn soon
    sys.setswitchinterval(SWITCH_SECONDS)
    # what a request leaves behind goes by its counts; the collector need not look after each three of them
    gc.set_threshold(COLLECTED_EACH, *gc.get_threshold()[1:])
    if settings.ledger.startswith("postgresql"):
        from policy_audit.server_silence import expect_answers_within

        expect_answers_within(SILENT_SECONDS)
    log = logs.begin(settings.log_form, settings.log_level)
    telemetry.configure_from_environment()
    telemetry.warn_with(lambda text: log.event("warning", "telemetry", message=text))
    app = create_app(settings, log, started=_freeze)
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(of: FastAPI) -> AsyncIterator[None]:
        async with inner(of):
            log.event("info", "worker started")
            yield
        telemetry.shutdown()
        log.event("info", "worker stopped")
        log.close()

    app.router.lifespan_context = lifespan
    return app


def _freeze() -> None:
    """Let the collector pass over what stays: the rules and the catalog, which it would go through again and again."""
    gc.unfreeze()  # rules that are no longer in force are to go
    gc.collect()
    gc.freeze()


def _named(settings: Settings) -> str:
    """Return the ledger's place, without a password.

    Raises:
        RecordingError: there can be no such ledger.
    """
    from policy_audit.database import locate
    from policy_audit.errors import AuditError

    from policy_engine.recorder import recording_error

    try:
        return str(locate(settings.ledger))
    except AuditError as error:
        raise recording_error(error) from error


def _warn_of_rights(settings: Settings, log: logs.Log) -> None:
    """Say which rights the server's user lacks on a ledger on PostgreSQL: after a migration they are granted anew."""
    from policy_audit.errors import AuditError
    from policy_audit.grants import lacking

    with suppress(AuditError):  # it is away: that is said by whoever needs it
        if lacked := lacking(settings.ledger):
            hint = "`policy db grants` prints the statements that give them"
            log.event("warning", "rights lacking", rights=", ".join(lacked), help=hint)
