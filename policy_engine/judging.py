"""Judge one task: complete its facts, ask the rules, combine the outcomes. Pure but for the engines it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.catalog import Catalog, OptionModels, qualify
from policy_engine.combining import (
    Effects,
    fallback_verdict,
    is_warned,
    obligations,
    rank,
    rule_out,
    statuses,
    verdict,
    worst,
)
from policy_engine.completing import Completed, complete
from policy_engine.errors import Problem, RulesError
from policy_engine.facts import PROPOSED
from policy_engine.inference import Network, evaluate_all
from policy_engine.language import kleene
from policy_engine.language.tree import Node
from policy_engine.lifting import bearing, lift, waives
from policy_engine.loading.policy import Policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.loading.wording import quoted
from policy_engine.lowering.conditions import with_parameters
from policy_engine.model.rule import Enforcement, Rule
from policy_engine.model.task_case import (
    EvidenceStatus,
    Obligation,
    ProposalRuling,
    Standing,
    TaskCase,
    TaskResult,
    Verdict,
)
from policy_engine.model.vocabulary import OPEN_OPTIONS, Vocabulary
from policy_engine.model.waiver import NO_LIFTING, Lifting, Pairs

Missing = frozenset[str]
#: Of namespaces that overrides name, and days.
_MOST_REMEMBERED = 1000


class _Runtime:
    """The CEL runtime, imported and asked where durable_rules and Kleene's logic cannot answer.

    Not a part of the judge, which it would tie to its networks in a circle: a policy that is dropped gives its memory
    back at once, and not when somebody collects circles.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._programs: dict[str, Any] = {}

    @cached_property
    def _checker(self) -> Any:
        from policy_engine.language.cel import Checker

        return Checker({name: fact.type for name, fact in self._vocabulary.facts.items()})

    def atom(self, text: str, facts: Mapping[str, Any]) -> bool | None:
        """Evaluate what durable_rules cannot say."""
        program = self._programs.get(text)
        if program is None:
            program = self._programs[text] = self._checker.program(text)
        result: bool | None = program.evaluate(facts)
        return result

    def matches(self, pattern: str, text: str) -> bool:
        found: bool = self._checker.matches(pattern, text)
        return found


class Judge:
    """Judges tasks under one policy. One for a process; safe in several threads."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.rules: tuple[Rule, ...] = policy.rules.rules
        self.index_of = {rule.id: index for index, rule in enumerate(self.rules)}
        self.effects = Effects(self.rules)
        self.parameters = policy.rules.values
        self._conditions = with_parameters(policy.rules)
        self._runtime = _Runtime(policy.vocabulary)
        self._digests: dict[str, str] = {}
        self._named = {namespace for _, namespace in policy.rules.overrides}
        self._enforcement: dict[tuple[str, date], tuple[Enforcement, ...]] = {}
        self._derive_reads = {i: sorted(rule.reads) for i, rule in enumerate(self.rules) if rule.derive}
        atom = self._runtime.atom
        self._strata = [
            (stratum.rules, [Network(spec, atom) for spec in stratum.networks]) for stratum in policy.strata
        ]
        self._alternatives = [Network(spec, atom) for spec in policy.alternatives.networks]

    def infer(self, completed: Completed) -> list[bool | None]:
        """Ask the rules, stratum by stratum; derived facts are added to the sheet.

        Raises:
            RulesError: two fired derivations give one fact different values.
        """
        outcomes: list[bool | None] = [False] * len(self.rules)
        sheet = completed.sheet
        setters: dict[str, str] = {}
        for indexes, networks in self._strata:
            found = evaluate_all(networks, len(indexes), sheet.values)
            for index, outcome in zip(indexes, found, strict=True):
                outcomes[index] = outcome
                if outcome and index in self._derive_reads:
                    self._derive(index, completed, setters)
        return outcomes

    def _derive(self, index: int, completed: Completed, setters: dict[str, str]) -> None:
        rule, sheet = self.rules[index], completed.sheet
        for derivation in rule.derive:
            result = self.value(derivation.expression, sheet.values)
            if result is None:
                continue
            before = setters.get(derivation.fact)
            if before is not None and sheet.values[derivation.fact] != result:
                message = f"rules `{before}` and `{rule.id}` both fired and give `{derivation.fact}` different values"
                raise RulesError(Problem("derivation-conflict", message, rule.span))
            if before is None and derivation.fact in sheet.values:
                continue  # declared: what is said stands before what is computed
            setters[derivation.fact] = rule.id
            sheet.derive(derivation.fact, result, *self._derive_reads[index])

    def condition(self, index: int) -> Node:
        """Return the condition of rule `index`, with the parameters in force put in."""
        return self._conditions.of(index)

    def substituted(self, node: Node) -> Node:
        """Return an expression with the parameters in force put in."""
        return self._conditions.substitute(node)

    def matches(self, pattern: str, text: str) -> bool:
        """Match with the CEL runtime, as `matches` in a condition does."""
        return self._runtime.matches(pattern, text)

    def value(self, node: Node, facts: Mapping[str, Any]) -> Any:
        """Evaluate an expression over facts and parameters; None where it is unknown."""
        return kleene.value(self._conditions.substitute(node), facts, self._runtime.matches)[0]

    def missing(self, index: int, facts: Mapping[str, Any]) -> Missing:
        """Return the facts that the unknown outcome of rule `index` rests on."""
        return kleene.truth(self._conditions.of(index), facts, self._runtime.matches)[1]

    def outcome(self, index: int, facts: Mapping[str, Any]) -> bool | None:
        """Evaluate rule `index` on other facts, without the engine."""
        return kleene.truth(self._conditions.of(index), facts, self._runtime.matches)[0]

    def outcome_under(self, index: int, parameter: str, value: Any, facts: Mapping[str, Any]) -> bool | None:
        """Evaluate rule `index` with another value for one parameter, without the engine."""
        return kleene.truth(self._conditions.under(index, parameter, value), facts, self._runtime.matches)[0]

    def alternatives(self, facts: Mapping[str, Any]) -> dict[tuple[str, int, int], bool | None]:
        """Ask the rules that read disputed parameters under each of the other sides' values."""
        keys = self.policy.alternatives.keys
        return dict(zip(keys, evaluate_all(self._alternatives, len(keys), facts), strict=True))

    def enforcement(self, case: TaskCase) -> tuple[Enforcement, ...]:
        """Return how each rule acts for this namespace on this day: the same for all that no override names."""
        key = (case.namespace if case.namespace in self._named else "*", case.day)
        found = self._enforcement.get(key)
        if found is None:
            if len(self._enforcement) > _MOST_REMEMBERED:
                self._enforcement = {}  # none is emptied that another thread may be reading
            overrides = self.policy.rules.overrides
            found = self._enforcement[key] = tuple(rule.acts(*key, overrides) for rule in self.rules)
        return found

    def judge(self, case: TaskCase, catalog: Catalog | None = None) -> TaskResult:
        """Judge `case` on its own facts, its fallback included."""
        completed = complete(case, catalog or self.policy.catalog, self.parameters)
        outcomes = self.infer(completed)
        return self.combine(case, completed, outcomes, catalog or self.policy.catalog)

    def combine(
        self, case: TaskCase, completed: Completed, outcomes: list[bool | None], catalog: Catalog
    ) -> TaskResult:
        """Combine outcomes into a verdict."""
        facts = completed.sheet.values
        missing_of = {i: self.missing(i, facts) for i, outcome in enumerate(outcomes) if outcome is None}
        enforcement = self.enforcement(case)
        lifting = self.lifting(case, outcomes, enforcement, facts)
        pairs = lifting.pairs
        standings = statuses(self.effects, outcomes, enforcement, completed.inputs, missing_of, lifted=pairs)
        ranking = rank(standings, self.effects, outcomes, missing_of)
        ruling = None
        judged: str | None = ranking.recommended
        if facts["proposal.present"]:
            judged = facts.get("proposal.deployment")
            ruling = self._rule_proposal(completed, outcomes, enforcement, missing_of, catalog, pairs)
        owed: tuple[Obligation, ...] = ()
        if judged is not None:
            owed = obligations(self.effects, outcomes, enforcement, judged, case.evidence, pairs)
        lifting = bearing(lifting, judged, owed)
        standing, waived = standings[judged] if judged is not None else None, waives(lifting, judged)
        found = verdict(self.effects, outcomes, enforcement, standing, ruling, ranking.firm, owed, waived)
        fallback = self._judge_fallback(case, catalog)
        if fallback is not None:
            found = worst([found, fallback.verdict])
        return TaskResult(
            case=case,
            facts=completed.sheet.values,
            grades=completed.sheet.grades,
            outcomes=outcomes,
            missing_of=missing_of,
            enforcement=enforcement,
            models=completed.models,
            inputs=completed.inputs,
            standings=standings,
            ranking=ranking,
            judged=judged,
            proposal=ruling,
            fallback=fallback.ruling if fallback is not None else None,
            fallback_verdict=fallback.verdict if fallback is not None else None,
            obligations=owed,
            verdict=found,
            hardware_claims=completed.hardware_claims,
            hardware_why=completed.hardware_why,
            spend_disputes=completed.spend_disputes,
            fallback_inference=fallback.inference if fallback is not None else None,
            lifting=lifting,
            fallback_lifting=fallback.lifting if fallback is not None else NO_LIFTING,
        )

    def lifting(
        self,
        case: TaskCase,
        outcomes: Sequence[bool | None],
        enforcement: Sequence[Enforcement],
        facts: Mapping[str, Any],
    ) -> Lifting:
        """Return what the case's waivers lift of these outcomes."""
        if not case.waivers:
            return NO_LIFTING
        named = {waiver.statement.rule.id for waiver in case.waivers} & self.index_of.keys()
        digests = {name: (self.index_of[name], self._waivable_digest(name)) for name in named}
        return lift(case.waivers, self.rules, digests, outcomes, enforcement, facts, case.evidence)

    def _waivable_digest(self, name: str) -> str:
        found = self._digests.get(name)
        if found is None:
            document = rule_document(self.rules[self.index_of[name]])
            found = self._digests[name] = waivable_digest(document, self.parameters)
        return found

    def _rule_proposal(
        self,
        completed: Completed,
        outcomes: list[bool | None],
        enforcement: Sequence[Enforcement],
        missing_of: Mapping[int, Missing],
        catalog: Catalog,
        lifted: Pairs,
    ) -> ProposalRuling:
        facts = completed.sheet.values
        ruling = rule_out(self.effects, outcomes, enforcement, missing_of, facts["proposal.deployment"], lifted)
        model = rule_model(facts, completed.models, catalog)
        holds = False if False in (ruling.holds, model.holds) else (True if ruling.holds and model.holds else None)
        return ProposalRuling(holds, model.reasons, ruling.rules, ruling.missing | model.missing, model.unknown_model)

    def _judge_fallback(self, case: TaskCase, catalog: Catalog) -> _Fallback | None:
        """Run the forbids again with `proposal.*` taken from the fallback: data must not leak through it.

        A waiver lifts there what it names, where its facts are the fallback's own: one that was granted for a
        proposal's region does not cover a fallback in another.
        """
        if not case.facts.get("proposal.fallback.present"):
            return None
        proposed = {name: case.facts.get(f"proposal.fallback.{name}") for name in PROPOSED}
        # a fallback states no precision: it runs at the default
        other = proposing(case, {**proposed, "quantization": "bf16"}, catalog)
        facts = other.facts
        completed = complete(other, catalog, self.parameters)
        outcomes = self.infer(completed)
        missing_of = {i: self.missing(i, completed.sheet.values) for i, o in enumerate(outcomes) if o is None}
        enforcement = self.enforcement(case)
        lifting = self.lifting(case, outcomes, enforcement, completed.sheet.values)
        pairs = lifting.pairs
        standings = statuses(self.effects, outcomes, enforcement, completed.inputs, missing_of, lifted=pairs)
        standing: Standing = standings[facts["proposal.deployment"]]
        ruling = self._rule_proposal(completed, outcomes, enforcement, missing_of, catalog, pairs)
        ruling = replace(
            ruling,
            rules=tuple(dict.fromkeys((*standing.rules, *ruling.rules))),
            missing=ruling.missing | standing.missing,
        )
        lifting = bearing(lifting, None)  # only its forbids count
        warned = is_warned(self.effects, outcomes, enforcement, standing.option, True)
        found = fallback_verdict(standing, ruling, warned or waives(lifting, standing.option))
        return _Fallback(ruling, found, (completed.sheet.values, outcomes), lifting)


def proposing(case: TaskCase, proposed: Mapping[str, Any], catalog: Catalog) -> TaskCase:
    """Return `case` with nothing but `proposed` as its proposal: deployment, and what else is said; None is unknown.

    Evidence was checked against what the workload itself proposes: of another model a report counts where it names it.
    """
    facts = {name: value for name, value in case.facts.items() if not name.startswith("proposal.")}
    facts |= {"proposal.present": True, "proposal.fallback.present": False}
    facts |= {f"proposal.{name}": value for name, value in proposed.items() if value is not None}
    evidence = {name: _speaking_of(each, case.facts, proposed, catalog) for name, each in case.evidence.items()}
    return replace(case, facts=facts, evidence=evidence)


def _speaking_of(
    status: EvidenceStatus, own: Mapping[str, Any], proposed: Mapping[str, Any], catalog: Catalog
) -> EvidenceStatus:
    """Return `status` as it counts for what is `proposed` in the place of what the workload's `own` facts propose."""
    if status.shows is None or status.problem is not None:
        return status
    task, model = str(own.get("task.name")), proposed.get("model")
    found = catalog.model(model)
    name = found.key if found is not None else model
    if name is not None and name in status.shows.get(task, ()):
        return status
    what = f"`{name}`" if name is not None else "a model that is not named"
    return replace(status, problem=f"its report does not show that {what} is as good on the task {quoted(task)}")


class _Fallback(Struct, frozen=True):
    """What is said of a fallback, its verdict, the facts and outcomes that both rest on, and what waivers lift."""

    ruling: ProposalRuling
    verdict: Verdict
    inference: tuple[dict[str, Any], list[bool | None]]
    lifting: Lifting


def rule_model(facts: Mapping[str, Any], models: Mapping[str, OptionModels], catalog: Catalog) -> ProposalRuling:
    """Say what the catalog makes of the proposed model on the proposed option."""
    name, option = facts.get("proposal.model"), facts["proposal.deployment"]
    if name is None:
        return ProposalRuling(None, ("the proposal names no model",), missing=frozenset({"proposal.model"}))
    model = catalog.model(name)
    if model is None:
        reason = f"the catalog does not know the model `{name}`; a layer's catalog/models.yaml adds it"
        return ProposalRuling(None, (reason,), unknown_model=True)
    considered = models[option].of(name)
    if considered is None:
        return ProposalRuling(False, _never_there(catalog, model.key, models[option]))
    if considered.qualifies is True:
        return ProposalRuling(True)
    return ProposalRuling(considered.qualifies, considered.reasons, missing=frozenset(considered.missing))


def _never_there(catalog: Catalog, name: str, models: OptionModels) -> tuple[str, ...]:
    """Say why the option does not even consider the model: for what the model is, else because it is not meant."""
    if catalog.models[name].weights == "closed" and models.option in OPEN_OPTIONS:
        return (f"{name} has no open weights, so it cannot run as {models.option}",)
    found = qualify(catalog, models.option, name, models.asked.needs, models.asked.at)
    return found.reasons if found is not None and found.qualifies is False else models.why
