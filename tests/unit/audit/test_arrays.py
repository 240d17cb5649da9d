"""Columns as PostgreSQL's arrays: the driver reads back from each what was written into it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from policy_audit.arrays import KINDS
from psycopg.adapt import Transformer
from psycopg.pq import Format

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
_COLUMNS = {"int8": st.integers(-(2**63), 2**63 - 1), "text": _TEXT, "bytea": st.binary(max_size=20)}


@given(
    st.sampled_from(sorted(_COLUMNS)).flatmap(
        lambda kind: st.tuples(st.just(kind), st.lists(st.none() | _COLUMNS[kind], min_size=1, max_size=8))
    )
)
def test_what_is_written_is_read_back_by_the_driver(column: tuple[str, list[Any]]) -> None:
    kind, values = column
    array = KINDS[kind](values)
    assert Transformer().get_loader(array.array_oid, Format.BINARY).load(array.data) == values
