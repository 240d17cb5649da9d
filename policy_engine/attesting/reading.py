"""Read a signed statement back: its form alone, held to what `statements` writes, letter for letter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from msgspec import Struct
from policy_audit.canonical import document_bytes
from policy_audit.entry import parse_entry
from policy_audit.errors import CanonicalError, VerificationError

from policy_engine.attesting.statements import (
    DECISION_TYPE,
    OWN_NAMES,
    STATEMENT,
    SUMMARY_TYPE,
    Subject,
    verified_at,
    workload_subject,
)
from policy_engine.model.task_case import VERDICTS

MAX_SUBJECTS = 1000
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MEMBERS = {"_type", "subject", "predicateType", "predicate"}
_PREDICATE = {"id", "decision", "evidence", "ledger", "entry", "receipt"}
#: What is asked of a decision: the path, and what stands there.
_TEXTS = (
    ("decided_at",),
    ("verdict",),
    ("workload", "namespace"),
    ("workload", "name"),
    ("workload", "stage"),
    ("engine", "version"),
)
_DIGESTS = (("workload", "digest"), ("policy", "digest"), ("evidence_proofs",), ("waivers", "digest"))
_ONLY_WHERE_THERE = ("evidence_proofs", "waivers")


class Read(Struct, frozen=True):
    """A statement in the form of ours: `value` is the whole of it."""

    kind: str
    subjects: tuple[Subject, ...]
    value: dict[str, Any]

    @property
    def predicate(self) -> dict[str, Any]:
        predicate: dict[str, Any] = self.value["predicate"]
        return predicate

    @property
    def document(self) -> dict[str, Any]:
        """The decision, of a statement of one."""
        document: dict[str, Any] = self.predicate["decision"]
        return document

    @property
    def workload(self) -> str:
        """The namespace and name of the decision's workload, as `default/triage`."""
        return f"{self.document['workload']['namespace']}/{self.document['workload']['name']}"

    @property
    def purpose(self) -> str | None:
        """What the decision was for, by its entry, where it has one that was checked."""
        if self.predicate["entry"] is None:
            return None
        purpose: str | None = parse_entry(self.predicate["entry"].encode()).context.get("purpose")
        return purpose


def read_statement(payload: bytes) -> Read:
    """Read a statement of one of the two types.

    Raises:
        VerificationError: it is not canonical JSON (`not-canonical`), no statement, of another type
            (`unknown-predicate`), or not what the type says.
    """
    value = _canonical(payload)
    if not isinstance(value, dict) or value.get("_type") != STATEMENT:
        raise VerificationError(f"it is not of the type {STATEMENT}")
    if value.keys() != _MEMBERS or not isinstance(value["predicate"], dict):
        raise VerificationError("it does not have the members of a statement, and no other")
    kind = value["predicateType"]
    if kind not in (SUMMARY_TYPE, DECISION_TYPE):
        raise VerificationError(
            f"its predicate type is `{str(kind)[:80]}`, which is none of ours", code="unknown-predicate"
        )
    subjects = _subjects(value["subject"])
    found = Read(str(kind), subjects, value)
    if kind == DECISION_TYPE:
        _check_decision(found)
    return found


def moment(text: Any) -> datetime:
    """Read a time of a statement, RFC 3339 with an offset.

    Raises:
        VerificationError: it is none.
    """
    try:
        found = datetime.fromisoformat(str(text))
        if found.tzinfo is None:
            raise ValueError("no offset")
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise VerificationError(f"`{str(text)[:40]}` is not a time with an offset") from None


def _canonical(payload: bytes) -> Any:
    try:
        value = orjson.loads(payload)
        # a key twice, or another notation, does not survive being written again
        if document_bytes(value) == payload:
            return value
    except (orjson.JSONDecodeError, CanonicalError, RecursionError):
        pass
    raise VerificationError("it is not JSON in canonical form (RFC 8785)", code="not-canonical")


def _subjects(value: Any) -> tuple[Subject, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SUBJECTS:
        raise VerificationError("it names no subject")
    return tuple(map(_subject, value))


def _subject(value: Any) -> Subject:
    if not isinstance(value, dict) or value.keys() != {"name", "digest"} or not isinstance(value["name"], str):
        raise VerificationError("a subject is an object of name and digest")
    digest = value["digest"]
    if not isinstance(digest, dict) or digest.keys() != {"sha256"} or not _matches(_SHA256, digest["sha256"]):
        raise VerificationError("a subject's digest is its sha256")
    return Subject(value["name"], digest["sha256"])


def _check_decision(found: Read) -> None:
    predicate = found.predicate
    if predicate.keys() != _PREDICATE:
        raise VerificationError("the predicate does not have the members of a decision's, and no other")
    document, ledger, evidence = predicate["decision"], predicate["ledger"], predicate["evidence"]
    if not (isinstance(document, dict) and isinstance(ledger, dict) and isinstance(evidence, dict)):
        raise VerificationError("the predicate holds no decision, or not where it is on record")
    if not all(_matches(_DIGEST, digest) for digest in evidence.values()):
        raise VerificationError("the digest of a piece of evidence is none")
    if not all(predicate[name] is None or isinstance(predicate[name], str) for name in ("entry", "receipt")):
        raise VerificationError("entry and receipt are texts, or null")
    _check_document(document)
    moment(verified_at(predicate))
    if workload_subject(document) not in found.subjects:
        raise VerificationError("the decision's workload is none of its subjects")
    named = [each for each in found.subjects if each.name.lower().startswith(OWN_NAMES)]
    if named != [workload_subject(document)]:
        raise VerificationError("it has another workload among its subjects than the decision's")


def _check_document(document: Mapping[str, Any]) -> None:
    for path in _TEXTS:
        if not isinstance(_at(document, path), str):
            raise VerificationError(f"the decision does not say its {'.'.join(path)}")
    for path in _DIGESTS:
        if path[0] in _ONLY_WHERE_THERE and path[0] not in document:
            continue
        if not _matches(_DIGEST, _at(document, path)):
            raise VerificationError(f"the decision's {'.'.join(path)} is no digest")
    if document["verdict"] not in VERDICTS:
        raise VerificationError(f"`{document['verdict'][:40]}` is no verdict")
    if document.get("kind") != "Decision" or "valid_until" not in document:
        raise VerificationError("the decision is none, or does not say until when it is valid")
    if document["valid_until"] is not None:
        moment(document["valid_until"])


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = document
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
