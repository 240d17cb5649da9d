"""Check the conditions and messages of `rollout.yaml`, and place every problem in its file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.errors import Problem, did_you_mean
from policy_engine.language.tree import Const, Node, replace_facts
from policy_engine.language.words import strays
from policy_engine.loading.places import locate, locate_node
from policy_engine.loading.reader import Reader
from policy_engine.loading.wording import among, quoted
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
        from policy_engine.language.cel import ConditionError

        text = item.text(key, required=True)
        if text is None:
            return None
        path: Any = (*item.path, key)
        try:
            node = self._checker.check(text, "bool")
        except ConditionError as error:
            for each in error.problems:
                span = locate(item.document, path, text, each.line, each.column)
                self._problems.append(Problem("bad-condition", each.message, span, each.help))
            return None
        # with such a typo the rule would never fire, and nobody would notice
        for stray in strays(node, self._words):
            span = locate_node(item.document, path, text, stray.constant.at)
            message = f"{quoted(stray.constant.value)} is not among the values of `{stray.name}`"
            hint = among(str(stray.constant.value), stray.words)
            self._problems.append(Problem("unknown-value", message, span, hint))
        return replace_facts(node, self._constants)

    def check_fields(self, item: Reader, message: str) -> None:
        """Report what a message names in braces and nobody knows."""
        for name in _FIELD.findall(message):
            if name not in self._types:
                hint = did_you_mean(name, list(self._types))
                item.problem("unknown-fact", f"no fact is called `{name}`", "message", help_=hint)

    def _words(self, name: str) -> tuple[str, ...] | None:
        return FACTS[name].values if name in FACTS else self._vocabulary.words(name)
