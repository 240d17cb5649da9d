"""JSON bodies that cannot be read: told where, and what to do, as of a workload's document."""

from __future__ import annotations

import pytest

from policy_engine.api.bodies import _broken

BROKEN = {
    b'{"a": ': (1, 7, "a value is missing"),
    b"": (1, 1, "a value is missing"),
    b'{\n  "a": NaN}': (2, 8, "`NaN`"),
    b'{"a":"\xff"}': (1, 7, "0xff"),
    b"[1" + b"0" * 5000 + b"]": (1, 2, "an integer beyond"),
    b"[" * 3000 + b"]" * 3000: (1, 65, "nested deeper"),
}


@pytest.mark.parametrize("body", BROKEN, ids=range(len(BROKEN)))
def test_where_a_body_is_no_json_is_said(body: bytes) -> None:
    problem = _broken(body)
    line, column, words = BROKEN[body]
    assert problem.span is not None
    assert (problem.code, problem.span.line, problem.span.column) == ("json", line, column)
    assert words in problem.message
    assert problem.help
