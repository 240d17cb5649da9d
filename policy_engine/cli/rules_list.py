"""`policy rules list`: the rules in force that the filters select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import policy_options
from policy_engine.cli.rules_common import EFFECTS, effect_names, known, output_option
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, UsageError
from policy_engine.model.rule import TOPICS, Rule, RuleSet

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

_HEADER = ("Rule", "=Effects", "=Criteria")


@click.command(
    "list",
    short_help="List the rules in force.",
    epilog="Example: policy rules list --topic data-residency --effect forbid",
)
@click.option("--topic", metavar="TOPIC", help="Rules of this topic.")
@click.option("--criterion", metavar="ID", help="Rules that cite this criterion.")
@click.option("--effect", type=click.Choice(EFFECTS), help="Rules that have this effect.")
@click.option("--layer", metavar="NAME", help="Rules that come from this layer; the shipped ones are `shipped`.")
@output_option
@policy_options
def command(
    *,
    topic: str | None,
    criterion: str | None,
    effect: str | None,
    layer: str | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> None:
    """List the rules in force, all of them or those that every filter selects."""
    from policy_engine.cli.options import load
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    policy = load(layers, policy_digest)
    rules = policy.rules
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
    write_reports(targets, report_writers(lambda: _value(policy, found), lambda: _sections(policy, found)))


def _why(rules: RuleSet, criterion: str | None) -> str:
    mechanism = rules.mechanisms.get(criterion or "")
    return f"{criterion} is answered by {mechanism}" if mechanism else "leave a filter out"


def _value(policy: Policy, rules: Sequence[Rule]) -> dict[str, Any]:
    return {
        "kind": "RuleList",
        "policy": policy.digest,
        "rules": [rule_value(rule) for rule in rules],
    }


def rule_value(rule: Rule) -> Mapping[str, Any]:
    """Return the rule as its file says it, with its layer and its place."""
    from policy_engine.loading.rule_document import rule_document

    return {**rule_document(rule), "layer": rule.layer, "place": str(rule.span) if rule.span else None}


def _sections(policy: Policy, rules: Sequence[Rule]) -> list[Section]:
    several = len(policy.rules.layers) > 1
    sections = []
    for topic in dict.fromkeys(rule.topic for rule in rules):
        rows = []
        for rule in rules:
            if rule.topic == topic:
                name = f"{rule.id} (layer {rule.layer})" if several and rule.layer != "shipped" else rule.id
                rows.append((f"{name}\n{rule.title}", "\n".join(effect_names(rule)), "\n".join(rule.criteria)))
        sections.append(Section(title=topic, header=_HEADER, rows=rows))
    count = f"{len(rules)} of {len(policy.rules.rules)} rules in force, {policy.digest[:19]}"
    return [*sections, Section(lines=[count])]
