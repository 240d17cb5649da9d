"""Where two documents differ."""

from __future__ import annotations

from typing import Any

import pytest

from policy_engine.differences import differences


@pytest.mark.parametrize(
    ("recorded", "replayed", "expected"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("a", "1", "true")]),
        ({"a": 0}, {"a": None}, [("a", "0", "null")]),
        ({"a": None}, {}, [("a", "null", None)]),
        ({}, {"a": "x"}, [("a", None, '"x"')]),
        ([1, 2], [1], [("[1]", "2", None)]),
        ({"a": {"b": [1, {"c": "x"}]}}, {"a": {"b": [1, {"c": "y"}]}}, [("a.b[1].c", '"x"', '"y"')]),
        ({"a b": 1, "c.d": 2}, {"a b": 2, "c.d": 3}, [("'a b'", "1", "2"), ("'c.d'", "2", "3")]),
        ({"a": [1, 2]}, {"a": {"b": 1}}, [("a", "a list of 2", "an object of 1")]),
        (None, {}, [("the whole", "null", "an object of 0")]),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2}, [("a", "1", "2"), ("b", "1", "2")]),
        # what would be if something else were so follows from the rest, and comes last
        (
            {"tasks": [{"counterfactuals": [1], "pairs": 1}], "verdict": "deny"},
            {"tasks": [{"counterfactuals": [2], "pairs": 2}], "verdict": "allow"},
            [
                ("verdict", '"deny"', '"allow"'),
                ("tasks[0].counterfactuals[0]", "1", "2"),
                ("tasks[0].pairs", "1", "2"),
            ],
        ),
    ],
)
def test_each_place_is_named_once_with_both_values(
    recorded: Any, replayed: Any, expected: list[tuple[str, str | None, str | None]]
) -> None:
    assert [(each.path, each.recorded, each.replayed) for each in differences(recorded, replayed)] == expected


def test_no_depth_and_no_length_is_too_much() -> None:
    deep: Any = 1
    other: Any = 2
    for _ in range(5000):
        deep, other = [deep], [other]
    assert len(list(differences(deep, other))) == 1
    (found,) = differences({"a": "x" * 10_000}, {"a": "y"})
    assert found.recorded is not None
    assert len(found.recorded) == 200
