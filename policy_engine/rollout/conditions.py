"""Check the conditions and messages of `rollout.yaml`, and place every problem in its file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from policy_engine.errors import Problem, did_you_mean
from policy_engine.language.tree import Const, Node, replace_facts
from policy_engine.loading.condition_text import read_condition
from policy_engine.loading.reader import Reader
from policy_engine.rollout.vocabulary import FACTS

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

PARAMETER = "param."
_FIELD = re.compile(r"\{([^{}]+)\}")


class ConditionChecker:
    """Type-checks conditions against the facts of workloads and of rollouts, and puts parameters in.

    `constants` are the rollout's own parameters, by their whole name.
    """

    def __init__(self, policy: Policy, constants: Mapping[str, Const], problems: list[Problem]) -> None:
        from policy_engine.language.cel import Checker

        self._vocabulary, self._problems = policy.vocabulary, problems
        shared = {f"{PARAMETER}{name}": Const(p.value, p.type) for name, p in policy.rules.parameters.items()}
        self._constants = {**shared, **constants}
        types: dict[str, str] = {name: fact.type for name, fact in (*policy.vocabulary.facts.items(), *FACTS.items())}
        self._types = types | {name: each.type for name, each in self._constants.items()}
        self._checker = Checker(self._types)
        self.matches = self._checker.matches

    def check(self, item: Reader, key: str) -> Node | None:
        """Return the condition at `key`; None where it is missing or wrong, which is told."""
        node = read_condition(self._checker, item, key, self._words, self._problems, required=True)
        return None if node is None else replace_facts(node, self._constants)

    def check_fields(self, item: Reader, message: str) -> None:
        """Report what a message names in braces and nobody knows."""
        for name in _FIELD.findall(message):
            if name not in self._types:
                hint = did_you_mean(name, list(self._types))
                item.problem("unknown-fact", f"no fact is called `{name}`", "message", help_=hint)

    def _words(self, name: str) -> tuple[str, ...] | None:
        return FACTS[name].values if name in FACTS else self._vocabulary.words(name)
