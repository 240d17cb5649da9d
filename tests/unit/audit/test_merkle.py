"""The tree against the constants that certificate transparency publishes, and against hostile proofs."""

from __future__ import annotations

from typing import Any

import pytest
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

# The test tree of certificate-transparency: eight leaves, and the roots of the trees of 0 to 8 of them.
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    assert root_hash(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize(
    ("index", "size", "path"),
    [
        (0, 1, []),
        (0, 8, [A, B, C]),
        (5, 8, [D, E, ROOTS[4]]),
        (2, 3, [ROOTS[2]]),
        (1, 5, [ROOTS[1], B, D]),
    ],
)
def test_published_inclusion_proofs(index: int, size: int, path: list[str]) -> None:
    proof = inclusion_proof(LEAVES, index, size)
    assert [node.hex() for node in proof] == path
    verify_inclusion(index, size, LEAVES[index], proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(
    ("size1", "size2", "path"),
    [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [F, E, ROOTS[4]]), (2, 5, [B, D])],
)
def test_published_consistency_proofs(size1: int, size2: int, path: list[str]) -> None:
    proof = consistency_proof(LEAVES, size1, size2)
    assert [node.hex() for node in proof] == path
    verify_consistency(size1, size2, bytes.fromhex(ROOTS[size1]), bytes.fromhex(ROOTS[size2]), proof)


def test_a_node_cannot_pass_as_a_leaf() -> None:
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


ROOT8 = bytes.fromhex(ROOTS[8])
PROOF = inclusion_proof(LEAVES, 5, 8)


@pytest.mark.parametrize(
    ("index", "size", "leaf", "proof", "root"),
    [
        (4, 8, LEAVES[5], PROOF, ROOT8),
        (5, 6, LEAVES[5], PROOF, ROOT8),
        (5, 16, LEAVES[5], PROOF, ROOT8),
        (5, 8, LEAVES[4], PROOF, ROOT8),
        (5, 8, LEAVES[5], PROOF[:-1], ROOT8),
        (5, 8, LEAVES[5], [*PROOF, PROOF[0]], ROOT8),
        (5, 8, LEAVES[5], PROOF[::-1], ROOT8),
        (5, 8, LEAVES[5], [], ROOT8),
        (5, 8, LEAVES[5], PROOF, EMPTY_ROOT),
        (8, 8, LEAVES[5], PROOF, ROOT8),
        (-1, 8, LEAVES[5], PROOF, ROOT8),
        (0, 0, LEAVES[5], [], EMPTY_ROOT),
        (True, 8, LEAVES[1], inclusion_proof(LEAVES, 1, 8), ROOT8),
        (5.0, 8, LEAVES[5], PROOF, ROOT8),
        (5, 2**64, LEAVES[5], PROOF, ROOT8),
        (5, "8", LEAVES[5], PROOF, ROOT8),
        (5, 8, LEAVES[5], PROOF * 100_000, ROOT8),
        (5, 8, LEAVES[5], [node[:31] for node in PROOF], ROOT8),
        (5, 8, LEAVES[5], [node.hex() for node in PROOF], ROOT8),
        (5, 8, LEAVES[5], None, ROOT8),
        (5, 8, LEAVES[5].hex(), PROOF, ROOT8),
        (5, 8, LEAVES[5], PROOF, ROOT8[:31]),
    ],
)
def test_hostile_inclusion_proofs_are_refused(index: Any, size: Any, leaf: Any, proof: Any, root: Any) -> None:
    with pytest.raises(VerificationError):
        verify_inclusion(index, size, leaf, proof, root)


ROOT6 = bytes.fromhex(ROOTS[6])
STEPS = consistency_proof(LEAVES, 6, 8)


@pytest.mark.parametrize(
    ("size1", "size2", "root1", "root2", "proof"),
    [
        (0, 8, EMPTY_ROOT, ROOT8, []),
        (6, 8, ROOT6, ROOT8, []),
        (6, 8, ROOT6, ROOT8, STEPS[:-1]),
        (6, 8, ROOT6, ROOT8, [*STEPS, STEPS[0]]),
        (6, 8, ROOT6, ROOT8, STEPS[::-1]),
        (6, 8, ROOT8, ROOT8, STEPS),
        (6, 8, ROOT6, ROOT6, STEPS),
        (5, 8, ROOT6, ROOT8, STEPS),
        (8, 6, ROOT8, ROOT6, STEPS),
        (8, 8, ROOT8, ROOT8, STEPS),
        (8, 8, ROOT6, ROOT8, []),
        (6, 2**70, ROOT6, ROOT8, STEPS),
        (6, 8, ROOT6, ROOT8, STEPS * 1000),
        (6, 8, ROOT6, ROOT8, [b""] * 3),
        (6, None, ROOT6, ROOT8, STEPS),
    ],
)
def test_hostile_consistency_proofs_are_refused(size1: Any, size2: Any, root1: Any, root2: Any, proof: Any) -> None:
    with pytest.raises(VerificationError):
        verify_consistency(size1, size2, root1, root2, proof)


@pytest.mark.parametrize(("size1", "size2"), [(0, 8), (9, 8), (1, 9), (-1, 8)])
def test_proving_consistency_outside_the_tree_is_refused(size1: int, size2: int) -> None:
    with pytest.raises(VerificationError):
        consistency_proof(LEAVES, size1, size2)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (8, 8), (-1, 8), (0, 9)])
def test_proving_inclusion_outside_the_tree_is_refused(index: int, size: int) -> None:
    with pytest.raises(VerificationError):
        inclusion_proof(LEAVES, index, size)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 7,
        b"\0" * 9,
        (1).to_bytes(8, "big"),
        (0).to_bytes(8, "big") + b"\0" * 32,
        (3).to_bytes(8, "big") + b"\0" * 32,
        (1 << 63).to_bytes(8, "big") + b"\0" * 32,
        b"\xff" * 8 + b"\0" * 32 * 65,
    ],
)
def test_malformed_frontiers_are_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        Frontier.from_bytes(data)
