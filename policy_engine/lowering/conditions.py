"""Conditions with parameter values put in: those in force, or others for the question "what if"."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from policy_engine.language.tree import Const, Node, Scalar, replace_facts
from policy_engine.model.rule import RuleSet


class Conditions(Struct):
    """The conditions of a rule set by index; substituted when first asked for."""

    raw: Sequence[Node]
    constants: dict[str, Const]
    _ready: dict[int, Node]

    def of(self, index: int) -> Node:
        node = self._ready.get(index)
        if node is None:
            node = self._ready[index] = replace_facts(self.raw[index], self.constants)
        return node

    def substitute(self, node: Node) -> Node:
        return replace_facts(node, self.constants)

    def under(self, index: int, parameter: str, value: Scalar) -> Node:
        """The condition with another value for one parameter."""
        name = f"param.{parameter}"
        return replace_facts(self.raw[index], self.constants | {name: Const(value, self.constants[name].type)})


def with_parameters(rules: RuleSet) -> Conditions:
    """Return the rule set's conditions under the parameters in force."""
    constants = {f"param.{name}": Const(p.value, p.type) for name, p in rules.parameters.items()}
    return Conditions([rule.condition for rule in rules.rules], constants, {})
