"""Start the workers and keep them."""

from __future__ import annotations

from functools import partial

import uvicorn
from uvicorn.supervisors import Multiprocess

from policy_engine.service.settings import Settings
from policy_engine.serving.app import create_app
from policy_engine.serving.draining import DrainingProtocol

GRACE_SECONDS = 30


def serve(settings: Settings) -> None:
    """Serve until told to stop: SIGTERM or SIGINT lets what was accepted finish."""
    config = uvicorn.Config(
        partial(create_app, settings),
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


class Supervisor(Multiprocess):
    """Starts the workers and keeps them."""

    def terminate_all(self) -> None:
        """Have the workers end; who connects from now on is refused, rather than left waiting for nobody."""
        for listening in self.sockets:
            listening.close()
        super().terminate_all()
