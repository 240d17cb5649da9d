"""Read the cases of rules: `<rule-id>_test.yaml` beside the rule, checked against the vocabulary and the rule.

A case says which facts hold and how the rule must come out: fired, not fired, or indeterminate with what is missing.
A later layer may state cases for a rule of an earlier one: they run under the later layer's parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policy_engine.errors import Problem, RulesError, Span, did_you_mean
from policy_engine.loading.layers import CASES_SUFFIX, LayerFiles
from policy_engine.loading.policy import Policy
from policy_engine.loading.reader import Reader
from policy_engine.loading.wording import listed, quoted
from policy_engine.loading.yaml_source import read_yaml
from policy_engine.model.rule import TOPICS, Rule
from policy_engine.model.vocabulary import Fact

FIRED, NOT_FIRED, INDETERMINATE = "fired", "not_fired", "indeterminate"
OUTCOMES = (FIRED, NOT_FIRED, INDETERMINATE)
_KEYS = ("name", "facts", "outcome", "missing", "derives", "params")
_TYPES: dict[str, type] = {"bool": bool, "int": int, "double": float, "string": str}


@dataclass(frozen=True, slots=True)
class Case:
    """One case of a rule; `missing` is None where the case does not say which facts are missing."""

    rule: str
    name: str
    facts: Mapping[str, Any]
    outcome: str
    span: Span
    missing: tuple[str, ...] | None = None
    derives: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Equivalent:
    """A change of the rule that its author says no case can notice, with the reason.

    `mutant` is all of the changed expression; `of` is the fact that it derives, None for the condition.
    """

    mutant: str
    reason: str
    span: Span
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A part of the rule, as coverage names it, that its author says no facts exercise, with the reason."""

    part: str
    reason: str
    span: Span


@dataclass(frozen=True, slots=True)
class CaseFile:
    """The cases of one file, and what is wrong with it."""

    path: Path
    rule: str
    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    equivalents: tuple[Equivalent, ...] = ()
    unreachable: tuple[Unreachable, ...] = ()


def read_cases(layer: LayerFiles, policy: Policy) -> list[CaseFile]:
    """Read every case file of `layer`; `policy` is what is in force with this layer on top."""
    paths = [path for topic in TOPICS for path in sorted((layer.root / topic).glob(f"*{CASES_SUFFIX}"))]
    return [read_case_file(path, policy) for path in paths]


def read_case_file(path: Path, policy: Policy) -> CaseFile:
    """Read one case file; what is wrong is gathered, and a case with a problem is left out."""
    rule_id = path.name.removesuffix(CASES_SUFFIX)
    rule = policy.rules.rule(rule_id)
    if rule is None:
        hint = did_you_mean(rule_id, [each.id for each in policy.rules.rules]) or "name the file after its rule"
        problem = Problem("cases-without-rule", f"there is no rule `{rule_id}` in force", Span(str(path), 1, 1), hint)
        return CaseFile(path, rule_id, (), (problem,))
    problems: list[Problem] = []
    try:
        documents = read_yaml(path, RulesError)
    except RulesError as error:
        return CaseFile(path, rule_id, (), error.problems)
    reader = Reader(documents[0], problems)
    if len(documents) > 1:
        problems.append(Problem("several-documents", "a case file holds one document", documents[1].span()))
    reader.only(("cases", "equivalent", "unreachable"))
    items = reader.items("cases")
    if not items and not problems:
        reader.problem("no-cases", "the file holds no case", help_="cases: is a list with one case or more")
    found = [_CaseReader(item, rule, policy).read() for item in items]
    problems += _duplicates(items)
    listed = [each for item in reader.items("equivalent") if (each := _equivalent(item, rule)) is not None]
    never = [part for item in reader.items("unreachable") if (part := _unreachable(item)) is not None]
    cases = tuple(case for case in found if case is not None)
    return CaseFile(path, rule_id, cases, tuple(problems), tuple(listed), tuple(never))


def _unreachable(item: Reader) -> Unreachable | None:
    item.only(("part", "reason"))
    part, reason = item.text("part", required=True), _reason(item, "say why no facts exercise it")
    if part is None or reason is None:
        return None
    return Unreachable(" ".join(part.split()), reason, item.document.span(*item.path))


def _reason(item: Reader, hint: str) -> str | None:
    reason = item.text("reason", required=True)
    if reason is not None and not any(char.isalpha() for char in reason):
        item.problem("empty", "`reason` says nothing", "reason", help_=hint)
    return reason


def _equivalent(item: Reader, rule: Rule) -> Equivalent | None:
    item.only(("mutant", "of", "reason"))
    mutant, of = item.text("mutant", required=True), item.text("of")
    reason = _reason(item, "say why no facts can tell the two apart")
    if of is not None and of not in {each.fact for each in rule.derive}:
        item.problem("wrong-case", f"the rule does not derive `{of}`", "of")
    if mutant is None or reason is None:
        return None
    return Equivalent(" ".join(mutant.split()), reason, item.document.span(*item.path), of)


def _duplicates(items: Sequence[Reader]) -> list[Problem]:
    seen: set[object] = set()
    problems = []
    for item in items:
        name = item.value.get("name")
        if isinstance(name, str) and name in seen:
            span = item.document.span(*item.path, "name")
            problems.append(Problem("duplicate-case", f"two cases are called {quoted(name)}", span))
        seen.add(name if isinstance(name, str) else None)
    return problems


class _CaseReader:
    """Reads one case of `rule`."""

    def __init__(self, item: Reader, rule: Rule, policy: Policy) -> None:
        self.item, self.rule, self.policy = item, rule, policy

    def read(self) -> Case | None:
        item, before = self.item, len(self.item.problems)
        item.only(_KEYS)
        name = item.text("name", required=True)
        outcome = item.choice("outcome", OUTCOMES, required=True)
        if "facts" not in item.value:
            item.problem("missing-key", "`facts` is missing", help_="write `facts: {}` where none is known")
        facts = self._values("facts", item.mapping("facts"))
        derives = self._values("derives", item.mapping("derives"))
        missing = self._missing(outcome, facts)
        params = self._params()
        if derives and outcome != FIRED:
            item.problem("wrong-case", "only a case that fires derives something", "derives", key=True)
        for fact in sorted(set(derives) - {each.fact for each in self.rule.derive}):
            item.problem("wrong-case", f"the rule does not derive `{fact}`", "derives", fact, key=True)
        if len(item.problems) > before or name is None or outcome is None:
            return None
        span = item.document.span(*item.path)
        return Case(self.rule.id, name, facts, outcome, span, missing, derives, params)

    def _values(self, key: str, given: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for name, value in given.items():
            fact = self.policy.vocabulary.facts.get(name)
            if fact is None:
                hint = did_you_mean(name, list(self.policy.vocabulary.facts)) or "`policy rules facts` lists them"
                self.item.problem("unknown-fact", f"no fact is called `{name}`", key, name, help_=hint, key=True)
                continue
            typed = float(value) if fact.type == "double" and type(value) is int else value
            wrong = wrong_value(fact, typed)
            if wrong:
                self.item.problem("wrong-type", f"`{name}` {wrong}", key, name, help_=fact.meaning)
            found[name] = typed
        return found

    def _missing(self, outcome: str | None, facts: Mapping[str, Any]) -> tuple[str, ...] | None:
        item = self.item
        if "missing" not in item.value:
            return None
        names = item.texts("missing")
        if outcome != INDETERMINATE:
            item.problem("wrong-case", "only an indeterminate case misses facts", "missing", key=True)
        for index, name in enumerate(names):
            if name not in self.policy.vocabulary.facts:
                hint = did_you_mean(name, sorted(self.rule.reads))
                item.problem("unknown-fact", f"no fact is called `{name}`", "missing", index, help_=hint)
            elif name in facts:
                item.problem("wrong-case", f"`{name}` is given and missing at once", "missing", index)
        return names

    def _params(self) -> dict[str, Any]:
        found = {}
        for name, value in self.item.mapping("params").items():
            parameter = self.policy.rules.parameters.get(name)
            if parameter is None or name not in self.rule.parameters:
                what = "is not a parameter" if parameter is None else "is not read by the rule"
                hint = did_you_mean(name, sorted(self.rule.parameters))
                self.item.problem("unknown-parameter", f"`{name}` {what}", "params", name, help_=hint, key=True)
                continue
            typed = float(value) if parameter.type == "double" and type(value) is int else value
            if type(typed) is not _TYPES[parameter.type]:
                self.item.problem("wrong-type", f"`{name}` must be a {parameter.type}", "params", name)
            found[name] = typed
        return found


def wrong_value(fact: Fact, value: Any) -> str | None:
    """Return what is wrong with `value` as a value of `fact`, or None."""
    if fact.type == "list<string>":
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            return "must be a list of strings"
    elif type(value) is not _TYPES[fact.type]:
        return f"must be a {fact.type}"
    for each in value if isinstance(value, list) else [value]:
        if fact.values is not None and each not in fact.values:
            return f"cannot be {quoted(each)}; it is one of {listed(fact.values)}"
    if fact.minimum is not None and value < fact.minimum:
        return f"is below {fact.minimum:g}"
    if fact.maximum is not None and value > fact.maximum:
        return f"is above {fact.maximum:g}"
    return None
