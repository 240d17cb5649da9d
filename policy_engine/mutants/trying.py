"""Try the mutants of a rule on its cases: which one no case notices, and whether any facts could.

A case kills a mutant where it would fail under it: by its outcome, by the facts that it says are missing, or by what it
says is derived. Of a survivor, all facts that the two expressions can tell apart are looked at: where both come out the
same on each of them, with the same facts missing, it is equivalent, which is proved for the parameters in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from msgspec import Struct

from policy_engine.case_files import FIRED, Case
from policy_engine.coverage.measuring import case_name
from policy_engine.coverage.rule_parts import WORDS, Expressions
from policy_engine.coverage.space import space_of
from policy_engine.language import kleene
from policy_engine.language.kleene import Matcher
from policy_engine.language.tree import Const, Node, replace_facts
from policy_engine.model.rule import Rule
from policy_engine.model.vocabulary import Vocabulary
from policy_engine.mutants.operators import Mutant, Setting, mutants_of

Constants = dict[str, Const]


class Tried(Struct, frozen=True):
    """A mutant of a rule's condition, or of what derives `of`, that no case kills.

    `case` is one that would, as a case file has it; `equivalent` where it is proved that there is none.
    """

    mutant: Mutant
    of: str | None
    equivalent: bool = False
    case: dict[str, Any] | None = None


class Trial(Struct, frozen=True):
    """What came of all mutants of one rule; `killed` holds the texts of those that a case kills."""

    rule: Rule
    killed: frozenset[tuple[str | None, str]]
    survivors: tuple[Tried, ...]

    @property
    def count(self) -> int:
        return len(self.killed) + len(self.survivors)


class Trier:
    """Tries the mutants of rules under one policy's vocabulary and parameters."""

    def __init__(self, vocabulary: Vocabulary, constants: Constants, matches: Matcher) -> None:
        self.vocabulary, self.constants, self.matches = vocabulary, constants, matches
        words = {name: fact.values for name, fact in vocabulary.facts.items() if fact.values}
        values = {name.removeprefix("param."): constant.value for name, constant in constants.items()}
        self.setting = Setting(words, values)

    def failing(self, rule: Rule, cases: Sequence[tuple[Case, Constants]]) -> list[Case]:
        """Return the cases that the rule fails as it stands: they would kill whatever is tried."""
        under = _Cases(cases, self.matches)
        nodes: list[tuple[str | None, Node]] = [(None, rule.condition), *((d.fact, d.expression) for d in rule.derive)]
        found = {id(case): case for of, node in nodes for case in under.failing(of, node)}
        return [case for case, _ in cases if id(case) in found]

    def trial(self, rule: Rule, cases: Sequence[tuple[Case, Constants]]) -> Trial:
        """Try every mutant of `rule`; each case comes with the parameters that it is under, but its own."""
        under = _Cases(cases, self.matches)
        killed: set[tuple[str | None, str]] = set()
        survivors: list[Tried] = []
        for of, original, mutant in self._mutants(rule):
            if under.kill(of, mutant.node):
                killed.add((of, mutant.text))
            else:
                survivors.append(self._survivor(rule, of, original, mutant, survivors))
        return Trial(rule, frozenset(killed), tuple(survivors))

    def _mutants(self, rule: Rule) -> Iterator[tuple[str | None, Node, Mutant]]:
        for mutant in mutants_of(rule.condition, self.setting):
            yield None, rule.condition, mutant
        for each in rule.derive:
            setting = Setting(self.setting.words, self.setting.parameters, each.fact)
            for mutant in mutants_of(each.expression, setting):
                yield each.fact, each.expression, mutant

    def _survivor(self, rule: Rule, of: str | None, original: Node, mutant: Mutant, before: Sequence[Tried]) -> Tried:
        """Look for facts that tell the two apart: those of another survivor's case, else of all that could."""
        expressions = Expressions(rule, self.constants, self.matches)
        one, other = (replace_facts(node, self.constants) for node in (original, mutant.node))
        told = self._told(expressions.condition, of, one, other)
        for known in before:
            if known.case is not None and told(known.case["facts"]) == 0:
                return Tried(mutant, of, case=known.case)
        space = space_of([expressions.condition, one, other], self.vocabulary)
        best: tuple[int, dict[str, Any]] | None = None
        for facts in space.points():
            how = told(facts)
            if how is not None and (best is None or how < best[0]):
                best = how, facts
            if best is not None and best[0] == 0:
                break
        if best is None and of is None and not space.complete:
            best = self._asked(one, other, told)
        if best is None:
            return Tried(mutant, of, equivalent=space.complete)
        return Tried(mutant, of, case=expressions.case(case_name(best[1]), best[1]))

    def _asked(
        self, one: Node, other: Node, told: Callable[[Mapping[str, Any]], int | None]
    ) -> tuple[int, dict[str, Any]] | None:
        """Ask Z3, where it is installed, for facts of which two conditions come out otherwise."""
        if find_spec("z3") is None:
            return None
        from policy_engine.lowering.to_z3 import find
        from policy_engine.lowering.to_z3.formulas import differ, either

        facts = find(
            (one, other),
            lambda truths: either(differ(truths[0].true, truths[1].true), differ(truths[0].false, truths[1].false)),
            self.vocabulary.facts,
            self.matches,
            lambda found: told(found) in (0, 1),
        )
        return (told(facts) or 0, facts) if isinstance(facts, dict) else None

    def _told(
        self, condition: Node, of: str | None, one: Node, other: Node
    ) -> Callable[[Mapping[str, Any]], int | None]:
        """Return what says how clearly facts tell `one` from `other`: 0 where both are known, 2 by what is missing."""

        def told(facts: Mapping[str, Any]) -> int | None:
            if of is not None and kleene.truth(condition, facts, self.matches)[0] is not True:
                return None
            ask = kleene.truth if of is None else kleene.value
            (was, lacked), (now, lacks) = (ask(node, facts, self.matches) for node in (one, other))
            if was != now or type(was) is not type(now):
                return 0 if was is not None and now is not None else 1
            # a derivation that gives nothing says nothing of what it lacks
            return 2 if of is None and was is None and lacked != lacks else None

        return told


class _Cases:
    """The cases of a rule, by the parameters that they are under: an expression is made ready once for each."""

    def __init__(self, cases: Sequence[tuple[Case, Constants]], matches: Matcher) -> None:
        self.matches = matches
        self.groups: list[tuple[Constants, list[Case]]] = []
        for case, constants in cases:
            own = {f"param.{n}": Const(value, constants[f"param.{n}"].type) for n, value in case.params.items()}
            under = {**constants, **own}
            for known, group in self.groups:
                if known == under:
                    group.append(case)
                    break
            else:
                self.groups.append((under, [case]))

    def kill(self, of: str | None, node: Node) -> bool:
        """Whether a case fails with `node` for the condition, or for what derives `of`."""
        return next(self.failing(of, node), None) is not None

    def failing(self, of: str | None, node: Node) -> Iterator[Case]:
        """Yield the cases that fail with `node` for the condition, or for what derives `of`."""
        for constants, group in self.groups:
            ready = replace_facts(node, constants)
            yield from (case for case in group if self._fails(case, of, ready))

    def _fails(self, case: Case, of: str | None, node: Node) -> bool:
        if of is None:
            truth, missing = kleene.truth(node, case.facts, self.matches)
            return WORDS[truth] != case.outcome or (case.missing is not None and set(case.missing) != missing)
        if case.outcome != FIRED or of not in case.derives:
            return False
        found = kleene.value(node, case.facts, self.matches)[0]
        return bool(found != case.derives[of])
