"""What is paid once: setting up what one runs oneself, and moving a workload to another model or option."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.costing.speeds import Assumptions
from policy_engine.model.ranges import Range, exactly

_WEEKS_PER_MONTH = 365.25 / 12 / 7


class Move(Struct, frozen=True):
    """What is in use now. `moves` None where the workload does not say whether anything is replaced."""

    moves: bool | None
    option: str | None
    model: str | None
    set_up: Range
    migration: Range

    def once(self, option: str, model: str) -> dict[str, Range]:
        """Return what is paid once for that model on that option, by what for."""
        found = {"set_up": self.set_up} if option in SELF_RUN and option != self.option else {}
        if self.moves is False or (option, model) == (self.option, self.model):
            return found
        # whoever does not say may have nothing to move: the low end is none
        migration = self.migration if self.moves else Range(0.0, self.migration.central, self.migration.high)
        return {**found, "migration": migration}


def move_of(facts: Mapping[str, Any], catalog: Catalog, assumed: Assumptions) -> Move:
    """Return what the facts of a task say of what is in use."""
    month = assumed["engineer_usd_per_month"].range
    planned = facts.get("migration.weeks_planned")
    weeks = assumed["migration_weeks"].range if planned is None else exactly(float(planned))
    name = facts.get("migration.from.model")
    model = catalog.model(name)
    return Move(
        moves=facts.get("migration.present"),
        option=facts.get("migration.from.deployment"),
        model=model.key if model is not None else name,
        set_up=assumed["set_up_engineer_months"].range * month,
        migration=weeks.times(1 / _WEEKS_PER_MONTH) * assumed["migration_engineers"].range * month,
    )
