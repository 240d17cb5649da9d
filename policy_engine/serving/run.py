"""Start the workers and keep them."""

from __future__ import annotations

import gc
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from fastapi import FastAPI
from msgspec.structs import replace
from uvicorn.supervisors import Multiprocess

from policy_engine.service.settings import Settings
from policy_engine.serving.app import create_app
from policy_engine.serving.draining import DrainingProtocol

GRACE_SECONDS = 30
SWITCH_SECONDS = 0.001


def serve(settings: Settings) -> None:
    """Serve until told to stop: SIGTERM or SIGINT lets what was accepted finish."""
    with TemporaryDirectory(prefix="policy-serve-") as own:
        _serve(settings if settings.state is not None else replace(settings, state=Path(own)))


def _serve(settings: Settings) -> None:
    config = uvicorn.Config(
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
    listening = config.bind_socket()
    Supervisor(config, sockets=[listening]).run()


def application(settings: Settings) -> FastAPI:
    """Return the application of a process that does nothing else."""
    # evaluations share the interpreter with the event loop, which is to have its turn soon
    sys.setswitchinterval(SWITCH_SECONDS)
    return create_app(settings, started=_freeze)


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
