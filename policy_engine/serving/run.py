"""Start the workers and keep them."""

from __future__ import annotations

import gc
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from msgspec.structs import replace
from uvicorn.supervisors import Multiprocess

from policy_engine import telemetry
from policy_engine.service.settings import Settings
from policy_engine.serving import logs
from policy_engine.serving.app import create_app
from policy_engine.serving.counting import FOLDER
from policy_engine.serving.draining import DrainingProtocol

if TYPE_CHECKING:
    from fastapi import FastAPI

GRACE_SECONDS = 30
SWITCH_SECONDS = 0.001


def serve(settings: Settings) -> None:
    """Serve until told to stop: SIGTERM or SIGINT lets what was accepted finish."""
    log = logs.begin(settings.log_form, settings.log_level)
    with shared_state(settings) as shared:
        config = uvicorn.Config(
            partial(worker_app, shared),
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
        listening = config.bind_socket()
        log.event("info", "started", listen=f"{settings.host}:{settings.port}", workers=settings.workers)
        Supervisor(config, sockets=[listening]).run()
    log.event("info", "stopped")
    log.close()


def worker_app(settings: Settings) -> FastAPI:
    """Return the application of a process that is a worker: with a log and telemetry of its own."""
    # evaluations share the interpreter with the event loop, which is to have its turn soon
    sys.setswitchinterval(SWITCH_SECONDS)
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
    gc.collect()
    gc.freeze()


class Supervisor(Multiprocess):
    """Starts the workers and keeps them."""

    def terminate_all(self) -> None:
        """Have the workers end; who connects from now on is refused, rather than left waiting for nobody."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


@contextmanager
def shared_state(settings: Settings) -> Iterator[Settings]:
    """Give the workers a folder that they share: the one that is set, else a private one for as long as they live."""
    if settings.state is not None:
        settings.state.mkdir(parents=True, exist_ok=True)
        # counts are those of one supervisor: what an earlier one left is no part of them
        shutil.rmtree(settings.state / FOLDER, ignore_errors=True)
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="policy-serve-state-", ignore_cleanup_errors=True) as folder:
        yield replace(settings, state=Path(folder))
