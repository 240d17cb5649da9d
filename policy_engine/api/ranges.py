"""Ranges of a file (RFC 9110, 14.2) that cannot be given: refused as all that is wrong is."""

from __future__ import annotations

import os
import re

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from policy_engine.api.problems import problem_response
from policy_engine.errors import Problem, UsageError

_PART = re.compile(r"(\d{1,18})-(\d{0,18})|-(\d{1,18})", re.ASCII)
_HELP = "write `Range: bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`, or leave it out"


def refused_range(request: Request, file: os.stat_result) -> Response | None:
    """Return the answer to a range that is none (400), or lies beyond the file (416); None where it can be given."""
    text = request.headers.get("range")
    told = FileResponse("", stat_result=file).headers
    if text is None or request.headers.get("if-range", told["etag"]) not in (told["etag"], told["last-modified"]):
        return None
    unit, _, rest = text.partition("=")
    parts = [_PART.fullmatch(each.strip()) for each in rest.split(",")]
    starts = [_start(each, file.st_size) for each in parts if each is not None]
    if unit.strip().lower() != "bytes" or len(starts) != len(parts) or None in starts:
        return problem_response(UsageError(Problem("range", "the header `Range` names no range of bytes", help=_HELP)))
    if any(start is not None and start >= file.st_size for start in starts):
        message = f"the header `Range` names bytes that there are not: it has {file.st_size:,}"
        answer = problem_response(UsageError(Problem("range-unsatisfiable", message, help=_HELP)))
        answer.headers["Content-Range"] = f"bytes */{file.st_size}"
        return answer
    return None


def _start(part: re.Match[str], size: int) -> int | None:
    """Return the first byte of a range; None where it ends before it begins."""
    first, last, count = part.groups()
    if count is not None:
        return max(size - int(count), 0) if int(count) else size
    return None if last and int(last) < int(first) else int(first)
