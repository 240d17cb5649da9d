"""From a decision to its findings.

INVARIANT: the gravest finding of a task is as grave as its verdict: what stands behind a verdict and has no finding of
its own becomes one, so that nothing that denies can be left out of a report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policy_engine.findings.finding import EFFECTS, Effect, Finding, Kind, effect_of, worst_effect
from policy_engine.findings.places import Places, derivations, in_order
from policy_engine.findings.task import PROPOSAL_FACTS, TaskFindings
from policy_engine.judging import Judge, rule_model
from policy_engine.loading.yaml_source import Document
from policy_engine.model.decision import Decision
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.task_case import ProposalRuling, TaskResult
from policy_engine.model.waiver import Pairs
from policy_engine.summary import stated
from policy_engine.wording import Template, listed

#: The facts and outcomes that something was judged on.
Inference = tuple[Mapping[str, Any], Sequence[bool | None]]


class Collector:
    """Collects findings of decisions made under one policy."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._derived = derivations(judge.rules)

    def of(self, decision: Decision, document: Document) -> tuple[Finding, ...]:
        """Return the findings of `decision`, task by task, the gravest first; `document` is what it was read from."""
        found: list[Finding] = []
        for index in range(len(decision.results)):
            found += _Task(self._judge, decision, index, Places(document, index, self._derived)).all()
        return tuple(found)


class _Task(TaskFindings):
    """One task of a decision, and the findings on it."""

    def __init__(self, judge: Judge, decision: Decision, index: int, places: Places) -> None:
        self.judge = judge
        self.result: TaskResult = decision.results[index]
        super().__init__(decision.document, index, places, self.result.case.facts)

    def findings(self) -> Iterator[Finding]:
        result = self.result
        if result.judged is None:
            yield self._nothing_permitted()
        else:
            yield from self._of_option(result.judged)
            yield from self._warnings(result.judged, "forbid", (result.facts, result.outcomes))
        if result.proposal is not None:
            yield from self._of_ruling(result.proposal, "proposal", result.facts, result.outcomes)
        elif result.judged is not None and not result.ranking.firm:
            yield self.general("recommendation-not-firm", "recommendation", "review", (), result.ranking.open_facts)
        yield from self._of_fallback()
        yield from self.owed()
        yield from self.waivers()
        yield from self.advice()

    # ---- what stands against the judged option

    def _nothing_permitted(self) -> Finding:
        rules = {rule for standing in self.result.standings.values() for rule in standing.rules}
        collision = self.document["collision"]
        named = tuple(collision["rules"]) if collision else tuple(sorted(rules))
        return self.general("nothing-permitted", "recommendation", "review", (), rules=named)

    def _of_option(self, option: str) -> Iterator[Finding]:
        """Find what stands against the judged option: all of it, and not what its status names alone."""
        result = self.result
        yield from self._forbids(option, "forbid", (result.facts, result.outcomes), result.lifting.pairs)
        available, why = result.inputs[option].available, result.models[option].why
        if available is False:
            yield self.general("option-unavailable", "catalog", "deny", why)
        elif available is None:
            yield self.general("option-uncertain", "catalog", "review", why, result.inputs[option].missing)

    def _forbids(self, option: str, kind: Kind, inference: Inference, lifted: Pairs) -> Iterator[Finding]:
        """Find the forbids on `option` that fired, or may have; a status names the gravest of them alone."""
        for index in self.judge.effects.forbidding:
            outcome, rule = inference[1][index], self.judge.rules[index]
            acts = outcome is not False and self.result.enforcement[index] != "advisory"
            if acts and option in rule.forbid and (index, option) not in lifted:
                yield self.by_rule(rule.id, kind, "deny" if outcome else "review", option, *inference)

    def _warnings(self, option: str, kind: Kind, inference: Inference) -> Iterator[Finding]:
        """Find the advisory forbids that fired on `option`: the conditions of an allowance."""
        proposed = self.result.proposal is not None
        for index, rule in enumerate(self.judge.rules):
            fired = inference[1][index] and self.result.enforcement[index] == "advisory"
            if fired and (option in rule.forbid or (proposed and PROPOSAL in rule.forbid)):
                yield self.by_rule(rule.id, kind, "condition", option, *inference)

    def _of_ruling(
        self, ruling: ProposalRuling, kind: Kind, facts: Mapping[str, Any], outcomes: Sequence[bool | None]
    ) -> Iterator[Finding]:
        option = facts["proposal.deployment"] if kind == "fallback" else self.result.judged
        for rule in ruling.rules:
            fired = outcomes[self.judge.index_of[rule]]
            yield self.by_rule(rule, kind, "deny" if fired else "review", option, facts, outcomes)
        if ruling.reasons:
            holds = ruling.holds
            if kind == "proposal":  # the ruling has only what rules and catalog come to together
                holds = rule_model(facts, self.result.models, self.judge.policy.catalog).holds
            effect: Effect = "deny" if holds is False else "review"
            yield self.general(f"{kind}-not-qualified", kind, effect, ruling.reasons, ruling.missing)

    def _of_fallback(self) -> Iterator[Finding]:
        result = self.result
        if result.fallback is None or result.fallback_inference is None or result.fallback_verdict is None:
            return
        option, inference = result.facts["proposal.fallback.deployment"], result.fallback_inference
        own = [*self._forbids(option, "fallback", inference, result.fallback_lifting.pairs)]
        told = {each.code for each in own}
        own += [each for each in self._of_ruling(result.fallback, "fallback", *inference) if each.code not in told]
        own += self._warnings(option, "fallback", inference)
        effect = effect_of(result.fallback_verdict)
        if effect in ("deny", "review") and EFFECTS.index(worst_effect(own)) < EFFECTS.index(effect):
            own.append(self.general("fallback-not-qualified", "fallback", effect, ()))
        yield from own

    # ---- making them

    def by_rule(
        self,
        rule_id: str,
        kind: Kind,
        effect: Effect,
        option: str | None,
        facts: Mapping[str, Any] | None = None,
        outcomes: Sequence[bool | None] | None = None,
        rules: tuple[str, ...] = (),
    ) -> Finding:
        """Return a finding of one rule, on the facts that it read; `facts` and `outcomes` are a fallback's."""
        index, row = self.judge.index_of[rule_id], self.rows[rule_id]
        rule = self.judge.rules[index]
        facts = self.result.facts if facts is None else facts
        outcome = (self.result.outcomes if outcomes is None else outcomes)[index]
        names = in_order(rule.when, rule.reads)
        missing = tuple(sorted(self.judge.missing(index, facts))) if outcome is None else ()
        message = row["message"] or row["title"]
        if kind == "fallback":
            filled = Template(rule.message, self.judge.parameters).fill(facts, (str(facts["proposal.deployment"]),))
            message = f"the fallback: {filled}"
        if outcome is None:
            lead = "the fallback: " if kind == "fallback" else ""
            message = f"{lead}{row['title']}: depends on {listed(stated(self.document, missing))}"
        read = [*names, *(n for each in rules[1:] for n in self._rule(each).reads)]
        behind = {origin for name in read for origin in self.places.origins(name)}
        if kind in ("forbid", "proposal", "fallback", "obligation"):
            behind |= PROPOSAL_FACTS  # what is accepted of one model or provider is not accepted of the next
        return Finding(
            code=rule_id,
            kind=kind,
            effect=effect,
            namespace=self.workload["namespace"],
            workload=self.workload["name"],
            task=self.document["name"],
            title=row["title"],
            message=message,
            span=self.places.of(self._deciding(index, names, missing, facts, outcome), fallback=kind == "fallback"),
            option=option,
            rules=rules or (rule_id,),
            criteria=tuple(dict.fromkeys(c for each in rules or (rule_id,) for c in self.rows[each]["criteria"])),
            enforcement=row["enforcement"],
            facts={name: facts[name] for name in sorted(behind) if facts.get(name) is not None},
            missing=missing,
        )

    def _deciding(
        self,
        index: int,
        names: Sequence[str],
        missing: Sequence[str],
        facts: Mapping[str, Any],
        outcome: bool | None,
    ) -> list[str]:
        """Return the facts without which the rule would have come out otherwise, in the order of its condition."""
        if outcome is None:
            return stated(self.document, in_order(self.judge.rules[index].when, missing))
        known = [name for name in names if facts.get(name) is not None]
        alone = [name for name in known if self.judge.outcome(index, _without(facts, name)) is not outcome]
        # that a section is there is what a condition asks first, and seldom what it is about
        return sorted(alone or known, key=lambda name: name.endswith(".present"))

    def _rule(self, rule_id: str) -> Any:
        return self.judge.rules[self.judge.index_of[rule_id]]


def _without(facts: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in facts.items() if each != name}
