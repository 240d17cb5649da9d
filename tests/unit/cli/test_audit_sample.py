"""`policy audit sample`: drawn by seed and checkpoint alone, so that anybody can draw it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from policy_audit.ledger import open_ledger
from policy_audit.proof import parse_proof

from policy_engine.reports.sampling import sample_key
from tests.integration.tampering import decision
from tests.unit.cli.ledgers import add, tamper, vkey

Run = Callable[..., Any]


def drawn(outcome: Any) -> list[int]:
    assert outcome.status == 0, outcome.err
    return [row["entry"] for row in outcome.json["rows"]]


def by_hand(population: list[int], size: int, seed: str) -> list[int]:
    keys = {
        index: hashlib.sha256(b"policy-audit-sample/v1\n%s\n%d" % (seed.encode(), index)).digest()
        for index in population
    }
    return sorted(population, key=keys.__getitem__)[:size]


def test_a_sample_is_what_the_documentation_says(policy: Run, ledger: Path) -> None:
    add(ledger, *map(decision, range(40)))
    found = policy("audit", "sample", "--size", "7", "--seed", "4711", "-o", "json")
    assert drawn(found) == by_hand(list(range(44)), 7, "4711")
    assert (found.json["population"], found.json["checkpoint"]["size"]) == (44, 44)
    denied = policy("audit", "sample", "--size", "99", "--seed", "x", "--namespace", "support", "-o", "json")
    assert drawn(denied) == by_hand([0, 2], 2, "x")
    # what `printf 'policy-audit-sample/v1\n4711\n12' | sha256sum` gives
    assert sample_key("4711", 12).hex() == "008a9484fdc994ab93f269229fcd56ceba7183797cf82b6b33ec8b0d7c24c50f"
    assert drawn(policy("audit", "sample", "--size", "3", "--seed", "4711", "-o", "json")) == drawn(found)[:3]


def test_a_sample_of_a_kept_tree_stays_the_same(policy: Run, ledger: Path, tmp_path: Path) -> None:
    add(ledger, *map(decision, range(20)))
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as open_:
        (tmp_path / "kept").write_text(open_.checkpoint(), encoding="utf-8")
        (tmp_path / "receipt").write_text(open_.receipt(23), encoding="utf-8")
    command = ["audit", "sample", "--size", "5", "--seed", "s", "-o", "json"]
    first = drawn(policy(*command))
    add(ledger, *map(decision, range(20, 60)))
    assert drawn(policy(*command)) != first
    for tree in (["--size-of-tree", "24"], ["--checkpoint", "kept"], ["--checkpoint", "receipt"]):
        found = policy(*command, *tree)
        assert drawn(found) == first, tree
        assert found.json["checkpoint"]["size"] == 24


def test_receipts_prove_what_was_drawn(policy: Run, ledger: Path, tmp_path: Path) -> None:
    found = policy("audit", "sample", "--size", "2", "--seed", "s", "--receipts", "out/all", "-o", "json")
    key = vkey(ledger)
    for index in drawn(found):
        entry = (tmp_path / "out" / "all" / f"{index}.json").read_bytes()
        proof = parse_proof((tmp_path / "out" / "all" / f"{index}.tlog-proof").read_text(encoding="utf-8"))
        proof.verify(entry, [key], key.partition("+")[0])
    assert len(list((tmp_path / "out" / "all").iterdir())) == 4


def test_another_history_and_a_size_that_no_checkpoint_has_are_refused(
    policy: Run, ledger: Path, tmp_path: Path
) -> None:
    command = ["audit", "sample", "--size", "1", "--seed", "s"]
    other = tmp_path / "other.db"
    with open_ledger(f"sqlite:///{other}") as open_:
        open_.append(decision(0))
        (tmp_path / "same-size").write_text(open_.checkpoint(), encoding="utf-8")
        open_.append_many([decision(number) for number in range(5)])
        (tmp_path / "later").write_text(open_.checkpoint(), encoding="utf-8")
    (tmp_path / "nothing").write_text("hello\n", encoding="utf-8")
    for tree, status, code in (
        (["--size-of-tree", "9"], 2, "checkpoint-missing"),
        (["--checkpoint", "same-size"], 6, "other-history"),
        (["--checkpoint", "later"], 6, "checkpoint-missing"),
        (["--checkpoint", "nothing"], 2, "checkpoint"),
        (["--checkpoint", "same-size", "--size-of-tree", "1"], 2, "usage"),
        (["--size", "0"], 2, "usage"),
    ):
        found = policy(*command, *tree)
        assert (found.status, found.out) == (status, ""), (tree, found)
        assert f"[{code}]" in found.err


def test_a_sample_of_what_a_forged_column_hides_is_refused(policy: Run, ledger: Path) -> None:
    """Its total would be the columns', and what they hide could never be drawn."""
    found = policy("audit", "sample", "--size", "9", "--seed", "s", "--verdict", "deny", "-o", "json")
    assert "the count is that of the entries" in " ".join(found.json["remarks"])
    hidden = found.json["rows"][0]["entry"]
    tamper(ledger, "UPDATE decision SET verdict = 'allow' WHERE leaf_index = ?", hidden)
    for command in (["sample", "--size", "9"], ["report", "soc2-population", "--sample", "9"]):
        refused = policy("audit", *command, "--seed", "s", "--verdict", "deny")
        assert (refused.status, refused.out) == (6, ""), refused
        assert f"the query columns of the entry {hidden} are not those of its bytes" in refused.err
    counted = policy("audit", "report", "decisions", "--verdict", "deny", "-o", "json")
    assert counted.status == 0
    assert "The count is of the query columns" in counted.json["remarks"][0]
    exported = policy("audit", "report", "decisions", "--verdict", "deny", "--export", "out")
    assert exported.status == 6
    assert f"the query columns of the entry {hidden} are not those of its bytes" in exported.err
