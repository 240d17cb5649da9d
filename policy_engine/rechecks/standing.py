"""The latest decision on each workload: what stands, and is decided again.

INVARIANT: decisions are found by their entries' bytes, in their order without a gap, and never by the query columns:
whoever hides a row there hides no decision here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Protocol

from msgspec import Struct
from policy_audit.errors import VerificationError
from policy_audit.records import StoredEntry
from policy_audit.spool_format import CONTEXT

from policy_engine.waivers.on_record import RECHECKED_ENTRY

#: What the context of an entry says that re-checks another: the decision's id, and the index of its entry.
RECHECKS = "rechecks"
DEPLOY = "deploy"

Place = tuple[str, str]


class Part(Protocol):
    """A snapshot of a ledger (`policy_audit.snapshot.Snapshot`), or what reads like one."""

    @property
    def size(self) -> int: ...

    def entries(self, *, newest: bool, start: int) -> Iterable[StoredEntry]: ...


class Wanted(Struct, frozen=True):
    """Which decisions: of these purposes (none: all), this namespace, this workload."""

    purposes: Collection[str] = ()
    namespace: str | None = None
    workload: str | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether something is asked for, rather than all that is on record."""
        return bool(self.purposes) or self.namespace is not None or self.workload is not None

    def names(self, view: dict[str, Any]) -> bool:
        """Whether a decision with these query columns is one on such a workload."""
        return self.namespace in (None, view["namespace"]) and self.workload in (None, view["workload"])

    def has(self, view: dict[str, Any]) -> bool:
        """Whether it is for one of the purposes, too."""
        return self.names(view) and (not self.purposes or view.get("purpose") in self.purposes)


class Standing(Struct, frozen=True):
    """The latest decision on a workload: its entry, parsed.

    Of one that re-checks another, `first` is the decision that was made with the workload's files at hand.
    """

    index: int
    document: dict[str, Any]
    first: Standing | None = None

    @property
    def view(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["view"]
        return found

    @property
    def place(self) -> Place:
        """Namespace and name of the workload."""
        return self.view["namespace"], self.view["workload"]

    @property
    def identity(self) -> str:
        return "/".join(self.place)

    @property
    def decision_id(self) -> str:
        return str(self.view["decision_id"])

    @property
    def blobs(self) -> dict[str, str]:
        found: dict[str, str] = self.document["blobs"]
        return found

    @property
    def recorded_at(self) -> str:
        """When it was recorded, or spooled by its runner's clock; as text, times are in order."""
        return str(self.document["recorded_at"])

    @property
    def is_spooled(self) -> bool:
        """Whether it comes from a runner, and was collected later."""
        return CONTEXT in self.document["context"]

    @property
    def rechecks(self) -> str | None:
        """The index of the entry that it re-checks. A runner re-checks nothing, whatever its entry says."""
        return None if self.is_spooled else self.document["context"].get(RECHECKED_ENTRY)

    @property
    def purpose(self) -> str:
        """What it was made for; `draft` where it does not say."""
        said = self.view.get("purpose") or self.document["context"].get("purpose")
        return said if isinstance(said, str) else "draft"


class Latest:
    """The latest decision on each workload of those wanted, read as far as `size`."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._found: dict[Place, Standing] = {}
        self._deployed: set[Place] = set()
        #: The other purposes of decisions on the workloads that are wanted.
        self.others: set[str] = set()
        self.size = 0

    def read(self, part: Part) -> set[Place]:
        """Read what came on record since; return the workloads on which another decision is the latest now.

        Raises:
            VerificationError: an entry was changed, or is missing.
        """
        changed: set[Place] = set()
        for entry in _without_gap(part, self.size):
            self.size += 1
            document = entry.document
            if document["type"] != "decision":
                continue
            standing = Standing(entry.index, document)
            if self._wanted.has(standing.view):
                changed |= self._take(standing)
            elif self._wanted.names(standing.view):
                self.others.add(standing.purpose)
        return changed

    def _take(self, standing: Standing) -> set[Place]:
        """Put a decision in the place of the one before it; return the workload where that was done.

        What re-checks a decision does so for that alone: where another came on record meanwhile, of a newer version of
        the workload, that stays the latest. What was collected is as old as its runner says, and collecting it late
        does not make it newer: than a decision that was made with files at hand, for a recheck only repeats that.
        """
        place, before = standing.place, self._found.get(standing.place)
        if standing.purpose == DEPLOY:
            self._deployed.add(place)
        if before is not None and standing.is_spooled and standing.recorded_at < (before.first or before).recorded_at:
            return set()
        if before is not None and standing.rechecks is not None:
            if standing.rechecks != str(before.index):
                return set()
            if before.blobs.get("workload") == standing.blobs.get("workload"):
                standing = Standing(standing.index, standing.document, before.first or before)
        self._found[place] = standing
        return {place}

    @property
    def hidden(self) -> int:
        """How many workloads have a decision for a deployment, and a later one for another purpose before it."""
        return sum(self._found[place].purpose != DEPLOY for place in self._deployed)

    def of(self, place: Place) -> Standing:
        """Return the latest decision on a workload of which there is one."""
        return self._found[place]

    def all(self) -> list[Standing]:
        """Return them in the order of the ledger."""
        return sorted(self._found.values(), key=lambda each: each.index)


def _without_gap(part: Part, start: int) -> Iterator[StoredEntry]:
    number = start
    for entry in part.entries(newest=False, start=start):
        if entry.index != number:
            break
        yield entry
        number += 1
    if number != part.size:
        message = f"the entry {number} is missing, though the last checkpoint covers {part.size:,} entries"
        raise VerificationError(message, code="entry-missing", help="the ledger is damaged: run `policy audit verify`")
