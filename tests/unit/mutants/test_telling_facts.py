"""Facts that tell a mutant from its rule where more is asked of a fact than how it compares with a constant."""

from __future__ import annotations

import pytest

from policy_engine.coverage.space import space_of
from policy_engine.language import kleene
from policy_engine.language.cel import Checker
from policy_engine.model.rule import Rule
from policy_engine.model.vocabulary import Fact, Vocabulary
from policy_engine.mutants import trying
from policy_engine.mutants.trying import Tried, Trier

FACTS = {
    "a.few": Fact("a.few", "int", "", minimum=0, maximum=10),
    "a.many": Fact("a.many", "int", "", minimum=0, maximum=100_000),
    "a.more": Fact("a.more", "int", "", minimum=0, maximum=100_000),
    "a.real": Fact("a.real", "double", "", minimum=0.0),
    "a.word": Fact("a.word", "string", ""),
}
CHECK = Checker({name: fact.type for name, fact in FACTS.items()})


def survivors(when: str) -> dict[str, Tried]:
    rule = Rule("r", "r", "routing", when, CHECK.check(when), frozenset(), frozenset())
    found = Trier(Vocabulary(FACTS), {}, CHECK.matches).trial(rule, [])
    return {each.mutant.text: each for each in found.survivors}


def test_every_value_of_a_small_range_is_tried_and_what_none_tells_is_proved() -> None:
    found = survivors("a.few * 2 > 7")
    for mutant, tried in found.items():
        values = range(11)
        told = [n for n in values if (n * 2 > 7) != kleene.truth(CHECK.check(mutant), {"a.few": n}, CHECK.matches)[0]]
        assert tried.equivalent is not bool(told), mutant
        assert tried.case is None or not told or tried.case["facts"]["a.few"] in told
    assert found["a.few * 2 > 8"].case is not None
    assert found["a.few * 2 > 6"].equivalent


@pytest.mark.parametrize(
    ("when", "mutant"),
    [
        ("a.many * 3 > 3000", "a.many * 3 >= 3000"),
        ("a.many + 7 < 500", "a.many + 7 <= 500"),
        ("a.many - 7 < 500", "a.many - 7 <= 500"),
        ("a.real * 4.0 > 10.0", "a.real * 4.0 >= 10.0"),
        ("a.word.startsWith('ab')", 'a.word.endsWith("ab")'),
        ("a.word.contains('ab')", 'a.word.startsWith("ab")'),
        ("a.word.startsWith('ab') && a.word.endsWith('cd')", 'a.word.startsWith("ab") && !a.word.endsWith("cd")'),
    ],
)
def test_facts_are_found_where_sums_and_words_change(when: str, mutant: str) -> None:
    case = survivors(when)[mutant].case
    assert case is not None
    one, other = (kleene.truth(CHECK.check(text), case["facts"], CHECK.matches)[0] for text in (when, mutant))
    assert {one, other} == {True, False}


def test_z3_is_asked_before_an_author_is(monkeypatch: pytest.MonkeyPatch) -> None:
    when, mutant = "a.many * 97 + a.more * 13 > 4889", "a.many * 97 + a.more * 13 >= 4889"
    case = survivors(when)[mutant].case
    assert case is not None
    assert case["facts"]["a.many"] * 97 + case["facts"]["a.more"] * 13 == 4889
    monkeypatch.setattr(trying, "find_spec", lambda _: None)
    assert survivors(when)[mutant].case is None


def test_only_a_range_that_is_tried_in_whole_is_exact() -> None:
    vocabulary = Vocabulary(FACTS)
    assert space_of([CHECK.check("a.few * 2 > 7")], vocabulary).exact
    assert not space_of([CHECK.check("a.many * 2 > 7")], vocabulary).exact
    assert not space_of([CHECK.check("a.few * a.many > 7")], vocabulary).exact
    points = space_of([CHECK.check("a.few * 2 > 7 || a.few == 3")], vocabulary).points()
    assert list(points) == [*({"a.few": value} for value in range(11)), {}]
