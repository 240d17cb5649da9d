"""The properties of `properties.yaml`: each proved, or refuted with a workload on which the engine breaks it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.language import kleene
from policy_engine.language.tree import Node, facts_read
from policy_engine.loading.properties import Property
from policy_engine.lowering.to_z3 import Lowering, Truth
from policy_engine.lowering.to_z3.formulas import Formula, both, neg
from policy_engine.model.task_case import TaskResult
from policy_engine.proofs.outcomes import outcomes_of
from policy_engine.proofs.prover import Prover
from policy_engine.proofs.results import Failure, Result
from policy_engine.proofs.unbreakable import unbreakable


def prove(prover: Prover, stated: Property) -> Result:
    """Prove that wherever its `known` facts are known and `when` is not surely false, `holds` is surely true."""
    breaking = _Breaking(prover, stated)
    failure = prover.search(breaking.question(), breaking.confirms, f"`{stated.text}` does not hold")
    if failure is None:
        failure = _vacuous(prover, breaking)
    return Result(
        stated.id,
        stated.title,
        () if failure is None else (failure,),
        "every workload",
        span=stated.span,
        layer=stated.layer,
        reason=stated.reason,
    )


def _vacuous(prover: Prover, breaking: _Breaking) -> Failure | None:
    """Return that the property says nothing: no workload is there for it, or it is true whatever the rules are."""
    found = prover.find(breaking.about(), breaking.concerns, plain=False)
    if isinstance(found, tuple):
        if unbreakable(breaking.stated, prover.policy, prover.shared, prover.timeout_s):
            what = "no rule can break it: it is true whatever is decided"
            return Failure(what, span=breaking.stated.span)
        return None
    if found is None:
        return Failure("it speaks of no workload: its `when` is never the case", span=breaking.stated.span)
    return Failure(f"{found}: whether it speaks of any workload", undecided=True)


class _Breaking:
    def __init__(self, prover: Prover, stated: Property) -> None:
        self.prover, self.stated = prover, stated
        self._lowering = Lowering(prover.encoding.fact, prover.shared.symbols, prover.shared.matches)

    def question(self) -> Formula:
        """Return that a decision breaks the property."""
        return both(self.about(), neg(self._truth(self.stated.holds).true))

    def about(self) -> Formula:
        """Return that the property speaks of a decision."""
        facts = [self._known(name) for name in self.stated.known]
        when = self._truth(self.stated.when).possible if self.stated.when is not None else True
        return both(*facts, when)

    def _truth(self, node: Node) -> Truth:
        return self._lowering.condition(node)

    def _known(self, name: str) -> Formula:
        return self.prover.encoding.fact(name).known

    def confirms(self, result: TaskResult) -> bool:
        """Whether the decision that the engine made breaks it."""
        facts = self._facts(result)
        if not self._concerns(facts):
            return False
        return kleene.truth(self.stated.holds, facts, self.prover.shared.matches)[0] is not True

    def concerns(self, result: TaskResult) -> bool:
        """Whether it speaks of the decision that the engine made."""
        return self._concerns(self._facts(result))

    def _facts(self, result: TaskResult) -> dict[str, Any]:
        read = facts_read(self.stated.holds) | (facts_read(self.stated.when) if self.stated.when is not None else set())
        return {**result.facts, **outcomes_of(result, self.prover.decider.judge, read)}

    def _concerns(self, facts: Mapping[str, Any]) -> bool:
        if any(name not in facts for name in self.stated.known):
            return False
        when = self.stated.when
        return when is None or kleene.truth(when, facts, self.prover.shared.matches)[0] is not False
