"""Which models meet a task's needs, in Z3: each check of `catalog/qualify` once more, over all needs at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from policy_engine.catalog.candidates import Candidate, candidate, day_of
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.lowering.to_z3 import Number, Text, Truth, decided
from policy_engine.lowering.to_z3 import formulas as f
from policy_engine.lowering.to_z3.formulas import Formula, both, either, every, implies, neg, some
from policy_engine.model.fields import MOST_SCORE
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.model.workload import ANYWHERE
from policy_engine.proofs.computed import within
from policy_engine.proofs.knowledge import FLOOR, Knowledge
from policy_engine.proofs.worlds import World

_MET, _OPEN = Truth(True, False), Truth(False, False)


class Floors:
    """The benchmark floors that a task asks for; values are shared, and each world knows what it knows of them."""

    def __init__(self, benchmarks: Iterable[str], knowledge: Knowledge) -> None:
        self.known = knowledge.known(FLOOR)
        self.asked = {name: f.boolean(f"{FLOOR}.{name} asked") for name in sorted(benchmarks)}
        self.floors = {
            name: Number(knowledge.known(f"{FLOOR}.{name}"), f.real(f"{FLOOR}.{name}")) for name in self.asked
        }

    def domain(self) -> list[Formula]:
        return [both(each.value >= 0, each.value <= f.number(MOST_SCORE)) for each in self.floors.values()]


class Models:
    """What the catalog says of each model on each option, for the needs of one world.

    `like` are those under another policy, with which all is shared that is the same.
    """

    def __init__(self, world: World, floors: Floors, like: Models | None = None) -> None:
        self.world, self.floors, self._like = world, floors, like
        world.variant_of = self.variant
        self.catalog, self.day = world.catalog, day_of(world.catalog, world.day)
        self._rated: dict[tuple[str, str], Truth] = {}
        self._checks: dict[object, Truth] = {}
        self.edge_wanted = self._edge_wanted()
        self.commercial = self._commercial()
        self.coding = world.text("task.kind").is_("coding")
        self.claimed = world.truth("hardware.present").true
        self.available = {option: self._available(option) for option in OPTIONS}
        for option in OPTIONS:
            world.licences[option] = partial(self._licence, option)

    def variant(self, option: str) -> str:
        """Return what tells apart which model is chosen on the option, and its cost, from those under `like`."""
        if self.world.variant or self._like is None:
            return self.world.variant
        mine = (*self.available[option], self.waits(option))
        theirs = (*self._like.available[option], self._like.waits(option))
        alike = all(f.key_of(one) == f.key_of(other) for one, other in zip(mine, theirs, strict=True))
        return "" if alike else self.world.tag

    # ---- needs

    def _edge_wanted(self) -> Truth:
        """That the edge is meant: asked for, or by a latency beneath the parameter's."""
        needed, latency = self.world.truth("needs.edge"), self.world.number("task.latency_p95_ms")
        limit = self.world.parameters["edge_latency_ms"]
        fast = decided(latency.known, latency.value < limit)
        return Truth(either(needed.true, fast.true), both(needed.false, fast.false))

    def _commercial(self) -> Truth:
        stage, organisation = self.world.text("workload.stage"), self.world.text("workload.organisation")
        free = either(stage.is_("prototype"), both(organisation.known, organisation.is_("research")))
        return Truth(both(neg(free), organisation.known), free)

    # ---- options

    def _available(self, option: str) -> Truth:
        rated = [self.rated(option, each) for each in self.day.candidates[option]]
        found = Truth(some(each.true for each in rated), every(each.false for each in rated))
        if option != "edge":
            return found
        wanted = self.edge_wanted
        return Truth(both(found.true, wanted.true), either(found.false, wanted.false))

    def proposed(self, world: World) -> Truth:
        """Return whether the model that `world` proposes qualifies on its option: as `judging.rule_model`."""
        model, option = world.text("proposal.model"), world.text("proposal.deployment")
        true, false = [], []
        for on_it, name in option.cases:
            known = {each.name for each in self.day.candidates[str(name)]}
            for guard, atom in model.cases:
                found = self.catalog.model(atom) if isinstance(atom, str) else None
                if found is None:
                    continue
                here = both(on_it, guard)
                if found.key not in known:
                    false.append(here)
                    continue
                rated = self.rated(str(name), candidate(self.catalog, found, str(name), self.world.day))
                # where the edge is not meant, no model is considered there
                meant = neg(self.edge_wanted.false) if name == "edge" else True
                true.append(both(here, rated.true, meant))
                false.append(both(here, either(rated.false, neg(meant))))
        return Truth(both(model.known, some(true)), both(model.known, some(false)))

    def _licence(self, option: str) -> Text:
        """Return what the licence of the chosen model may say: that of any model that surely qualifies."""
        variant = self.variant(option)
        chosen = {word: f.boolean(f"licence.{option}={word}{variant}") for word in ("allowed", "review", "forbidden")}
        known = self.world.knows(f"licence.{option}{variant}")
        self.world.constraints.append(f.exactly_one(chosen.values()))
        for word, guard in chosen.items():
            sure = [
                self.rated(option, each).true
                for each in self.day.candidates[option]
                if self.catalog.licence(each.name) == word
            ]
            self.world.constraints.append(implies(both(known, guard), some(sure)))
        self.world.constraints += [
            implies(known, self.available[option].true),
            implies(known, neg(self.waits(option))),
        ]
        return Text(known, tuple((guard, word) for word, guard in chosen.items()))

    def waits(self, option: str) -> Formula:
        """Return that an unknown fact leaves open which of several models is chosen."""
        world = self.world
        count, complexity = world.number("workload.task_count"), world.text("task.complexity")
        found = [neg(world.text("task.quality").known), both(count.value > 1, neg(complexity.known))]
        if option in SELF_RUN:
            found.append(neg(world.text("workload.organisation").known))
        return some(found)

    # ---- models

    def rated(self, option: str, each: Candidate) -> Truth:
        """Return whether the model surely qualifies on the option, and whether it surely does not."""
        key = (option, each.name)
        found = self._rated.get(key)
        if found is None:
            checks = [*self._own(each), self._modalities(each), self._context(each), *self._floors(each)]
            checks += [self._quality(each), self._commercial_use(each)]
            checks.append(self._fits(each) if option in SELF_RUN else self._inside(each))
            found = Truth(every(c.true for c in checks), some(c.false for c in checks))
            self._rated[key] = found = self._named(f"{each.name} on {option}", found)
        return found

    def _named(self, name: str, truth: Truth) -> Truth:
        """Give a truth that is read in many places symbols of its own."""
        named = self.world.symbols.named
        return Truth(named(f"{name} fits", truth.true), named(f"{name} fails", truth.false))

    def _own(self, each: Candidate) -> list[Truth]:
        found = [Truth(False, True)] if each.retired else []
        if each.meant is None:
            found.append(_OPEN)
        return [*found, Truth(False, True)] if each.meant is False else found

    def _modalities(self, each: Candidate) -> Truth:
        has = each.model.modalities
        if has is None:
            return _OPEN
        return self._once(("modalities", has), lambda: self._has(has))

    def _has(self, has: frozenset[str]) -> Truth:
        needed = self.world.items("task.modalities")
        return decided(needed.known, neg(some(guard for name, guard in needed.members.items() if name not in has)))

    def _context(self, each: Candidate) -> Truth:
        has = each.model.context_tokens
        if has is None:
            return _OPEN
        needed = self.world.number("task.context_tokens")
        return self._once(("context", has), lambda: decided(needed.known, needed.value <= has))

    def _floors(self, each: Candidate) -> list[Truth]:
        found = [Truth(self.floors.known, False)]
        for name, floor in self.floors.floors.items():
            score = each.scores.get(name)
            found.append(self._once(("floor", name, score), partial(self._floor, name, floor, score)))
        return found

    def _floor(self, name: str, floor: Number, score: float | None) -> Truth:
        asked = both(self.floors.known, self.floors.asked[name])
        if score is None:
            return Truth(neg(asked), False)
        enough = floor.value <= f.number(score)
        return Truth(either(neg(asked), both(floor.known, enough)), both(asked, floor.known, neg(enough)))

    def _quality(self, each: Candidate) -> Truth:
        scores = (each.scores.get("humaneval"), each.scores.get("mmlu"))
        return self._once(("quality", scores), lambda: self._meets(scores))

    def _meets(self, scores: tuple[float | None, float | None]) -> Truth:
        quality, bar = self.world.text("task.quality"), self.catalog.rules.high_quality_score
        true, false = [], []
        for when, score in ((self.coding, scores[0]), (neg(self.coding), scores[1])):
            high, best = both(quality.known, quality.is_("high")), both(quality.known, quality.is_("best"))
            sufficient = both(quality.known, quality.is_("sufficient"))
            enough = score is not None and score >= bar
            true += [both(when, sufficient), both(when, best, score is not None and score >= 0.0)]
            true += [both(when, either(high, neg(quality.known)), enough)]
            false += [both(when, high, score is not None and not enough)]
            false += [both(when, best, score is not None and score < 0.0)]
        return Truth(some(true), some(false))

    def _commercial_use(self, each: Candidate) -> Truth:
        if each.option not in SELF_RUN:
            return _MET
        licence = self.catalog.licence(each.name)
        if licence is None:
            return Truth(self.commercial.false, False)
        return Truth(self.commercial.false, self.commercial.true) if licence == "forbidden" else _MET

    def _fits(self, each: Candidate) -> Truth:
        """Whether it fits claimed hardware is arithmetic that is not encoded: any answer is thought possible."""

        def free() -> Truth:
            symbol = f.boolean(f"{each.name} fits the hardware{self.world.variant}")
            return decided(self.world.knows(f"hardware.fits.{each.name}{self.world.variant}"), symbol)

        fits = self._once(("hardware", each.name), free)
        return Truth(either(neg(self.claimed), fits.true), both(self.claimed, fits.false))

    def _inside(self, each: Candidate) -> Truth:
        regions = tuple(offer.provider.regions if offer.provider is not None else None for offer in each.offers)
        return self._once(("inside", regions), lambda: self._within(regions))

    def _within(self, offers: tuple[tuple[str, ...] | None, ...]) -> Truth:
        """Return whether residency leaves a provider; one whose regions are not known is not ruled out by that."""
        residency = self.world.items("data.residency")
        if any(regions is None for regions in offers):
            return _MET
        outside = []
        for regions in offers:
            answers = [within(self.world, residency, each) for each in regions or ()]
            outside.append(every(answer.false for answer in answers))
        anywhere = residency.members.get(ANYWHERE, False)
        return decided(residency.known, either(anywhere, neg(every(outside))))

    def _once(self, key: object, make: Callable[[], Truth]) -> Truth:
        found = self._checks.get(key)
        if found is None:
            found = self._checks[key] = make()
        return found
