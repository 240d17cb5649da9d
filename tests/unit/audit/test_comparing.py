"""Two checkpoints: one history, two, or not to be decided by what there is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from policy_audit.checkpoint import Checkpoint
from policy_audit.comparing import CONSISTENT, TWO_HISTORIES, UNDECIDED, compare
from policy_audit.merkle import leaf_hash, root_hash

ORIGIN = "example.com/log"


def log(name: str, size: int, shared: int = 0) -> list[bytes]:
    return [leaf_hash(f"{'' if n < shared else name}{n}".encode()) for n in range(size)]


def checkpoint(leaves: list[bytes], size: int) -> Checkpoint:
    return Checkpoint(ORIGIN, size, root_hash(leaves[:size]))


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.integers(0, 25))
def test_it_is_never_called_one_history_where_it_is_two(size1: int, size2: int, shared: int, copy: int) -> None:
    mine, yours = log("a", 25, shared), log("b", 25, shared)
    first, second = checkpoint(mine, size1), checkpoint(yours, size2)

    def root_at(size: int) -> bytes | None:
        return root_hash(mine[:size]) if size <= copy else None

    found = compare(first, second, root_at)
    assert found == compare(second, first, root_at)
    same = size2 <= shared or (size1 <= shared and size1 <= size2)
    if found.result == CONSISTENT:
        assert same
    elif found.result == TWO_HISTORIES:
        assert not same
    else:
        assert found.result == UNDECIDED
    if size1 == size2:
        assert found.result != UNDECIDED, "that takes no log"


def test_the_log_decides_between_two_sizes() -> None:
    mine, yours = log("a", 9), log("b", 9)
    whole = lambda size: root_hash(mine[:size])  # noqa: E731
    assert compare(checkpoint(mine, 4), checkpoint(mine, 9), whole).result == CONSISTENT
    assert compare(checkpoint(yours, 4), checkpoint(mine, 9), whole).result == TWO_HISTORIES
    assert compare(checkpoint(mine, 4), checkpoint(yours, 9), whole).result == UNDECIDED
    assert compare(checkpoint(yours, 4), checkpoint(yours, 9), whole).result == UNDECIDED
    assert compare(checkpoint(mine, 4), checkpoint(mine, 9), lambda _: None).result == UNDECIDED


def test_no_log_continues_what_has_no_entries_and_is_not_the_empty_tree() -> None:
    mine = log("a", 9)
    forged = Checkpoint(ORIGIN, 0, leaf_hash(b"x"))
    for other in (checkpoint(mine, 9), checkpoint(mine, 0)):
        assert compare(forged, other, lambda _: None).result == TWO_HISTORIES
