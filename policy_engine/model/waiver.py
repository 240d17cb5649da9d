"""A waiver: what is signed, and what a decision is told of it. Pure.

A statement names one rule as it stood, one option of one workload, and the facts that decided. Nobody's name is in it:
the requester stands as a salted commitment, the approver as a key id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from policy_audit.canonical import document_bytes

KIND, API_VERSION = "Waiver", "policy-engine/v1"
LONGEST_REASON, LONGEST_TICKET, MOST_FACTS = 4000, 200, 200

Outcome = Literal["fired", "indeterminate"]
#: A grant on record; a file whose own ledger the run records in, and asked; a file whose ledger was not asked.
Source = Literal["ledger", "file", "file-unasked"]
Value = bool | int | float | Annotated[str, Meta(max_length=4000)] | Annotated[tuple[str, ...], Meta(max_length=1000)]
Name = Annotated[str, Meta(min_length=1, max_length=253)]
Digest = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Identifier = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Commitment = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON)]
Moment = Annotated[datetime, Meta(tz=True)]
Ticket = Annotated[str, Meta(min_length=1, max_length=LONGEST_TICKET)]


class WaivedRule(Struct, frozen=True, forbid_unknown_fields=True):
    """The rule, and the digest of what it was when the waiver was asked for (`rule_document.waivable_digest`)."""

    id: Name
    digest: Digest


class Scope(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the waiver lifts the rule: one workload, one option, one task or (None) any of its tasks."""

    namespace: Name
    name: Name
    option: Name
    task: Name | None


class Decided(Struct, frozen=True, forbid_unknown_fields=True):
    """The decision that the waiver answers: the facts that the rule read in it, and those that it waited for."""

    decision: Identifier
    policy: Digest
    outcome: Outcome
    facts: Annotated[dict[Name, Value], Meta(max_length=MOST_FACTS)]
    missing: Annotated[tuple[Name, ...], Meta(max_length=MOST_FACTS)]


class Requester(Struct, frozen=True, forbid_unknown_fields=True):
    """A salted commitment to who asked, and how that was known (`asserted`, `ci`)."""

    commitment: Commitment
    known_by: Name


class Statement(Struct, frozen=True, forbid_unknown_fields=True):
    """What an approver signs. It holds in the ledger `origin`, from `valid_from` 00:00 UTC through `valid_until`."""

    origin: Name
    rule: WaivedRule
    scope: Scope
    decided: Decided
    reason: Reason
    ticket: Ticket
    valid_from: date
    valid_until: date
    requester: Requester

    def document(self) -> dict[str, Any]:
        """Return the statement as plain values."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return {"apiVersion": API_VERSION, "kind": KIND, **found}

    def content(self) -> bytes:
        """Return its RFC 8785 bytes.

        Raises:
            CanonicalError: a fact is no number of JSON.
        """
        return document_bytes(self.document())

    @property
    def id(self) -> str:
        """The SHA-256 of the content, in hexadecimal: the waiver's id, whoever signs it."""
        return sha256(self.content()).hexdigest()

    @property
    def request(self) -> dict[str, Any]:
        """What was asked for, without by whom: the document of the request's entry."""
        document = self.document()
        del document["requester"]
        return document


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """Who asked, as far as approvals hang on it.

    `by` are the ids of the approvers who did; `told`: the commitment that was signed opens; `as_signed`: the grant
    names nobody else.
    """

    by: tuple[str, ...]
    told: bool
    as_signed: bool

    @property
    def problem(self) -> str | None:
        """Say why the requester keeps the waiver from counting."""
        if not self.told:
            return "who asked for it cannot be told, so that it may be whoever approved it"
        return None if self.as_signed else "its grant names another requester than was signed"


class Grounds(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a waiver was checked on, recorded with the decision so that it can be checked again.

    `note` has the signatures; `entry` and `leaf` are those of the grant; `made_at` is when the decision was made. Of a
    file, which is no grant, `entry` is 0, `leaf` empty, and `granted_at` the time at which it was read.
    """

    note: str
    entry: int
    leaf: str
    granted_at: Moment
    revoked: bool
    asked: Asked
    made_at: Moment
    source: Source = "ledger"


class Waiver(Struct, frozen=True):
    """A waiver as a decision is told of it: checked beforehand, so that deciding needs no keys and no ledger.

    `keys` are the ids of the approvers' keys that count, `ends` is the last day on which it lifts anything, and
    `problem` says why it lifts nothing at the decision's time.
    """

    id: Identifier
    statement: Statement
    keys: tuple[str, ...]
    ends: date
    problem: str | None = None
    grounds: Grounds | None = None

    def document(self) -> dict[str, Any]:
        """Return the row of the decision's document; one from a file says so."""
        source = self.grounds.source if self.grounds is not None else "ledger"
        return {
            **({"source": source} if source != "ledger" else {}),
            "id": self.id,
            "rule": self.statement.rule.id,
            "option": self.statement.scope.option,
            "task": self.statement.scope.task,
            "ticket": self.statement.ticket,
            "valid_from": self.statement.valid_from.isoformat(),
            "valid_until": self.statement.valid_until.isoformat(),
            "ends": self.ends.isoformat(),
            "keys": list(self.keys),
            "problem": self.problem,
        }


class Lift(Struct, frozen=True):
    """What one waiver did to one task: what it lifted, or why it lifted nothing."""

    waiver: Waiver
    why: str | None = None
    lifts: tuple[str, ...] = ()

    @property
    def applies(self) -> bool:
        return self.why is None

    def document(self) -> dict[str, Any]:
        scope = self.waiver.statement.scope
        return {
            "id": self.waiver.id,
            "rule": self.waiver.statement.rule.id,
            "option": scope.option,
            "valid_until": self.waiver.statement.valid_until.isoformat(),
            "applies": self.applies,
            "lifts": list(self.lifts),
            "why": self.why,
        }


#: What is lifted: by index of the rule and option, the waiver that lifts it.
Pairs = Mapping[tuple[int, str], Waiver]
NOTHING: Pairs = {}


class Lifting(Struct, frozen=True):
    """What the waivers of a task lift, and every waiver that was looked at."""

    pairs: Pairs = msgspec.field(default_factory=dict)
    lifts: tuple[Lift, ...] = ()


NO_LIFTING = Lifting()


def read_statement(value: Any) -> Statement:
    """Return the statement that plain values are.

    Raises:
        ValueError: they are none; `msgspec.ValidationError` says where.
    """
    if not isinstance(value, dict) or value.get("apiVersion") != API_VERSION or value.get("kind") != KIND:
        raise ValueError(f"not a document of the kind {KIND} ({API_VERSION})")
    return msgspec.convert({k: v for k, v in value.items() if k not in ("apiVersion", "kind")}, Statement)


def waivers_content(waivers: Sequence[Waiver]) -> bytes:
    """Return the waivers of a decision as RFC 8785 bytes: an input, recorded with it for a replay."""
    rows = [
        {
            "id": each.id,
            "statement": each.statement.document(),
            "keys": list(each.keys),
            "ends": each.ends.isoformat(),
            "problem": each.problem,
            "grounds": msgspec.to_builtins(each.grounds),
        }
        for each in waivers
    ]
    return document_bytes({"apiVersion": API_VERSION, "kind": "Waivers", "waivers": rows})


def read_waivers(content: bytes) -> tuple[Waiver, ...]:
    """Return the waivers that `waivers_content` wrote.

    Raises:
        ValueError: it did not write that.
    """
    rows = msgspec.json.decode(content, type=_Recorded).waivers
    return tuple(Waiver(r.id, read_statement(r.statement), r.keys, r.ends, r.problem, r.grounds) for r in rows)


class _Row(Struct, frozen=True, forbid_unknown_fields=True):
    id: Identifier
    statement: dict[str, Any]
    keys: tuple[str, ...]
    ends: date
    problem: str | None
    grounds: Grounds | None


class _Recorded(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Literal["Waivers"]
    waivers: tuple[_Row, ...]
    api_version: str = msgspec.field(name="apiVersion")
