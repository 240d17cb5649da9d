"""Numbers in pieces, and conditions on them."""

from __future__ import annotations

from math import inf, nextafter

import pytest

from policy_engine.counterfactuals.choices import numeric
from policy_engine.counterfactuals.pieces import after, before, cut_up, first, place_of, starts_at, turns
from policy_engine.counterfactuals.rows import between


@pytest.mark.parametrize(
    ("op", "whole", "starts"),
    [
        ("<", True, [100]),
        (">=", True, [100]),
        ("<=", True, [101]),
        (">", True, [101]),
        ("==", True, [100, 101]),
        ("<=", False, [nextafter(100.0, inf)]),
        ("!=", False, [100.0, nextafter(100.0, inf)]),
    ],
)
def test_a_comparison_starts_a_piece_where_it_turns(op: str, whole: bool, starts: list[float]) -> None:
    assert starts_at(op, 100 if whole else 100.0, whole) == starts


def test_pieces_cover_the_range_once() -> None:
    pieces = cut_up([100, 50, 100, -3, 2000], 1, 1000)
    assert [tuple(piece) for piece in pieces] == [(1, 50), (50, 100), (100, None)]
    assert [place_of(pieces, value) for value in (1, 49, 50, 99, 100, 1000)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("guess", [0, 17, 18, 1000, 2**53])
def test_the_first_number_is_found_from_any_guess(guess: int) -> None:
    assert first(lambda at: at >= 18, 0, 2**53, True, guess) == 18
    assert first(lambda at: at >= 0, 0, 2**53, True, guess) == 0
    assert first(lambda at: False, 0, 2**53, True, guess) is None


@pytest.mark.parametrize("cut", [0.0, 1e-300, 0.1, 83.6, 1e15])
def test_the_first_double_is_found_to_the_last_bit(cut: float) -> None:
    assert first(lambda at: at > cut, 0.0, 1e16, False, 0.0) == nextafter(cut, inf)


def test_what_is_calculated_turns_where_its_sign_does() -> None:
    def sign(at: float) -> int | None:
        return None if at > 900 else (at * 2 > 201) - (at * 2 < 201)

    assert set(turns(sign, [0, 1000], True)) == set(turns(sign, [0, 500, 1000], True)) == {101, 901}


def row(first_piece: int, last_piece: int, now: float | None, *starts: float, whole: bool = True) -> dict[str, object]:
    domain = numeric("x", cut_up(starts, 0 if whole else 0.0, 1e6), now, whole)
    return between(domain, first_piece, last_piece)


def test_a_bound_is_named_by_the_cut_and_the_near_one_first() -> None:
    assert row(1, 1, 5, 100) == {"fact": "x", "op": ">=", "value": 100}
    assert row(0, 0, 500, 100) == {"fact": "x", "op": "<=", "value": 99}
    assert row(1, 1, 5, 100, 300) == {"fact": "x", "op": ">=", "value": 100, "and": {"op": "<=", "value": 299}}
    assert row(1, 1, 500, 100, 300) == {"fact": "x", "op": "<=", "value": 299, "and": {"op": ">=", "value": 100}}
    above = after(83.6, False)
    assert row(1, 1, 5.0, above, whole=False) == {"fact": "x", "op": ">", "value": 83.6}
    assert row(0, 0, 90.0, above, whole=False) == {"fact": "x", "op": "<=", "value": 83.6}
    assert row(0, 0, 90.0, 83.6, whole=False) == {"fact": "x", "op": "<", "value": 83.6}
    assert row(0, 1, None, 100) == {"fact": "x", "op": "known", "value": True}
    assert before(above, False) == 83.6
