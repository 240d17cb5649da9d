"""Statements that ask for many values: few forms of them, and each value asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from policy_audit.asking import asks_in


@given(st.lists(st.integers(), max_size=1100))
def test_every_value_is_asked_for_in_a_statement_of_few_forms(values: list[int]) -> None:
    asks = asks_in("SELECT 1 WHERE x", values)
    assert {value for ask in asks for value in ask.values} == set(values)
    for ask in asks:
        count = len(ask.values)
        assert count == ask.statement.count("?") <= 512
        assert count & (count - 1) == 0
    assert len({ask.statement for ask in asks}) <= 3


def test_nothing_is_asked_for_nothing() -> None:
    assert asks_in("SELECT 1 WHERE x", []) == []
