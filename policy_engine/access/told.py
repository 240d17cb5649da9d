"""What is told of tokens: by the command, and by the console."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from policy_engine.access.tokens import Token
from policy_engine.asking.moments import exact


def token_row(token: Token, at: datetime, used: Mapping[str, tuple[int, str]] | None) -> dict[str, Any]:
    """Return what is told of a token; `used` has the last entry and its time by the token's id."""
    revoked = token.revoked
    row: dict[str, Any] = {
        "id": token.id,
        "status": token.status(at),
        "subject": token.subject,
        "roles": sorted(token.roles),
        "namespaces": sorted(token.namespaces) if token.namespaces is not None else None,
        "made_at": exact(token.made_at),
        "entry": token.index,
        "expires_at": exact(token.expires_at),
        "revoked": None
        if revoked is None
        else {"entry": revoked.index, "at": exact(revoked.at), "reason": revoked.reason},
    }
    if used is not None:
        last = used.get(token.id)
        row["last_entry"] = {"entry": last[0], "at": last[1]} if last is not None else None
    return row
