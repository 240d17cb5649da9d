"""What a playbook is made of: steps, and items with their state, what shows it, who asks for it, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

State = Literal["done", "missing", "overdue", "unknown", "not_needed"]
#: From the best to the worst: of several, the worst counts.
STATES: tuple[State, ...] = ("not_needed", "done", "unknown", "overdue", "missing")
#: What keeps a playbook from being done: nothing that is unknown passes for done.
OPEN: tuple[State, ...] = ("missing", "overdue", "unknown")
GroundKind = Literal["fact", "evidence", "entry", "catalog", "decision", "waiver"]


class Ground(Struct, frozen=True):
    """What shows an item's state; `entry` is the index of the entry in the ledger, where it is one."""

    kind: GroundKind
    name: str
    says: str
    entry: int | None = None


class Asks(Struct, frozen=True):
    """Who asks for an item on this workload.

    `enforcement` is that of the decision's obligation; `advice` where a rule only says it, `none` where no rule that
    speaks of it fires here, and `unknown` where it is not known whether one does.
    """

    rules: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    enforcement: str = "none"
    why: str | None = None

    @property
    def unheard(self) -> Asks:
        """The same rules where they ask for nothing, whatever they are elsewhere."""
        return Asks(self.rules, self.criteria, "none")

    @property
    def holds_up(self) -> bool:
        """Whether a decision waits for it."""
        return self.enforcement in ("mandatory", "waivable")


class Item(Struct, frozen=True):
    """One thing that the playbook asks for: `task` None is for the workload; `action` what to do where it is open."""

    id: str
    title: str
    state: State
    asks: Asks
    shown_by: tuple[Ground, ...] = ()
    action: str | None = None
    task: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


class Step(Struct, frozen=True):
    """One step of the five; `notes` are of what nothing on record can show."""

    number: int
    title: str
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    @property
    def needed(self) -> int:
        return sum(item.state != "not_needed" for item in self.items)

    @property
    def done(self) -> int:
        return sum(item.state == "done" for item in self.items)


def worst(states: Iterable[State]) -> State:
    """Return the worst of several states; what is not needed counts for nothing beside another."""
    return max(states, key=STATES.index, default="not_needed")


def actions(steps: Iterable[Step]) -> list[Item]:
    """Return the open items in the order in which they are to be done, each action once."""
    found: dict[str, Item] = {}
    for step in steps:
        for item in sorted((each for each in step.items if each.is_open), key=lambda each: not each.asks.holds_up):
            if item.action is not None:
                found.setdefault(item.action, item)
    return list(found.values())
