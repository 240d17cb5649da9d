"""A decision on one task in Z3: `combining` and `judging` once more, for all workloads at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from policy_engine.combining import Effects
from policy_engine.lowering.to_z3 import Text, Truth
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import Formula, both, either, every, implies, neg, some
from policy_engine.model.rule import EVIDENCE_GRADES, PROPOSAL, Rule
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.proofs.models import Models
from policy_engine.proofs.worlds import World

NONE = "none"
_LEVELS = ("mandatory", "waivable", "advisory")


class Evidence:
    """The grade of each piece of evidence that counts; what is there of a grade is there of every lower one."""

    def __init__(self, names: Sequence[str]) -> None:
        self.at_least = {name: [f.boolean(f"evidence {name} {grade}") for grade in EVIDENCE_GRADES] for name in names}

    def domain(self, world: World) -> list[Formula]:
        found = [implies(high, low) for each in self.at_least.values() for low, high in zip(each, each[1:], strict=False)]
        if "owner_named" in self.at_least:
            # MIGRATE-01: the champion is the migration's named owner
            found.append(implies(world.stated("migration.champion_present").true, self.at_least["owner_named"][0]))
        return found

    def short(self, name: str, grade: str) -> Formula:
        """Return that no evidence of that name and at least that grade is there."""
        return neg(self.at_least[name][EVIDENCE_GRADES.index(grade)])


class Waivers:
    """Whether a waiver is there that fits a rule for an option; a free answer for each, with proposal or fallback."""

    def __init__(self) -> None:
        self.given: dict[tuple[str, str, bool], Formula] = {}

    def fits(self, rule: str, option: str, fallback: bool) -> Formula:
        key = (rule, option, fallback)
        if key not in self.given:
            self.given[key] = f.boolean(f"waiver {rule} {option}{' fallback' if fallback else ''}")
        return self.given[key]


@dataclass(frozen=True)
class Status:
    """The first status of an option that applies."""

    forbidden: Formula
    unavailable: Formula
    uncertain: Formula
    permitted: Formula

    @property
    def words(self) -> tuple[tuple[Formula, str], ...]:
        names = ("forbidden", "unavailable", "uncertain", "permitted")
        return tuple((getattr(self, name), name) for name in names)


class Acts:
    """How each rule acts in a namespace on a day: formulas where the policy set tells namespaces apart."""

    def __init__(self, world: World, day: date) -> None:
        overrides = world.policy.rules.overrides
        names = {name for _, name in overrides if name != "*"}
        self.levels: list[dict[str, Formula]] = []
        for rule in world.policy.rules.rules:
            levels: dict[str, Formula] = {}
            if any((rule.id, name) in overrides for name in names):
                for guard, atom in world.text("workload.namespace").cases:
                    level = rule.acts(atom if isinstance(atom, str) else "~", day, overrides)
                    levels[level] = either(levels.get(level, False), guard)
            else:
                levels[rule.acts("~", day, overrides)] = True
            self.levels.append(levels)

    def at(self, index: int, level: str) -> Formula:
        return self.levels[index].get(level, False)

    def binds(self, index: int) -> Formula:
        """Return that it is more than advice."""
        return either(self.at(index, "mandatory"), self.at(index, "waivable"))


class Judged:
    """One task, judged by its proposal (or as its fallback is) in one world."""

    def __init__(
        self,
        world: World,
        models: Models,
        evidence: Evidence,
        waivers: Waivers,
        acts: Acts,
    ) -> None:
        self.world, self.models, self.evidence, self.waivers, self.acts = world, models, evidence, waivers, acts
        self.rules: tuple[Rule, ...] = world.policy.rules.rules
        self.effects = Effects(self.rules)
        self._lifted: dict[tuple[int, str], Formula] = {}
        self._statuses: dict[str, Status] = {}

    def outcome(self, index: int) -> Truth:
        return self.world.outcome(index)

    # ---- waivers

    def lifted(self, index: int, option: str) -> Formula:
        """Return that a waiver lifts the rule for the option: as `lifting.lift`."""
        key = (index, option)
        found = self._lifted.get(key)
        if found is None:
            found = self._lifted[key] = self._lift(index, option)
        return found

    def _lift(self, index: int, option: str) -> Formula:
        rule, waivable = self.rules[index], self.acts.at(index, "waivable")
        if waivable is False:
            return False
        acts = [option in rule.forbid]
        if PROPOSAL in rule.forbid:
            acts.append(both(self.proposed, self.world.text("proposal.deployment").is_(option)))
        acts += [self.evidence.short(name, rule.grade) for name, on in rule.require.items() if option in on]
        own = self.world.fallback and any(self.world.hangs_on_proposal(name) for name in rule.reads)
        fits = self.waivers.fits(rule.id, option, own)
        return both(waivable, self.outcome(index).possible, some(acts), fits)

    @property
    def proposed(self) -> Formula:
        return self.world.truth("proposal.present").true

    # ---- options

    def status(self, option: str) -> Status:
        found = self._statuses.get(option)
        if found is None:
            found = self._statuses[option] = self._status(option)
        return found

    def _status(self, option: str) -> Status:
        fired, open_ = [], []
        for index in self.effects.forbidding:
            if option in self.rules[index].forbid:
                stands = both(self.acts.binds(index), neg(self.lifted(index, option)))
                fired.append(both(self.outcome(index).true, stands))
                open_.append(both(self.outcome(index).open, stands))
        available, forbidden = self.models.available[option], some(fired)
        unavailable = both(neg(forbidden), available.false)
        uncertain = both(neg(forbidden), neg(unavailable), either(neg(available.true), *open_))
        return Status(forbidden, unavailable, uncertain, both(neg(forbidden), neg(unavailable), neg(uncertain)))

    # ---- the proposal

    def ruling(self) -> Truth:
        """Return whether the proposal holds, beyond its option."""
        option = self.world.text("proposal.deployment")
        fired, open_ = [], []
        for index in self.effects.ruling_out:
            lifted = some(both(guard, self.lifted(index, str(name))) for guard, name in option.cases)
            stands = both(self.acts.binds(index), neg(lifted))
            fired.append(both(self.outcome(index).true, stands))
            open_.append(both(self.outcome(index).open, stands))
        model = self.models.proposed(self.world)
        false = either(model.false, *fired)
        return Truth(both(model.true, neg(some(fired)), neg(some(open_))), false)

    def warned(self, option: str) -> Formula:
        """Return that an advisory forbid fired on the option, or on the proposal."""
        found = []
        for index in sorted({*self.effects.forbidding, *self.effects.ruling_out}):
            forbid = self.rules[index].forbid
            on_it = either(option in forbid, both(PROPOSAL in forbid, self.proposed))
            found.append(both(self.acts.at(index, "advisory"), self.outcome(index).true, on_it))
        return some(found)

    def waived(self, option: str, forbids_alone: bool = False) -> Formula:
        """Return that a waiver lifted something that stood against the option."""
        found = []
        for index, rule in enumerate(self.rules):
            if forbids_alone and not rule.forbid:
                continue
            lifted = self.lifted(index, option)
            if forbids_alone and option not in rule.forbid:
                lifted = both(lifted, PROPOSAL in rule.forbid)
            found.append(lifted)
        return some(found)

    # ---- obligations

    def duties(self, option: str) -> dict[str, list[tuple[int, Formula]]]:
        """Return, by evidence name, each rule that asks for it on the option, and that what is there falls short."""
        found: dict[str, list[tuple[int, Formula]]] = {}
        for index in self.effects.requiring:
            rule = self.rules[index]
            for name, options in rule.require.items():
                if option in options:
                    found.setdefault(name, []).append((index, self.evidence.short(name, rule.grade)))
        return found

    def owed(self, option: str, binding: bool) -> Formula:
        """Return that an obligation is open and not waived: one that binds, or any."""
        found = []
        for rows in self.duties(option).values():
            for index, short in rows:
                level = self.acts.binds(index) if binding else True
                found.append(both(self.outcome(index).possible, short, neg(self.lifted(index, option)), level))
        return some(found)

    def obligation(self, name: str, option: str) -> Text:
        """Return how the obligation stands for the option: none, satisfied, waived, outstanding, uncertain."""
        rows = self.duties(option).get(name, [])
        asked = [self.outcome(index).possible for index, _ in rows]
        unmet = [both(possible, short) for possible, (_, short) in zip(asked, rows, strict=True)]
        held = [both(each, neg(self.lifted(index, option))) for each, (index, _) in zip(unmet, rows, strict=True)]
        left: Formula = some(held)
        outstanding: Formula = False
        stricter: Formula = False
        for level in _LEVELS:
            mine = [both(each, self.acts.at(index, level)) for each, (index, _) in zip(held, rows, strict=True)]
            fired = some(both(each, self.outcome(index).true) for each, (index, _) in zip(mine, rows, strict=True))
            outstanding = either(outstanding, both(neg(stricter), fired))
            stricter = either(stricter, some(mine))
        return Text(
            True,
            (
                (neg(some(asked)), NONE),
                (both(some(asked), neg(some(unmet))), "satisfied"),
                (both(some(unmet), neg(left)), "waived"),
                (both(left, outstanding), "outstanding"),
                (both(left, neg(outstanding)), "uncertain"),
            ),
        )


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


def every_status(judged: Judged) -> Formula:
    """Return that no option is permitted, nor may be."""
    return every(either(judged.status(o).forbidden, judged.status(o).unavailable) for o in OPTIONS)
