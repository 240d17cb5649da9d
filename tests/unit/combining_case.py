"""Made-up rules with outcomes as given, for tests of the combination."""

from __future__ import annotations

from typing import Any

from policy_engine.combining import (
    Effects,
    OptionInput,
    obligations,
    rank,
    rule_out,
    statuses,
    verdict,
)
from policy_engine.language.tree import Const
from policy_engine.model.rule import Enforcement, Rule
from policy_engine.model.task_case import (
    EvidenceStatus,
    Obligation,
    ProposalRuling,
    Ranking,
    Standing,
    Verdict,
)
from policy_engine.model.vocabulary import OPTIONS

PROPRIETARY, OPEN, BATCH, SELF, EDGE = OPTIONS
FACT = frozenset({"team.mlops"})


def rule(name: str, topic: str = "routing", **effects: Any) -> Rule:
    return Rule(
        id=name,
        title=name,
        topic=topic,
        when="true",
        condition=Const(True, "bool"),
        reads=frozenset(),
        parameters=frozenset(),
        **{"enforcement": "mandatory", **effects},
    )


def option_input(
    available: bool | None = True, cost: float | None = 100.0, missing: tuple[str, ...] = (), waits: str = ""
) -> OptionInput:
    return OptionInput(
        available=available, missing=missing, monthly_usd=cost, cost_open=frozenset({waits} if waits else ())
    )


class Case:
    """Rules with their outcomes, and what the catalog says: everything that steps 2 to 5 start from."""

    def __init__(self, *rules: tuple[Rule, bool | None], **inputs: OptionInput) -> None:
        self.rules = [each for each, _ in rules]
        self.outcomes = [outcome for _, outcome in rules]
        self.enforcement: list[Enforcement] = [each.enforcement for each in self.rules]
        self.effects = Effects(self.rules)
        self.inputs = {option: inputs.get(option, option_input()) for option in OPTIONS}
        self.missing = {
            index: frozenset({f"{each.id}.fact"})
            for index, (each, outcome) in enumerate(zip(self.rules, self.outcomes, strict=True))
            if outcome is None
        }

    def standings(self) -> dict[str, Standing]:
        return statuses(self.effects, self.outcomes, self.enforcement, self.inputs, self.missing)

    def ranking(self) -> Ranking:
        return rank(self.standings(), self.effects, self.outcomes, self.missing)

    def ruling(self) -> ProposalRuling:
        return rule_out(self.effects, self.outcomes, self.enforcement, self.missing)

    def obligations(self, option: str, **evidence: EvidenceStatus) -> dict[str, Obligation]:
        found = obligations(self.effects, self.outcomes, self.enforcement, option, evidence)
        return {each.evidence: each for each in found}

    def verdict(self, option: str | None = None, **evidence: EvidenceStatus) -> Verdict:
        """The verdict on a proposal of `option`, or on the recommendation."""
        standings, ranking = self.standings(), self.ranking()
        judged = option or ranking.recommended
        owed = obligations(self.effects, self.outcomes, self.enforcement, judged, evidence) if judged else ()
        standing = standings[judged] if judged else None
        ruling = self.ruling() if option else None
        return verdict(self.effects, self.outcomes, self.enforcement, standing, ruling, ranking.firm, owed)


def evidence(name: str, grade: str = "asserted", problem: str | None = None) -> EvidenceStatus:
    return EvidenceStatus(name, grade, problem=problem)


#: The outcomes of a rule.
THREE = [None, False, True]
