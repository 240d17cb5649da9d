"""Conditions asked of every engine: durable_rules, the three-valued evaluator, and the CEL runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest

from policy_engine.inference import Network, evaluate_all
from policy_engine.language import kleene
from policy_engine.language.cel import Checker, Program
from policy_engine.lowering.network import NetworkSpec, compile_networks


class Engines:
    """Every engine over one set of conditions, which stand together in the networks of durable_rules."""

    def __init__(self, texts: Sequence[str], types: Mapping[str, str], checker: Checker | None = None) -> None:
        self.checker = checker or Checker(types)
        self.trees = [self.checker.check(text) for text in texts]
        self.programs = [self.checker.program(text) for text in texts]
        self.specs = compile_networks(self.trees, dict(types))
        self.networks = [Network(self._stored(spec), self._atom) for spec in self.specs]
        self._atoms: dict[str, Program] = {}

    def _stored(self, spec: NetworkSpec) -> NetworkSpec:
        """Return `spec` as it comes back from the cache of parsed rules."""
        return msgspec.json.decode(msgspec.json.encode(spec), type=NetworkSpec)

    def _atom(self, text: str, facts: Mapping[str, Any]) -> bool | None:
        program = self._atoms.get(text)
        if program is None:
            program = self._atoms[text] = self.checker.program(text)
        result: bool | None = program.evaluate(facts)
        return result

    def durable(self, facts: Mapping[str, Any]) -> list[bool | None]:
        return evaluate_all(self.networks, len(self.trees), facts)

    def kleene(self, facts: Mapping[str, Any]) -> list[tuple[bool | None, frozenset[str]]]:
        return [kleene.truth(tree, facts, self.checker.matches) for tree in self.trees]

    def cel(self, facts: Mapping[str, Any]) -> list[bool | None]:
        return [program.evaluate(facts) for program in self.programs]

    def agreed(self, facts: Mapping[str, Any]) -> list[bool | None]:
        """Return the outcomes, on which all engines agree."""
        durable, cel = self.durable(facts), self.cel(facts)
        assert durable == cel
        assert [truth for truth, _ in self.kleene(facts)] == cel
        return durable


@pytest.fixture(scope="session")
def engines() -> type[Engines]:
    return Engines
