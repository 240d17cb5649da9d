"""Entries: what is recorded, as the exact bytes that are hashed and stored.

A draft is what a caller wants on record. It becomes an entry when the ledger gives it its time:

    {"entry": "policy-audit/v1", "type": ..., "recorded_at": ..., "context": {...}, "body": {...},
     "commitments": {name: digest}, "blobs": {role: "sha256:hex"}, "tags": {kind: [value]}, "view": {column: value}}

`view` and `tags` stand in entries of the type `decision` only: what decisions are asked by is derived from them
(`policy_audit.view`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any, NamedTuple

from policy_audit.canonical import MAX_DOCUMENT_BYTES, check_profile, check_size, dump_checked, parse_canonical
from policy_audit.commitment import Disclosure, disclose_all
from policy_audit.errors import CanonicalError
from policy_audit.once_sealed import CONTEXT, Once, SealedOnce, seal_once
from policy_audit.view import TagSet, check_tags, check_view, settle_tags

FORMAT = "policy-audit/v1"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
COMMITMENT = re.compile(r"[A-Za-z0-9_-]{43}")
RECORDED_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z")
PERSONAL_FIELDS = frozenset({"owner", "champion", "requester", "approver", "actor"})
_MEMBERS = frozenset({"entry", "type", "recorded_at", "context", "commitments", "blobs", "body"})
_OPTIONAL_MEMBERS = frozenset({"view", "tags"})
_TIME_BYTES = len("2026-01-31T12:00:00.000000Z")


class EntryType(StrEnum):
    """What an entry records; what is done to the ledger itself is in it too."""

    DECISION = "decision"
    POLICY_ACTIVATION = "policy-activation"
    WAIVER_REQUESTED = "waiver-requested"
    WAIVER_APPROVED = "waiver-approved"
    WAIVER_GRANTED = "waiver-granted"
    WAIVER_REVOKED = "waiver-revoked"
    WAIVER_USED = "waiver-used"
    EVIDENCE_APPROVED = "evidence-approved"
    EVIDENCE_RECORDED = "evidence-recorded"
    EVIDENCE_REVOKED = "evidence-revoked"
    PROBE_ATTESTATION = "probe-attestation"
    EVALUATION_REPORT = "evaluation-report"
    ROLLOUT_DECIDED = "rollout-decided"
    CATALOG_REFRESHED = "catalog-refreshed"
    ERASURE = "erasure"
    DISPOSAL = "disposal"
    HOLD = "hold"
    KEY_ROTATION = "key-rotation"
    PERSONAL_KEY_ROTATION = "personal-key-rotation"
    EXPORT = "export"
    OFFICER_QUERY = "officer-query"
    VERIFICATION_RUN = "verification-run"
    RESTORE = "restore"
    ANCHOR = "anchor"
    HEARTBEAT = "heartbeat"
    COLLECTION = "collection"
    ACCESS_TOKEN_CREATED = "access-token-created"  # noqa: S105 - a type of entry
    ACCESS_TOKEN_REVOKED = "access-token-revoked"  # noqa: S105 - a type of entry
    LOG_INS_FAILED = "log-ins-failed"
    ACCESS_EVALUATED = "access-evaluated"


@dataclass(frozen=True)
class Blob:
    """A document that entries name by its SHA-256, stored once however often it is named.

    Reuse one `Blob` for a document that goes with many drafts: its digest is computed once.
    """

    content: bytes

    @cached_property
    def digest(self) -> str:
        """`sha256:` and 64 hexadecimal digits."""
        return f"sha256:{sha256(self.content).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a caller wants on record.

    `personal` holds values by name (owner, approver, ...): the entry gets salted commitments to them.
    `blobs` holds documents by role (workload, decision, rules, catalog): the entry gets their digests.
    `view` holds the query columns of a decision, and `tags` the values, by kind, that several of which a decision can
    have (see `policy_audit.view`); both are empty for other types. `once` stands on the first draft of a group.
    """

    type: EntryType
    body: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)
    blobs: Mapping[str, Blob | bytes] = field(default_factory=dict)
    view: Mapping[str, str | None] = field(default_factory=dict)
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    once: Once | None = None


class Prepared(NamedTuple):  # made in bulk, and a frozen dataclass takes six times as long to make
    """A draft that was checked: its entry's bytes before and after the time, and what is stored beside it."""

    type: str
    before: bytes
    after: bytes
    view: dict[str, str]
    tags: TagSet | None
    disclosures: tuple[Disclosure, ...]
    blobs: tuple[Blob, ...]
    once: SealedOnce | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that was read back and is well-formed."""

    type: str
    recorded_at: str
    context: dict[str, Any]
    commitments: dict[str, str]
    blobs: dict[str, str]
    body: dict[str, Any]
    view: dict[str, str]
    tags: dict[str, list[str]]


def prepare(draft: Draft) -> Prepared:
    """Check a draft, commit to its personal values and digest its blobs.

    Raises:
        CanonicalError: a personal value outside `personal`, a blob too large, a view that does not fit.
    """
    for name, value in draft.personal.items():
        if not name or not isinstance(value, str):
            raise CanonicalError(f"the personal field `{name}` is not named text")
    context, body = dict(draft.context), dict(draft.body)
    once = seal_once(draft.once) if draft.once is not None else None
    if CONTEXT in context:
        raise CanonicalError(f"the context of an entry has `{CONTEXT}` from the ledger alone", code="not-an-entry")
    if once is not None:
        context[CONTEXT] = once.member(1)
    for given in (context, body):  # what is in an entry can never be erased, so no name may get there by oversight
        check_profile(given, PERSONAL_FIELDS)
    refuse_nul([*draft.personal, *draft.personal.values(), *draft.view.values()])
    disclosures = disclose_all(list(draft.personal.items()))
    blobs = {role: _blob(role, content) for role, content in draft.blobs.items()}
    kind = EntryType(draft.type).value
    view, tags = check_view(kind, draft.view), settle_tags(kind, draft.tags)
    first = {
        "entry": FORMAT,
        "context": context,
        "commitments": {disclosure.name: disclosure.digest for disclosure in disclosures},
        "blobs": {role: blob.digest for role, blob in blobs.items()},
        "body": body,
    }
    last = {"type": kind, **({"view": view} if view else {})}
    for ours in (first["commitments"], first["blobs"], last):
        check_profile(ours)
    # INVARIANT: canonical order is that of the names, and no name of `first` comes after `recorded_at`, none of `last`
    # before it; so the time, which is not known yet, stands between the two, and `tags`, written once, after it.
    before = dump_checked(first)[:-1] + b',"recorded_at":"'
    after = b'",' + (b'"tags":' + tags.data + b"," if tags else b"") + dump_checked(last)[1:]
    check_size(len(before) + _TIME_BYTES + len(after))
    return Prepared(kind, before, after, view, tags, disclosures, tuple(blobs.values()), once)


def covering(prepared: Prepared, entries: int) -> Prepared:
    """Return the draft whose `once` covers so many entries, of which it is the first.

    Raises:
        CanonicalError: the entry has no room for the number.
    """
    once = prepared.once
    if once is None or once.entries == entries:
        return prepared
    # the commitment is 256 random bits: nothing else in the entry is written like this
    old, new = (dump_checked(once.member(count)) for count in (once.entries, entries))
    before = prepared.before.replace(old, new)
    check_size(len(before) + _TIME_BYTES + len(prepared.after))
    return prepared._replace(before=before, once=replace(once, entries=entries))


def seal(prepared: Prepared, recorded_at: str) -> bytes:
    """Return the entry's bytes."""
    return prepared.before + recorded_at.encode() + prepared.after


def parse_entry(data: bytes) -> Entry:
    """Read an entry's bytes.

    Raises:
        CanonicalError: they are not canonical, or not an entry of this format.
    """
    value = parse_canonical(data)
    if not isinstance(value, dict) or value.get("entry") != FORMAT:
        raise CanonicalError(f"not an entry of the format `{FORMAT}`", code="not-an-entry")
    if not value.keys() >= _MEMBERS or value.keys() - _MEMBERS - _OPTIONAL_MEMBERS:
        raise CanonicalError("the entry does not have the members that the format names", code="not-an-entry")
    view, tags = value.get("view", {}), value.get("tags", {})
    objects = (value["context"], value["commitments"], value["blobs"], value["body"], view, tags)
    if not all(isinstance(member, dict) for member in objects):
        raise CanonicalError("a member of the entry is not an object", code="not-an-entry")
    _match_all(RECORDED_AT, [value["recorded_at"]])
    _match_all(COMMITMENT, value["commitments"].values())
    _match_all(DIGEST, value["blobs"].values())
    kind = value["type"]
    if not isinstance(kind, str) or check_view(kind, view) != view or check_tags(kind, tags) != tags:
        raise CanonicalError("the entry's type, view or tags are not of the format", code="not-an-entry")
    return Entry(kind, value["recorded_at"], *objects)


def destroyed_fields(kind: str, body: Mapping[str, Any]) -> set[tuple[int, str]]:
    """Return the personal values, by entry and name, that the body of an erasure or a disposal names.

    It lists them as `erased` or `disposed`, objects with `index` and `name`; what has another form names nothing.
    """
    listed = body.get("erased" if kind == EntryType.ERASURE else "disposed")
    fields = listed if isinstance(listed, list) else []
    pairs = ((item.get("index"), item.get("name")) for item in fields if isinstance(item, dict))
    # `type`, because true is an int to `isinstance`
    return {(index, name) for index, name in pairs if type(index) is int and isinstance(name, str)}


def disposed_documents(body: Mapping[str, Any]) -> set[str]:
    """Return the digests of the documents that the body of a disposal names, in `documents`."""
    listed = body.get("documents")
    digests = listed if isinstance(listed, list) else []
    return {digest for digest in digests if isinstance(digest, str) and DIGEST.fullmatch(digest)}


def _match_all(pattern: re.Pattern[str], values: Any) -> None:
    for value in values:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise CanonicalError(f"`{value!s:.60}` in the entry is not of the format", code="not-an-entry")


def _blob(role: str, content: Blob | bytes) -> Blob:
    blob = content if isinstance(content, Blob) else Blob(content)
    if not isinstance(blob.content, bytes):
        raise CanonicalError(f"the blob `{role}` is not bytes")
    if len(blob.content) > MAX_DOCUMENT_BYTES:
        raise CanonicalError(f"the blob `{role}` has more than {MAX_DOCUMENT_BYTES:,} bytes")
    return blob


def refuse_nul(texts: Iterable[object]) -> None:
    """Refuse the character U+0000 in what goes to a column of text.

    Raises:
        CanonicalError: it is there.
    """
    # What goes to a column of text must be the same on both databases, and PostgreSQL's text has no U+0000.
    if any(isinstance(text, str) and "\x00" in text for text in texts):
        raise CanonicalError(
            "a personal value or a query column holds the character U+0000", help="no text column can hold it"
        )
