"""What cannot be shown of a server's answer was none: the server is told apart from this program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def doubting(server: str | None) -> Iterator[None]:
    """Take what goes wrong while the answers of `server` are shown for its mistake; without one, for our own.

    Raises:
        UntrustedError: a document that was answered lacks what is shown of it.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        if server is None:
            raise
        from policy_engine.client.errors import untrusted

        message = "the decision's document is not whole, or not of the form that this program shows"
        hint = "is the server of another version? nothing of it counts; ask whoever runs it"
        raise untrusted(message, hint=hint) from error
