"""A decision on record, by its id or as the last one on a workload, held to its entry's bytes."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from policy_engine.access.principal import Principal
from policy_engine.asking.entries import decision_document, listed_entry
from policy_engine.errors import InputError, Problem, VerificationFailedError
from policy_engine.service.errors import NotFoundError
from policy_engine.service.recorded import decision_entry

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredDecision, StoredEntry

_LONGEST_NAME = 253


class Found(Struct, frozen=True):
    """A decision on record: its entry, its id and its document."""

    entry: StoredEntry
    id: str
    document: dict[str, Any]


def split_workload(text: str) -> tuple[str, str]:
    """Return the namespace and name of `NAMESPACE/NAME`.

    Raises:
        InputError: it is none.
    """
    namespace, slash, name = text.partition("/")
    plain = not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)
    if not (slash and namespace and name and plain) or max(len(namespace), len(name)) > _LONGEST_NAME:
        message = f"`{text[:80] if plain else '...'}` is not a workload such as `support/triage`"
        raise InputError(Problem("workload-name", message, help="give its namespace, `/` and its name"))
    return namespace, name


def decision_by_id(ledger: Ledger, principal: Principal, identifier: str) -> Found:
    """Return the decision with this id, with the only id that begins so (8 digits or more), or at this index.

    Raises:
        NotFoundError: there is none, or not for the principal.
        VerificationFailedError: what is on record is not what it says it is.
    """
    entry = decision_entry(ledger, identifier, principal.namespaces)
    return Found(entry, entry.document["view"]["decision_id"], decision_document(ledger, entry))


def latest_decision(ledger: Ledger, principal: Principal, workload: str, purpose: str | None = None) -> Found:
    """Return the last decision on `NAMESPACE/NAME`, of those that were made for `purpose` where that is given.

    Raises:
        NotFoundError: there is none, or not for the principal.
        VerificationFailedError: what is on record is not what it says it is.
    """
    from policy_audit.ledger import DecisionFilter

    namespace, name = split_workload(workload)
    if principal.namespaces is not None and namespace not in principal.namespaces:
        raise _missing()
    rows = ledger.list_decisions(DecisionFilter(namespace=namespace, workload=name, purpose=purpose), limit=1)
    if not rows:
        raise _missing()
    return _found(ledger, rows[0])


def _found(ledger: Ledger, row: StoredDecision) -> Found:
    """Return the decision of an entry, compared with the columns that led there."""
    entry = listed_entry(ledger, row.index)
    view = entry.document.get("view", {})
    if any(view.get(name) != getattr(row, name) for name in ("decision_id", "namespace", "workload", "purpose")):
        message = f"the query columns of the entry {row.index} are not those of its bytes"
        raise VerificationFailedError(Problem("view-changed", message, help="run `policy audit verify`"))
    return Found(entry, row.decision_id, decision_document(ledger, entry))


def _missing() -> NotFoundError:
    return NotFoundError(Problem("workload-missing", "there is no such decision on this workload on record"))
