"""A decision on one task in Z3: `combining` and `judging` once more, for all workloads at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

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
        found = [implies(high, low) for each in self.at_least.values() for low, high in pairwise(each)]
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


def every_status(judged: Judged) -> Formula:
    """Return that no option is permitted, nor may be."""
    return every(either(judged.status(o).forbidden, judged.status(o).unavailable) for o in OPTIONS)
