"""Collect what runners without a ledger spooled: look at it all, append it once, say what is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.spooled import check_spooled
from policy_engine.spooled_calls import Lacking, beginnings, lacking_calls, names, on_record_by_name
from policy_engine.unheard import Revoked, Unheard

if TYPE_CHECKING:
    from policy_audit.changing import By
    from policy_audit.collecting import Looked, Lot, Placed, Refused, Span
    from policy_audit.entry import Draft
    from policy_audit.ledger import Ledger
    from policy_audit.spool_reading import Parcel

Progress = Callable[[int, int], None]


@dataclass
class Collected:
    """What came of a collection; `entries` are those of the type `collection`, one for each batch that added some."""

    looked: Looked
    placed: list[Placed] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    lacking: list[Lacking] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    revoked: list[Revoked] = field(default_factory=list)

    @property
    def refused(self) -> list[Refused]:
        return self.looked.refused

    @property
    def whole(self) -> bool:
        """Whether all that was spooled, or should have been, is on record, and may stand there."""
        return not (self.refused or self.lacking or self.missing or self.revoked)


class Collector:
    """Collects spools into one ledger; `by` says who does it."""

    def __init__(self, ledger: Ledger, by: By, oldest: timedelta) -> None:
        self._ledger, self._by, self._oldest = ledger, by, oldest

    def collect(self, folders: Sequence[Path], runs: Sequence[str], tell: Progress | None = None) -> Collected:
        """Append what is not on record yet, and return where everything stands and what is not there.

        Raises:
            LedgerError: the ledger refused; what earlier batches recorded stays.
        """
        from policy_audit.collecting import append_batch, batches, look

        looked = look(folders, check_spooled, self._ledger.now(), self._oldest)
        found = Collected(looked)
        self._compare(found, runs)
        todo = list(batches(looked.lots, self._ledger.signer))
        for number, batch in enumerate(todo, start=1):
            parcels = list(self._again(batch, looked))
            closing = _Closing(found, parcels, Unheard(self._ledger))
            span = append_batch(self._ledger, parcels, closing, self._by, number == len(todo))
            found.placed += span.placed
            if closing.is_recorded:
                found.entries.append(span.first + len(span.leaves))
            if tell is not None:
                tell(len(found.placed), len(looked.lots))
        return found

    def _again(self, batch: Sequence[Lot], looked: Looked) -> Iterator[tuple[Lot, Parcel]]:
        """Read the files of a batch again; one that was changed meanwhile is refused."""
        from policy_audit.collecting import Refused
        from policy_audit.errors import SpoolError

        for lot in batch:
            try:
                parcel = lot.folder.read(lot.name)
                if parcel.digest != lot.digest:
                    raise SpoolError("it was changed while it was collected", code="spool-changed")
            except SpoolError as error:
                looked.refused.append(Refused(lot.path, error.code, error.message))
            else:
                yield lot, parcel

    def _compare(self, found: Collected, runs: Sequence[str]) -> None:
        """Note the calls that lack files, and the runs that are neither spooled nor on record."""
        from policy_audit.collecting import standing

        lots, refused = found.looked.lots, found.refused
        asked = {lot.call.run for lot in lots} | {part for run in runs for part in beginnings(run)}
        on_record = standing(self._ledger, asked)
        by_name = on_record_by_name(self._ledger, refused)
        found.lacking = list(lacking_calls(lots, refused, on_record, by_name, runs))
        told = {name for lot in lots for name in names(lot.call)}
        for run, each in on_record.items():
            told |= {run} | {name for known in each if known is not None for name in names(known.call)}
        found.missing = [run for run in dict.fromkeys(runs) if run not in told]


class _Closing:
    """Makes the entry of a batch: what it added, what was there, and what of it was revoked.

    That of the last batch says what is not there.
    """

    def __init__(self, found: Collected, parcels: Sequence[tuple[Lot, Parcel]], unheard: Unheard) -> None:
        self._found, self._unheard = found, unheard
        self._parcels = {lot.path: parcel for lot, parcel in parcels}
        self.is_recorded = False

    def __call__(self, span: Span) -> Draft | None:
        from policy_audit.canonical import document_bytes
        from policy_audit.entry import Draft, EntryType

        revoked = [each for place in span.placed if not place.is_copy for each in self._revoked(place)]
        self._found.revoked += revoked
        # where it added something or met what was revoked, or, the last one, where something is wrong
        self.is_recorded = bool(span.leaves or revoked) or (span.last_batch and not self._found.whole)
        if not self.is_recorded:
            return None
        calls = {place.lot.call.id: place.lot.call for place in span.placed}
        body = {**_added(span), "runs": len({call.run for call in calls.values()}), "calls": len(calls)}
        body["revoked"] = len(revoked)
        document: dict[str, Any] = {
            "calls": [call.document() for call in calls.values()],
            "revoked": [each.document() for each in revoked],
        }
        if span.last_batch:
            wrong, told = _wrong(self._found)
            body, document = body | wrong, document | told
        return Draft(EntryType.COLLECTION, body=body, blobs={"collection": document_bytes(document)})

    def _revoked(self, place: Placed) -> Iterator[Revoked]:
        return self._unheard.of(self._parcels[place.lot.path], place.index)


def _added(span: Span) -> dict[str, Any]:
    """Return what a batch came to, in numbers, and between which entries and leaf hashes stands what it added."""
    added = [place for place in span.placed if not place.already]
    copies = sum(place.is_copy for place in span.placed)
    whole = bool(span.leaves)
    return {
        "decisions": len(added),
        "already": len(span.placed) - len(added) - copies,
        "copies": copies,
        "entries": {"first": span.first, "last": span.first + len(span.leaves) - 1} if whole else None,
        "leaf_hashes": {"first": span.leaves[0].hex(), "last": span.leaves[-1].hex()} if whole else None,
    }


def _wrong(found: Collected) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return how much is not there, and what."""
    refused = [each.code for each in found.refused]
    counts = {"refused": len(refused), "lacking": len(found.lacking), "missing": len(found.missing)}
    told = {
        # codes alone: a file's name is whoever's word it is, and stands here for good
        "refused": dict(sorted(_counted(refused))),
        "lacking": [each.document() for each in found.lacking],
        "missing": found.missing,
    }
    return {**counts, "unfinished": len(found.looked.unfinished)}, told


def _counted(codes: Iterable[str]) -> Iterator[tuple[str, int]]:
    from collections import Counter

    yield from Counter(codes).items()
