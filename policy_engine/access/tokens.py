"""Bearer tokens: random, on record by their hash alone, with roles, reach and an end.

A token is `pe_<id>_<secret>`. That it was made, and that it was revoked, are entries of the ledger: whoever could
write to the database can make none unseen. The secret has 256 bits, so that its plain SHA-256 gives nothing away.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace
from policy_audit.entry import Draft, EntryType

from policy_engine.access.principal import ROLES, Principal, UnauthenticatedError
from policy_engine.errors import Problem
from policy_engine.recorder import recording_error
from policy_engine.waivers.on_record import Record, Source, opened_value, records

if TYPE_CHECKING:
    from policy_audit.errors import LedgerError
    from policy_audit.ledger import Ledger

    from policy_engine.recorder import Context

_TOKEN = re.compile(r"pe_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_NO_DIGEST = "-" * 64
#: What is on record of tokens; `ledger.latest` of these says whether anything changed.
TYPES = frozenset({EntryType.ACCESS_TOKEN_CREATED.value, EntryType.ACCESS_TOKEN_REVOKED.value})


class Revocation(Struct, frozen=True):
    """That a token was taken back: the entry, its time, and why."""

    index: int
    at: datetime
    reason: str


class Token(Struct, frozen=True):
    """A token on record. `subject` is None where the name was erased or cannot be read: then it counts for nothing."""

    id: str
    digest: str
    subject: str | None
    roles: frozenset[str]
    namespaces: frozenset[str] | None
    expires_at: datetime
    index: int
    made_at: datetime
    revoked: Revocation | None = None

    def status(self, at: datetime) -> str:
        """Return whether it counts at `at`: `active`, `revoked`, `expired`, or `nobody` where its subject is gone."""
        if self.revoked is not None:
            return "revoked"
        if self.expires_at <= at:
            return "expired"
        return "active" if self.subject is not None else "nobody"


def new_token() -> tuple[str, str, str]:
    """Return the text of a new token, its id, and the SHA-256 of its text in hexadecimal."""
    name, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    text = f"pe_{name}_{secret}"
    return text, name, _digest(text)


def created_draft(
    name: str,
    digest: str,
    subject: str,
    roles: Collection[str],
    namespaces: Collection[str] | None,
    expires_at: datetime,
    by: Context,
) -> Draft:
    """Return the entry that puts a token on record."""
    body = {
        "token": name,
        "sha256": digest,
        "roles": sorted(roles),
        "namespaces": sorted(namespaces) if namespaces is not None else None,
        "expires_at": _time(expires_at),
    }
    personal = {"subject": subject, **({"actor": by.actor} if by.actor else {})}
    context = {"actor_known_by": by.actor_known_by, **by.details}
    return Draft(EntryType.ACCESS_TOKEN_CREATED, body=body, context=context, personal=personal)


def revoked_draft(name: str, reason: str, by: Context) -> Draft:
    """Return the entry that revokes a token."""
    personal = {"actor": by.actor} if by.actor else {}
    context = {"actor_known_by": by.actor_known_by, **by.details}
    body = {"token": name, "reason": reason}
    return Draft(EntryType.ACCESS_TOKEN_REVOKED, body=body, context=context, personal=personal)


def token_id(text: str) -> str:
    """Return the id of a token that is given by its id or as a whole; what is neither, as it is."""
    match = _TOKEN.fullmatch(text.strip())
    return match.group(1) if match else text.strip().lower()


class Tokens:
    """The tokens on record in one ledger, read once."""

    def __init__(self, known: Mapping[str, Token], missing: LedgerError | None = None) -> None:
        self._known = known
        self._missing = missing

    @classmethod
    def read(cls, ledger: Ledger) -> Tokens:
        """Read them.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        found: dict[str, Token] = {}
        for record in records(ledger, EntryType.ACCESS_TOKEN_CREATED):
            token = _token_of(ledger, record)
            if token is not None and token.id not in found:
                found[token.id] = token
        for record in records(ledger, EntryType.ACCESS_TOKEN_REVOKED):
            name = str(record.body.get("token"))
            if name in found and found[name].revoked is None:
                revocation = Revocation(record.index, record.recorded_at, str(record.body.get("reason")))
                found[name] = replace(found[name], revoked=revocation)
        return cls(found, ledger.vault.missing)

    def __len__(self) -> int:
        return len(self._known)

    def all(self) -> list[Token]:
        """Return every token that was ever made, in the order in which they were."""
        return sorted(self._known.values(), key=lambda token: token.index)

    def principal(self, text: str, now: datetime) -> Principal:
        """Return whom a token's text speaks for.

        Raises:
            UnauthenticatedError: it is none, or is expired, revoked or nobody's.
            RecordingError: whose it is cannot be read now, since the personal key is not there.
        """
        match = _TOKEN.fullmatch(text)
        token = self._known.get(match.group(1)) if match else None
        # one answer for all of these, after as much work: whoever guesses learns nothing of which tokens there are
        same = hmac.compare_digest(token.digest if token is not None else _NO_DIGEST, _digest(text))
        if token is None or not same:
            raise _refused("token-unknown", "the token is not known")
        status = token.status(now)
        if status == "revoked":
            raise _refused("token-revoked", f"the token {token.id} was revoked", token.id)
        if status == "expired":
            raise _refused("token-expired", f"the token {token.id} expired at {_time(token.expires_at)}", token.id)
        if token.subject is None and self._missing is not None:
            # whether it was erased is not known either: whoever asks is to come back, and not for another token
            raise recording_error(self._missing)
        if token.subject is None:
            raise _refused("token-nobody", f"whose the token {token.id} was is erased, or cannot be read", token.id)
        return Principal(token.subject, token.roles, "token", token.id, token.namespaces)


def _token_of(ledger: Source, record: Record) -> Token | None:
    body = record.body
    try:
        expires = datetime.fromisoformat(str(body["expires_at"])).astimezone(UTC)
        roles = frozenset(str(role) for role in body["roles"]) & frozenset(ROLES)
        reach = body["namespaces"]
        namespaces = None if reach is None else frozenset(str(each) for each in reach)
        subject = opened_value(ledger, record, "subject")
        name, digest = str(body["token"]), str(body["sha256"])
        return Token(name, digest, subject, roles, namespaces, expires, record.index, record.recorded_at)
    except (KeyError, TypeError, ValueError):
        return None  # it is no token, and lets nobody in


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _refused(code: str, message: str, token: str | None = None) -> UnauthenticatedError:
    problem = Problem(code, message, help="ask an administrator for a new token")
    return UnauthenticatedError(problem, token)
