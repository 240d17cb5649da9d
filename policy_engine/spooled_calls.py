"""Which calls of runners lack decisions: by what was handed in, what is on record, and what a list of runs names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from policy_audit.spool_format import read_name, time_in_name

if TYPE_CHECKING:
    from policy_audit.collecting import Lot, Refused, Standing
    from policy_audit.ledger import Ledger
    from policy_audit.spool_format import Call

#: How many of the decisions that a call lacks are told by their number.
MOST_TOLD = 20
OnRecord = Mapping[str, Sequence["Standing | None"]]


@dataclass(frozen=True, slots=True)
class Lacking:
    """A call of which some decisions are neither here nor on record: their numbers, the first of them, of how many.

    `run` is None where only torn or refused files are left of it, which say no run.
    """

    run: str | None
    call: str
    of: int
    missing: tuple[int, ...]
    count: int

    def document(self) -> dict[str, Any]:
        return {**asdict(self), "missing": list(self.missing)}


@dataclass
class _Known:
    """What is known of a call: its run, how many decisions it made, and the numbers of those that are there."""

    run: str | None
    of: int
    seen: set[int] = field(default_factory=set)

    def lacking(self, identifier: str) -> Lacking | None:
        count = self.of - len(self.seen)
        if count <= 0:
            return None
        missing = tuple(islice((n for n in range(1, self.of + 1) if n not in self.seen), MOST_TOLD))
        return Lacking(self.run, identifier, self.of, missing, count)


def names(call: Call) -> set[str]:
    """Return how a CI system's list may call the run: RUN, RUN/ATTEMPT, RUN/ATTEMPT/JOB."""
    return {call.run, call.label, *([f"{call.run}/{call.attempt}"] if call.attempt else [])}


def beginnings(run: str) -> set[str]:
    """Return the runs that a line of such a list may be of."""
    parts = run.split("/")
    return {"/".join(parts[:count]) for count in range(1, len(parts) + 1)}


def on_record_by_name(ledger: Ledger, refused: Iterable[Refused]) -> list[Standing]:
    """Return what is on record of the calls that torn and refused files are of: their names say time and call.

    Raises:
        VerificationError: an entry is not what was recorded.
    """
    from policy_audit.collecting import standing_at

    times = {moment for file in refused if (moment := time_in_name(file.path.name)) is not None}
    return standing_at(ledger, times) if times else []


def lacking_calls(
    lots: Sequence[Lot],
    refused: Sequence[Refused],
    on_record: OnRecord,
    by_name: Sequence[Standing],
    runs: Iterable[str],
) -> Iterator[Lacking]:
    """Yield the calls of which not all decisions are here or on record.

    They are those that were handed in, or of which a torn file's name tells, and those on record of the `runs`.
    """
    calls: dict[str, _Known] = {}
    for lot in lots:
        calls.setdefault(lot.call.id, _Known(lot.call.label, lot.of)).seen.add(lot.n)
    for file in refused:
        named = read_name(file.path.name)
        if named is not None:
            calls.setdefault(named[0], _Known(None, named[2]))
    asked = set(runs)
    standing = [known for each in on_record.values() for known in each if known is not None]
    for known in [*standing, *by_name]:
        if known.call.id not in calls and not names(known.call) & asked:
            continue
        call = calls.setdefault(known.call.id, _Known(known.call.label, known.of))
        call.run, call.of = call.run or known.call.label, max(call.of, known.of)
        call.seen.add(known.n)
    for identifier, call in calls.items():
        found = call.lacking(identifier)
        if found is not None:
            yield found
