"""Collect what runners without a ledger spooled: look at it all, append it once, say what is not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.model.proofs import read_proofs
from policy_engine.spooled import check_spooled

if TYPE_CHECKING:
    from policy_audit.changing import By
    from policy_audit.collecting import Looked, Lot, Placed, Refused, Span, Standing
    from policy_audit.entry import Draft
    from policy_audit.ledger import Ledger
    from policy_audit.spool_format import Call
    from policy_audit.spool_reading import Parcel

#: How many of the files that a call lacks are told by their number.
MOST_TOLD = 20
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Lacking:
    """A call of which some decisions are neither here nor on record: their numbers, the first of them, of how many.

    `run` is None where only torn files are left of it, which say no run.
    """

    run: str | None
    call: str
    of: int
    missing: tuple[int, ...]
    count: int

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "missing": list(self.missing)}


@dataclass(frozen=True, slots=True)
class Revoked:
    """A decision that counted evidence which this ledger had revoked: a runner without a ledger does not hear of it.

    It does not come out again in a replay, for the same reason.
    """

    decision_id: str
    index: int
    evidence: str


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
            SpoolError: a folder is no spool; nothing was recorded.
            LedgerError: the ledger refused; what earlier batches recorded stays.
        """
        from policy_audit.collecting import append_batch, batches, look

        looked = look(folders, check_spooled, self._ledger.now(), self._oldest)
        found = Collected(looked)
        self._compare(found, runs)
        todo = list(batches(looked.lots, self._ledger.signer))
        for number, batch in enumerate(todo, start=1):
            parcels = list(self._again(batch, looked))
            last = number == len(todo)
            span = append_batch(self._ledger, parcels, lambda span: _closing(span, found), self._by, last)
            found.placed += span.placed
            if _is_recorded(span, found):
                found.entries.append(span.first + len(span.leaves))
            found.revoked += self._revoked(span, parcels)
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

        lots = found.looked.lots
        asked = {lot.call.run for lot in lots} | {part for run in runs for part in _beginnings(run)}
        on_record = standing(self._ledger, asked)
        found.lacking = list(_lacking(lots, found.refused, on_record))
        told = {name for lot in lots for name in _names(lot.call)}
        for run, each in on_record.items():
            told |= {run} | {name for known in each if known is not None for name in _names(known.call)}
        found.missing = [run for run in dict.fromkeys(runs) if run not in told]

    def _revoked(self, span: Span, parcels: Sequence[tuple[Lot, Parcel]]) -> Iterator[Revoked]:
        from policy_engine.vouching.entries import names_of
        from policy_engine.vouching.revoked import revocations

        proven = {lot.leaf: parcel for lot, parcel in parcels if "proofs" in parcel.entry.blobs}
        if not proven:
            return
        known = revocations(self._ledger)
        for place in span.placed:
            parcel = proven.get(place.lot.leaf)
            if parcel is None or place.already:
                continue
            for name, material in _proofs(parcel).items():
                entry = names_of(material.get("entry", "").encode())
                if known.known(entry, place.index, datetime.fromisoformat(place.lot.recorded_at)):
                    yield Revoked(place.lot.decision_id, place.index, name)


def _proofs(parcel: Parcel) -> Mapping[str, Mapping[str, str]]:
    try:
        return read_proofs(parcel.blobs[parcel.entry.blobs["proofs"]].content)
    except (ValueError, RecursionError):
        return {}


def _names(call: Call) -> set[str]:
    """Return how a CI system's list may call the run: RUN, RUN/ATTEMPT, RUN/ATTEMPT/JOB."""
    return {call.run, call.label, *([f"{call.run}/{call.attempt}"] if call.attempt else [])}


def _beginnings(run: str) -> set[str]:
    parts = run.split("/")
    return {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}


def _lacking(
    lots: Sequence[Lot], refused: Sequence[Refused], on_record: Mapping[str, Sequence[Standing | None]]
) -> Iterator[Lacking]:
    """Yield the calls of which not all decisions are here or on record; a torn file's name tells its call, too."""
    from policy_audit.spool_format import read_name

    calls: dict[str, tuple[str | None, int, set[int]]] = {}
    for lot in lots:
        calls.setdefault(lot.call.id, (lot.call.label, lot.of, set()))[2].add(lot.n)
    for each in on_record.values():
        for known in each:
            if known is not None and known.call.id in calls:
                calls[known.call.id][2].add(known.n)
    for file in refused:
        named = read_name(file.path.name)
        if named is not None:
            calls.setdefault(named[0], (None, named[2], set()))
    for identifier, (run, of, seen) in calls.items():
        count = of - len(seen)
        if count > 0:
            missing = tuple(islice((n for n in range(1, of + 1) if n not in seen), MOST_TOLD))
            yield Lacking(run, identifier, of, missing, count)


def _is_recorded(span: Span, found: Collected) -> bool:
    """Whether a batch leaves an entry: where it added something, or, the last one, where something is wrong."""
    return bool(span.leaves) or (span.last_batch and not found.whole)


def _closing(span: Span, found: Collected) -> Draft | None:
    """Return the entry of a batch: what it added and what was there; that of the last one says what is not there."""
    from policy_audit.canonical import document_bytes
    from policy_audit.entry import Draft, EntryType

    if not _is_recorded(span, found):
        return None
    already = sum(place.already for place in span.placed)
    added = len(span.placed) - already
    calls = {place.lot.call.id: place.lot.call for place in span.placed}
    entries = {"first": span.first, "last": span.first + len(span.leaves) - 1} if span.leaves else None
    leaves = {"first": span.leaves[0].hex(), "last": span.leaves[-1].hex()} if span.leaves else None
    body: dict[str, Any] = {
        "decisions": added,
        "already": already,
        "entries": entries,
        "leaf_hashes": leaves,
        "runs": len({call.run for call in calls.values()}),
        "calls": len(calls),
    }
    document: dict[str, Any] = {"calls": [call.document() for call in calls.values()]}
    if span.last_batch:
        refused = [each.code for each in found.refused]
        wrong = {"refused": len(refused), "lacking": len(found.lacking), "missing": len(found.missing)}
        body |= {**wrong, "unfinished": len(found.looked.unfinished)}
        document |= {
            # codes alone: a file's name is whoever's word it is, and stands here for good
            "refused": dict(sorted(_counted(refused))),
            "lacking": [each.document() for each in found.lacking],
            "missing": found.missing,
        }
    return Draft(EntryType.COLLECTION, body=body, blobs={"collection": document_bytes(document)})


def _counted(codes: Iterable[str]) -> Iterator[tuple[str, int]]:
    from collections import Counter

    yield from Counter(codes).items()
