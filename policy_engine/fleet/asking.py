"""The declared facts that are missing in each row, as `missing.MissingFacts` gathers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from policy_engine.facts import PROPOSED
from policy_engine.fleet.building import Truth, both, either, negated
from policy_engine.fleet.columns import MIN_SCORES
from policy_engine.fleet.facts import Facts
from policy_engine.fleet.needed import VOLUME
from policy_engine.fleet.options import OptionState
from policy_engine.model.origins import ORIGINS

#: What no column says whether it is known: it is missing wherever it is asked for.
_NO_COLUMN = ("migration", MIN_SCORES)
_OF_CLAIMS = ("hardware.gpus", "hardware.serves.")


class Asked:
    """Gathers, by declared fact, where it is missing. Rows claim no hardware: nothing of a claim is asked for."""

    def __init__(
        self,
        facts: Facts,
        states: Sequence[OptionState],
        proposed: Mapping[str, pl.Expr],
        of_provider: Mapping[str, Truth],
    ) -> None:
        self._facts, self._proposed, self._of_provider = facts, proposed, of_provider
        self._states = {state.option: state for state in states}
        self._parts: dict[str, list[Truth]] = {}

    def add(self, name: str, where: Truth) -> None:
        """Ask for a fact, declared or computed, `where` it is missing."""
        if where is False:
            return
        section, _, rest = name.partition(".")
        option = rest.removesuffix("_usd_per_month")
        if name in ORIGINS:
            for origin in ORIGINS[name]:
                self._add(origin, where)
        elif section in ("cost", "licence") and option in self._states:
            self._add_choice(section, self._states[option], where)
        else:
            self._add(name, where)

    def _add_choice(self, section: str, state: OptionState, where: Truth) -> None:
        """Ask for what a cost or licence of the chosen model waits for."""
        if section == "licence":
            proposed = self._proposed[state.option]
            self._add("proposal.model", both(where, proposed))
            where = both(where, ~proposed)
        for waits in (state.missing, state.waits):
            for fact, waiting in waits.items():
                self._add(fact, both(where, waiting))
        if section == "cost":
            for fact in VOLUME:
                self._add(fact, where)

    def _add(self, name: str, where: Truth) -> None:
        if not name.startswith(_OF_CLAIMS):
            self._parts.setdefault(name, []).append(where)

    def add_option(self, state: OptionState) -> None:
        """Ask for what an option's availability and cost wait for."""
        for fact, where in state.missing.items():
            self._add(fact, where)
        for fact, where in state.waits.items():
            self._add(fact, both(negated(state.undecided), where))
        for fact in VOLUME:
            self._add(fact, state.unpriced)

    def add_of_fallback(self, name: str, where: Truth) -> None:
        """Ask for a fact of a fallback by its own name."""
        own = {f"proposal.{each}": f"proposal.fallback.{each}" for each in PROPOSED}
        for origin in ORIGINS.get(name, (name,)):
            if origin != "proposal.quantization":
                self.add(own.get(origin, origin), where)

    def found(self, names: Sequence[str]) -> list[Truth]:
        """Return whether each of `names` is missing."""
        return [self._where(name) for name in names]

    def _where(self, name: str) -> Truth:
        where = both(either(self._parts.get(name, ())), self._of_provider.get(name, True))
        if name in _NO_COLUMN or name.startswith(f"{MIN_SCORES}."):
            return where
        return both(where, self._facts(name).is_null()) if where is not False else False
