"""Collect spools: append what runners without a ledger wrote, once each, in the order of their times.

1. **Look.** Every file is read and checked (`spool_reading`, and the caller's check of what is decided); what remains
   of it is a line, so that any number of files fits into memory.
2. **Append.** In batches, each in one transaction: what is on record already, by its leaf hash, is left out; the others
   get indexes; an entry of the type `collection` says which.

INVARIANT: a commit gives its entries one time, and a checkpoint stands wherever the time changes. Spooled entries keep
their own times, so that each of these gets a checkpoint of its own within the transaction.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, select

from policy_audit.appending import extend, lock_head, read_head, store_blobs
from policy_audit.changing import By, sealable, writer
from policy_audit.entry import Blob, Draft, Prepared, parse_entry, prepare
from policy_audit.errors import CanonicalError, LedgerError, SpoolError
from policy_audit.keys import Ed25519Signer, Signer
from policy_audit.names import DECISION, ENTRY
from policy_audit.spool_format import CONTEXT, Call, read_call, read_place
from policy_audit.spool_reading import Parcel, SpoolFolder
from policy_audit.view import instant

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

BATCH_FILES, BATCH_BYTES = 1000, 64 * 1024 * 1024
#: Each time takes a signature under the writer's lock, for which a program that has the key is started.
PROGRAM_TIMES = 20
#: How far a runner's clock may be ahead, and how old a decision may be when it is collected.
AHEAD = timedelta(minutes=5)
OLDEST = timedelta(days=90)
_MAX_PARAMETERS = 500
Check = Callable[[Parcel], None]
Closing = Callable[["Span"], Draft | None]


class Refused(NamedTuple):
    """A file that is not taken, and why."""

    path: Path
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Lot:
    """What is kept in memory of a file that was found whole."""

    folder: SpoolFolder
    name: str
    call: Call
    n: int
    of: int
    recorded_at: str
    decision_id: str
    leaf: bytes
    size: int
    digest: bytes
    copy: bool = False
    """Whether another file that was handed in with it holds the same decision."""

    @property
    def path(self) -> Path:
        return self.folder.path / self.name

    @property
    def order(self) -> tuple[str, str, int]:
        return self.recorded_at, self.call.id, self.n


@dataclass
class Looked:
    """What lies in the spools: whole files in the order of their times, and what is refused or was broken off."""

    lots: list[Lot] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a file's decision stands in the ledger; `already`: nothing was added for it."""

    lot: Lot
    index: int
    already: bool

    @property
    def is_copy(self) -> bool:
        """Whether it stands there by another file that was handed in with it."""
        return self.already and self.lot.copy


class Span(NamedTuple):
    """What a batch added: how many entries from which index on, their leaf hashes, and what was there already."""

    first: int
    leaves: Sequence[bytes]
    placed: Sequence[Placed]
    last_batch: bool


def look(folders: Iterable[Path], check: Check, now: datetime, oldest: timedelta = OLDEST) -> Looked:
    """Read every file of the spools, each folder once; `check` raises `SpoolError` for what it refuses of a decision.

    A folder that is no spool, or cannot be read, is refused as a file is.
    """
    looked = Looked()
    limits = instant(now - oldest), instant(now + AHEAD)
    of_call: dict[str, tuple[Call, int]] = {}
    places: dict[tuple[str, int], bytes] = {}
    known: dict[str, Blob] = {}
    paths: dict[str, Path] = {}
    for path in folders:
        paths.setdefault(os.path.realpath(path), path)
    for path in paths.values():
        try:
            folder = SpoolFolder(path, known)
        except SpoolError as error:
            hint = f"; {error.help}" if error.help else ""
            looked.refused.append(Refused(path, error.code, f"{error.message}{hint}"))
            continue
        looked.unfinished += [folder.path / name for name in folder.unfinished]
        for name in folder.files:
            try:
                parcel = read_checked(folder, name, check, limits)
                lot = _lot(folder, parcel)
                if _agree(lot, of_call, places):
                    lot = replace(lot, copy=True)
            except SpoolError as error:
                looked.refused.append(Refused(folder.path / name, error.code, error.message))
            else:
                looked.lots.append(lot)
    looked.lots.sort(key=lambda lot: lot.order)
    return looked


def read_checked(folder: SpoolFolder, name: str, check: Check, limits: tuple[str, str]) -> Parcel:
    """Read a file, with its time between `limits` and its decision as `check` wants it.

    Raises:
        SpoolError: it is refused.
    """
    parcel = folder.read(name)
    low, high = limits
    if not low <= parcel.recorded_at <= high:
        text = "lies ahead" if parcel.recorded_at > high else "is too long ago"
        raise SpoolError(f"its time, {parcel.recorded_at}, {text}", code="spool-time")
    check(parcel)
    return parcel


def _lot(folder: SpoolFolder, parcel: Parcel) -> Lot:
    identity = parcel.call, parcel.n, parcel.of, parcel.recorded_at, parcel.decision_id
    return Lot(folder, parcel.path.name, *identity, parcel.found[0].leaf, parcel.size, parcel.digest)


def _agree(lot: Lot, of_call: dict[str, tuple[Call, int]], places: dict[tuple[str, int], bytes]) -> bool:
    """Refuse a file that contradicts another of its call; return whether it is the same decision once more."""
    if of_call.setdefault(lot.call.id, (lot.call, lot.of)) != (lot.call, lot.of):
        raise SpoolError("another file of its call says another run or number", code="spool-conflict")
    place = lot.call.id, lot.n
    copy = place in places
    if places.setdefault(place, lot.leaf) != lot.leaf:
        raise SpoolError(f"another file is the decision {lot.n} of {lot.of} of its call", code="spool-conflict")
    return copy


def batches(lots: Sequence[Lot], signer: Signer | None = None) -> Iterator[list[Lot]]:
    """Yield the files of one transaction each; one batch without files where there are none.

    Where a program signs, a batch has few times, so that other writers are not kept waiting.
    """
    most = BATCH_FILES if signer is None or isinstance(signer, Ed25519Signer) else PROGRAM_TIMES
    batch: list[Lot] = []
    times: set[str] = set()
    size = 0
    for lot in lots:
        full = len(batch) >= BATCH_FILES or size + lot.size > BATCH_BYTES or len(times | {lot.recorded_at}) > most
        if batch and full:
            yield batch
            batch, times, size = [], set(), 0
        batch.append(lot)
        times.add(lot.recorded_at)
        size += lot.size
    yield batch


def append_batch(ledger: Ledger, parcels: Sequence[tuple[Lot, Parcel]], closing: Closing, by: By, last: bool) -> Span:
    """Append what is not on record yet, and the entry that `closing` makes of it, in one commit.

    Raises:
        LedgerError: it was refused; nothing was recorded.
    """
    writer(ledger)
    if ledger._vault.missing is not None:
        raise ledger._vault.missing
    who = sealable(ledger, by)
    with ledger._database.write() as connection:
        lock_head(connection)
        signer = writer(ledger)  # as it is now: another thread may have rotated it meanwhile
        frontier = read_head(connection, signer, ledger._head_note)
        first = frontier.size
        placed, new = _places(connection, parcels, first)
        entries = [(parcel.recorded_at, each) for _, parcel in new for each in parcel.prepared()]
        span = Span(first, [each.leaf for _, parcel in new for each in parcel.found], placed, last)
        draft = closing(span)
        if not entries and draft is None:
            return span
        note = ledger._head_note
        tags: dict[bytes, int] = {}
        batch = [prepared for _, prepared in entries]
        end = [_closing(draft, who)] if draft is not None else []
        store_blobs(connection, (blob for each in [*batch, *end] for blob in each.blobs))
        for moment, group in groupby(entries, key=lambda each: each[0]):
            part = [prepared for _, prepared in group]
            _, note, met = extend(connection, signer, frontier, part, moment, tags, ledger._vault)
            tags |= met
        if end:
            _, note, _ = extend(connection, signer, frontier, end, instant(ledger._clock()), {}, ledger._vault)
    ledger._head_note = note
    return span


def _closing(draft: Draft, by: By) -> Prepared:
    try:
        return prepare(
            Draft(draft.type, body=draft.body, context=dict(by.context), personal=dict(by.personal), blobs=draft.blobs)
        )
    except CanonicalError as error:
        raise LedgerError(f"the ledger refuses the entry: {error.message}", code=error.code, help=error.help) from error


def _places(
    connection: Connection, parcels: Sequence[tuple[Lot, Parcel]], first: int
) -> tuple[list[Placed], list[tuple[Lot, Parcel]]]:
    """Return where each decision stands or is to stand, and those that are new."""
    known = _on_record(connection, {parcel.decision_id for _, parcel in parcels})
    placed: list[Placed] = []
    new: list[tuple[Lot, Parcel]] = []
    index = first
    for lot, parcel in parcels:
        found = known.get(lot.leaf)
        if found is not None:
            placed.append(Placed(lot, found, True))
            continue
        known[lot.leaf] = index
        placed.append(Placed(lot, index, False))
        new.append((lot, parcel))
        index += len(parcel.found)
    return placed, new


def _on_record(connection: Connection, decisions: Iterable[str]) -> dict[bytes, int]:
    """Return the indexes of the entries that record these decisions, by leaf hash."""
    wanted = sorted(decisions)
    found: dict[bytes, int] = {}
    for start in range(0, len(wanted), _MAX_PARAMETERS):
        part = wanted[start : start + _MAX_PARAMETERS]
        query = (
            select(ENTRY.c.leaf_hash, ENTRY.c.leaf_index)
            .join(DECISION, DECISION.c.leaf_index == ENTRY.c.leaf_index)
            .where(DECISION.c.decision_id.in_(part))
        )
        found.update({bytes(leaf): int(index) for leaf, index in connection.execute(query)})
    return found


class Standing(NamedTuple):
    """A spooled decision on record: of which call, as which of how many."""

    call: Call
    n: int
    of: int


def standing(ledger: Ledger, runs: Iterable[str]) -> Mapping[str, list[Standing | None]]:
    """Return the decisions on record of each of the runs; None stands for one that was not spooled.

    Raises:
        VerificationError: an entry is not what was recorded.
    """
    found: dict[str, list[Standing | None]] = {}
    for run, known in _standing(ledger, DECISION.c.run, runs):
        found.setdefault(run, []).append(known)
    return found


def standing_at(ledger: Ledger, times: Iterable[str]) -> list[Standing]:
    """Return the spooled decisions on record that bear one of these times of recording.

    Raises:
        VerificationError: an entry is not what was recorded.
    """
    return [known for _, known in _standing(ledger, DECISION.c.recorded_at, times) if known is not None]


def _standing(ledger: Ledger, column: Any, values: Iterable[str]) -> Iterator[tuple[str, Standing | None]]:
    wanted = sorted(set(values))
    with ledger.snapshot() as connection:
        for start in range(0, len(wanted), _MAX_PARAMETERS):
            part = wanted[start : start + _MAX_PARAMETERS]
            query = (
                select(column, ENTRY.c.entry)
                .join(ENTRY, DECISION.c.leaf_index == ENTRY.c.leaf_index)
                .where(column.in_(part))
            )
            for value, raw in connection.execute(query):
                yield value, _said(parse_entry(raw).context.get(CONTEXT))


def _said(said: Any) -> Standing | None:
    call, place = (read_call(said), read_place(said)) if isinstance(said, dict) else (None, None)
    return Standing(call, *place) if call is not None and place is not None else None
