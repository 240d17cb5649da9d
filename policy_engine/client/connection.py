"""The client's connection: the one place that uses httpx.

What it does not do: follow redirects (a token would go to another host), verify less than everything of TLS, read
answers without bound or end, take a password out of `.netrc`. A proxy of the environment (`HTTPS_PROXY`, `NO_PROXY`)
is used, but not to this machine: it would ask itself, and read the token. `SSL_CERT_FILE` names a company's own
authorities.
"""

from __future__ import annotations

import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from msgspec import Struct

from policy_engine import __version__
from policy_engine.client.credentials import Secret, is_here
from policy_engine.client.errors import UnreachableError, untrusted
from policy_engine.errors import Problem

Query = Sequence[tuple[str, str]]
#: Seconds to connect, and between two parts of an answer.
CONNECT, READ = 10.0, 40.0
#: Seconds for one answer from beginning to end, however it drips.
LONGEST = 120.0
MOST_BYTES = 64 * 1024 * 1024
#: Seconds to wait before each further try; a server's `Retry-After` is waited for up to the longest of them.
WAITS = (0.5, 2.0, 5.0)
LONGEST_WAIT = 30.0
#: Answers after which the same request is worth another try.
AGAIN = frozenset({408, 425, 429, 502, 503, 504})


class Answer(Struct, frozen=True):
    """A server's answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Connection:
    """Speaks to one server. Used by one thread."""

    def __init__(
        self, address: str, token: Secret | None, *, longest: float = LONGEST, waits: Sequence[float] = WAITS
    ) -> None:
        self._address, self._longest, self._waits = address, longest, tuple(waits)
        self._sockets: list[socket.socket] = []
        headers = {"User-Agent": f"policy-engine/{__version__}", "Accept-Encoding": "gzip"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token.reveal()}"
        try:
            self._http = httpx.Client(
                headers=headers,
                timeout=httpx.Timeout(READ, connect=CONNECT),
                follow_redirects=False,
                verify=_authorities(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
                trust_env=not is_here(urlsplit(address).hostname or ""),
                auth=_nobody,  # else httpx would look into .netrc
            )
        except (OSError, ValueError, ImportError) as error:
            # a proxy's address, or a file of authorities that is none; either may hold a password
            message = f"the connection cannot be set up: {type(error).__name__}"
            hint = "look at HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR"
            raise UnreachableError(Problem("server-unreachable", message, help=hint)) from None

    def close(self) -> None:
        """End it."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool = True,
        most: int = MOST_BYTES,
    ) -> Answer:
        """Return the answer. `safe`: asking again changes nothing, and is done where it is of use.

        Raises:
            UnreachableError: there was no answer.
            UntrustedError: it is larger than `most` bytes, or a redirect.
        """
        for wait in (*(self._waits if safe else ()), None):
            try:
                answer = self._once(method, path, query, body, headers or {}, most)
            except UnreachableError:
                if wait is None:
                    raise
                after = None
            else:
                if answer.status not in AGAIN or wait is None:
                    return answer
                after = retry_after(answer)
                if after is not None and after > LONGEST_WAIT:
                    return answer
            time.sleep(max(after or 0.0, wait * random.uniform(0.5, 1.0)))  # noqa: S311 - no secret
        raise AssertionError("unreachable")

    def _once(
        self, method: str, path: str, query: Query, body: bytes | None, headers: Mapping[str, str], most: int
    ) -> Answer:
        request = self._http.build_request(
            method,
            self._address + path,
            content=body,
            params=httpx.QueryParams(list(query)) if query else None,
            headers=dict(headers),
            extensions={"trace": self._traced},
        )
        with _told(), self._ended(), self._streamed(request) as response:
            if response.is_redirect or 300 <= response.status_code < 400:
                message = "the server answers with a redirect, and none is followed"
                raise untrusted(message, "server-redirect", "name the server's own address")
            parts, size = [], 0
            for part in response.iter_bytes():
                size += len(part)
                if size > most:
                    raise untrusted(f"the server's answer is larger than {most // 1024:,} KiB", "server-answer-large")
                parts.append(part)
            named = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, named, b"".join(parts))

    @contextmanager
    def _streamed(self, request: httpx.Request) -> Iterator[httpx.Response]:
        response = self._http.send(request, stream=True)
        try:
            yield response
        finally:
            response.close()

    @contextmanager
    def _ended(self) -> Iterator[None]:
        """End the exchange when its time is over: httpx's time-outs are for each part, and a drip is many parts."""
        over = threading.Event()

        def end() -> None:
            over.set()
            for each in self._sockets:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self._longest, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (httpx.HTTPError, httpx.StreamError):
            if not over.is_set():
                raise
        finally:
            timer.cancel()
        if over.is_set():
            message = f"the server's answer did not end within {self._longest:g} seconds"
            raise UnreachableError(Problem("server-slow", message, help="try again later"))

    def _traced(self, name: str, info: Mapping[str, Any]) -> None:
        """Keep the sockets that connections are made of."""
        if name == "connection.connect_tcp.complete":
            found = info["return_value"].get_extra_info("socket")
            self._sockets = [*(each for each in self._sockets if each.fileno() >= 0), found]


@lru_cache(maxsize=4)
def _authorities(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Return what certificates are verified by, as httpx has it, for these settings: it takes a while to make."""
    return httpx.create_ssl_context()


def _nobody(request: Any) -> Any:
    return request


@contextmanager
def _told() -> Iterator[None]:
    """Say what httpx says in our words: no address, header or text of the other side."""
    hint = "is the address right, and does the server run? nothing was handed out"
    try:
        yield
    except httpx.TimeoutException:
        raise UnreachableError(Problem("server-slow", "the server did not answer in time", help=hint)) from None
    except httpx.ConnectError as error:
        why, hint = _why(error, hint)
        raise UnreachableError(Problem("server-unreachable", f"the server is not reached: {why}", help=hint)) from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        message = f"the exchange with the server broke off ({type(error).__name__})"
        raise UnreachableError(Problem("server-unreachable", message, help=hint)) from None


def _why(error: BaseException | None, hint: str) -> tuple[str, str]:
    """Return why there is no connection, and what to do; `hint` where nothing is known."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY" in str(error):
            hint = "SSL_CERT_FILE names a company's own authorities; a certificate is never left unverified"
            return "its certificate is not valid here", hint
        if isinstance(error, ssl.SSLError) or "[SSL" in str(error):
            hint = "does it speak https:// on this port, and a version of TLS that this machine speaks?"
            return "no TLS connection comes about", hint
        error = error.__cause__ or error.__context__
    return "nobody answers there", hint


def retry_after(answer: Answer) -> float | None:
    """Return the seconds of `Retry-After`; None where there is none. A date is not read: clocks differ."""
    text = answer.headers.get("retry-after", "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
