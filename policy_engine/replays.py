"""Many recorded decisions, decided again: those of a period, and all of them for a verification."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from policy_engine.replay import Replay, Replayer
from policy_engine.waivers.on_record import Entries

if TYPE_CHECKING:
    from policy_audit.ledger import StoredEntry
    from policy_audit.recomputing import Recomputed


class Walked(Entries, Protocol):
    """Every entry in order, too: a ledger, or one snapshot of it."""

    def walk(self) -> Iterable[StoredEntry]: ...


def decisions_on_record(
    ledger: Walked, since: datetime | str | None = None, until: datetime | str | None = None
) -> Iterator[StoredEntry]:
    """Yield the entries that record decisions at `since` or later and before `until`, found by their own bytes.

    The query columns are not asked: whoever hides a row there hides no decision here.
    """
    from policy_audit.view import instant

    earliest, latest = (instant(each) if each is not None else None for each in (since, until))
    for entry in ledger.walk():
        document = entry.document
        moment = document["recorded_at"]
        if document["type"] != "decision" or (earliest is not None and moment < earliest):
            continue
        if latest is None or moment < latest:
            yield entry


def replay_mismatches(
    ledger: Walked,
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    told: Callable[[Replay], None] | None = None,
) -> Iterator[Replay]:
    """Replay the decisions recorded at `since` or later and before `until`; yield those that do not come out equal.

    `told` is given every one, equal or not.
    """
    replayer = Replayer(ledger)
    for entry in decisions_on_record(ledger, since, until):
        found = replayer.replay(entry)
        if told is not None:
            told(found)
        if found.status != "equal":
            yield found


def recomputing() -> Callable[[StoredEntry, Entries], Recomputed]:
    """Return what `Ledger.verify` asks to derive each decision again."""
    replayer: Replayer | None = None

    def ask(entry: StoredEntry, seen: Entries) -> Recomputed:
        nonlocal replayer
        if replayer is None or not replayer.reads(seen):
            replayer = Replayer(seen)
        return judged(replayer.replay(entry))

    return ask


def judged(found: Replay) -> Recomputed:
    """Return what a verification makes of a replay: what cannot be replayed for a good reason is set apart."""
    from policy_audit.recomputing import Recomputed

    if found.status == "equal":
        return Recomputed("same")
    if found.reason == "document-disposed":
        return Recomputed("apart", "disposed of")
    if found.engine_changed and found.same_outcome:
        return Recomputed("apart", f"same outcome in other bytes, made by engine {found.engine:.40}")
    return Recomputed("failed", _said(found))


def _said(found: Replay) -> str:
    if found.status == "not_replayable":
        return f"cannot be replayed: {found.why} [{found.reason}]"
    first = found.differences[0]
    come = f"`{first.path}` is recorded as {first.recorded}, and comes to {first.replayed}"
    return f"does not follow from its inputs: {come}"
