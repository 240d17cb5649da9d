"""What is tried of each fact of a task: every piece of its range, every other value, every member more or less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from policy_engine.catalog import api_price
from policy_engine.catalog.candidates import serves
from policy_engine.combining import meets
from policy_engine.counterfactuals.changed import MIN_SCORES, NEEDED, VOLUME, World
from policy_engine.counterfactuals.choices import Choice, Domain, numeric, one_of
from policy_engine.counterfactuals.cuts import Cuts
from policy_engine.counterfactuals.index import Index, stated_with
from policy_engine.counterfactuals.numbers import floor_pieces, pieces_of
from policy_engine.counterfactuals.pieces import Number, place_in
from policy_engine.counterfactuals.places import member_choices, named_regions
from policy_engine.counterfactuals.trial import EVIDENCE
from policy_engine.model.fields import MOST_SCORE
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.task_case import ATTESTED, TaskResult
from policy_engine.model.vocabulary import Fact

_GRADES = (None, *EVIDENCE_GRADES)
_MOST_REMEMBERED = 256
FALLBACK, MIGRATION = "proposal.fallback", "migration"
#: Facts that computed ones come from, whether or not a rule reads them.
_BEHIND = NEEDED | {
    "budget.api_spend_usd_per_month",
    "migration.from.model",
    "proposal.deployment",
    "proposal.model",
    "proposal.region",
    "proposal.quantization",
    "proposal.fallback.deployment",
    "proposal.provider",
    "proposal.fallback.provider",
    "proposal.fallback.model",
    "proposal.fallback.region",
}


#: What is named first. Another proposal comes last: the next steps have it already.
_SECTIONS = (
    "task",
    "team",
    "data",
    "needs",
    "budget",
    "volume",
    "workload",
    "custom",
    "hardware",
    "migration",
    "proposal",
)
#: Enumerations that nothing but rules reads.
_ALIKE = ("data.sensitivity", "volume.pattern", "budget.margin", "team.mlops")


def _order(fact: Fact) -> tuple[int, str]:
    section = fact.name.partition(".")[0]
    return (_SECTIONS.index(section) if section in _SECTIONS else len(_SECTIONS), fact.name)


class Domains:
    """Finds what to try under one policy."""

    def __init__(self, index: Index) -> None:
        self._index, self.cuts = index, Cuts(index)
        vocabulary = index.judge.policy.vocabulary
        # by section and name: the order in which files state facts, models and rules is under no digest
        declared = [
            fact
            for fact in sorted(vocabulary.facts.values(), key=_order)
            if fact.source == "declared" and (fact.name in _BEHIND or fact.name in index.acting_or_obliging)
        ]
        #: With the fact that has to hold for each to be stated by itself.
        self._facts = [
            (fact, needed if isinstance(needed, str) else None)
            for fact in declared
            if (needed := stated_with(fact.name)) is not False
        ]
        self._regulations = tuple(sorted(vocabulary.regulations))
        #: Choices of a fact that hang on no other fact, and of a number where each piece starts.
        self._known: dict[tuple[str, bool], tuple[Choice, ...]] = {}
        self._starts: dict[str, list[Number]] = {}
        #: Domains by all that they hang on; as many as are remembered.
        self._remembered: dict[tuple[Any, ...], Domain] = {}

    def of(self, world: World, result: TaskResult) -> Iterator[Domain]:
        """Yield what is tried of the task, by section and name, evidence last."""
        facts = world.facts
        served = world.case.hardware is not None and world.case.hardware.serves is not None
        for fact, needed in self._facts:
            if (needed is not None and not facts.get(needed)) or (served and fact.name == "task.context_tokens"):
                continue
            domain = self._domain(fact, world)
            if domain is not None and domain.choices:
                yield domain
        yield from self._floors(world)
        yield from _structures(world, self._index)
        yield from _evidence(result, self._index)

    def _domain(self, fact: Fact, world: World) -> Domain | None:
        now = world.facts.get(fact.name)
        if fact.type in ("int", "double"):
            return self._numeric(fact, world, now)
        if fact.type == "list<string>":
            return self._list(fact, world, now)
        values: tuple[Any, ...] = (True, False) if fact.type == "bool" else fact.values or ()
        if not values:
            if fact.name in ("proposal.model", "proposal.fallback.model"):
                return self._models(fact.name, world, now)
            return Domain(fact.name, tuple(self._strings(fact.name, world, now)))
        routed = world.needs.routed
        return self._of((fact.name, routed, now), lambda: self._enumeration(fact.name, values, routed, now))

    def _of(self, key: tuple[Any, ...], make: Callable[[], Domain]) -> Domain:
        """Return the domain that was made of the same before. INVARIANT: `key` has all that it hangs on."""
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[key] = make()
        return found

    def _list(self, fact: Fact, world: World, now: list[str] | None) -> Domain:
        def make() -> Domain:
            words = sorted(self.cuts.words.get(fact.name, ()))
            members = fact.values or (*(self._regulations if fact.name == "data.regulations" else ()), *words)
            return Domain(fact.name, tuple(member_choices(fact, world, now, members)))

        if fact.name == "data.residency":  # of regions those that the workload names as well
            return make()
        return self._of((fact.name, None if now is None else tuple(now)), make)

    def _enumeration(self, name: str, values: tuple[Any, ...], routed: bool, now: Any) -> Domain:
        choices = self._known.get((name, routed))
        if choices is None:
            choices = self._known[name, routed] = tuple([self._one(name, value, routed) for value in values])
        return Domain(name, choices, values.index(now) if now in values else None)

    def _one(self, name: str, value: Any, routed: bool) -> Choice:
        """Return one value of an enumeration; two that every rule takes alike come to the same."""
        if name not in ("task.kind", *_ALIKE) or (routed and name == "task.kind"):
            return one_of(name, value)
        alike = self.cuts.alike(name, value)
        return Choice("in", value, {name: value}, None if alike is None else (*alike, value == "coding"))

    def _numeric(self, fact: Fact, world: World, now: Any) -> Domain:
        """Return the pieces of a number, worked out once where they hang on no other fact."""
        whole = fact.type == "int"
        if fact.name in VOLUME or self.cuts.computed.get(fact.name):
            return numeric(fact.name, pieces_of(fact, world, self.cuts), now, whole)
        choices = self._known.get((fact.name, False))
        if choices is None:
            choices = numeric(fact.name, pieces_of(fact, world, self.cuts), None, whole).choices
            self._known[fact.name, False] = choices
            self._starts[fact.name] = [choice.value.start for choice in choices]
        at = None if now is None else place_in(self._starts[fact.name], now)
        return self._of((fact.name, at), lambda: Domain(fact.name, choices, at, whole))

    def _strings(self, name: str, world: World, now: str | None) -> Iterator[Choice]:
        """Yield the values of a free text: what rules compare it with, and what the catalog knows."""
        words = sorted(self.cuts.words.get(name, []))
        leaf = name.rpartition(".")[2]
        known = list(words)
        if leaf == "region":
            known += [each for each in named_regions(world) if each not in known]
        elif leaf == "provider" and name.startswith("proposal."):
            yield from self._providers(name, world, now, known)
            return
        elif name == "migration.from.model":
            yield from self._priced(name, world, now, known)
            return
        for value in known:
            if value != now:
                yield one_of(name, value)

    def _priced(self, name: str, world: World, now: str | None, words: list[str]) -> Iterator[Choice]:
        """Yield the models that may be in use; those at one price come to the same, where the price alone counts."""
        told = "budget.api_spend_usd_per_month" in world.facts
        for model in sorted({*world.catalog.models, *words}):
            price = None if told else api_price(world.catalog, model, world.case.day)
            rates = None if price is None else (price.input_usd_per_million, price.output_usd_per_million)
            if model != now:
                yield Choice("in", model, {name: model}, None if words else ("price", rates))

    def _models(self, name: str, world: World, now: str | None) -> Domain:
        """Return the models of the catalog; those of which all that a rule can read is the same come to the same."""
        option = world.facts.get(name.replace("model", "deployment"))
        alone = bool(self._index.readers.get("proposal.model")) or world.case.hardware is not None

        def make() -> Domain:
            standing = world.masks.qualifying(option, world.needs) if option is not None else {}
            choices = [
                Choice(
                    "in", model, {name: model}, None if alone else (standing.get(model, False), catalog.licence(model))
                )
                for model in sorted(catalog.models)
                if model != now
            ]
            return Domain(name, tuple(choices))

        catalog, standings = world.catalog, world.view.standings.get(option or "")
        return self._of((name, now, alone) if alone else (name, now, option, world.case.day, standings), make)

    def _providers(self, name: str, world: World, now: str | None, words: list[str]) -> Iterator[Choice]:
        """Yield who could serve what is proposed; those that run in the same regions come to the same."""
        catalog, option = world.catalog, world.facts.get(name.replace("provider", "deployment"))
        model = catalog.model(world.facts.get(name.replace("provider", "model")))
        there = {
            key
            for key, each in catalog.providers.items()
            if option in each.options and (model is None or serves(each, model))
        }
        for provider in sorted({*words, *(there if catalog.provider_places else ())}):
            if provider != now:
                key = None if words else ("places", catalog.places(option, provider))
                yield Choice("in", provider, {name: provider}, key)

    def _floors(self, world: World) -> Iterator[Domain]:
        """Yield the scores that are asked for; where it is not known whether any is, that none is."""
        floors = world.case.min_scores
        if floors is None:
            yield Domain(MIN_SCORES, (Choice("is", {}, {MIN_SCORES: {}}),))
            return
        for name, floor in sorted(floors.items()):
            pieces = floor_pieces(name, world, MOST_SCORE)
            put = partial(_with_floor, floors, name)
            yield numeric(f"{MIN_SCORES}.{name}", pieces, floor, False, put)


def _with_floor(floors: Mapping[str, float | None], name: str, floor: float) -> Mapping[str, Any]:
    return {MIN_SCORES: {**floors, name: floor}}


def _structures(world: World, index: Index) -> Iterator[Domain]:
    """Yield what is there or not as a whole: a fallback, a migration."""
    facts = world.facts
    if facts["proposal.fallback.present"]:
        gone = {name: None for name in facts if name.startswith("proposal.fallback.")}
        yield Domain(FALLBACK, (Choice("is", None, {**gone, "proposal.fallback.present": False}),))
    if "migration.present" not in index.acting_or_obliging:
        return
    present = facts.get("migration.present")
    choices = []
    if present is not False:
        gone = {name: None for name in facts if name.startswith("migration.")}
        none = {**gone, "migration.present": False, "migration.champion_present": False}
        choices.append(Choice("is", "none", none))
    if not present:
        choices.append(Choice("is", {}, {"migration.present": True}))
    yield Domain(MIGRATION, tuple(choices))


def _evidence(result: TaskResult, index: Index) -> Iterator[Domain]:
    """Yield the grades of evidence that a rule asks for on the judged option and does not have."""
    for duty in result.obligations:
        if duty.evidence in ATTESTED or duty.status == "satisfied":
            continue
        name = f"{EVIDENCE}{duty.evidence}"
        status = result.case.evidence.get(duty.evidence)
        now = None if status is None or status.problem is not None else status.grade
        asked = sorted({index.judge.rules[index.judge.index_of[rule]].grade for rule in duty.rules})
        choices = [
            Choice("grade", grade, {name: grade}, tuple([grade is not None and meets(each, grade) for each in asked]))
            for grade in _GRADES
        ]
        yield Domain(name, tuple(choices), _GRADES.index(now))
