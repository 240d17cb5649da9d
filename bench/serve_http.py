"""One request at a time to a server on this machine, past any proxy: what is asked beside the load."""

from __future__ import annotations

import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

_SECONDS = 30


def post(url: str, path: str, body: str, token: str = "") -> bytes:
    """Return the answer to a JSON document.

    Raises:
        RuntimeError: its status is not 200.
    """
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with closing(HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)) as connection:
        connection.request("POST", path, body.encode(), headers)
        answer = connection.getresponse()
        content = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered with {answer.status}: {content[:500].decode(errors='replace')}")
    return content


def is_up(url: str, path: str) -> bool:
    """Whether the server answers `GET` at `path` with status 200."""
    try:
        with closing(HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
