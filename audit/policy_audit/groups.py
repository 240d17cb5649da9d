"""Groups of entries that are committed together, each all or none, and what a group may depend on.

What is decided here is decided in the commit's own transaction, under the head's lock: whether what a group was made
from still holds (`Guard`), and whether it was asked before (`Once`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from policy_audit.entry import Draft, EntryType, Prepared, covering, prepare
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.once_sealed import SealedOnce


@dataclass(frozen=True, slots=True)
class Guard:
    """Refuses a group where an entry of one of `types` stands at the index `size` or after it.

    `Ledger.latest(types)` gives the size, before what the group is made from is read.
    """

    types: frozenset[str]
    size: int


@dataclass(frozen=True, slots=True)
class Group:
    """Drafts, or what `prepare_draft` made of them, that are recorded together and in this order, or not at all."""

    drafts: Sequence[Draft | Prepared]
    guard: Guard | None = None


class Ready(NamedTuple):
    """A group whose drafts were checked."""

    batch: Sequence[Prepared]
    guard: Guard | None = None

    @property
    def once(self) -> SealedOnce | None:
        """What makes the request the same, where the caller said it."""
        return self.batch[0].once


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an entry stands: its index, its leaf hash (hexadecimal), and the size of the tree that was committed.

    `repeated` where it was recorded before, for the same request.
    """

    index: int
    leaf_hash: str
    tree_size: int
    recorded_at: str
    repeated: bool = False


Answer = list[Recorded] | LedgerError


def prepare_draft(draft: Draft) -> Prepared:
    """Check a draft and write all of its entry but the time, so that whoever commits has less to do.

    Raises:
        LedgerError: it can be no entry (`not-canonical`, `entry-too-large`, `personal-field`, ...).
    """
    try:
        if draft.type == EntryType.KEY_ROTATION:
            raise CanonicalError("a key rotation is recorded by `rotate_key` alone", code="not-an-entry")
        return prepare(draft)
    except CanonicalError as error:
        raise refused(error) from error


def prepare_group(group: Group) -> Ready:
    """Prepare what of a group is not prepared yet.

    Raises:
        LedgerError: one of its drafts is refused.
    """
    batch = [each if isinstance(each, Prepared) else prepare_draft(each) for each in group.drafts]
    try:
        if any(each.once is not None for each in batch[1:]):
            raise CanonicalError("what makes a request the same stands on the first draft", code="not-an-entry")
        if any(each.type == EntryType.KEY_ROTATION for each in batch):
            raise CanonicalError("a key rotation is recorded by `rotate_key` alone", code="not-an-entry")
        if batch:
            batch[0] = covering(batch[0], len(batch))
    except CanonicalError as error:
        raise refused(error) from error
    return Ready(batch, group.guard)


def refused(error: CanonicalError) -> LedgerError:
    """Return the refusal of an entry as the ledger's own."""
    return LedgerError(f"the ledger refuses the entry: {error.message}", code=error.code, help=error.help)


class Asked(NamedTuple):
    """A request on record: the index of the first of its entries, and the columns that make it the same."""

    first: int
    request: str
    salt: str
    entries: int
    recorded_at: str


class Accepted(NamedTuple):
    """The accepted group that answers a group: itself, or, `repeated`, an earlier one for the same request."""

    number: int
    repeated: bool = False


Outcome = Accepted | Asked | LedgerError


class Deciding:
    """Which groups of a commit are appended, in their order, from the index `first` on.

    `newest` has the highest index of each type that a guard asks for; `asked` the requests on record by key.
    """

    def __init__(self, first: int, newest: Mapping[str, int], asked: Mapping[str, Asked]) -> None:
        self.size = first
        self.accepted: list[Ready] = []
        self._newest = dict(newest)
        self._asked = asked
        self._own: dict[str, tuple[str, int]] = {}

    def decide(self, group: Ready) -> Outcome:
        """Return what answers it: the group itself, what was recorded for the same request, or why nothing does.

        A request that was asked before is answered as then, whatever happened since.
        """
        once = group.once
        if once is not None:
            found = self._asked.get(once.key)
            if found is not None:
                return found if found.request == once.request else conflict()
            own = self._own.get(once.key)
            if own is not None:
                return Accepted(own[1], True) if own[0] == once.request else conflict()
        if group.guard is not None and self._has_moved(group.guard):
            return LedgerError(
                "what the entry was made from has changed since it was read",
                code="ledger-moved",
                help="read it again, and try again",
            )
        for index, prepared in enumerate(group.batch, start=self.size):
            self._newest[prepared.type] = index
        self.size += len(group.batch)
        self.accepted.append(group)
        number = len(self.accepted) - 1
        if once is not None:
            self._own[once.key] = once.request, number
        return Accepted(number)

    def _has_moved(self, guard: Guard) -> bool:
        return any(self._newest.get(kind, -1) >= guard.size for kind in guard.types)


def guarded(groups: Iterable[Ready]) -> tuple[list[str], int]:
    """Return the types that the groups' guards ask for, in order, and the least of their sizes."""
    guards = [group.guard for group in groups if group.guard is not None]
    return sorted({str(kind) for guard in guards for kind in guard.types}), min(
        (each.size for each in guards), default=0
    )


def conflict() -> LedgerError:
    """Return the refusal of a key that was given with another request."""
    return LedgerError(
        "the key was given before, with another request",
        code="once-conflict",
        help="give the same request again, or another key",
    )
