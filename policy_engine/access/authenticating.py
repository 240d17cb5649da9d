"""From an `Authorization` header to whoever asks."""

from __future__ import annotations

from datetime import datetime

from policy_engine.access.principal import ROLES, Principal, UnauthenticatedError
from policy_engine.access.tokens import Tokens
from policy_engine.errors import Problem

#: Whoever reaches an open server on loopback: that they are on this machine is all that is known.
ANYBODY = Principal("loopback", frozenset(ROLES), "loopback")


def authenticate(authorization: str | None, tokens: Tokens, now: datetime, *, open_access: bool) -> Principal:
    """Return who asks. `open_access`: the server listens on loopback alone, and nobody was ever given a token.

    Raises:
        UnauthenticatedError: that is not known.
    """
    if authorization is None:
        if open_access and not len(tokens):
            return ANYBODY
        raise UnauthenticatedError(
            Problem("token-missing", "a bearer token is wanted", help="send `Authorization: Bearer TOKEN`")
        )
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError(Problem("token-scheme", "only bearer tokens are taken"))
    return tokens.principal(text.strip(), now)
