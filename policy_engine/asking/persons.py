"""The personal values of an entry: shown only where they open its commitments; what is not shown says why."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger, StoredEntry
    from policy_audit.snapshot import Snapshot

ERASED = "erased"
DISPOSED = "disposed of"
SEALED = "sealed: only the personal key, beside the signing key, opens it"
LOST = "missing, and no entry erases it: run `policy audit verify`"
ALTERED = "altered: does not open its commitment; run `policy audit verify`"


def personal_values(
    ledger: Ledger | Snapshot, entry: StoredEntry, erased: Callable[[], Collection[tuple[int, str]]] | None = None
) -> dict[str, Any]:
    """Return the personal values of `entry`, None where none can be shown, and the names of those that are not shown.

    INVARIANT: a value is shown only where it opens the entry's commitment; one that does not is altered.
    `erased` gives what `Ledger.erased` does; it is asked only where a value is not held.
    """
    from policy_audit.commitment import opens

    held, commitments = ledger.disclosures(entry.index), entry.document["commitments"]
    sealed = ledger.sealed(entry.index) if commitments.keys() - held.keys() else set()
    values: dict[str, str | None] = dict.fromkeys(sorted(commitments.keys() | held.keys() | sealed))
    for name, disclosure in held.items():
        if name in commitments and opens(commitments[name], disclosure):
            values[name] = disclosure.value
    gone = values.keys() - held.keys() - sealed
    recorded = (erased or ledger.erased)() if gone else ()
    names = sorted(name for name in gone if (entry.index, name) in recorded)
    others = gone - set(names)
    disposed = ledger.disposed() if others else ()
    return {
        "personal": values,
        "sealed": sorted(sealed),
        "erased": names,
        "disposed": sorted(name for name in others if (entry.index, name) in disposed),
        "altered": sorted(name for name in held if values[name] is None),
    }


def personal_status(found: Mapping[str, Any], name: str) -> str:
    """Return `held`, `sealed`, `altered`, `erased`, `disposed`, `missing` or `none` for a name in `found`.

    `found` is what `personal_values` returned.
    """
    if name not in found["personal"]:
        return "none"
    if found["personal"][name] is not None:
        return "held"
    return next((status for status in ("sealed", "altered", "erased", "disposed") if name in found[status]), "missing")


def personal_text(found: Mapping[str, Any], name: str) -> str:
    """Return a personal value as people read it; only what an entry erases is called erased."""
    texts = {"sealed": SEALED, "altered": ALTERED, "erased": ERASED, "disposed": DISPOSED, "missing": LOST}
    return texts.get(personal_status(found, name)) or str(found["personal"][name])
