"""Which decisions on record come out otherwise under one policy than under another, decided again by the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from policy_engine.comparing import Comparison
from policy_engine.decide import Decider
from policy_engine.errors import PolicyError
from policy_engine.impact.kinds import kind_of
from policy_engine.replay import NotReplayableError, Replayer, compared, decided_under
from policy_engine.replays import Walked, decisions_on_record

if TYPE_CHECKING:
    from policy_audit.ledger import StoredEntry

Status = Literal["same", "changed", "undecidable", "not_replayable"]


class Redecided(Struct, frozen=True):
    """One decision on record under both policies. `verdict` is the recorded one; `why` says what kept it undecided."""

    index: int
    decision_id: str
    workload: str
    verdict: str
    status: Status
    comparison: Comparison | None = None
    why: str | None = None
    files: tuple[str, ...] = ()

    @property
    def kinds(self) -> list[str]:
        """The kinds of change of its verdict and of those of its tasks, each once."""
        if self.comparison is None:
            return []
        changes = [self.comparison.verdict, *(task.verdict for task in self.comparison.tasks)]
        kinds = (kind_of(each.before, each.after) for each in changes)
        return list(dict.fromkeys(kind for kind in kinds if kind is not None))


def latest(ledger: Walked) -> list[StoredEntry]:
    """Return the newest decision on each workload, in the order of the ledger."""
    found: dict[tuple[object, object], StoredEntry] = {}
    for entry in decisions_on_record(ledger):
        view = entry.document["view"]
        found[view["namespace"], view["workload"]] = entry
    return sorted(found.values(), key=lambda entry: entry.index)


def redecided(
    ledger: Walked, entries: Iterable[StoredEntry], old: Decider, new: Decider, at: datetime | None
) -> Iterator[Redecided]:
    """Decide each of `entries` under both policies, `at` a time (None: the recorded one).

    Evidence is taken as it was found then, and waivers as they were told. What keeps one from being decided keeps no
    other.
    """
    replayer = Replayer(ledger)
    for entry in entries:
        view = entry.document["view"]
        told = (entry.index, view["decision_id"], f"{view['namespace']}/{view['workload']}", view["verdict"])
        try:
            one, files = decided_under(old, replayer, entry, at)
            other, _ = decided_under(new, replayer, entry, at)
            found = compared(one.content, other.content)
        except NotReplayableError as error:
            yield Redecided(*told, "not_replayable", why=error.why)
        except PolicyError as error:
            yield Redecided(*told, "undecidable", why=error.problems[0].message)
        else:
            yield Redecided(*told, "changed" if found.changed else "same", found, files=files)
