"""What findings of one task are made of, and those that its document alone says: waivers, advice, what has no rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from policy_engine.facts import PROPOSED
from policy_engine.findings.finding import EFFECTS, Effect, Finding, Kind, effect_of, worst_effect
from policy_engine.findings.places import Places
from policy_engine.model.task_case import ATTESTED
from policy_engine.summary import stated
from policy_engine.ways_wording import idle_waivers, waiver_text
from policy_engine.wording import listed

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
#: What a proposal is: what is accepted of one is not accepted of the next.
PROPOSAL_FACTS = frozenset(f"proposal.{name}" for name in PROPOSED)
_NO_EVIDENCE = "no such evidence is named"


class TaskFindings(ABC):
    """The findings on one task of a decision; `facts` are those that the workload states of it."""

    def __init__(self, decision: Mapping[str, Any], index: int, places: Places, facts: Mapping[str, Any]) -> None:
        self.whole, self.places, self.facts = decision, places, facts
        self.document: Mapping[str, Any] = decision["tasks"][index]
        self.workload: Mapping[str, Any] = decision["workload"]
        self.option: str | None = self.document["judged_option"]
        self.rows: dict[str, Mapping[str, Any]] = {row["id"]: row for row in self.document["rules"]}

    @abstractmethod
    def findings(self) -> Iterator[Finding]:
        """Find what stands against the task, and what is for its attention."""

    @abstractmethod
    def by_rule(
        self, rule_id: str, kind: Kind, effect: Effect, option: str | None, *, rules: tuple[str, ...] = ()
    ) -> Finding:
        """Return a finding of one rule, or of the first of `rules`, on the facts that they read."""

    def all(self) -> list[Finding]:
        """Return the findings, the gravest first; one of them is as grave as the verdict."""
        own, effect = [*self.findings()], effect_of(self.document["verdict"])
        if EFFECTS.index(worst_effect(own)) < EFFECTS.index(effect):
            own.append(self.general("verdict", "recommendation", effect, ()))
        own += self.idle_waivers()
        return sorted(own, key=lambda each: -EFFECTS.index(each.effect))

    def owed(self) -> Iterator[Finding]:
        """Find the evidence that is not there."""
        for duty in self.document["obligations"]:
            if duty["status"] != "satisfied" and not duty.get("waived"):
                yield self._obligation(duty)

    def _obligation(self, duty: Mapping[str, Any]) -> Finding:
        name, status = duty["evidence"], self.whole["evidence"].get(duty["evidence"])
        problem = (status["problem"] or status.get("short")) if status is not None else None
        verb = "is needed" if duty["status"] == "outstanding" else "may be needed"
        why = duty["why"] or self.rows[duty["rules"][0]]["title"]
        said = problem is None or problem == _NO_EVIDENCE or problem in why
        wrong = "" if said else f" ({problem})"
        effect: Effect = "condition" if duty["enforcement"] == "advisory" else "review"
        finding = self.by_rule(duty["rules"][0], "obligation", effect, self.option, rules=tuple(duty["rules"]))
        return replace(
            finding,
            message=f"evidence `{name}` {verb}{wrong}: {why}",
            evidence=name,
            enforcement=duty["enforcement"],
            facts={**finding.facts, **self._rested_on(name)},
            grounds=(duty["status"], problem or _NO_EVIDENCE, *self._chosen()),
            span=self.places.evidence(name) or finding.span,
        )

    def _rested_on(self, evidence: str) -> dict[str, Any]:
        """Return what evidence is about beside what asks for it: the hardware that an attestation measures."""
        if evidence not in ATTESTED:
            return {}
        return {name: value for name, value in self.facts.items() if name.startswith("hardware.")}

    def _chosen(self) -> tuple[str, ...]:
        """Return which model stands for the judged option where none is proposed: another one is another case."""
        chosen = self.document["recommendation"] if self.document["proposal"] is None else None
        return (f"{chosen['model']} at {chosen['provider']}",) if chosen is not None else ()

    def waivers(self) -> Iterator[Finding]:
        """Find the waivers that were looked at: what each lifts, or why it lifts nothing."""
        for row in self.document.get("waivers", ()):
            if row["applies"] and row["on"] == "option":
                continue
            kind: Kind = "waiver" if row["applies"] else "waiver-not-honoured"
            effect: Effect = "condition" if row["applies"] else "advice"
            if row["rule"] in self.rows:
                finding = self.by_rule(row["rule"], kind, effect, row["option"])
            else:
                finding = replace(self.general("advice", kind, effect, ()), code=row["rule"], title=row["rule"])
            yield replace(finding, message=waiver_text(row), waiver=row["id"], grounds=(row["on"], row["why"] or ""))

    def idle_waivers(self) -> Iterator[Finding]:
        """Find the waivers on the workload that no task shows: with the task that they are for, else with the first."""
        for row in idle_waivers(self.whole):
            names = [task["name"] for task in self.whole["tasks"]]
            if self.document["name"] == (row["task"] if row["task"] in names else names[0]):
                finding = replace(self.general("advice", "waiver-not-honoured", "advice", ()), code=row["rule"])
                more = {"title": row["rule"], "option": row["option"], "waiver": row["id"], "facts": {}}
                yield replace(finding, message=waiver_text(row), grounds=(row["on"], row["why"]), **more)

    def advice(self) -> Iterator[Finding]:
        """Find what is worth knowing."""
        for each in self.document["advice"]:
            if each["rule"] is None:
                said = self.general("advice", "advice", "advice", (each["message"],))
                yield replace(said, message=each["message"], facts={})
            else:
                yield replace(self.by_rule(each["rule"], "advice", "advice", None), message=each["message"])

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
        option = self.option
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
            facts=dict(sorted(self.facts.items())),
            missing=missing,
            grounds=grounds,
        )
