"""What `policy rules test --coverage` shows: what no case exercises, where it stands, and cases that would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.cli.output import to_yaml
from policy_engine.cli.sections import Section
from policy_engine.loading.layers import CASES_SUFFIX

if TYPE_CHECKING:
    from policy_engine.coverage.measuring import Gap, RuleCoverage
    from policy_engine.model.rule import Rule


def coverage_value(found: Sequence[RuleCoverage]) -> dict[str, Any]:
    """Return the coverage as JSON has it."""
    return {
        "rules": len(found),
        "parts": sum(each.parts for each in found),
        "exercised": sum(each.parts - len(each.gaps) for each in found),
        "gaps": [
            {
                "rule": each.rule.id,
                "kind": gap.wanted.kind,
                "place": str(gap.wanted.span),
                "message": gap.wanted.says,
                "unreachable": gap.unreachable,
                "counts": gap.counts,
                "case": gap.case,
                "reason": gap.reason,
            }
            for each in found
            for gap in each.gaps
        ],
        "problems": [
            {"code": each.code, "place": str(each.span), "message": each.message, "help": each.help}
            for rule in found
            for each in rule.problems
        ],
    }


def coverage_sections(found: Sequence[RuleCoverage]) -> list[Section]:
    """Return the coverage as people read it."""
    gaps = [(each, gap) for each in found for gap in each.gaps]
    sections = []
    problems = [f"{e.span}: {e.message} [{e.code}]\nhelp: {e.help}" for each in found for e in each.problems]
    listed = [(each, gap) for each, gap in gaps if not (gap.unreachable or gap.counts)]
    for title, lines in (
        ("wrong in a case file", problems),
        ("not exercised", [_line(each, gap) for each, gap in gaps if not gap.unreachable and gap.counts]),
        ("listed as unreachable", [f"{_line(each, gap)}: {gap.reason}" for each, gap in listed]),
        ("no facts exercise it", [_line(each, gap) for each, gap in gaps if gap.unreachable]),
    ):
        if lines:
            sections.append(Section(title=title, lines=lines))
    for each in found:
        sections += [*cases_section(each.rule, [gap.case for gap in each.gaps]), *_unproved(each)]
    parts = sum(each.parts for each in found)
    summary = f"{parts:,} parts of {len(found)} rules: "
    summary += f"{len(gaps):,} not exercised" if gaps else "cases exercise all of them"
    return [*sections, Section(lines=[summary])]


def _line(each: RuleCoverage, gap: Gap) -> str:
    says, effects = gap.wanted.says, _effects(each)
    if gap.unreachable and gap.counts:
        says = f"it can never fire, so that its effects are never reached: {effects}"
    elif not gap.unreachable and gap.case is None:
        says += ", and no facts that would do it were found"
    return f"{gap.wanted.span}: {each.rule.id}: {says} [{gap.wanted.kind}]"


def _unproved(each: RuleCoverage) -> list[Section]:
    """Return what the author would list of what nothing was found to exercise, ready to be copied."""
    entries = [
        {"part": gap.wanted.says, "reason": "..."}
        for gap in each.gaps
        if gap.counts and gap.case is None and not gap.unreachable and gap.wanted.kind == "branch"
    ]
    if not entries:
        return []
    title = f"for {case_file(each.rule)}, if no case can exercise it, with the reason"
    return [Section(title=title, block=f"unreachable:\n{case_text(entries)}")]


def _effects(each: RuleCoverage) -> str:
    from policy_engine.browsing.rules import effect_names

    return ", ".join(effect_names(each.rule))


def cases_section(rule: Rule, found: Sequence[dict[str, Any] | None]) -> list[Section]:
    """Return the cases among `found`, each once, as they could stand in the rule's case file."""
    cases: list[dict[str, Any]] = []
    for each in found:
        if each is not None and each not in cases:
            cases.append(each)
    if not cases:
        return []
    return [Section(title=f"for {case_file(rule)}, if this is what is meant", block=case_text(cases))]


def case_file(rule: Rule) -> Path:
    """Return the path of the rule's case file, whether it is there or not."""
    name = f"{rule.id}{CASES_SUFFIX}"
    return Path(rule.span.file).with_name(name) if rule.span else Path(name)


def case_text(cases: Sequence[dict[str, Any]]) -> str:
    """Return cases as they stand in a case file, under `cases:`."""
    return "".join(f"  {line}\n" for line in to_yaml(list(cases), flow=True).splitlines())
