"""`policy rules show`: one rule in full."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.browsing.rules import cases_of, effect_pairs, named_rule, parameters_of, rule_shown
from policy_engine.cli.options import policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.model.rule import Parameter, Rule

if TYPE_CHECKING:
    from policy_engine.case_files import Case
    from policy_engine.loading.policy import Policy


@click.command("show", epilog="Example: policy rules show high-api-spend-favours-self-hosting -o markdown")
@click.argument("rule_id", metavar="ID")
@output_option
@policy_options
def command(rule_id: str, outputs: Sequence[str], layers: Sequence[Path], policy_digest: str | None) -> None:
    """Show the rule ID in full.

    Its effects and condition, the parameters it reads with their values, sources and disputes, its criteria, its
    cases, and where it stands.
    """
    from policy_engine.cases import gather
    from policy_engine.cli.options import load
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    policy = load(layers, policy_digest)
    rule = named_rule(policy, rule_id)
    cases = cases_of(gather(layers), rule)
    write_reports(
        targets, report_writers(lambda: rule_shown(policy, rule, cases), lambda: _sections(policy, rule, cases))
    )


def _sections(policy: Policy, rule: Rule, cases: Sequence[Case]) -> list[Section]:
    facts = policy.vocabulary.facts
    sections = [
        Section(title=f"{rule.id}: {rule.title}", pairs=_head(rule)),
        Section(title="When", lines=[rule.when]),
        Section(title="Effects", pairs=effect_pairs(rule)),
        Section(title="Message", lines=[rule.message]),
        Section(
            title="Facts it reads",
            header=("Fact", "Type", "Meaning"),
            rows=[(name, facts[name].type, facts[name].meaning) for name in sorted(rule.reads)],
        ),
    ]
    parameters = parameters_of(policy, rule)
    if parameters:
        sections.append(Section(title="Parameters", pairs=[(f"param.{p.name}", _parameter(p)) for p in parameters]))
        sides = [(f"{a.dispute}, {a.source}", _side(p, a.value, a.says)) for p in parameters for a in p.alternatives]
        if sides:
            sections.append(Section(title="What other sources say", pairs=sides))
    if rule.criteria:
        sections.append(
            Section(title="Criteria", pairs=[(name, policy.rules.criteria[name]) for name in rule.criteria])
        )
    if rule.disputes:
        pairs = [(name, policy.rules.disputes[name].about) for name in rule.disputes]
        sections.append(Section(title="Disputes", pairs=pairs))
    rows = [(case.name, case.outcome) for case in cases]
    sections.append(Section(title="Cases", header=("Case", "=Outcome"), rows=rows, lines=[] if rows else ["none"]))
    return sections


def _head(rule: Rule) -> list[tuple[str, str]]:
    dates = {"enforced from": rule.enforce_from, "review by": rule.review_by}
    pairs = [("topic", rule.topic), ("layer", rule.layer), ("file", str(rule.span) if rule.span else "")]
    pairs += [("origin", rule.origin)] if rule.origin else []
    pairs += [("owner", rule.owner)] if rule.owner else []
    pairs += [(name, day.isoformat()) for name, day in dates.items() if day is not None]
    pairs += [("controls", ", ".join(rule.controls))] if rule.controls else []
    return [*pairs, ("locked", "later layers may not touch it")] if rule.locked else pairs


def _parameter(parameter: Parameter) -> str:
    unit = f" {parameter.unit}" if parameter.unit else ""
    criterion = f", {parameter.criterion}" if parameter.criterion else ""
    layer = f", layer {parameter.layer}" if parameter.layer != "shipped" else ""
    meaning = f": {parameter.meaning}" if parameter.meaning else ""
    return f"{_shown(parameter.value)}{unit} (source {parameter.source}{criterion}{layer}){meaning}"


def _side(parameter: Parameter, value: object, says: str) -> str:
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"param.{parameter.name} would be {_shown(value)}{unit}" + (f": {says}" if says else "")


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
