"""The laws of the tree, against the recursive definition of RFC 9162 2.1.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_audit.errors import VerificationError
from policy_audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)

LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(300)]
SIZES = st.integers(1, len(LEAVES))


def _defined_root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(_defined_root(leaves[:split]), _defined_root(leaves[split:]))


@given(st.integers(0, len(LEAVES)))
def test_the_root_is_the_one_defined(size: int) -> None:
    assert root_hash(LEAVES[:size]) == _defined_root(LEAVES[:size])


@given(st.data(), SIZES)
def test_every_leaf_is_proved_and_no_other(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != index) if size > 1 else st.just(-1))
    root, proof = root_hash(LEAVES[:size]), inclusion_proof(LEAVES, index, size)
    verify_inclusion(index, size, LEAVES[index], proof, root)
    assert len(proof) <= (size - 1).bit_length()
    for wrong_index, wrong_leaf in ((other, LEAVES[index]), (index, LEAVES[other]), (other, LEAVES[other])):
        if wrong_index >= 0 or size > 1:
            with pytest.raises(VerificationError):
                verify_inclusion(wrong_index, size, wrong_leaf, proof, root)


@given(st.data(), SIZES)
def test_every_prefix_is_consistent(data: st.DataObject, size2: int) -> None:
    size1 = data.draw(st.integers(1, size2))
    root1, root2 = root_hash(LEAVES[:size1]), root_hash(LEAVES[:size2])
    proof = consistency_proof(LEAVES, size1, size2)
    verify_consistency(size1, size2, root1, root2, proof)
    forged = root_hash([*LEAVES[: size1 - 1], leaf_hash(b"forged")])
    with pytest.raises(VerificationError):
        verify_consistency(size1, size2, forged, root2, proof)


@given(st.data(), SIZES)
def test_any_change_of_a_proof_is_found(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LEAVES, index, size)
    root = root_hash(LEAVES[:size])
    place = data.draw(st.integers(0, len(proof)))
    changed = data.draw(
        st.sampled_from([[*proof[:place], bytes(32), *proof[place:]], [*proof[:place], bytes(32), *proof[place + 1 :]]])
    )
    with pytest.raises(VerificationError):
        verify_inclusion(index, size, LEAVES[index], changed, root)


@given(st.integers(0, len(LEAVES)), st.integers(0, 40))
def test_a_frontier_is_stored_and_continued(size: int, more: int) -> None:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    again = Frontier.from_bytes(frontier.to_bytes())
    assert (again.size, again.nodes, again.root()) == (size, frontier.nodes, root_hash(LEAVES[:size]))
    for leaf in LEAVES[size : size + more]:
        again.append(leaf)
    assert again.root() == root_hash(LEAVES[: size + more])


@given(
    st.integers(0, 2**64),
    st.integers(0, 2**64),
    st.lists(st.sampled_from([*LEAVES[:4], b"", b"x" * 33]), max_size=70),
)
def test_hostile_proofs_never_raise_anything_else(first: int, second: int, proof: list[bytes]) -> None:
    for verify in (
        lambda: verify_inclusion(first, second, LEAVES[0], proof, LEAVES[1]),
        lambda: verify_consistency(first, second, LEAVES[0], LEAVES[1], proof),
    ):
        with pytest.raises(VerificationError):
            verify()
