"""What goes wrong between a client and the server, as errors of the engine's own tree.

    RecordingError
    ├── UnreachableError     no answer, or none in time
    ├── UntrustedError       an answer that is none of ours, or not to what was asked
    ├── DeniedError          401, 403: who asks is not known, or may not
    └── UnavailableError     429, 5xx: nothing was handed out; `retry_after` in seconds where it was said
    InputError
    └── RefusedError         other 4xx: the request, or a workload in it, is wrong

Those below `RecordingError` leave nothing to act on: nothing is on record that was answered.
"""

from __future__ import annotations

from collections.abc import Iterable

from policy_engine.errors import InputError, Problem, RecordingError


class UnreachableError(RecordingError):
    """The server gave no answer."""


class UntrustedError(RecordingError):
    """An answer that cannot be believed: of another form, on another workload, or not as it was recorded."""


class _Answered:
    """An error that the server answered; `status` is HTTP's."""

    status = 0


class DeniedError(RecordingError, _Answered):
    """The server does not know who asks, or they may not."""


class UnavailableError(RecordingError, _Answered):
    """The server does not work now, or has too much to do."""

    retry_after: float | None = None


class RefusedError(InputError, _Answered):
    """The request is wrong, or what it names is not there."""


def answered_error(
    status: int, problems: Iterable[Problem], retry_after: float | None = None
) -> DeniedError | UnavailableError | RefusedError:
    """Return the error that an answer of this status is."""
    if status in (401, 403):
        error: DeniedError | UnavailableError | RefusedError = DeniedError(problems)
    elif status in (408, 429) or status >= 500:
        error = UnavailableError(problems)
        error.retry_after = retry_after
    else:
        error = RefusedError(problems)
    error.status = status
    return error


def untrusted(message: str, code: str = "server-answer", hint: str | None = None) -> UntrustedError:
    """Return the error of an answer that is not believed."""
    return UntrustedError(Problem(code, message, help=hint or "nothing of it counts; ask whoever runs the server"))
