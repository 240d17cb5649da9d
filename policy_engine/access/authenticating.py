"""From an `Authorization` header to whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from policy_engine.access.principal import ROLES, Principal, UnauthenticatedError
from policy_engine.access.tokens import Tokens
from policy_engine.errors import Problem

if TYPE_CHECKING:
    from policy_engine.access.oidc import Verifier

#: Whoever reaches an open server on loopback: that they are on this machine is all that is known.
ANYBODY = Principal("loopback", frozenset(ROLES), "loopback")


def authenticate(
    authorization: str | None, tokens: Tokens, now: datetime, *, open_access: bool, oidc: Verifier | None = None
) -> Principal:
    """Return who asks. `open_access`: the server listens on loopback alone, and lets in everybody where nobody was ever
    given a token, and no issuer gives any (`oidc`).

    Raises:
        UnauthenticatedError: that is not known.
    """
    if authorization is None:
        if open_access and oidc is None and not len(tokens):
            return ANYBODY
        raise UnauthenticatedError(
            Problem("token-missing", "a bearer token is wanted", help="send `Authorization: Bearer TOKEN`")
        )
    scheme, _, text = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError(Problem("token-scheme", "only bearer tokens are taken"))
    text = text.strip(" ")
    if oidc is not None and text.count(".") == 2:  # tokens of ours have no points
        return oidc.principal(text, now)
    return tokens.principal(text, now)
