"""A finding: one reason for a verdict, of which rule, on which facts, where in the file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal

from msgspec import Struct
from policy_audit.canonical import document_bytes

from policy_engine.errors import Span
from policy_engine.model.task_case import Verdict

Effect = Literal["advice", "condition", "review", "deny"]
#: From the lightest to the gravest.
EFFECTS: tuple[Effect, ...] = ("advice", "condition", "review", "deny")
Kind = Literal[
    "forbid",  # a rule forbids the judged option, or may
    "proposal",  # a rule, or the catalog, rules the proposal out, or may
    "fallback",  # the same of the proposal's fallback
    "catalog",  # the catalog leaves the judged option out, or may
    "obligation",  # evidence that is owed
    "recommendation",  # nothing is proposed, and no option stands firm
    "waiver",  # a waiver was used
    "waiver-not-honoured",  # a waiver lifts nothing, and why
    "advice",
]
_BY_VERDICT: dict[Verdict, Effect] = {
    "allow": "advice",
    "allow_with_conditions": "condition",
    "review": "review",
    "deny": "deny",
}


class Acceptance(Struct, frozen=True):
    """The entry of a baseline that accepts a finding: why, and through which day."""

    reason: str
    expires: date


class Finding(Struct, frozen=True):
    """One thing that a decision says against a task, or for its attention.

    `code` is stable: the id of the rule behind it, else one of `task.GENERAL`. `rules` are all rules behind it.
    `facts` are those that decided with their values, `missing` those that nobody knows, and `grounds` what decided
    beside facts: what the catalog says, what is wrong with evidence. `span` is the line that caused it.
    `standing` says, for a waiver that lifts nothing, why.
    """

    code: str
    kind: Kind
    effect: Effect
    namespace: str
    workload: str
    task: str
    title: str
    message: str
    span: Span
    option: str | None = None
    rules: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    enforcement: str | None = None
    facts: Mapping[str, Any] = {}
    missing: tuple[str, ...] = ()
    grounds: tuple[str, ...] = ()
    evidence: str | None = None
    waiver: str | None = None
    accepted: Acceptance | None = None

    @property
    def identity(self) -> str:
        """What it is about, as a digest that no change of a value or a line changes: SHA-256, in hexadecimal."""
        return _digest(self._about())

    @property
    def fingerprint(self) -> str:
        """The finding with what decided it, as a digest: another one where a fact changes. SHA-256, in hexadecimal."""
        decided = {"facts": dict(self.facts), "missing": list(self.missing), "grounds": list(self.grounds)}
        return _digest({**self._about(), **decided, "effect": self.effect})

    def _about(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "kind": self.kind,
            "rules": list(self.rules),
            "namespace": self.namespace,
            "workload": self.workload,
            "task": self.task,
            "option": self.option,
            "evidence": self.evidence,
            "waiver": self.waiver,
            # of advice that no rule gives, what it says is all that it is about
            **({"grounds": list(self.grounds)} if self.kind == "advice" else {}),
        }


def effect_of(verdict: Verdict) -> Effect:
    """Return how grave the gravest finding of a verdict is."""
    return _BY_VERDICT[verdict]


def worst_effect(findings: Iterable[Finding]) -> Effect:
    """Return how grave the gravest of `findings` is: `advice` where there is none."""
    return max((each.effect for each in findings), key=EFFECTS.index, default="advice")


def _digest(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(document_bytes(value)).hexdigest()
