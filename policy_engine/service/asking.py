"""What is asked for in a request for decisions, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from policy_audit.once_sealed import Once

from policy_engine.access.principal import Principal
from policy_engine.errors import Problem, UsageError
from policy_engine.recorder import Context, recordable

if TYPE_CHECKING:
    from policy_engine.service.excerpts import Given
    from policy_engine.service.memory import Decided

LONGEST_KEY = 255


class Asked(Struct, frozen=True):
    """A request for decisions. `details` go into the entries' context: run, repository, commit and the like."""

    body: bytes
    authorization: str | None
    purpose: str = "draft"
    details: Mapping[str, str] = {}
    key: str | None = None
    """The idempotency key, where one was given."""
    files: Mapping[str, bytes] = {}
    """What came with the workloads, by the names that their evidence has for it."""
    address: str = ""
    """Where the request comes from: a log-in that fails is counted by it."""
    check: Callable[[Decided], None] | None = None
    """Refuses what was decided before anything of it is recorded."""
    subject: str | None = None
    """Whom a gateway asks about, where it asks for somebody else; a personal value of the entries."""
    is_json: bool = False
    """Whether the body has to be JSON; else it is YAML."""
    in_short: bool = False
    """Whether what is given in short will do, and no document is written."""
    all_rules: bool = False
    """Whether the answer has the rules that did not fire, too."""

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what is to be decided."""
        # the same bytes may mean another thing as YAML, of which none begin with this byte
        body = sha256(b"\xff" if self.is_json else b"")
        body.update(self.body)
        if not self.files:
            return body.digest()
        named = [(name, sha256(content).hexdigest()) for name, content in sorted(self.files.items())]
        # no text begins with this byte, so that no body is taken for a form
        return sha256(b"\xfe" + json.dumps([body.hexdigest(), named]).encode()).digest()

    def context(self, principal: Principal) -> Context:
        """Return what the entries say of who asked and why."""
        details = {key: kept for key, value in self.details.items() if (kept := recordable(value))}
        if principal.token is not None:
            details["token"] = principal.token
        actor, subject = recordable(principal.subject) or None, recordable(self.subject) or None
        return Context(self.purpose, actor, principal.known_by, details, subject)

    def once(self, principal: Principal) -> Once | None:
        """Return what makes it the same request of the same principal; None where it has no key."""
        if self.key is None:
            return None
        request = [self.digest.hex(), self.purpose, sorted(self.details.items())]
        return Once(_digest([principal.known_by, principal.subject, self.key]), _digest(request))


def check_key(key: str | None) -> None:
    """Refuse what is no idempotency key.

    Raises:
        UsageError: it is empty, too long, or has other characters than printable ones of ASCII.
    """
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        message = f"an idempotency key has 1 to {LONGEST_KEY} printable characters of ASCII"
        raise UsageError(Problem("idempotency-key", message, help="send a UUID in `Idempotency-Key`, or leave it out"))


class Answer:
    """What may be shown: the decisions in the order of the body, as JSON, and whether that was a list.

    `repeated` where it is the answer of an earlier request with the same idempotency key; `given` says in short what
    was decided now. `write` makes the documents, which not everybody asks for.
    """

    def __init__(
        self, write: Callable[[], Sequence[bytes]], listed: bool, repeated: bool = False, given: Sequence[Given] = ()
    ) -> None:
        self._write, self.listed, self.repeated, self.given = write, listed, repeated, tuple(given)

    @cached_property
    def documents(self) -> tuple[bytes, ...]:
        """The documents as JSON."""
        return tuple(self._write())

    @property
    def content(self) -> bytes:
        """The answer as JSON: one document, or a list."""
        return b"[%s]" % b",".join(self.documents) if self.listed else self.documents[0]

    @cached_property
    def decisions(self) -> list[dict[str, Any]]:
        """The documents as values."""
        return [json.loads(each) for each in self.documents]


def _digest(value: Any) -> str:
    return sha256(json.dumps(value).encode()).hexdigest()
