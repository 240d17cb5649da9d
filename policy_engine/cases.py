"""Run the cases of rules on every engine: durable_rules, the three-valued evaluator, and the CEL runtime as oracle.

Polars, which decides fleets, and Z3, which proves, are among them where they are installed.

The CEL runtime is given the rule's text as it stands, parameters as values; the others are given the typed tree. An
engine that differs from the oracle is a failure of its own kind, whatever the case says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from policy_engine.case_files import FIRED, INDETERMINATE, NOT_FIRED, Case, CaseFile, read_cases
from policy_engine.errors import RulesError
from policy_engine.inference import Network, evaluate_all
from policy_engine.language import kleene
from policy_engine.language.cel import Checker, Program
from policy_engine.language.tree import Const, Node, replace_facts
from policy_engine.loading.layers import read_layers
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.lowering.network import compile_networks
from policy_engine.model.rule import Rule

#: Z3 and Polars where the extras `prove` and `fleet` are installed.
ENGINES = ("durable_rules", "kleene", "cel", *(name for name in ("z3", "polars") if find_spec(name) is not None))
#: An outcome, and the facts that an unknown one rests on.
_Answer = tuple[bool | None, frozenset[str]]
_WORDS = {True: FIRED, False: NOT_FIRED, None: INDETERMINATE}


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a case failed: `outcome`, `missing`, `derives`, or `engines` where two engines disagree."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case with each engine's outcome and what is wrong."""

    case: Case
    outcomes: Mapping[str, str]
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


class CaseRunner:
    """Runs cases of the rules of one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._index = {rule.id: index for index, rule in enumerate(policy.rules.rules)}
        self._types: dict[str, str] = {name: fact.type for name, fact in policy.vocabulary.facts.items()}
        self._parameters = {f"param.{name}": Const(p.value, p.type) for name, p in policy.rules.parameters.items()}
        self._checker = Checker(self._types | {name: constant.type for name, constant in self._parameters.items()})
        self._programs: dict[str, Program] = {}
        self._networks = [
            (stratum.rules, [Network(spec, self._atom) for spec in stratum.networks]) for stratum in policy.strata
        ]

    def run_all(self, cases: Sequence[Case]) -> list[CaseResult]:
        """Run cases on every engine; Polars is asked of all cases of a rule at once, as it is of a fleet."""
        groups: dict[tuple[str, str], list[int]] = {}
        for place, case in enumerate(cases):
            groups.setdefault((case.rule, repr(sorted(case.params.items()))), []).append(place)
        columns: dict[int, _Answer | None] = {}
        for places in groups.values() if "polars" in ENGINES else ():
            columns |= zip(places, self._by_columns([cases[place] for place in places]), strict=True)
        return [self._run(case, columns.get(place)) for place, case in enumerate(cases)]

    def run(self, case: Case) -> CaseResult:
        """Run `case` on every engine."""
        return self.run_all([case])[0]

    def _run(self, case: Case, columns: _Answer | None) -> CaseResult:
        """Run `case`; `columns` is what Polars says of it, None where it was not asked or cannot say."""
        rule = self.policy.rules.rules[self._index[case.rule]]
        parameters = self._parameters_of(case)
        node = replace_facts(rule.condition, parameters)
        truth, missing = kleene.truth(node, case.facts, self._checker.matches)
        everything = {name: constant.value for name, constant in parameters.items()} | dict(case.facts)
        outcomes = {
            "durable_rules": _WORDS[self._durable(self._index[case.rule], node, case)],
            "kleene": _WORDS[truth],
            "cel": _WORDS[self._program(rule.when).evaluate(everything)],
        }
        if "z3" in ENGINES:
            outcomes["z3"] = self._formulas(node, case)
        failures: list[Failure] = []
        if columns is not None:
            outcomes["polars"] = _WORDS[columns[0]]
            if columns[0] is None and columns[1] != missing:
                said = f"{', '.join(sorted(columns[1]))} to be missing, kleene {', '.join(sorted(missing))}"
                failures.append(Failure("engines", f"polars says {said}"))
        failures += _disagreement(outcomes)
        if outcomes["cel"] != case.outcome:
            failures.append(Failure("outcome", f"expected {case.outcome}, and it is {outcomes['cel']}"))
        elif case.missing is not None and set(case.missing) != missing:
            message = (
                f"expected {', '.join(sorted(case.missing))} to be missing, and it is {', '.join(sorted(missing))}"
            )
            failures.append(Failure("missing", message))
        if case.outcome == outcomes["cel"] == FIRED:
            failures += self._derived(rule, case, parameters, everything)
        return CaseResult(case, outcomes, tuple(failures))

    def _parameters_of(self, case: Case) -> dict[str, Const]:
        others = {f"param.{name}": value for name, value in case.params.items()}
        return self._parameters | {name: Const(value, self._parameters[name].type) for name, value in others.items()}

    def _durable(self, index: int, node: Node, case: Case) -> bool | None:
        if case.params:
            specs = compile_networks([node], self._types)
            return evaluate_all([Network(spec, self._atom) for spec in specs], 1, case.facts)[0]
        # the networks of the policy itself: a rule must come out the same among its neighbours
        rules, networks = next(found for found in self._networks if index in found[0])
        return evaluate_all(networks, len(rules), case.facts)[rules.index(index)]

    def _formulas(self, node: Node, case: Case) -> str:
        """Return what Z3's formulas come to with every fact fixed, or why they come to nothing."""
        from policy_engine.lowering import to_z3

        try:
            return _WORDS[to_z3.outcome(node, case.facts, self._types, self._checker.matches)]
        except (to_z3.NotLoweredError, to_z3.UndeterminedError) as error:
            return str(error)

    def _by_columns(self, cases: Sequence[Case]) -> Sequence[_Answer | None]:
        """Ask Polars of cases of one rule with the same parameters.

        None of a condition that it cannot say, which a fleet is refused for and a case is not.
        """
        from policy_engine.lowering.to_polars import UnloweredError, answers

        rule = self.policy.rules.rules[self._index[cases[0].rule]]
        try:
            node = replace_facts(rule.condition, self._parameters_of(cases[0]))
            return answers(node, [case.facts for case in cases], self._types)
        except UnloweredError:
            return [None] * len(cases)

    def _derived(
        self, rule: Rule, case: Case, parameters: dict[str, Const], everything: Mapping[str, Any]
    ) -> list[Failure]:
        failures = []
        for derivation in rule.derive:
            node = replace_facts(derivation.expression, parameters)
            found = kleene.value(node, case.facts, self._checker.matches)[0]
            oracle = kleene.kept(self._program(derivation.text).evaluate(everything))
            if found != oracle:
                failures.append(Failure("engines", f"`{derivation.fact}`: kleene gives {found}, cel {oracle}"))
            if derivation.fact in case.derives and case.derives[derivation.fact] != oracle:
                expected = case.derives[derivation.fact]
                failures.append(
                    Failure("derives", f"expected `{derivation.fact}` to be {expected}, and it is {oracle}")
                )
        return failures

    def _program(self, text: str) -> Program:
        program = self._programs.get(text)
        if program is None:
            program = self._programs[text] = self._checker.program(text)
        return program

    def _atom(self, text: str, facts: Mapping[str, Any]) -> bool | None:
        result: bool | None = self._program(text).evaluate(facts)
        return result


def _disagreement(outcomes: Mapping[str, str]) -> list[Failure]:
    if len(set(outcomes.values())) == 1:
        return []
    said = ", ".join(f"{engine} says {outcome}" for engine, outcome in outcomes.items())
    return [Failure("engines", f"the engines disagree: {said}")]


def counts(layer: LayerCases, rule: Rule) -> bool:
    """Whether the cases of `layer` are about the rule in force, and not about one that a later layer replaced."""
    there = layer.policy.rules.rule(rule.id)
    return there is not None and there.layer == rule.layer


@dataclass(frozen=True, slots=True)
class LayerCases:
    """The case files of one layer, and the policy with this layer on top."""

    policy: Policy
    files: tuple[CaseFile, ...]


def gather(paths: Sequence[Path]) -> list[LayerCases]:
    """Read the cases of the shipped rules and of each layer, each with the policy up to that layer.

    Raises:
        RulesError: the rules are invalid.
    """
    layers = read_layers(paths)
    found = []
    for count, layer in enumerate(layers):
        policy = load_policy(paths[:count])
        found.append(LayerCases(policy, tuple(read_cases(layer, policy))))
    return found


def run_all(paths: Sequence[Path]) -> list[CaseResult]:
    """Run all cases of the shipped rules and the layers at `paths`.

    Raises:
        RulesError: the rules, or a case file, are invalid.
    """
    return run_gathered(gather(paths))


def check_files(gathered: Sequence[LayerCases]) -> None:
    """Refuse case files with a problem.

    Raises:
        RulesError: with every problem.
    """
    problems = [problem for each in gathered for file in each.files for problem in file.problems]
    if problems:
        raise RulesError(problems)


def run_gathered(gathered: Sequence[LayerCases]) -> list[CaseResult]:
    """Run all cases of `gathered`.

    Raises:
        RulesError: a case file is invalid.
    """
    check_files(gathered)
    results = []
    for each in gathered:
        cases = [case for file in each.files for case in file.cases]
        if cases:
            results += CaseRunner(each.policy).run_all(cases)
    return results
