"""`policy rules facts`: the vocabulary, which is what conditions may read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from msgspec.structs import asdict

from policy_engine.browsing.named import known
from policy_engine.cli.options import policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.model.vocabulary import Fact


@click.command("facts", short_help="List what conditions may read.", epilog="Example: policy rules facts data")
@click.argument("section", required=False)
@output_option
@policy_options
def command(section: str | None, outputs: Sequence[str], layers: Sequence[Path], policy_digest: str | None) -> None:
    """List the facts that conditions may read, all of them or those of a SECTION such as `data`."""
    from policy_engine.cli.options import load
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    policy = load(layers, policy_digest)
    facts = list(policy.vocabulary.facts.values())
    if section is not None:
        known(section, list(dict.fromkeys(_section(fact) for fact in facts)), "section")
        facts = [fact for fact in facts if _section(fact) == section]
    value = {"kind": "Vocabulary", "facts": [asdict(fact) for fact in facts]}
    write_reports(targets, report_writers(lambda: value, lambda: _sections(facts)))


def _section(fact: Fact) -> str:
    return fact.name.partition(".")[0]


def _sections(facts: Sequence[Fact]) -> list[Section]:
    found = []
    for section in dict.fromkeys(map(_section, facts)):
        rows = [(fact.name, _type(fact), _meaning(fact)) for fact in facts if _section(fact) == section]
        found.append(Section(title=section, header=("=Fact", "Type", "Meaning"), rows=rows))
    return found


def _type(fact: Fact) -> str:
    return f"{fact.type}, {fact.unit}" if fact.unit else fact.type


def _meaning(fact: Fact) -> str:
    values = f" One of {', '.join(fact.values)}." if fact.values else ""
    source = "" if fact.source == "declared" else f" ({fact.source})"
    return f"{fact.meaning}{values}{source}"
