"""Decide the next step of a task's rollout by the rules: advance, hold, roll back, or complete.

INVARIANT: what is not known never advances. A rule of the effect roll_back or hold that cannot be answered holds. One
that rolls back whatever the unknown may be does so: a line that says nothing hides no failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from policy_engine.language.kleene import truth
from policy_engine.rollout.register import RolloutRule, RolloutRules
from policy_engine.rollout.stages import Stage
from policy_engine.wording import listed, number

Step = Literal["advance", "hold", "roll_back", "complete"]
STEPS: tuple[Step, ...] = ("advance", "hold", "roll_back", "complete")
#: The rule that speaks where no rule advances.
NO_RULE = "no-rule-advances"
_FIELD = re.compile(r"\{([^{}]+)\}")


class Reason(Struct, frozen=True):
    """A rule that led to the step, and what it says; `missing` are the facts without which it has no answer."""

    rule: str
    says: str
    missing: tuple[str, ...] = ()


class Judged(Struct, frozen=True):
    """The step, and why."""

    step: Step
    reasons: tuple[Reason, ...]


def judge(
    rules: RolloutRules, facts: Mapping[str, Any], stage: Stage, bounds: Sequence[Mapping[str, Any]] = ()
) -> Judged:
    """Return the next step of a task of which `stage` is on, and every rule that led to it.

    `bounds` are the facts with the extremes in place of what was not observed, the best first. Only rules that roll
    back read them, where the facts leave them without an answer: one that holds of all of them fires.
    """
    answers = [(rule, *truth(rule.condition, facts, rules.matches)) for rule in rules.rules]
    back = [_fired(rule, rules, facts) for rule, answer, _ in answers if rule.effect == "roll_back" and answer]
    for rule, answer, missing in answers:
        is_open = bool(bounds) and rule.effect == "roll_back" and answer is None
        if is_open and all(truth(rule.condition, each, rules.matches)[0] for each in bounds):
            back.append(_bounded(rule, rules, bounds[0], missing))
    if back:
        return Judged("roll_back", tuple(back))
    holding = []
    for rule, answer, missing in answers:
        if rule.effect == "hold" and answer:
            holding.append(_fired(rule, rules, facts))
        elif rule.effect != "advance" and answer is None:
            holding.append(_unknown(rule, missing))
    if holding:
        return Judged("hold", tuple(holding))
    onward = [rule for rule, answer, _ in answers if rule.effect == "advance" and answer]
    if onward:
        step: Step = "complete" if stage.is_last else "advance"
        return Judged(step, tuple(_fired(rule, rules, facts) for rule in onward))
    open_ones = [_unknown(rule, missing) for rule, answer, missing in answers if answer is None]
    return Judged("hold", (*open_ones, Reason(NO_RULE, "no rule lets it go on")))


def _fired(rule: RolloutRule, rules: RolloutRules, facts: Mapping[str, Any]) -> Reason:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        known = rules.values.get(name.removeprefix("param.")) if name.startswith("param.") else facts.get(name)
        return _text(known)

    return Reason(rule.id, " ".join(_FIELD.sub(value, rule.message).split()))


def _bounded(rule: RolloutRule, rules: RolloutRules, bounds: Mapping[str, Any], missing: frozenset[str]) -> Reason:
    found = _fired(rule, rules, bounds)
    return Reason(rule.id, f"{found.says} What was not observed is taken for the best here.", tuple(sorted(missing)))


def _unknown(rule: RolloutRule, missing: frozenset[str]) -> Reason:
    names = tuple(sorted(missing))
    what = f"{listed(names)} {'is' if len(names) == 1 else 'are'} not known" if names else "it cannot be worked out"
    return Reason(rule.id, f"{what}, without which it has no answer: {rule.title[:1].lower()}{rule.title[1:]}", names)


def _text(value: Any) -> str:
    """Write a value as people read it; a ratio keeps four digits, where it would be lost with two."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number(value) if value.is_integer() or abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, int):
        return number(value)
    return listed([str(each) for each in value]) if isinstance(value, list) else str(value)
