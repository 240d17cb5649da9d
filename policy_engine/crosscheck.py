"""Ask the CEL runtime the same conditions as the engine: the oracle, on demand (`--cross-check`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
        """Compare every outcome of `results`, those on fallbacks included; return how many agreed.

        Raises:
            CrossCheckError: with each rule on which the two differ.
        """
        inferences = []
        for result in results:
            inferences.append(("", result.facts, result.outcomes))
            if result.fallback_inference is not None:
                inferences.append((" on the fallback", *result.fallback_inference))
        problems = [problem for inference in inferences for problem in self._differences(*inference)]
        if problems:
            raise CrossCheckError(problems)
        return len(inferences) * len(self.rules)

    def _differences(self, where: str, found: Mapping[str, Any], outcomes: Sequence[bool | None]) -> Iterator[Problem]:
        facts = {**self._values, **found}
        for rule, program, outcome in zip(self.rules, self._programs, outcomes, strict=True):
            oracle = program.evaluate(facts)
            if oracle is not outcome:
                message = (
                    f"rule `{rule.id}` has {_WORDS[outcome]}{where}, and by the CEL runtime it has {_WORDS[oracle]}"
                )
                yield Problem("cross-check", message, rule.span, "report it: this is a defect")
