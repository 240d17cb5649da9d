"""All mutants of the rules in force, and what their authors say of those that no case kills."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from policy_engine.case_files import Case, Equivalent
from policy_engine.cases import LayerCases, check_files, counts
from policy_engine.errors import CaseError, Problem, RulesError, Span
from policy_engine.language.cel import Checker
from policy_engine.language.tree import Const
from policy_engine.loading.places import locate_node
from policy_engine.loading.policy import Policy
from policy_engine.loading.yaml_source import read_yaml
from policy_engine.model.rule import Rule
from policy_engine.mutants.trying import Trial, Tried, Trier

Standing = Literal["survives", "equivalent", "listed"]


class Survivor(Struct, frozen=True):
    """A mutant that no case kills: it `survives`, is proved `equivalent`, or is `listed` with a reason."""

    tried: Tried
    standing: Standing
    reason: str | None = None


class Result(Struct, frozen=True):
    """Of one rule: how many mutants, those that no case kills, and what is wrong with those that are listed."""

    rule: Rule
    count: int
    survivors: tuple[Survivor, ...]
    problems: tuple[Problem, ...]

    @property
    def passed(self) -> bool:
        return not self.problems and all(each.standing != "survives" for each in self.survivors)


def run_mutants(gathered: Sequence[LayerCases], names: Collection[str] = ()) -> list[Result]:
    """Try the mutants of the rules in force, or of those that are named, on the cases about them.

    Raises:
        RulesError: a case file is invalid.
        CaseError: a case of theirs fails as it is, so that it says nothing of mutants.
    """
    policy = gathered[-1].policy
    rules = [rule for rule in policy.rules.rules if not names or rule.id in names]
    check_files(gathered)
    trier = Trier(policy.vocabulary, _constants(policy), Checker({}).matches)
    constants = [_constants(each.policy) for each in gathered]
    return [_result(rule, gathered, constants, trier) for rule in rules]


def place_of(rule: Rule, tried: Tried) -> Span:
    """Return where in the rule's file the mutant differs from it."""
    span = rule.span or Span("", 1, 1)
    document = read_yaml(Path(span.file), RulesError)[0]
    if tried.of is None:
        return locate_node(document, ("when",), document.value["when"], tried.mutant.at)
    text = next(each.text for each in rule.derive if each.fact == tried.of)
    return locate_node(document, ("derive", tried.of), text, tried.mutant.at)


def _constants(policy: Policy) -> dict[str, Const]:
    return {f"param.{name}": Const(each.value, each.type) for name, each in policy.rules.parameters.items()}


def _result(rule: Rule, gathered: Sequence[LayerCases], constants: Sequence[dict[str, Const]], trier: Trier) -> Result:
    files = [
        (file, values)
        for each, values in zip(gathered, constants, strict=True)
        if counts(each, rule)
        for file in each.files
        if file.rule == rule.id
    ]
    cases = [(case, values) for file, values in files for case in file.cases]
    _check(rule, trier.failing(rule, cases))
    trial = trier.trial(rule, cases)
    listed = {(each.of, each.mutant): each for file, _ in files for each in file.equivalents}
    survivors = tuple(_survivor(each, listed) for each in trial.survivors)
    return Result(rule, trial.count, survivors, tuple(_problems(trial, listed)))


def _check(rule: Rule, failing: Sequence[Case]) -> None:
    if failing:
        hint = "`policy rules test` says why; mutants are tried once every case passes"
        raise CaseError(
            Problem("failing-case", f"{rule.id}: the case {each.name} fails as it is", each.span, hint)
            for each in failing
        )


def _survivor(tried: Tried, listed: dict[tuple[str | None, str], Equivalent]) -> Survivor:
    if tried.equivalent:
        return Survivor(tried, "equivalent")
    found = listed.get((tried.of, " ".join(tried.mutant.text.split())))
    # what a case would notice is not equivalent, whoever says so
    if found is None or tried.case is not None:
        return Survivor(tried, "survives")
    return Survivor(tried, "listed", found.reason)


def _problems(trial: Trial, listed: dict[tuple[str | None, str], Equivalent]) -> Iterator[Problem]:
    killed = {(of, " ".join(text.split())) for of, text in trial.killed}
    others = {(each.of, " ".join(each.mutant.text.split())): each for each in trial.survivors}
    for key, each in listed.items():
        what = f"`{each.mutant}` is listed as equivalent to `{trial.rule.id}`"
        if key in killed:
            yield Problem("not-equivalent", f"{what}, and a case kills it", each.span, "take it out of `equivalent`")
        elif key not in others:
            hint = "copy it from what `policy rules mutate` prints, or take it out"
            yield Problem("no-such-mutant", f"{what}, and is none of its mutants", each.span, hint)
        elif others[key].case is not None:
            yield Problem("not-equivalent", f"{what}, and a case would kill it", each.span, "write that case instead")
