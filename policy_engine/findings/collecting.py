"""From a decision to its findings.

INVARIANT: the gravest finding of a task is as grave as its verdict: what stands behind a verdict and has no finding of
its own becomes one, so that nothing that denies can be left out of a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from policy_engine.facts import PROPOSED
from policy_engine.findings.finding import EFFECTS, Effect, Finding, Kind, effect_of, worst_effect
from policy_engine.findings.places import Places, derivations, in_order
from policy_engine.judging import Judge, rule_model
from policy_engine.loading.yaml_source import Document
from policy_engine.model.decision import Decision
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.task_case import ATTESTED, Obligation, ProposalRuling, TaskResult
from policy_engine.model.waiver import Pairs
from policy_engine.summary import stated
from policy_engine.ways_wording import idle_waivers, waiver_text
from policy_engine.wording import Template, listed

#: Codes of findings that no rule is behind, with what each says.
GENERAL: dict[str, str] = {
    "option-unavailable": "No model of the catalog meets what the task needs on this option",
    "option-uncertain": "Whether a model of the catalog meets what the task needs is not known",
    "proposal-not-qualified": "The proposed model, as proposed, does not meet what the task needs",
    "fallback-not-qualified": "The fallback does not meet what the task needs",
    "nothing-permitted": "Nothing is proposed, and no option is permitted",
    "recommendation-not-firm": "Nothing is proposed, and another option could come first",
    "advice": "Worth knowing, and no reason against it",
    "verdict": "The verdict, where no finding says what stands behind it",
}
#: The facts and outcomes that something was judged on.
Inference = tuple[Mapping[str, Any], Sequence[bool | None]]
_PROPOSED = frozenset(f"proposal.{name}" for name in PROPOSED)
_NO_EVIDENCE = "no such evidence is named"


class Collector:
    """Collects findings of decisions made under one policy."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._derived = derivations(judge.rules)

    def of(self, decision: Decision, document: Document) -> tuple[Finding, ...]:
        """Return the findings of `decision`, task by task, the gravest first; `document` is what it was read from."""
        found: list[Finding] = []
        for index, result in enumerate(decision.results):
            places = Places(document, index, self._derived)
            task = _Task(self._judge, decision, index, places)
            own = [*task.findings()]
            if EFFECTS.index(worst_effect(own)) < EFFECTS.index(effect_of(result.verdict)):
                own.append(task.general("verdict", "recommendation", effect_of(result.verdict), ()))
            own += task.idle_waivers()
            found += sorted(own, key=lambda each: -EFFECTS.index(each.effect))
        return tuple(found)


class _Task:
    """One task of a decision, and the findings on it."""

    def __init__(self, judge: Judge, decision: Decision, index: int, places: Places) -> None:
        self.judge, self.places, self.decision = judge, places, decision
        self.result: TaskResult = decision.results[index]
        self.document: Mapping[str, Any] = decision.document["tasks"][index]
        self.workload: Mapping[str, Any] = decision.document["workload"]
        self.rows = {row["id"]: row for row in self.document["rules"]}

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
        for duty in result.obligations:
            if duty.status != "satisfied" and not duty.waived:
                yield self._obligation(duty)
        yield from self._waivers()
        yield from self._advice()

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
                yield self._by_rule(rule.id, kind, "deny" if outcome else "review", option, *inference)

    def _warnings(self, option: str, kind: Kind, inference: Inference) -> Iterator[Finding]:
        """Find the advisory forbids that fired on `option`: the conditions of an allowance."""
        proposed = self.result.proposal is not None
        for index, rule in enumerate(self.judge.rules):
            fired = inference[1][index] and self.result.enforcement[index] == "advisory"
            if fired and (option in rule.forbid or (proposed and PROPOSAL in rule.forbid)):
                yield self._by_rule(rule.id, kind, "condition", option, *inference)

    def _of_ruling(
        self, ruling: ProposalRuling, kind: Kind, facts: Mapping[str, Any], outcomes: Sequence[bool | None]
    ) -> Iterator[Finding]:
        option = facts["proposal.deployment"] if kind == "fallback" else self.result.judged
        for rule in ruling.rules:
            fired = outcomes[self.judge.index_of[rule]]
            yield self._by_rule(rule, kind, "deny" if fired else "review", option, facts, outcomes)
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

    # ---- what is owed, lifted, and worth knowing

    def _obligation(self, duty: Obligation) -> Finding:
        status = self.result.case.evidence.get(duty.evidence)
        problem = (status.problem or status.short) if status is not None else None
        verb = "is needed" if duty.status == "outstanding" else "may be needed"
        why = duty.why or self.rows[duty.rules[0]]["title"]
        said = problem is None or problem == _NO_EVIDENCE or problem in why
        wrong = "" if said else f" ({problem})"
        message = f"evidence `{duty.evidence}` {verb}{wrong}: {why}"
        effect: Effect = "condition" if duty.enforcement == "advisory" else "review"
        finding = self._by_rule(duty.rules[0], "obligation", effect, self.result.judged, rules=duty.rules)
        return replace(
            finding,
            message=message,
            evidence=duty.evidence,
            enforcement=duty.enforcement,
            facts={**finding.facts, **self._rested_on(duty)},
            grounds=(duty.status, problem or _NO_EVIDENCE, *self._chosen()),
            span=self.places.evidence(duty.evidence) or finding.span,
        )

    def _rested_on(self, duty: Obligation) -> dict[str, Any]:
        """Return what evidence is about beside what asks for it: the hardware that an attestation measures."""
        if duty.evidence not in ATTESTED:
            return {}
        return {name: value for name, value in self.result.case.facts.items() if name.startswith("hardware.")}

    def _chosen(self) -> tuple[str, ...]:
        """Return which model stands for the judged option where none is proposed: another one is another case."""
        chosen = self.document["recommendation"] if self.result.proposal is None else None
        return (f"{chosen['model']} at {chosen['provider']}",) if chosen is not None else ()

    def _waivers(self) -> Iterator[Finding]:
        for row in self.document.get("waivers", ()):
            if row["applies"] and row["on"] == "option":
                continue
            kind: Kind = "waiver" if row["applies"] else "waiver-not-honoured"
            effect: Effect = "condition" if row["applies"] else "advice"
            if row["rule"] in self.judge.index_of:
                finding = self._by_rule(row["rule"], kind, effect, row["option"])
            else:
                finding = replace(self.general("advice", kind, effect, ()), code=row["rule"], title=row["rule"])
            yield replace(finding, message=waiver_text(row), waiver=row["id"], grounds=(row["on"], row["why"] or ""))

    def idle_waivers(self) -> Iterator[Finding]:
        """Find the waivers on the workload that no task shows: with the task that they are for, else with the first."""
        for row in idle_waivers(self.decision.document):
            names = [task["name"] for task in self.decision.document["tasks"]]
            if self.document["name"] == (row["task"] if row["task"] in names else names[0]):
                finding = replace(self.general("advice", "waiver-not-honoured", "advice", ()), code=row["rule"])
                more = {"title": row["rule"], "option": row["option"], "waiver": row["id"], "facts": {}}
                yield replace(finding, message=waiver_text(row), grounds=(row["on"], row["why"]), **more)

    def _advice(self) -> Iterator[Finding]:
        for each in self.document["advice"]:
            if each["rule"] is None:
                said = self.general("advice", "advice", "advice", (each["message"],))
                yield replace(said, message=each["message"], facts={})
            else:
                yield replace(self._by_rule(each["rule"], "advice", "advice", None), message=each["message"])

    # ---- making them

    def general(
        self,
        code: str,
        kind: Kind,
        effect: Effect,
        grounds: Iterable[str],
        missing: Iterable[str] = (),
        rules: tuple[str, ...] = (),
    ) -> Finding:
        """Return a finding that no single rule is behind; all that the file says of the task decided it."""
        grounds, missing = tuple(grounds), tuple(sorted(missing))
        option = self.result.judged
        lead = f"the {kind}: " if kind in ("proposal", "fallback") else f"{option}: " if option else ""
        text = "; ".join(grounds) or GENERAL[code].lower()
        if not grounds and (missing or rules):
            text += f" ({listed(stated(self.document, missing) or rules)})"
        first = (
            ("proposal.model", "proposal.deployment") if kind != "recommendation" else stated(self.document, missing)
        )
        criteria = [each for rule in rules for each in self.rows[rule]["criteria"]]
        return Finding(
            code=code,
            kind=kind,
            effect=effect,
            namespace=self.workload["namespace"],
            workload=self.workload["name"],
            task=self.document["name"],
            title=GENERAL[code],
            message=lead + text,
            span=self.places.of(first, fallback=kind == "fallback"),
            option=option,
            rules=rules,
            criteria=tuple(dict.fromkeys(criteria)),
            facts=dict(sorted(self.result.case.facts.items())),
            missing=missing,
            grounds=grounds,
        )

    def _by_rule(
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
            behind |= _PROPOSED  # what is accepted of one model or provider is not accepted of the next
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
