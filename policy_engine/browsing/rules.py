"""Rules in force as documents: those that filters select, and one in full with criteria, parameters and cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from policy_engine.browsing.named import known
from policy_engine.errors import Problem, UsageError
from policy_engine.model.rule import STRENGTHS, TOPICS, Parameter, Rule, RuleSet

if TYPE_CHECKING:
    from policy_engine.case_files import Case
    from policy_engine.cases import LayerCases
    from policy_engine.loading.policy import Policy

EFFECTS = ("forbid", "prefer", "disfavour", "require", "derive", "advise")
_NAMES = {points: name for name, points in STRENGTHS.items()}


def effect_names(rule: Rule) -> list[str]:
    """Return the names of the rule's effects."""
    return [name for name in EFFECTS if getattr(rule, name)]


def effect_pairs(rule: Rule) -> list[tuple[str, str]]:
    """Return each effect with what it does, in words."""
    pairs: list[tuple[str, str]] = []
    if rule.forbid:
        pairs.append(("forbid", f"{', '.join(rule.forbid)} ({rule.enforcement})"))
    for name in ("prefer", "disfavour"):
        strengths = getattr(rule, name)
        if strengths:
            pairs.append((name, ", ".join(f"{option} {_NAMES[points]}" for option, points in strengths.items())))
    for evidence, options in rule.require.items():
        pairs.append(("require", f"{evidence}, {rule.grade} or better, on {', '.join(options)} ({rule.enforcement})"))
    pairs += [("derive", f"{derivation.fact} = {derivation.text}") for derivation in rule.derive]
    if rule.advise:
        pairs.append(("advise", rule.advise))
    return pairs


def selected(
    rules: RuleSet,
    *,
    topic: str | None = None,
    criterion: str | None = None,
    effect: str | None = None,
    layer: str | None = None,
) -> list[Rule]:
    """Return the rules that every filter selects.

    Raises:
        UsageError: a filter has a name that is not there, or none fits.
    """
    if topic is not None:
        known(topic, TOPICS, "topic")
    if criterion is not None:
        known(criterion, list(rules.criteria), "criterion")
    if layer is not None:
        known(layer, [each.name for each in rules.layers], "layer")
    found = [
        rule
        for rule in rules.rules
        if topic in (None, rule.topic)
        and (criterion is None or criterion in rule.criteria)
        and (effect is None or effect in effect_names(rule))
        and layer in (None, rule.layer)
    ]
    if not found:
        raise UsageError(Problem("no-match", "no rule in force fits", help=_why(rules, criterion)))
    return found


def _why(rules: RuleSet, criterion: str | None) -> str:
    mechanism = rules.mechanisms.get(criterion or "")
    return f"{criterion} is answered by {mechanism}" if mechanism else "leave a filter out"


def list_value(policy: Policy, rules: Sequence[Rule]) -> dict[str, Any]:
    """Return the answer of `policy rules list` as a value for programs."""
    return {
        "kind": "RuleList",
        "policy": policy.digest,
        "rules": [rule_value(rule) for rule in rules],
    }


def rule_value(rule: Rule) -> Mapping[str, Any]:
    """Return the rule as its file says it, with its layer and its place."""
    from policy_engine.loading.rule_document import rule_document

    return {**rule_document(rule), "layer": rule.layer, "place": str(rule.span) if rule.span else None}


def named_rule(policy: Policy, name: str) -> Rule:
    """Return the rule of that id.

    Raises:
        UsageError: none in force has it.
    """
    known(name, [rule.id for rule in policy.rules.rules], "rule")
    return next(rule for rule in policy.rules.rules if rule.id == name)


def cases_of(gathered: Sequence[LayerCases], rule: Rule) -> list[Case]:
    """Return the cases of a rule, in those layers where it is the one in force."""
    found = []
    for each in gathered:
        there = each.policy.rules.rule(rule.id)
        if there is not None and there.layer == rule.layer:
            found += [case for file in each.files if file.rule == rule.id for case in file.cases]
    return found


def parameters_of(policy: Policy, rule: Rule) -> list[Parameter]:
    """Return the parameters that a rule reads, by name."""
    return [policy.rules.parameters[name] for name in sorted(rule.parameters)]


def rule_shown(policy: Policy, rule: Rule, cases: Sequence[Case]) -> dict[str, Any]:
    """Return the answer of `policy rules show` as a value for programs."""
    from policy_engine.loading.rule_document import parameter_document

    rules = policy.rules
    return {
        "kind": "Rule",
        **rule_value(rule),
        "stratum": rule.stratum,
        "reads": sorted(rule.reads),
        "parameters": {p.name: {**parameter_document(p), "layer": p.layer} for p in parameters_of(policy, rule)},
        "criteria": {criterion: rules.criteria[criterion] for criterion in rule.criteria},
        "disputes": {name: rules.disputes[name].about for name in rule.disputes},
        "cases": [
            {"name": case.name, "facts": dict(case.facts), "outcome": case.outcome, "place": str(case.span)}
            for case in cases
        ],
    }
