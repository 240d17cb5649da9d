"""`policy rules list`: the rules in force that the filters select."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.browsing.rules import EFFECTS, effect_names, list_value, selected
from policy_engine.cli.options import policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.model.rule import Rule

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
    found = selected(policy.rules, topic=topic, criterion=criterion, effect=effect, layer=layer)
    write_reports(targets, report_writers(lambda: list_value(policy, found), lambda: _sections(policy, found)))


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
