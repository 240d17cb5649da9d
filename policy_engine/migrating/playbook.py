"""Put a playbook together: five steps, the money, the reasons to stay or to switch, the time, and what is next."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from policy_engine.migrating.audit_step import audit_step
from policy_engine.migrating.bed_step import bed_step
from policy_engine.migrating.case import Case
from policy_engine.migrating.deploy_step import deploy_step
from policy_engine.migrating.item import Item, Step, actions
from policy_engine.migrating.money import Money, money_of
from policy_engine.migrating.parallel_step import parallel_step
from policy_engine.migrating.scale_step import scale_step
from policy_engine.migrating.shortlist import Shortlist, shortlist_of, wants_shortlist
from policy_engine.migrating.staying import Condition, conditions
from policy_engine.migrating.timeline import Timeline, timeline_of

_NEXT = 3


class Playbook(Struct, frozen=True):
    """A workload's playbook; without a migration it has no steps, and `migration` says whether that is known."""

    case: Case
    migration: bool | None
    steps: tuple[Step, ...]
    money: Money
    shortlists: Mapping[str, Shortlist]
    conditions: tuple[Condition, ...]
    timeline: Timeline

    @property
    def items(self) -> list[Item]:
        return [item for step in self.steps for item in step.items]

    @property
    def needed(self) -> int:
        return sum(step.needed for step in self.steps)

    @property
    def done(self) -> int:
        return sum(step.done for step in self.steps)

    @property
    def next(self) -> list[Item]:
        """The next actions, in order."""
        return actions(self.steps)[:_NEXT]

    def is_open(self, held_up_alone: bool = False) -> bool:
        """Whether anything is missing, overdue or unknown; `held_up_alone`: of what a decision waits for."""
        if self.migration is None:
            return True
        return any(item.is_open and (item.asks.holds_up or not held_up_alone) for item in self.items)


def playbook_of(case: Case) -> Playbook:
    """Return the playbook of a workload."""
    facts = case.tasks[0].facts
    present = facts.get("migration.present")
    money, timeline = money_of(case), timeline_of(facts, case.parameters)
    known = tuple(conditions(case))
    today = {row.task: row.today_usd for row in money.tasks}
    shortlists = {task.name: shortlist_of(case, task, today[task.name]) for task in case.tasks if wants_shortlist(task)}
    steps: tuple[Step, ...] = ()
    if present:
        steps = (
            audit_step(case, money, timeline),
            bed_step(case, shortlists),
            parallel_step(case, shortlists),
            deploy_step(case),
            scale_step(case),
        )
    return Playbook(case, present, steps, money, shortlists, known, timeline)
