"""Hold the cases of rules to all that they have to exercise, and find cases for what they do not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.case_files import FIRED, Case, Unreachable
from policy_engine.cases import LayerCases, counts
from policy_engine.coverage.rule_parts import OUTCOME, Expressions, Key, Wanted, wanted
from policy_engine.errors import Problem
from policy_engine.language.cel import Checker
from policy_engine.language.kleene import Matcher
from policy_engine.language.tree import Const
from policy_engine.loading.policy import Policy
from policy_engine.model.rule import Rule


class Gap(Struct, frozen=True):
    """A part of a rule that no case exercises.

    `unreachable`: no facts exercise it, which is proved. `case`: one that would, as a case file has it, and as other
    gaps of the rule may have it; None where it is unreachable, or none was found. `reason`: why its author says that
    no facts exercise it.
    """

    wanted: Wanted
    unreachable: bool = False
    case: dict[str, Any] | None = None
    reason: str | None = None

    @property
    def counts(self) -> bool:
        """Whether something has to be done: write a case, or mend a rule that never fires."""
        listed = self.reason is not None and self.case is None
        return not (self.unreachable or listed) or self.wanted.key == (OUTCOME, FIRED)


class RuleCoverage(Struct, frozen=True):
    """How many parts a rule has, which of them no case exercises, and what is wrong with what is listed of them."""

    rule: Rule
    parts: int
    gaps: tuple[Gap, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.problems and not any(gap.counts for gap in self.gaps)


def measure(gathered: Sequence[LayerCases]) -> list[RuleCoverage]:
    """Return the coverage of every rule in force by the cases about it; each case counts under its layer's policy."""
    policy = gathered[-1].policy
    matches = Checker({}).matches
    constants = [_constants(each.policy) for each in gathered]
    found = []
    for rule in policy.rules.rules:
        files = [
            (file, parameters)
            for each, parameters in zip(gathered, constants, strict=True)
            if counts(each, rule)
            for file in each.files
            if file.rule == rule.id
        ]
        cases = [(case, parameters) for file, parameters in files for case in file.cases]
        measured = _measured(rule, cases, policy, constants[-1], matches)
        listed = {each.part: each for file, _ in files for each in file.unreachable}
        found.append(_with_listed(measured, listed, {part.says for part in wanted(rule, policy.vocabulary)}))
    return found


def _with_listed(measured: RuleCoverage, listed: Mapping[str, Unreachable], parts: Collection[str]) -> RuleCoverage:
    """Return the coverage with the reasons of what is listed as unreachable, and what is wrong with the list."""
    gaps = tuple(
        replace(gap, reason=listed[gap.wanted.says].reason) if gap.wanted.says in listed else gap
        for gap in measured.gaps
    )
    lacking = {gap.wanted.says: gap for gap in gaps}
    problems = []
    for part, each in listed.items():
        what = f"`{part.replace('`', '')}` is listed as unreachable in `{measured.rule.id}`"
        if part not in parts:
            hint = "copy it from what `policy rules test --coverage` prints, or take it out"
            problems.append(Problem("no-such-part", f"{what}, and is none of its parts", each.span, hint))
        elif part not in lacking:
            hint = "take it out of `unreachable`"
            problems.append(Problem("not-unreachable", f"{what}, and a case exercises it", each.span, hint))
        elif lacking[part].case is not None:
            hint = "write that case instead"
            problems.append(Problem("not-unreachable", f"{what}, and a case would exercise it", each.span, hint))
    return replace(measured, gaps=gaps, problems=tuple(problems))


def _constants(policy: Policy) -> dict[str, Const]:
    return {f"param.{name}": Const(each.value, each.type) for name, each in policy.rules.parameters.items()}


def _measured(
    rule: Rule,
    cases: Iterable[tuple[Case, dict[str, Const]]],
    policy: Policy,
    constants: dict[str, Const],
    matches: Matcher,
) -> RuleCoverage:
    parts = list(wanted(rule, policy.vocabulary))
    done: set[Key] = set()
    fires = False
    for case, parameters in cases:
        own = {f"param.{n}": Const(value, parameters[f"param.{n}"].type) for n, value in case.params.items()}
        under = parameters | own
        keys = Expressions(rule, under, matches).keys(case.facts, list(case.derives))
        fires |= (OUTCOME, FIRED) in keys and under == constants
        done |= keys
    lacking = [part for part in parts if part.key not in done]
    expressions = Expressions(rule, constants, matches)
    gaps = _gaps(lacking, expressions, policy) if lacking else []
    if (OUTCOME, FIRED) in done and not fires and _never_fires(expressions, policy):
        gaps = [Gap(parts[0], unreachable=True), *gaps]
    return RuleCoverage(rule, len(parts), tuple(gaps))


def _never_fires(expressions: Expressions, policy: Policy) -> bool:
    """Whether the rule cannot fire under the parameters in force, which its cases may not be under."""
    space = expressions.space(policy.vocabulary)
    return space.complete and not any(expressions.fires(facts) for facts in space.points())


def _gaps(lacking: Sequence[Wanted], expressions: Expressions, policy: Policy) -> list[Gap]:
    """Look for facts that exercise what is lacking."""
    space, stated = expressions.space(policy.vocabulary), list(expressions.derivations)
    left = {part.key: part for part in lacking}
    cases: dict[Key, dict[str, Any]] = {}
    for facts in space.points():
        new = expressions.keys(facts, stated) & left.keys()
        if new:
            case = expressions.case(case_name(facts), facts)
            for key in new:
                cases[key] = case
                del left[key]
        if not left:
            break
    proved = set(left) if space.complete else set()
    if not space.complete and find_spec("z3") is not None:
        from policy_engine.coverage.asking import ask

        for key in left:
            answer = ask(key, expressions, policy.vocabulary)
            if answer is False:
                proved.add(key)
            elif isinstance(answer, dict):
                cases[key] = expressions.case(case_name(answer), answer)
    return [Gap(part, part.key in proved, cases.get(part.key)) for part in lacking]


def case_name(facts: Mapping[str, Any]) -> str:
    """Return a name for a case that says what it is about, to be replaced by a better one."""
    last = [name.rpartition(".")[2] for name in facts]
    words = [short if last.count(short) == 1 else name for name, short in zip(facts, last, strict=True)]
    said = (f"{word.replace('_', ' ')} {_said(value)}" for word, value in zip(words, facts.values(), strict=True))
    return ", ".join(said) or "nothing known"


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (" and ".join(value) or "empty") if isinstance(value, list) else str(value)
