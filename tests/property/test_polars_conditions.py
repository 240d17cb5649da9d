"""Generated conditions on partly unknown records: Polars agrees with Kleene's logic and with the CEL runtime.

`POLICY_PROPERTY_CASES` sets how many evaluations are made, on other conditions each time.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.lowering.to_polars import answers
from tests.asked_of_polars import disagreements
from tests.property.test_conditions import (
    CASES,
    CHECKER,
    CONDITION,
    FULL,
    GIVEN,
    NARROW,
    PROFILE,
    RECORD,
    TYPES,
    checked,
)

#: Each condition is a plan of its own: it takes long to make, and no longer for more records.
CONDITIONS, RECORDS = 6, 24
EXAMPLES = CASES if GIVEN else 4_000


@settings(PROFILE, max_examples=max(1, EXAMPLES // (CONDITIONS * RECORDS)))
@given(
    st.lists(CONDITION, min_size=CONDITIONS, max_size=CONDITIONS),
    st.lists(RECORD | NARROW | FULL, min_size=RECORDS, max_size=RECORDS),
)
def test_polars_agrees(texts: list[str], records: list[dict[str, Any]]) -> None:
    for text in texts:
        node = checked(text)
        if node is None:
            continue
        program = CHECKER.program(text)
        for record, answer in zip(records, answers(node, records, TYPES), strict=True):
            assert answer[0] is program.evaluate(record), (text, record)
        assert disagreements(node, records, TYPES, CHECKER.matches) == [], text
