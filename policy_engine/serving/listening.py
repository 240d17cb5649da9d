"""The address that a server listens on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from policy_engine.errors import Problem, UsageError
from policy_engine.service.settings import Settings

_WAITING = 2048


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
        raise _refused(settings, error) from error
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            # a port may be bound twice until somebody listens
            listening.listen(_WAITING)
        except OSError as error:
            raise _refused(settings, error) from error
        yield listening


def address_of(settings: Settings) -> str:
    """Return where it listens, as HOST:PORT."""
    return f"[{settings.host}]:{settings.port}" if ":" in settings.host else f"{settings.host}:{settings.port}"


def _refused(settings: Settings, error: OSError) -> UsageError:
    hints = {
        errno.EADDRINUSE: "another process listens there: stop it, or choose another port with --listen",
        errno.EACCES: "choose a port from 1024 on with --listen, or give the process the right",
        errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 or [::] is any of its own",
    }
    message = f"cannot listen on `{address_of(settings)}`: {(error.strerror or str(error)).lower()}"
    hint = hints.get(error.errno or 0, "--listen takes HOST:PORT, an address of this machine")
    return UsageError(Problem("listen", message, help=hint))
