"""From a decision's document and the workload file that it is on to its findings, without the rules.

A server has the rules, and answers the document. It says what each rule came to and on which facts, so that the
findings are those that `collecting` makes, but for four things: the place is that of a fact which the rule read, and
not always of the one that decided; the facts behind derived ones are not known; of a fallback only the rules that its
ruling names are, by their titles; of an option that a rule forbids it is not told which of its models would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policy_engine.facts import declared_facts
from policy_engine.findings.finding import EFFECTS, Effect, Finding, Kind, effect_of, worst_effect
from policy_engine.findings.places import Places
from policy_engine.findings.task import PROPOSAL_FACTS, TaskFindings
from policy_engine.loading.yaml_source import Document
from policy_engine.model.rule import PROPOSAL
from policy_engine.model.workload import Workload
from policy_engine.summary import stated
from policy_engine.wording import listed


def findings_of(decision: Mapping[str, Any], workload: Workload, document: Document) -> tuple[Finding, ...]:
    """Return the findings of a decision, task by task, the gravest first; `document` is what was sent."""
    found: list[Finding] = []
    for index, task in enumerate(workload.spec.tasks):
        facts = {**declared_facts(workload, task, {}), "task.share": task.share}
        found += _Task(decision, index, Places(document, index, {}), facts).all()
    return tuple(found)


class _Task(TaskFindings):
    """One task of a decision, by its document alone."""

    def findings(self) -> Iterator[Finding]:
        proposal = self.document["proposal"]
        if self.option is None:
            yield self._nothing_permitted()
        else:
            yield from self._of_option(self.option)
            yield from self._warnings(self.option)
        if proposal is not None:
            yield from self._of_proposal(proposal)
            yield from self._of_fallback(proposal["fallback"])
        elif self.option is not None and not self.document["recommendation"]["firm"]:
            open_facts = self.document["recommendation"]["open_facts"]
            yield self.general("recommendation-not-firm", "recommendation", "review", (), open_facts)
        yield from self.owed()
        yield from self.waivers()
        yield from self.advice()

    def _nothing_permitted(self) -> Finding:
        collision = self.document["collision"]
        ruled_out = sorted({rule for option in self.document["options"] for rule in option["rules"]})
        named = tuple(collision["rules"]) if collision else tuple(ruled_out)
        return self.general("nothing-permitted", "recommendation", "review", (), rules=named)

    def _of_option(self, option: str) -> Iterator[Finding]:
        standing = next(row for row in self.document["options"] if row["deployment"] == option)
        lifted = {each["rule"] for each in standing.get("waived", ())}
        for row in self.rows.values():
            acts = row["outcome"] != "not_fired" and row["enforcement"] != "advisory"
            if acts and option in row["forbid"] and row["id"] not in lifted:
                yield self.by_rule(row["id"], "forbid", self._effect(row), option)
        if standing["reasons"]:
            if standing["status"] == "unavailable":
                yield self.general("option-unavailable", "catalog", "deny", standing["reasons"])
            else:
                yield self.general("option-uncertain", "catalog", "review", standing["reasons"], standing["missing"])

    def _warnings(self, option: str) -> Iterator[Finding]:
        proposed = self.document["proposal"] is not None
        for row in self.rows.values():
            fired = row["outcome"] == "fired" and row["enforcement"] == "advisory"
            if fired and (option in row["forbid"] or (proposed and PROPOSAL in row["forbid"])):
                yield self.by_rule(row["id"], "forbid", "condition", option)

    def _of_proposal(self, ruling: Mapping[str, Any]) -> Iterator[Finding]:
        rows = [self.rows[rule] for rule in ruling["rules"]]
        for row in rows:
            yield self.by_rule(row["id"], "proposal", self._effect(row), self.option)
        if ruling["reasons"]:
            # `holds` is what rules and catalog come to together: where a rule fired, the catalog may only be in doubt
            by_rule = any(row["outcome"] == "fired" for row in rows) and ruling["missing"]
            effect: Effect = "deny" if ruling["holds"] is False and not by_rule else "review"
            yield self.general("proposal-not-qualified", "proposal", effect, ruling["reasons"], ruling["missing"])

    def _of_fallback(self, fallback: Mapping[str, Any] | None) -> Iterator[Finding]:
        if fallback is None:
            return
        # the rules came to something else on the fallback than on the proposal, which the document does not say
        effect = effect_of(fallback["verdict"])
        own = [self.by_rule(rule, "fallback", effect, fallback["deployment"]) for rule in fallback["rules"]]
        if fallback["reasons"]:
            reasons, missing = fallback["reasons"], fallback["missing"]
            own.append(self.general("fallback-not-qualified", "fallback", effect, reasons, missing))
        if effect in ("deny", "review") and EFFECTS.index(worst_effect(own)) < EFFECTS.index(effect):
            own.append(self.general("fallback-not-qualified", "fallback", effect, ()))
        yield from own

    def by_rule(
        self, rule_id: str, kind: Kind, effect: Effect, option: str | None, *, rules: tuple[str, ...] = ()
    ) -> Finding:
        row, named = self.rows[rule_id], rules or (rule_id,)
        known = {name: fact["value"] for each in named for name, fact in self.rows[each]["facts"].items()}
        missing = tuple(row["missing"]) if row["outcome"] == "indeterminate" and kind != "fallback" else ()
        message = row["message"] or row["title"]
        if kind == "fallback":
            message = f"the fallback: {row['title']}"
        elif row["outcome"] == "indeterminate":
            message = f"{row['title']}: depends on {listed(stated(self.document, missing))}"
        if kind in ("forbid", "proposal", "fallback", "obligation"):
            known |= {name: self.facts[name] for name in PROPOSAL_FACTS if self.facts.get(name) is not None}
        return Finding(
            code=rule_id,
            kind=kind,
            effect=effect,
            namespace=self.workload["namespace"],
            workload=self.workload["name"],
            task=self.document["name"],
            title=row["title"],
            message=message,
            span=self.places.of(self._deciding(row, missing), fallback=kind == "fallback"),
            option=option,
            rules=named,
            criteria=tuple(dict.fromkeys(c for each in named for c in self.rows[each]["criteria"])),
            enforcement=row["enforcement"],
            facts=dict(sorted(known.items())),
            missing=missing,
        )

    @staticmethod
    def _effect(row: Mapping[str, Any]) -> Effect:
        return "deny" if row["outcome"] == "fired" else "review"

    def _deciding(self, row: Mapping[str, Any], missing: tuple[str, ...]) -> list[str]:
        """Return the facts that a rule read, those first that it is likely to be about.

        A rule against a proposal is about that; a text that is the value of a fact is in the rule's message.
        """
        if missing:
            return stated(self.document, missing)
        message, ruled_out = str(row["message"]), PROPOSAL in row["forbid"]

        def rank(name: str) -> tuple[bool, bool, bool]:
            about = name in message or (ruled_out and name.startswith("proposal."))
            return name.endswith(".present"), not about, name not in self.facts

        return sorted(row["facts"], key=rank)
