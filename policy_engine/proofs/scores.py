"""Scores and the ranking in Z3: `combining.rank` once more; costs are free wherever they are not surely known."""

from __future__ import annotations

from collections.abc import Mapping

from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import Formula, both, either, implies, neg, some
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.proofs.decisions import Judged


class Scores:
    """The options' scores, and which comes first; costs are free wherever they are not surely known."""

    def __init__(self, judged: Judged) -> None:
        self.judged = judged
        self.score = {option: self._score(option, "score", True, True) for option in OPTIONS}
        own = {option: f"{option}{judged.models.variant(option)}" for option in OPTIONS}
        self.cost = {option: f.real(f"cost of {name}") for option, name in own.items()}
        self.priced = {option: f.boolean(f"cost of {name} is known") for option, name in own.items()}
        self.open = {option: f.boolean(f"cost of {name} waits") for option, name in own.items()}
        self.recommended = {option: self._first(option, self.score) for option in OPTIONS}

    def gates(self, option: str) -> dict[tuple[str, int, int], list[int]]:
        """Return the rules that make a topic speak for (1) or against (-1) the option at least so strongly."""
        found: dict[tuple[str, int, int], list[int]] = {}
        rules = self.judged.rules
        for index in self.judged.effects.scoring:
            rule = rules[index]
            for sign, strengths in ((1, rule.prefer), (-1, rule.disfavour)):
                for strength in range(1, strengths.get(option, 0) + 1):
                    found.setdefault((rule.topic, sign, strength), []).append(index)
        return found

    def _score(self, option: str, name: str, prefer_fired: bool, disfavour_fired: bool) -> f.Term:
        """Return the sum over topics; unknown preferences and disfavours count unless only those that fired do."""
        parts = []
        for (_, sign, _), indexes in self.gates(option).items():
            surely = prefer_fired if sign > 0 else disfavour_fired
            outcomes = [self.judged.outcome(index) for index in indexes]
            gate = some(each.true if surely else each.possible for each in outcomes)
            parts.append(f.chosen(gate, sign, 0))
        return self.judged.world.symbols.named_sum(f"{name} of {option}", f.total(parts))

    def sole(self, index: int, option: str) -> dict[tuple[str, int, int], Formula]:
        """Return, for each gate of the option that the rule holds open, that no other rule does."""
        found = {}
        for key, indexes in self.gates(option).items():
            if index in indexes:
                others = some(self.judged.outcome(each).true for each in indexes if each != index)
                found[key] = both(self.judged.outcome(index).true, neg(others))
        return found

    def without(self, index: int) -> tuple[dict[str, Formula], Formula]:
        """Return which option comes first where the rule does not count, and that no tie decides with it or without."""
        score = dict(self.score)
        for option in OPTIONS:
            moved = [f.chosen(sole, sign, 0) for (_, sign, _), sole in self.sole(index, option).items()]
            if moved:
                score[option] = score[option] - f.total(moved)
        clear = both(self._clear(self.score), self._clear(score))
        return {option: self._first(option, score) for option in OPTIONS}, clear

    def _clear(self, score: Mapping[str, f.Term]) -> Formula:
        """Return that the score alone, and no cost, says which option comes first."""
        found = []
        for option in OPTIONS:
            rest = [
                either(neg(self.judged.status(other).permitted), score[option] > score[other])
                for other in OPTIONS
                if other != option
            ]
            found.append(both(self.judged.status(option).permitted, *rest))
        return some(found)

    def _before(self, one: str, other: str, score: Mapping[str, f.Term]) -> Formula:
        """Return that `one` comes before `other` where both are permitted."""
        mine, theirs = score[one], score[other]
        dear = both(self.priced[one], neg(self.priced[other]))
        cheaper = both(self.priced[one], self.priced[other], self.cost[one] < self.cost[other])
        alike = either(
            both(neg(self.priced[one]), neg(self.priced[other])),
            both(self.priced[one], self.priced[other], self.cost[one] == self.cost[other]),
        )
        first = OPTIONS.index(one) < OPTIONS.index(other)
        return either(mine > theirs, both(mine == theirs, either(dear, cheaper, both(alike, first))))

    def _first(self, option: str, score: Mapping[str, f.Term]) -> Formula:
        others = [
            either(neg(self.judged.status(other).permitted), self._before(option, other, score))
            for other in OPTIONS
            if other != option
        ]
        return both(self.judged.status(option).permitted, *others)

    def firm(self) -> Formula:
        """Return that no unknown could let another option come first."""
        low = {option: self._score(option, "least score", True, False) for option in OPTIONS}
        high = {option: self._score(option, "greatest score", False, True) for option in OPTIONS}
        found = []
        for best in OPTIONS:
            rivals = [
                both(
                    either(self.judged.status(rival).permitted, self.judged.status(rival).uncertain),
                    self._may_come_before(rival, best, low, high),
                )
                for rival in OPTIONS
                if rival != best
            ]
            found.append(both(self.recommended[best], neg(some(rivals))))
        return some(found)

    def _may_come_before(self, rival: str, best: str, low: Mapping[str, f.Term], high: Mapping[str, f.Term]) -> Formula:
        first = OPTIONS.index(rival) < OPTIONS.index(best)
        open_best, open_rival = self.open[best], self.open[rival]
        dear = either(open_best, neg(self.priced[best]))  # at worst without end
        least = f.chosen(open_rival, 0.0, self.cost[rival])
        last = both(neg(open_rival), neg(self.priced[rival]))
        cheaper = either(both(dear, neg(last)), both(neg(dear), neg(last), least < self.cost[best]))
        alike = either(both(dear, last), both(neg(dear), neg(last), least == self.cost[best]))
        return either(high[rival] > low[best], both(high[rival] == low[best], either(cheaper, both(alike, first))))

    def domain(self, volume_known: Formula) -> list[Formula]:
        """Return what holds of costs: not negative, and open only where a fact that they wait for is unknown."""
        found = [each >= 0 for each in self.cost.values()]
        claimed = self.judged.models.claimed
        for option in OPTIONS:
            # only claimed hardware has a price whatever the volume is
            found.append(implies(self.priced[option], either(volume_known, claimed)))
            waits = either(
                self.judged.models.waits(option), neg(volume_known), neg(self.judged.models.available[option].true)
            )
            found.append(implies(self.open[option], waits))
        return found
