"""The evidence that the judged option of each row needs, and which of it is not there (`combining.obligations`)."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from policy_engine.combining import Effects
from policy_engine.fleet.building import Plan, Truth, both, either, negated
from policy_engine.fleet.columns import evidence_column
from policy_engine.fleet.outcomes import Outcomes
from policy_engine.fleet.standings import Acts
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.vocabulary import OPTIONS

_LEVELS = ("mandatory", "waivable", "advisory")


class Duties:
    """Obligations by evidence name: what is surely not there, what may be asked for, and whether any of it binds."""

    def __init__(
        self,
        plan: Plan,
        effects: Effects,
        outcomes: Outcomes,
        acts: Acts,
        judged: Sequence[Truth],
        evidence: Sequence[str],
    ) -> None:
        self._plan, self._effects, self._outcomes, self._acts = plan, effects, outcomes, acts
        self._judged = judged
        self._binding: list[Truth] = []
        self.outstanding: list[Truth] = []
        self.uncertain: list[Truth] = []
        for name in evidence:
            surely, perhaps = self._of(name)
            self.outstanding.append(surely)
            self.uncertain.append(perhaps)
        self.binding = plan.hold(either(self._binding))

    def _of(self, name: str) -> tuple[Truth, Truth]:
        """Return whether `name` is owed and not there, and whether that is not known."""
        fired: dict[str, list[Truth]] = {level: [] for level in _LEVELS}
        open_: dict[str, list[Truth]] = {level: [] for level in _LEVELS}
        for index in self._effects.requiring:
            rule = self._effects.rules[index]
            options = rule.require.get(name)
            if options is None:
                continue
            asked = either(self._judged[place] for place, option in enumerate(OPTIONS) if option in options)
            short = pl.col(evidence_column(name)) < 1 + EVIDENCE_GRADES.index(rule.grade)
            for level in _LEVELS:
                acting = both(asked, short, self._acts.at(index, level))
                fired[level].append(both(self._outcomes.fired[index], acting))
                open_[level].append(both(self._outcomes.unknown[index], acting))
        surely = [either(fired[level]) for level in _LEVELS]
        perhaps = [either(open_[level]) for level in _LEVELS]
        self._binding += [*surely[:2], *perhaps[:2]]
        # the strictest enforcement decides, and there what surely holds
        outstanding: Truth = surely[2]
        for place in (1, 0):
            outstanding = either([surely[place], both(negated(perhaps[place]), outstanding)])
        unmet = either([*surely, *perhaps])
        return self._plan.hold(outstanding), self._plan.hold(both(unmet, negated(outstanding)))
