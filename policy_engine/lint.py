"""Findings about rules beyond what loading refuses: errors, warnings, and what is merely worth knowing.

| code | severity | says |
|---|---|---|
| (codes of loading and of case files) | error | the rules, or their cases, are invalid |
| cases-without-rule | error | a case file names no rule in force |
| rule-without-cases | error | a rule has no case file |
| outcome-without-case | warning | no case in which the rule fires, does not fire, or is indeterminate |
| case-unread-fact | warning | a case gives a fact that the rule does not read |
| message-unread-fact | warning | a text names a fact that the condition does not read, so that it may be unknown |
| message-option | warning | a text names {option} where the rule speaks of no option |
| literal-threshold | warning | a number in a condition that belongs into parameters.yaml |
| constant-outside-values | warning | a condition compares a fact with a word that it can never be |
| parameter-unread | warning | a parameter that no rule, no text and no part of the engine reads |
| criterion-uncited | warning | a criterion that no rule, no mechanism and no catalog entry cites |
| review-due | warning | `review_by` has passed |
| replaces-in-other-topic | warning | a layer replaces a rule from another topic's folder |
| replaces | info | a layer replaces or disables a rule |
| fact-unread | info | a fact that no rule reads |
| regulation-without-period | info | regulations that no retention period is for, so that nothing on them is ever due |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

from policy_engine.case_files import FIRED, INDETERMINATE, NOT_FIRED
from policy_engine.cases import LayerCases, counts, gather
from policy_engine.errors import Problem, RulesError, Span
from policy_engine.language.tree import Arithmetic, Const, Node, children, facts_read
from policy_engine.language.words import strays
from policy_engine.lint_registers import register_findings
from policy_engine.loading.places import locate_node
from policy_engine.loading.references import OPTION, PARAMETER, fields, texts
from policy_engine.loading.wording import among, quoted
from policy_engine.loading.yaml_source import Document, read_yaml
from policy_engine.model.rule import PROPOSAL, Rule
from policy_engine.model.vocabulary import Vocabulary

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: how grave, and what a `Problem` says."""

    severity: Severity
    problem: Problem

    @property
    def code(self) -> str:
        return self.problem.code


def lint(paths: Sequence[Path], at: date | None = None) -> list[Finding]:
    """Check the shipped rules with the layers at `paths` over them; `at` is the day for dates that pass."""
    try:
        gathered = gather(paths)
    except RulesError as error:
        return [Finding("error", problem) for problem in error.problems]
    policy = gathered[-1].policy
    found = [Finding("error", problem) for each in gathered for file in each.files for problem in file.problems]
    for rule in policy.rules.rules:
        found += _rule_findings(rule, policy.vocabulary, at)
    found += _case_findings(gathered)
    found += [Finding(severity, problem) for severity, problem in register_findings(policy, paths)]
    return sorted(found, key=lambda each: SEVERITIES.index(each.severity))


def _rule_findings(rule: Rule, vocabulary: Vocabulary, at: date | None) -> Iterator[Finding]:
    span = rule.span or Span("", 1, 1)
    document = read_yaml(Path(span.file), RulesError)[0]
    read = facts_read(rule.condition) | {derivation.fact for derivation in rule.derive}
    for key, text in texts(rule):
        place = document.span("message" if key == "message" else "advise")
        for name in dict.fromkeys(fields(text)):
            if name == OPTION:
                if not rule.require and not set(rule.forbid) - {PROPOSAL}:
                    message = f"rule `{rule.id}`: the {key} names `{{option}}`, and the rule speaks of no option"
                    yield _warning("message-option", message, place, "name the option in words")
            elif name and not name.startswith(PARAMETER) and name not in read:
                fact = vocabulary.facts[name]
                if not (fact.never_unknown or fact.default is not None):
                    message = f"rule `{rule.id}`: the {key} names `{{{name}}}`, which the condition does not read"
                    yield _warning("message-unread-fact", message, place, "the fact may be unknown when the rule fires")
    yield from _literals(rule, vocabulary, document)
    if at is not None and rule.review_by is not None and rule.review_by < at:
        message = f"rule `{rule.id}` was to be reviewed by {rule.review_by}"
        owner = f"ask {rule.owner}, or " if rule.owner else ""
        yield _warning("review-due", message, document.span("review_by"), f"{owner}review it and set a later date")


def _literals(rule: Rule, vocabulary: Vocabulary, document: Document) -> Iterator[Finding]:
    parts: list[tuple[tuple[str, ...], str, Node]] = [(("when",), document.value["when"], rule.condition)]
    parts += [(("derive", each.fact), each.text, each.expression) for each in rule.derive]
    for path, text, node in parts:
        for constant in _numbers(node):
            place = locate_node(document, path, text, constant.at)
            message = f"rule `{rule.id}`: the number {constant.value} stands in the condition"
            yield _warning("literal-threshold", message, place, "put it into parameters.yaml and read param.<name>")
        for stray in strays(node, vocabulary.words):
            place = locate_node(document, path, text, stray.constant.at)
            word = str(stray.constant.value)
            message = f"rule `{rule.id}`: {quoted(word)} is not among the values of `{stray.name}`"
            yield _warning("constant-outside-values", message, place, among(word, stray.words))


def _numbers(node: Node) -> Iterator[Const]:
    """Yield the numbers under `node` but 0 and 1, and but divisors, which have to be constants."""
    if isinstance(node, Const) and node.type in ("int", "double") and node.value not in (0, 1):
        yield node
    below = list(children(node))
    if isinstance(node, Arithmetic) and node.op in ("/", "%"):
        below = below[:1]
    for child in below:
        yield from _numbers(child)


def _case_findings(gathered: Sequence[LayerCases]) -> Iterator[Finding]:
    policy = gathered[-1].policy
    for rule in policy.rules.rules:
        files = [file for each in gathered for file in each.files if file.rule == rule.id and counts(each, rule)]
        span = rule.span or Span("", 1, 1)
        if not files:
            file = f"{rule.id}_test.yaml"
            message = f"rule `{rule.id}` has no cases"
            yield Finding("error", Problem("rule-without-cases", message, span, f"write them into {file} beside it"))
            continue
        cases = [case for file in files for case in file.cases]
        for case in cases:
            for name in sorted(set(case.facts) - rule.reads):
                message = f"the case gives `{name}`, which the rule `{rule.id}` does not read"
                yield _warning("case-unread-fact", message, case.span, "leave it out")
        covered = {case.outcome for case in cases}
        wanted = [FIRED, NOT_FIRED]
        if any(not policy.vocabulary.facts[n].never_unknown for n in facts_read(rule.condition) & rule.reads):
            wanted.append(INDETERMINATE)
        for outcome in wanted:
            if outcome not in covered and not any(file.problems for file in files):
                message = f"rule `{rule.id}` has no case that is {outcome}"
                yield _warning("outcome-without-case", message, Span(str(files[0].path), 1, 1), "add one")


def _warning(code: str, message: str, span: Span, help_: str) -> Finding:
    return Finding("warning", Problem(code, message, span, help_))
