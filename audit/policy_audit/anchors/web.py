"""POST over HTTP with the standard library: one answer, bounded in size and time, from where it was asked for.

Redirects are refused: what is pinned is an address. Proxies are those of the environment, as usual.
"""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from policy_audit.errors import AnchorError

TIMEOUT_SECONDS = 20.0
MAX_ANSWER_BYTES = 1_000_000
_AGENT = "policy-audit"


@dataclass(frozen=True, slots=True)
class Answer:
    """A server's answer, whatever its status; `kind` is the media type, in lower case and without parameters."""

    status: int
    kind: str
    body: bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **more: Any) -> None:
        return None  # the 3xx itself is then the answer


def post(url: str, body: bytes, kind: str, *, timeout: float | None = None) -> Answer:
    """Send `body` and return the answer.

    Raises:
        AnchorError: no whole answer within `timeout` seconds, by default `TIMEOUT_SECONDS`, or a larger one.
    """
    seconds = TIMEOUT_SECONDS if timeout is None else timeout
    found: list[Answer | AnchorError] = []
    # A server that sends a byte now and then resets every socket's time-out, so the whole has one of its own.
    thread = threading.Thread(target=lambda: found.append(_ask(url, body, kind, seconds)), daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise AnchorError(f"`{url}` did not answer within {seconds:g} seconds")
    answer = found[0]
    if isinstance(answer, AnchorError):
        raise answer
    return answer


def _ask(url: str, body: bytes, kind: str, seconds: float) -> Answer | AnchorError:
    headers = {"Content-Type": kind, "User-Agent": _AGENT}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - checked by `place`
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        try:
            response: Any = opener.open(request, timeout=seconds)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            data = response.read(MAX_ANSWER_BYTES + 1)
            answer = Answer(int(response.status), response.headers.get_content_type(), data)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        text = " ".join(str(reason).split())[:200] or type(error).__name__
        return AnchorError(f"`{url}` cannot be asked: {text}")
    if len(answer.body) > MAX_ANSWER_BYTES:
        return AnchorError(f"`{url}` answered with more than {MAX_ANSWER_BYTES:,} bytes")
    return answer
