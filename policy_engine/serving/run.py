"""Start the workers and keep them."""

from __future__ import annotations

import errno
import gc
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import uvicorn
from msgspec.structs import replace

from policy_engine.errors import Problem, UsageError
from policy_engine.service.settings import Settings
from policy_engine.serving.app import create_app
from policy_engine.serving.draining import DrainingProtocol
from policy_engine.serving.reloading import Reloader
from policy_engine.serving.saying import say
from policy_engine.serving.supervisor import Supervisor

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE_SECONDS = 30
SWITCH_SECONDS = 0.001
#: A server of the ledger that says nothing for so long is asked, and has as long again to answer.
SILENT_SECONDS = 5.0
#: What a worker needs beyond that, to commit what waits and to close the ledger.
_CLOSING_SECONDS = 15


def serve(settings: Settings) -> None:
    """Serve until told to stop: SIGTERM or SIGINT lets what was accepted finish, and SIGHUP reloads the rules.

    Raises:
        PolicyError: it cannot start, or was stopped hard.
    """
    with listening_on(settings) as listening, private_state(settings) as shared:
        reloader = Reloader(shared, say)
        policy = reloader.load()
        place = f"http://{_address(settings)}"
        say("info", "serving", listen=place, ledger=_named(settings), policy=policy, workers=settings.workers)
        supervisor = Supervisor(configuration(shared), [listening], say, GRACE_SECONDS + _CLOSING_SECONDS)
        supervisor.reload, supervisor.before_start = reloader.ask, reloader.keep
        reloader.start()
        try:
            supervisor.run()
        finally:
            reloader.stop()
        say("info", "stopped")


def configuration(settings: Settings) -> uvicorn.Config:
    """Return what uvicorn is told."""
    return uvicorn.Config(
        partial(application, settings),
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
        log_level="warning",
    )


def application(settings: Settings) -> FastAPI:
    """Return the application of a process that does nothing else."""
    # evaluations share the interpreter with the event loop, which is to have its turn soon
    sys.setswitchinterval(SWITCH_SECONDS)
    if settings.ledger.startswith("postgresql"):
        from policy_audit.server_silence import expect_answers_within

        expect_answers_within(SILENT_SECONDS)
    return create_app(settings, started=_freeze)


def _freeze() -> None:
    """Let the collector pass over what stays: the rules and the catalog, which it would go through again and again."""
    gc.unfreeze()  # rules that are no longer in force are to go
    gc.collect()
    gc.freeze()


@contextmanager
def listening_on(settings: Settings) -> Iterator[socket.socket]:
    """Take the address, so that nobody else has it; who connects is answered once a worker is there.

    Raises:
        UsageError: it cannot be had.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _not_there(settings, error) from error
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            # a port that another process listens on is free to be bound, until somebody listens
            listening.listen(2048)
        except OSError as error:
            raise _not_there(settings, error) from error
        yield listening


def _not_there(settings: Settings, error: OSError) -> UsageError:
    hints = {
        errno.EADDRINUSE: "another process listens there: stop it, or choose another port with --listen",
        errno.EACCES: "choose a port from 1024 on with --listen, or give the process the right",
        errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 or [::] is any of its own",
    }
    message = f"cannot listen on `{_address(settings)}`: {(error.strerror or str(error)).lower()}"
    hint = hints.get(error.errno or 0, "--listen takes HOST:PORT, an address of this machine")
    return UsageError(Problem("listen", message, help=hint))


def _address(settings: Settings) -> str:
    return f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"


def _named(settings: Settings) -> str:
    """Return the ledger's place, without a password."""
    from policy_audit.database import locate
    from policy_audit.errors import AuditError

    try:
        return str(locate(settings.ledger))
    except AuditError:
        return "?"


@contextmanager
def private_state(settings: Settings) -> Iterator[Settings]:
    """Give the workers folders that they share: `state`, and one of this supervisor alone for the rules.

    Raises:
        UsageError: none can be made.
    """
    try:
        if settings.state is not None:
            settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        own = TemporaryDirectory(prefix="policy-serve-", dir=settings.state, ignore_cleanup_errors=True)
    except OSError as error:
        message = f"cannot make a folder for the workers: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("state-folder", message, help="name one with --state that may be written")) from error
    with own as folder:
        rules = Path(folder, "rules")
        rules.mkdir(mode=0o700)
        yield replace(settings, state=settings.state or Path(folder), rules=rules)
