"""The outcomes of the rules in each row: fired, or indeterminate and for want of which facts; and what rules derive."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import polars as pl

from policy_engine.errors import Problem, RulesError
from policy_engine.fleet.building import Plan, Truth, both, column, either
from policy_engine.fleet.columns import NEVER_NULL
from policy_engine.fleet.facts import Facts
from policy_engine.language import tree
from policy_engine.language.tree import Node
from policy_engine.loading.policy import Policy
from policy_engine.lowering.conditions import with_parameters
from policy_engine.lowering.to_polars import Lowering, UnloweredError
from policy_engine.model.origins import ORIGINS
from policy_engine.model.rule import Rule


class Conditions:
    """The conditions of a policy, ready to be lowered.

    Raises:
        RulesError: one cannot be said in Polars; the problem names its rule.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.rules: tuple[Rule, ...] = policy.rules.rules
        substituted = with_parameters(policy.rules)
        self.nodes = [substituted.of(index) for index in range(len(self.rules))]
        self.derived = [
            [(each.fact, substituted.substitute(each.expression)) for each in rule.derive] for rule in self.rules
        ]
        self.strata = [stratum.rules for stratum in policy.strata]
        #: Lists whose items are gone through one by one: a row with long ones is not covered.
        self.crossed = self._tried()

    def _tried(self) -> frozenset[str]:
        lowering, problems = Lowering(), []
        for index, rule in enumerate(self.rules):
            try:
                lowering.truth(self.nodes[index])
                for _, node in self.derived[index]:
                    lowering.kept(node)
            except UnloweredError as error:
                text = "write the pattern without it, or decide the workloads one by one with `policy evaluate`"
                problems.append(Problem("not-for-a-fleet", f"rule `{rule.id}`: {error}", rule.span, text))
        if problems:
            raise RulesError(problems)
        return frozenset(lowering.crossed)

    def reading(self, facts: Collection[str]) -> set[int]:
        """Return the rules that rest on any of `facts`, through what others derive as well."""
        names, found = set(facts), set[int]()
        while True:
            more = {index for index in range(len(self.rules)) if index not in found and self._touches(index, names)}
            if not more:
                return found
            found |= more
            names |= {fact for index in more for fact, _ in self.derived[index]}

    def _touches(self, index: int, names: set[str]) -> bool:
        """Whether a rule reads one of `names`, or sets it as another does."""
        read = tree.facts_read(self.nodes[index])
        for fact, node in self.derived[index]:
            read |= tree.facts_read(node) | {fact}
        return bool(read & names)


class Outcomes:
    """Outcomes by rule index: `fired` and `unknown`, never null; `conflict` where two derivations differ."""

    def __init__(self, conditions: Conditions, facts: Facts, only: set[int] | None = None) -> None:
        self.conditions, self.facts = conditions, facts
        self._only = only
        self.fired: dict[int, Truth] = {}
        self.unknown: dict[int, Truth] = {}
        self.conflict: Truth = False
        self._said: dict[str, pl.Expr] = {}

    def infer(self, plan: Plan) -> None:
        """Work the rules out, stratum by stratum; derived facts are added to the facts."""
        set_before: dict[str, pl.Expr] = {}
        for indexes in self.conditions.strata:
            asked = [index for index in indexes if self._only is None or index in self._only]
            lowering = Lowering(self.facts)
            found = {index: plan.let(lowering.truth(self.conditions.nodes[index])) for index in asked}
            plan.step()
            for index, truth in found.items():
                certain = _is_certain(self.conditions.nodes[index])
                self.fired[index] = truth if certain else plan.let(truth.fill_null(False))
                self.unknown[index] = False if certain else plan.let(truth.is_null())
            plan.step()
            if any(self.conditions.derived[index] for index in asked):
                self._derive(plan, asked, lowering, set_before)

    def _derive(self, plan: Plan, asked: list[int], lowering: Lowering, before: dict[str, pl.Expr]) -> None:
        """Let the rules of one stratum set facts; what is said of a fact stands before what is computed."""
        conflicts: list[Truth] = [self.conflict]
        changed: dict[str, pl.Expr] = {}
        for index in asked:
            for fact, node in self.conditions.derived[index]:
                said = self._said.setdefault(fact, self.facts(fact))
                value = pl.when(column(self.fired[index])).then(lowering.kept(node))
                known = changed.get(fact, before.get(fact))
                if known is not None:
                    conflicts.append((known != value).fill_null(False) & said.is_null())
                changed[fact] = value if known is None else pl.coalesce(known, value)
        before |= {fact: plan.let(value) for fact, value in changed.items()}
        settled = {fact: plan.let(pl.coalesce(self._said[fact], value)) for fact, value in changed.items()}
        self.conflict = plan.hold(either(conflicts))
        plan.step()
        self.facts.computed.update(settled)

    def missing(self, index: int) -> dict[str, Truth]:
        """Return, by fact, whether the unknown outcome of a rule rests on it."""
        unknown = self.unknown[index]
        if unknown is False:
            return {}
        found = Lowering(self.facts).missing(self.conditions.nodes[index])
        return {
            # whoever asks for a declared fact looks whether it is null
            name: unknown
            if self._is_declared(name) and str(part) == str(pl.col(name).is_null())
            else both(unknown, part)
            for name, part in found.items()
            if name not in NEVER_NULL
        }

    def _is_declared(self, name: str) -> bool:
        return str(self.facts(name)) == str(pl.col(name)) and name not in ORIGINS

    def items(self) -> Iterator[tuple[int, Truth, Truth]]:
        """Yield index, fired and unknown of each rule."""
        for index, fired in self.fired.items():
            yield index, fired, self.unknown[index]


def _is_certain(node: Node) -> bool:
    """Whether a condition is never unknown: it reads what every row knows, and nothing in it can fail."""
    return tree.facts_read(node) <= NEVER_NULL and not any(
        isinstance(each, tree.Arithmetic) for each in tree.walk(node)
    )
