"""A decision on record, by its id or as the last one on a workload: by its entry's bytes, and never by columns alone."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from policy_engine.access.principal import Principal
from policy_engine.errors import InputError, Problem, VerificationFailedError
from policy_engine.recorded import read_json
from policy_engine.service.errors import NotFoundError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{8,64})")
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
    """Return the decision with this id, or with the only id that begins so (8 digits or more).

    Raises:
        NotFoundError: there is none, or not for the principal.
        VerificationFailedError: what is on record is not what it says it is.
    """
    from policy_audit.errors import LedgerError

    wanted = _ID.fullmatch(identifier.strip().lower())
    if wanted is None:
        message = "an id of a decision has 64 hexadecimal digits, of which 8 are enough"
        raise InputError(Problem("decision-id", message, help="it is the `id` of the decision's document"))
    try:
        row = ledger.find_decision(wanted[1])
    except LedgerError as error:
        if error.code not in ("decision-missing", "decision-ambiguous"):
            raise
        raise _missing() from error
    if principal.namespaces is not None and row.namespace not in principal.namespaces:
        raise _missing()
    return _found(ledger, row.index, row.decision_id)


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
    return _found(ledger, rows[0].index, rows[0].decision_id)


def _found(ledger: Ledger, index: int, identifier: str) -> Found:
    """Return the decision of an entry, compared with it: columns only lead there."""
    entry = ledger.entry(index)
    document = read_json(ledger.blob(f"sha256:{identifier}"))
    said = (entry.document.get("view", {}).get("decision_id"), entry.document.get("blobs", {}).get("decision"))
    if said != (identifier, f"sha256:{identifier}") or not isinstance(document, dict):
        message = f"the query columns of the entry {index} are not those of its bytes"
        raise VerificationFailedError(Problem("view-changed", message, help="run `policy audit verify`"))
    return Found(entry, identifier, document)


def _missing() -> NotFoundError:
    return NotFoundError(Problem("decision-missing", "there is no such decision on record"))
