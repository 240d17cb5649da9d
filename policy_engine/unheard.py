"""What a runner without a ledger could not hear of: that the evidence or a waiver it counted had been revoked.

Found when its decisions are collected, in the ledger that collects them, by the times that the runner gave them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from policy_audit.entry import EntryType

from policy_engine.model.proofs import read_proofs
from policy_engine.vouching.entries import names_of
from policy_engine.vouching.revoked import revocations
from policy_engine.waivers.on_record import Record, records

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.spool_reading import Parcel


@dataclass(frozen=True, slots=True)
class Revoked:
    """A decision that counted what this ledger had revoked: `evidence` by its name or a `waiver` by its id.

    `revoked_index` is the entry that revoked it. Of evidence the decision does not come out again in a replay, unless
    it was revoked in the hour before, which a replay leaves for a decision to be made in.
    """

    decision_id: str
    index: int
    revoked_index: int
    evidence: str | None = None
    waiver: str | None = None

    def document(self) -> dict[str, Any]:
        return asdict(self)


class Unheard:
    """The revocations of a ledger, read once."""

    def __init__(self, ledger: Ledger) -> None:
        self._evidence = revocations(ledger)
        self._waivers: dict[str, list[Record]] = {}
        for record in records(ledger, EntryType.WAIVER_REVOKED):
            self._waivers.setdefault(str(record.body.get("waiver")), []).append(record)

    def of(self, parcel: Parcel, index: int) -> Iterator[Revoked]:
        """Yield what the decision that stands at `index`, or is to stand there, counted and was revoked before it."""
        moment = datetime.fromisoformat(parcel.recorded_at)
        for material in _proofs(parcel).values():
            by = self._evidence.before(names_of(material.get("entry", "").encode()), index, moment)
            if by is not None:
                # as the revocation names it: what the runner says stays out of the entry of a collection
                yield Revoked(parcel.decision_id, index, by.index, evidence=str(by.body.get("evidence")))
        for waiver in dict.fromkeys(str(each.entry.body.get("waiver")) for each in parcel.found[1:]):
            by = _first(self._waivers.get(waiver, ()), index, moment)
            if by is not None:
                yield Revoked(parcel.decision_id, index, by.index, waiver=waiver)


def _first(found: Iterable[Record], index: int, moment: datetime) -> Record | None:
    return next((each for each in found if each.index < index and each.recorded_at < moment), None)


def _proofs(parcel: Parcel) -> Mapping[str, Mapping[str, str]]:
    if "proofs" not in parcel.entry.blobs:
        return {}
    try:
        return read_proofs(parcel.blobs[parcel.entry.blobs["proofs"]].content)
    except (ValueError, RecursionError):
        return {}
