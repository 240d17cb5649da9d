"""Generated conditions on partly unknown records: with every symbol fixed, Z3 says what the CEL runtime says."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from policy_engine.lowering.to_z3 import outcome
from tests.property.test_conditions import CASES, CHECKER, CONDITION, FULL, NARROW, PROFILE, RECORD, TYPES, checked


@settings(PROFILE, max_examples=max(1, CASES // 40))
@given(CONDITION, RECORD | NARROW | FULL)
def test_formulas_come_to_what_the_runtime_says(text: str, record: dict[str, Any]) -> None:
    tree = checked(text)
    if tree is None:
        return
    oracle = CHECKER.program(text).evaluate(record)
    assert outcome(tree, record, TYPES, CHECKER.matches) is oracle, (text, record)
