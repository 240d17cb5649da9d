"""Bytes to a server and back, as no client library would send them."""

from __future__ import annotations

import re
import socket
import time
from urllib.parse import urlsplit


def connect(url: str, timeout: float = 8) -> socket.socket:
    """Return a connection."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    found = socket.create_connection((parts.hostname, parts.port or 80), timeout)
    found.settimeout(timeout)
    return found


def until_closed(connection: socket.socket, seconds: float = 8) -> bytes:
    """Return what comes until the server closes."""
    found, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return found
        if not piece:
            return found
        found += piece
    raise AssertionError(f"it did not close: {found[-200:]!r}")


def exchange(url: str, sent: bytes, seconds: float = 8) -> bytes:
    """Send bytes and return all that comes back until the server closes."""
    with connect(url, seconds) as connection:
        connection.sendall(sent)
        return until_closed(connection, seconds)


def statuses(answer: bytes) -> list[int]:
    """Return the statuses of the answers in a stream."""
    # an answer's body has no line of its own before the next one
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]
