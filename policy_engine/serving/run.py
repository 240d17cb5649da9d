"""Start the workers and keep them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
from msgspec.structs import replace
from uvicorn.supervisors import Multiprocess

from policy_engine.service.settings import Settings
from policy_engine.serving.app import create_app
from policy_engine.serving.protocol import Protocol

GRACE_SECONDS = 30


def serve(settings: Settings) -> None:
    """Serve until told to stop: SIGTERM or SIGINT lets what was accepted finish."""
    with TemporaryDirectory(prefix="policy-serve-") as own:
        _serve(settings if settings.state is not None else replace(settings, state=Path(own)))


def _serve(settings: Settings) -> None:
    config = uvicorn.Config(
        partial(create_app, settings),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=Protocol,
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
    Multiprocess(config, sockets=[listening]).run()
