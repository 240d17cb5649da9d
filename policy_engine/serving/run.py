"""Start the workers and keep them."""

from __future__ import annotations

from functools import partial

import uvicorn
from uvicorn.supervisors import Multiprocess

from policy_engine.service.settings import Settings
from policy_engine.serving.app import create_app
from policy_engine.serving.protocol import Protocol

GRACE_SECONDS = 30


def serve(settings: Settings) -> None:
    """Serve until told to stop: SIGTERM or SIGINT lets what was accepted finish."""
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
