"""Errors as RFC 9457 problem documents, with the codes, places and help of the command line."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.principal import ForbiddenError, UnauthenticatedError
from policy_engine.api.documents import json_bytes
from policy_engine.errors import InputError, PolicyError, Problem, RecordingError, UsageError
from policy_engine.service.errors import BusyError, ConflictError, NotFoundError
from policy_engine.service.observing import note_problem

_LOG = logging.getLogger("policy_engine.api")
MEDIA_TYPE = "application/problem+json"
#: When to come back where the ledger refused, in seconds.
RETRY_SECONDS = 2
_STATUSES: tuple[tuple[type[PolicyError], int], ...] = (
    (UnauthenticatedError, 401),
    (ForbiddenError, 403),
    (NotFoundError, 404),
    (ConflictError, 409),
    (BusyError, 429),
    (InputError, 422),
    (UsageError, 400),
    (RecordingError, 503),
)
_BY_CODE = {
    "blob-disposed": 410,
    "body-too-large": 413,
    "content-encoding": 415,
    "headers-too-large": 431,
    "media-type": 415,
    "method": 405,
    "range-unsatisfiable": 416,
    "request-timeout": 408,
    "url-too-long": 414,
}


def status_of(error: PolicyError) -> int:
    """Return the HTTP status of an error."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 503)


def told_to(request: Request, error: PolicyError) -> PolicyError:
    """Return what whoever asks may know of an error: where the ledger is, is told to those alone who are known.

    The words that they are not told go into the log.
    """
    if status_of(error) != 503 or hasattr(request.state, "principal"):
        return error
    _LOG.warning("told to nobody known: %s", error)
    hint = "come back later; whoever runs this server finds in its log what is wrong"
    return RecordingError(Problem(error.code, "the ledger cannot be used now", help=hint))


def problem_response(error: PolicyError) -> Response:
    """Return the answer that an error is."""
    status = status_of(error)
    note_problem(error.problems[0].code)
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="policy-engine"'
    if isinstance(error, BusyError):
        headers["Retry-After"] = str(error.seconds)
    elif status == 503:
        headers["Retry-After"] = str(RETRY_SECONDS)
    return Response(json_bytes(problem_document(error, status)), status, headers, MEDIA_TYPE)


def problem_document(error: PolicyError, status: int) -> dict[str, Any]:
    """Return the problem document: the first problem's code and words, and all of them in `problems`."""
    first = error.problems[0]
    return {
        "type": f"urn:policy-engine:problem:{first.code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": first.message,
        "code": first.code,
        "help": first.help,
        "problems": [_problem(each) for each in error.problems],
    }


def _problem(problem: Problem) -> dict[str, Any]:
    place = problem.span
    at = {"line": place.line, "column": place.column} if place is not None else {"line": None, "column": None}
    return {"code": problem.code, "message": problem.message, **at, "help": problem.help}
