"""The points that conditions can tell apart: one for every set of facts, where the space says that it is exact."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy_engine.coverage.space import MOST_POINTS, space_of
from policy_engine.language import kleene
from policy_engine.language.cel import Checker
from policy_engine.model.vocabulary import Fact, Vocabulary
from tests.property.test_conditions import CHECKER, TYPES

FREE = Vocabulary({name: Fact(name, type_, "") for name, type_ in TYPES.items()})  # type: ignore[arg-type]
OWN = {
    "a.i": Fact("a.i", "int", "", minimum=1, maximum=50),
    "a.d": Fact("a.d", "double", "", minimum=0.0),
    "a.k": Fact("a.k", "string", "", values=("u", "v", "w"), required=True),
    "a.s": Fact("a.s", "string", ""),
    "a.l": Fact("a.l", "list<string>", ""),
    "a.b": Fact("a.b", "bool", ""),
}
CHECK = Checker({name: fact.type for name, fact in OWN.items()})


def values(text: str, name: str) -> tuple[Any, ...]:
    return space_of([CHECK.check(text)], Vocabulary(OWN)).values[name]


def exact(text: str) -> bool:
    return space_of([CHECK.check(text)], Vocabulary(OWN)).exact


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("a.i >= 7", "a.i", (6, 7, 8, None)),
        ("a.i > 1 && a.i < 50", "a.i", (1, 2, 49, 50, None)),
        ("a.i > 100", "a.i", (50, None)),
        ("3 + 4 <= a.i", "a.i", (6, 7, 8, None)),
        ("a.d < 2.0 || a.d > 2.005", "a.d", (1.99, 2.0, 2.000001, 2.005, 2.0149999999999997, None)),
        ("a.d > 0.0", "a.d", (0.0, 0.01, None)),
        ("a.k == 'w'", "a.k", ("w", "u")),
        ("a.k in ['u', 'v', 'w']", "a.k", ("u", "v", "w")),
        ("a.k.startsWith('x')", "a.k", ("u", "v", "w")),
        ("a.s != 'other'", "a.s", ("other", "other-1", None)),
        ("'x' in a.l", "a.l", ([], ["x"], ["other"], ["x", "other"], None)),
        ("a.l.all(m, m != 'x')", "a.l", ([], ["x"], ["other"], ["x", "other"], None)),
        ("size(a.l) > 1", "a.l", ([], ["other"], ["other", "other"], None)),
    ],
)
def test_values_lie_on_every_side_of_every_constant(text: str, name: str, expected: tuple[Any, ...]) -> None:
    assert values(text, name) == expected
    assert exact(text)


@pytest.mark.parametrize("text", ["a.d * 2.0 > 7.0", "a.s < 'm'", "a.s.startsWith('x')", "a.s == a.k", "a.s in a.l"])
def test_what_is_more_than_a_comparison_with_constants_is_not_exact(text: str) -> None:
    assert not exact(text)


def test_a_large_space_is_looked_at_in_part_and_says_so() -> None:
    text = " && ".join(f"(a.i > {2 * n} || a.d > {2 * n}.0)" for n in range(1, 24))
    space = space_of([CHECK.check(text + " && a.b && a.k == 'u' && a.s == 'x'")], Vocabulary(OWN))
    points = list(space.points())
    assert space.size > MOST_POINTS
    assert (space.exact, space.complete) == (True, False)
    assert len({tuple(sorted(point.items())) for point in points}) == len(points) == MOST_POINTS


RECORDS = st.fixed_dictionaries(
    {},
    optional={
        name: {
            "bool": st.booleans(),
            "int": st.integers(-5, 5) | st.integers(),
            "double": st.floats(-3, 3) | st.floats(allow_nan=False, allow_infinity=False),
            "string": st.sampled_from(["", "x", "y", "z", "zz"]),
            "list<string>": st.lists(st.sampled_from(["", "x", "y", "z"]), max_size=4),
        }[type_]
        for name, type_ in TYPES.items()
    },
)


SIGNS = ("==", "!=", "<", "<=", ">", ">=")
COMPARED = [
    *(f"{name} {sign} {cut}" for name in ("a.i", "b.j") for sign in SIGNS for cut in (-1, 0, 2)),
    *(f"{cut} {sign} {name}" for name in ("a.d", "b.e") for sign in SIGNS for cut in ("-1.5", "0.0", "0.004", "2.0")),
    *(f"{name} {sign} '{word}'" for name in ("a.s", "b.t") for sign in SIGNS[:2] for word in ("", "x", "y")),
    *(
        "a.b",
        "b.c",
        "a.s in ['x', 'z']",
        "'x' in a.l",
        "'y' in a.l",
        "size(a.l) > 1",
        "size(b.m) == 0",
        "size(b.m) <= 2",
    ),
    *("a.l.exists(m, m != 'x')", "a.l.all(m, m == 'x' || a.b)", "b.m.exists(m, m in ['x', 'y'] && a.i > 0)"),
]
CONDITIONS = st.recursive(
    st.sampled_from(COMPARED),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda each: f"({each[0]} {each[1]} {each[2]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} ? {three[1]} : {three[2]})"),
    ),
    max_leaves=3,
)


@settings(deadline=None, max_examples=120, derandomize=True, database=None)
@given(CONDITIONS, CONDITIONS, st.lists(RECORDS, min_size=30, max_size=30))
def test_no_facts_behave_otherwise_than_every_point(one: str, other: str, records: list[dict[str, Any]]) -> None:
    """Two conditions at once: what is the same of both on all points is the same on all facts."""
    trees = [CHECKER.check(text) for text in (one, other)]
    space = space_of(trees, FREE)
    assert space.exact
    if not space.complete:
        return

    def outcome(facts: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(kleene.truth(tree, facts, CHECKER.matches) for tree in trees)

    seen = {outcome(point) for point in space.points()}
    for record in records:
        assert outcome(record) in seen, (one, other, record)
