"""The documents that decisions on record name, and what is read from them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from policy_audit.errors import AuditError, LedgerError, VerificationError

from policy_engine.tags import decision_tags

if TYPE_CHECKING:
    from policy_audit.querying import TagsOf
    from policy_audit.records import CheckedDecision
    from policy_audit.snapshot import Snapshot

_CODE, _VERIFY = "decision-changed", "run `policy audit verify`"


def document(snapshot: Snapshot, decision: CheckedDecision, role: str) -> dict[str, Any] | None:
    """Return the document of the role that the decision's entry names; None where it was disposed of, or names none.

    Raises:
        VerificationError: it was changed, is not the decision that the entry records, or is no document of ours.
    """
    index, digest = decision.row.index, decision.entry.blobs.get(role)
    if digest is None:
        return None
    named = {"decision": f"sha256:{decision.row.decision_id}", "workload": decision.row.workload_digest}.get(role)
    if named is not None and digest != named:
        message = f"the entry {index} does not name the {role} that it records"
        raise VerificationError(message, code=_CODE, help=_VERIFY)
    try:
        value: Any = json.loads(snapshot.blob(digest))
    except LedgerError as error:
        if error.code in ("blob-missing", "blob-disposed"):
            return None
        raise
    except (ValueError, RecursionError) as error:
        if isinstance(error, AuditError):
            raise
        value = None
    if not isinstance(value, dict):
        raise _not_ours(index, role)
    return value


def tags_of(snapshot: Snapshot) -> TagsOf:
    """Return what reads the tags of decisions that were recorded without any."""

    def read(decision: CheckedDecision) -> Mapping[str, list[str]] | None:
        decided, workload = (document(snapshot, decision, role) for role in ("decision", "workload"))
        if decided is None or workload is None:
            return None
        try:
            data = workload["spec"].get("data") or {}
            return decision_tags(decided, data.get("regulations"))
        except (KeyError, TypeError, AttributeError) as error:
            raise _not_ours(decision.row.index, "decision") from error

    return read


def tags(snapshot: Snapshot, decision: CheckedDecision) -> Mapping[str, Collection[str]]:
    """Return a decision's tags: those on record, else those of its documents, as far as these are there."""
    return decision.entry.tags or tags_of(snapshot)(decision) or {}


def _not_ours(index: int, role: str) -> VerificationError:
    what = "decision" if role == "decision" else "document of ours"
    return VerificationError(f"the document that the entry {index} names is not a {what}", code=_CODE, help=_VERIFY)
