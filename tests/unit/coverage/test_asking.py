"""What Z3 says of a part that no grid decides: facts that exercise it, or proof that none do."""

from __future__ import annotations

from typing import Any

import pytest

from policy_engine.coverage.asking import ask
from policy_engine.coverage.points import exercised, parts_of
from policy_engine.coverage.rule_parts import Expressions
from policy_engine.language.cel import Checker
from policy_engine.model.rule import Rule
from policy_engine.model.vocabulary import Fact, Vocabulary

FACTS = {
    "a.many": Fact("a.many", "int", "", minimum=0, maximum=100_000),
    "a.few": Fact("a.few", "int", "", minimum=0, maximum=1000),
    "a.word": Fact("a.word", "string", ""),
    "a.flag": Fact("a.flag", "bool", ""),
}
CHECK = Checker({name: fact.type for name, fact in FACTS.items()})


def answers(when: str) -> dict[tuple[str, str], Any]:
    node = CHECK.check(when)
    rule = Rule("r", "r", "routing", when, node, frozenset(), frozenset())
    expressions = Expressions(rule, {}, CHECK.matches)
    found = {}
    for part in parts_of(node):
        facts = ask(("when", *part.key), expressions, Vocabulary(FACTS))
        assert not isinstance(facts, dict) or part.key in exercised(node, facts, CHECK.matches)
        found[part.says.split("`")[1], part.side] = facts
    return found


def test_what_nothing_exercises_is_proved() -> None:
    found = answers("a.word.startsWith('ab') || a.word == 'abc'")
    assert found['a.word == "abc"', "true"] is False
    assert isinstance(found['a.word.startsWith("ab")', "true"], dict)


@pytest.mark.parametrize("when", ["a.many * 7 + a.few * 3 == 1001 || a.flag", "a.word.endsWith('y') && a.flag"])
def test_what_facts_exercise_is_found(when: str) -> None:
    assert all(isinstance(each, dict) for each in answers(when).values())
