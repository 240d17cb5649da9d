"""Ask the CEL runtime the same conditions as the engine: the oracle, on demand (`--cross-check`)."""

from __future__ import annotations

from collections.abc import Sequence

from policy_engine.errors import PolicyError, Problem
from policy_engine.language.cel import Checker
from policy_engine.loading.policy import Policy
from policy_engine.model.task_case import TaskResult

_WORDS = {True: "fired", False: "not fired", None: "indeterminate"}


class CrossCheckError(PolicyError):
    """The engine and the CEL runtime disagree: a defect of this program, so no decision is handed out."""


class CrossCheck:
    """The conditions of one policy, compiled once for the CEL runtime."""

    def __init__(self, policy: Policy) -> None:
        types: dict[str, str] = {name: fact.type for name, fact in policy.vocabulary.facts.items()}
        parameters = policy.rules.parameters
        types |= {f"param.{name}": parameter.type for name, parameter in parameters.items()}
        checker = Checker(types)
        self.rules = policy.rules.rules
        self._programs = [checker.program(rule.when) for rule in self.rules]
        self._values = {f"param.{name}": parameter.value for name, parameter in parameters.items()}

    def check(self, results: Sequence[TaskResult]) -> int:
        """Compare every outcome of `results`; return how many agreed.

        Raises:
            CrossCheckError: with each rule on which the two differ.
        """
        problems = []
        count = 0
        for result in results:
            facts = {**self._values, **result.facts}
            for rule, program, outcome in zip(self.rules, self._programs, result.outcomes, strict=True):
                oracle = program.evaluate(facts)
                count += 1
                if oracle is not outcome:
                    message = f"rule `{rule.id}` has {_WORDS[outcome]}, and by the CEL runtime it has {_WORDS[oracle]}"
                    problems.append(Problem("cross-check", message, rule.span, "report it: this is a defect"))
        if problems:
            raise CrossCheckError(problems)
        return count
