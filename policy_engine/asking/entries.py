"""One entry of the ledger, by its index or a decision's id, held to the bytes that the tree covers."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from policy_engine.errors import InputError, Problem, VerificationFailedError

if TYPE_CHECKING:
    from policy_audit.errors import LedgerError
    from policy_audit.ledger import Ledger, StoredDecision, StoredEntry

MIN_PREFIX = 4
_MOST_DIGITS = 18
_RECENT = 2000
_LISTED = "`policy audit list` shows what is on record"
_DAMAGED = "the ledger is damaged: run `policy audit verify`"


def find_entry(ledger: Ledger, target: str, namespaces: Collection[str] | None = None) -> StoredEntry:
    """Return the entry at an index, or the one that records the decision with this id.

    With `namespaces` decisions of others are as if their ids were not there.

    Raises:
        InputError: there is none, or the beginning of an id fits several.
        VerificationFailedError: the ledger once held an entry there, or lists it, and holds it no more.
    """
    from policy_audit.errors import LedgerError

    if target.isascii() and target.isdigit() and len(target) <= _MOST_DIGITS:
        try:
            return ledger.entry(int(target))
        except LedgerError as error:
            if error.code != "entry-missing":
                raise
            _refuse_gap(ledger, int(target), error)
            if len(target) < MIN_PREFIX:
                raise InputError(Problem(error.code, error.message, help=_LISTED)) from error
    return decision_entry(ledger, target, namespaces)


def _refuse_gap(ledger: Ledger, index: int, error: LedgerError) -> None:
    from policy_audit.checkpoint import parse_checkpoint

    size = parse_checkpoint(ledger.checkpoint()).size
    if index < size:
        message = f"the entry {index} is missing, though the last checkpoint covers {size:,} entries"
        raise VerificationFailedError(Problem(error.code, message, help=_DAMAGED)) from error


def listed_entry(ledger: Ledger, index: int) -> StoredEntry:
    """Return the entry that a query column named.

    Raises:
        VerificationFailedError: there is none, so that the column is forged, or the entry was deleted.
    """
    from policy_audit.errors import LedgerError

    try:
        return ledger.entry(index)
    except LedgerError as error:
        if error.code != "entry-missing":
            raise
        message = f"the entry {index}, which the query columns name, is missing"
        raise VerificationFailedError(Problem(error.code, message, help=_DAMAGED)) from error


def decision_entry(ledger: Ledger, identifier: str, namespaces: Collection[str] | None = None) -> StoredEntry:
    """Return the entry that records the decision with this id, or with the only id that begins so.

    Raises:
        InputError: there is none, or there are several.
        VerificationFailedError: the query column that led to the entry is not what its bytes say.
    """
    found = _find_decision(ledger, identifier, namespaces)
    entry = listed_entry(ledger, found.index)
    if entry.document.get("view", {}).get("decision_id") != found.decision_id:
        message = f"the query columns of the entry {entry.index} are not those of its bytes"
        raise VerificationFailedError(Problem("view-changed", message, help="run `policy audit verify`"))
    return entry


def _find_decision(ledger: Ledger, identifier: str, namespaces: Collection[str] | None) -> StoredDecision:
    from policy_audit.errors import LedgerError

    wanted = identifier.strip().lower().removeprefix("sha256:")
    if len(wanted) < MIN_PREFIX:
        message = f"`{identifier}` is too short for the id of a decision"
        raise InputError(Problem("decision-missing", message, help=f"give at least {MIN_PREFIX} characters of it"))
    try:
        return ledger.find_decision(wanted, namespaces)
    except LedgerError as error:
        if error.code == "decision-ambiguous":
            raise InputError(Problem(error.code, error.message, help=error.help)) from error
        if error.code != "decision-missing":
            raise
        message = f"the ledger has no decision `{identifier}`"
        # what is near may be in a namespace that whoever asks does not see
        near = _near(ledger, identifier, wanted) if namespaces is None else _LISTED
        raise InputError(Problem(error.code, message, help=near)) from error


def _near(ledger: Ledger, identifier: str, wanted: str) -> str:
    from difflib import get_close_matches

    from policy_audit.ledger import DecisionFilter

    namespace, _, name = identifier.rpartition("/")
    if ledger.list_decisions(DecisionFilter(namespace=namespace or None, workload=name), limit=1):
        return f"that is a workload; `policy audit list --workload {identifier}` shows its decisions"
    known = {d.decision_id[: len(wanted)]: d.decision_id for d in ledger.list_decisions(limit=_RECENT)}
    near = get_close_matches(wanted, list(known), n=1, cutoff=0.7)
    return f"did you mean `{known[near[0]][:16]}`?" if near else _LISTED


def decision_document(ledger: Ledger, entry: StoredEntry) -> dict[str, Any]:
    """Return the decision that `entry` records, as it was recorded.

    Raises:
        VerificationFailedError: the entry does not name the document, or another one than its id says, or what
            it names is not a decision.
    """
    from policy_audit.errors import AuditError

    document = entry.document
    digest = document.get("blobs", {}).get("decision")
    if not isinstance(digest, str) or digest != f"sha256:{document.get('view', {}).get('decision_id')}":
        message = f"the entry {entry.index} does not name the decision that it records"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`"))
    try:
        value: Any = json.loads(ledger.blob(digest))
    except (ValueError, RecursionError) as error:
        # `VerificationError` is a ValueError too, and says more.
        if isinstance(error, AuditError):
            raise
        value = None
    if not isinstance(value, dict):
        message = f"the document that the entry {entry.index} names is not a decision"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`"))
    return value
