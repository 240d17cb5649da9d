"""`policy rules mutate`: small mistakes put into rules, and those that no case notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.browsing.named import known
from policy_engine.cli.options import policy_options
from policy_engine.cli.rules_common import output_option
from policy_engine.cli.rules_coverage import case_file, case_text, cases_section
from policy_engine.cli.sections import FORMATS, Section, report_writers

if TYPE_CHECKING:
    from policy_engine.mutants.running import Result, Survivor

_STANDINGS = ("survives", "equivalent", "listed")


@click.command("mutate", epilog="Example: policy rules mutate high-api-spend-favours-self-hosting --policy acme-rules")
@click.argument("names", nargs=-1, metavar="[RULE]...")
@click.option("-v", "--verbose", is_flag=True, help="Show the mutants that are equivalent, too.")
@output_option
@policy_options
def command(
    *,
    names: Sequence[str],
    verbose: bool,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> int:
    """Change rules in one operator, operand, word or threshold at a time, and list the changes that no case notices.

    Without RULE, all rules in force. A case notices a change where it fails under it: by its outcome, by the facts
    that it says are missing, or by what it says is derived. For each survivor a case is printed that would notice.
    Where the rule comes out the same on all facts, under the parameters in force, that is proved, and no case is
    asked for. What can neither be noticed nor proved is listed by its author in the rule's case file, under
    `equivalent:`, with the mutant as it is printed here and a reason.

    A survivor is exit status 4; so is a case that fails as it is, and an entry of `equivalent:` that a case notices or
    that is no mutant. What a rule does when it fires is no part of its cases, and is not changed.
    """
    from policy_engine.cases import gather
    from policy_engine.cli.main import CASES, OK
    from policy_engine.cli.options import load
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.mutants.running import run_mutants

    targets = parse_outputs(outputs, FORMATS)
    if policy_digest is not None:
        load(layers, policy_digest)
    gathered = gather(layers)
    rules = [rule.id for rule in gathered[-1].policy.rules.rules]
    found = run_mutants(gathered, {known(name, rules, "rule") for name in names})
    write_reports(targets, report_writers(lambda: _value(found), lambda: _sections(found, verbose)))
    return OK if all(result.passed for result in found) else CASES


def _value(found: Sequence[Result]) -> dict[str, Any]:
    return {
        "kind": "Mutants",
        "rules": len(found),
        "mutants": sum(each.count for each in found),
        "killed": sum(each.count - len(each.survivors) for each in found),
        **{name: len(list(_standing(found, name))) for name in _STANDINGS},
        "problems": [
            {"code": each.code, "place": str(each.span), "message": each.message, "help": each.help}
            for result in found
            for each in result.problems
        ],
        "survivors": [
            {
                "rule": result.rule.id,
                "standing": each.standing,
                "place": _place(result, each),
                "change": each.tried.mutant.says,
                "mutant": each.tried.mutant.text,
                "of": each.tried.of,
                "reason": each.reason,
                "case": each.tried.case,
            }
            for result in found
            for each in result.survivors
        ],
    }


def _standing(found: Sequence[Result], name: str) -> Iterator[tuple[Result, Survivor]]:
    return ((result, each) for result in found for each in result.survivors if each.standing == name)


def _place(result: Result, survivor: Survivor) -> str:
    from policy_engine.mutants.running import place_of

    return str(place_of(result.rule, survivor.tried))


def _sections(found: Sequence[Result], verbose: bool) -> list[Section]:
    sections = []
    problems = [
        f"{each.span}: {each.message} [{each.code}]\nhelp: {each.help}" for result in found for each in result.problems
    ]
    alive = [_line(*each) for each in _standing(found, "survives")]
    same = [_line(*each) for each in _standing(found, "equivalent")]
    listed = [f"{_line(result, each)}: {each.reason}" for result, each in _standing(found, "listed")]
    for title, lines, shown in (
        ("wrong in a case file", problems, True),
        ("no case notices", alive, True),
        ("proved equivalent", same, verbose),
        ("listed as equivalent", listed, verbose),
    ):
        if lines and shown:
            sections.append(Section(title=title, lines=lines))
    for result in found:
        cases = [each.tried.case for each in result.survivors if each.tried.case is not None]
        sections += [*cases_section(result.rule, cases), *_unproved(result)]
    return [*sections, Section(lines=[_summary(found)])]


def _line(result: Result, survivor: Survivor) -> str:
    tried = survivor.tried
    line = f"{_place(result, survivor)}: {result.rule.id}: {tried.mutant.says}"
    if tried.case is None and not tried.equivalent and survivor.standing == "survives":
        line += ", and no facts were found that would tell"
    return line


def _unproved(result: Result) -> list[Section]:
    """Return what the author would list of mutants that nothing was found to tell, ready to be copied."""
    entries = [
        {"mutant": each.tried.mutant.text, **({"of": each.tried.of} if each.tried.of else {}), "reason": "..."}
        for each in result.survivors
        if each.standing == "survives" and each.tried.case is None
    ]
    if not entries:
        return []
    title = f"for {case_file(result.rule)}, if no case can tell, with the reason"
    return [Section(title=title, block=f"equivalent:\n{case_text(entries)}")]


def _summary(found: Sequence[Result]) -> str:
    count = sum(each.count for each in found)
    parts = [f"{count - sum(len(each.survivors) for each in found):,} noticed by a case"]
    for name, said in (
        ("survives", "by none"),
        ("equivalent", "proved equivalent"),
        ("listed", "listed as equivalent"),
    ):
        number = len(list(_standing(found, name)))
        if number:
            parts.append(f"{number:,} {said}")
    return f"{count:,} mutants of {len(found)} rule{'' if len(found) == 1 else 's'}: {', '.join(parts)}"
