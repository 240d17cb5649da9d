"""What comes with proofs, under one checkpoint, and that nobody but the root draws the sample."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from policy_audit.errors import VerificationError
from policy_audit.many_proofs import inclusion_proofs
from policy_audit.merkle import inclusion_proof, leaf_hash, root_hash
from policy_audit.proof import parse_proof

from policy_engine.errors import UsageError
from policy_engine.exports import evidence
from policy_engine.exports.check import Pinned, check_export
from policy_engine.exports.evidence import choose
from tests.unit.exports.given import SIGNER, decision, export, ledger

ROOT = bytes(range(32))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 100])
def test_many_proofs_are_the_proofs_one_by_one(size: int) -> None:
    leaves = [leaf_hash(str(n).encode()) for n in range(size)]
    root, found = inclusion_proofs(leaves, size, range(size))
    assert root == root_hash(leaves)
    assert found == {n: tuple(inclusion_proof(leaves, n, size)) for n in range(size)}
    assert inclusion_proofs(leaves, size, ()) == (root, {})


def test_leaves_that_are_not_all_there() -> None:
    leaves = [leaf_hash(b"x")] * 3
    for size in (2, 4):
        with pytest.raises(VerificationError, match="3 leaves"):
            inclusion_proofs(leaves, size, (0,))
    with pytest.raises(VerificationError):
        inclusion_proofs(leaves, 3, (3,))


def test_the_sample_is_what_the_root_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "SAMPLE", 7)
    chosen = choose("sample", ROOT, range(0, 300, 3))
    order = sorted(range(0, 300, 3), key=lambda n: sha256(ROOT + n.to_bytes(8, "big")).digest())
    assert chosen.indexes == sorted(order[:7])
    assert (chosen.mode, chosen.count) == ("sample", 100)
    assert choose("sample", ROOT[::-1], range(0, 300, 3)).indexes != chosen.indexes


def test_all_up_to_some_and_then_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "SAMPLE", 3)
    monkeypatch.setattr(evidence, "ALL_UP_TO", 10)
    monkeypatch.setattr(evidence, "MOST", 20)
    assert choose(None, ROOT, range(10)).indexes == list(range(10))
    assert (choose(None, ROOT, range(11)).mode, len(choose(None, ROOT, range(11)).indexes)) == ("sample", 3)
    assert choose("none", ROOT, range(11)).indexes == []
    assert choose("all", ROOT, range(20)).indexes == list(range(20))
    with pytest.raises(UsageError) as error:
        choose("all", ROOT, range(21))
    assert error.value.code == "export-too-large"


def test_a_sampled_export_checks_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "SAMPLE", 3)
    with ledger(tmp_path / "ledger.db", *(decision(n) for n in range(9))) as opened:
        export(opened, tmp_path / "out", "jsonl", proofs="sample")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["proofs"] == {"mode": "sample", "count": 3, "chosen": evidence.RULE}
    found = check_export(tmp_path / "out", Pinned([SIGNER.verifier_key], SIGNER.name))
    assert (found.ok, [step.checked for step in found.steps[3:]]) == (True, [3, 3])


def test_each_proof_verifies_on_its_own(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db", *(decision(n) for n in range(5))) as opened:
        export(opened, tmp_path / "out")
    note = (tmp_path / "out" / "checkpoint").read_text(encoding="utf-8")
    for n in range(5):
        proof = parse_proof((tmp_path / "out" / "proofs" / f"{n}.tlog-proof").read_text(encoding="utf-8"))
        entry = (tmp_path / "out" / "entries" / f"{n}.json").read_bytes()
        assert proof.checkpoint == note
        assert proof.verify(entry, [SIGNER.verifier_key], SIGNER.name).size == 5


def test_an_empty_ledger_is_exported_as_such(tmp_path: Path) -> None:
    with ledger(tmp_path / "ledger.db") as opened:
        for name in ("csv", "jsonl", "parquet", "html", "oscal"):
            made = export(opened, tmp_path / name, name, recorded=False)
            assert (made.rows, made.proofs["count"]) == (0, 0)
            pinned = Pinned([SIGNER.verifier_key], SIGNER.name, unrecorded=True)
            assert check_export(tmp_path / name, pinned).ok, name
