"""`policy audit verify` and `prove`: what they pin, what they find, and what they say of it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.proof import parse_proof

from tests.unit.cli.ledgers import add, tamper, vkey

Run = Callable[..., Any]


def test_verify_names_what_it_pins(policy: Run, ledger: Path) -> None:
    own = policy("audit", "verify")
    assert own.status == 0, own.err
    assert "VERIFIED" in own.out
    assert "operator's own" in own.out
    assert "every step that ran passed" in own.out
    assert "Covered 4 entries" in own.out
    pinned = policy("audit", "verify", "--vkey", vkey(ledger))
    assert pinned.status == 0
    assert "operator's own" not in pinned.out
    report = policy("audit", "verify", "--vkey", vkey(ledger), "-o", "json").json
    assert (report["ok"], report["entries"], report["pinned"]) == (True, 4, "given")
    assert [step["status"] for step in report["steps"]] == ["ok"] * 7 + ["skipped"]
    assert policy("audit", "verify", "-o", "yaml").status == 0
    assert "| schema | ok |" in policy("audit", "verify", "-o", "markdown").out


def test_verify_of_an_empty_ledger_says_so(policy: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.db"
    open_ledger(url).close()
    found = policy("audit", "verify", "--ledger", url)
    assert found.status == 0
    assert "the ledger is empty" in found.out


@pytest.mark.usefixtures("ledger")
def test_verify_with_another_key_or_origin_fails(policy: Run, tmp_path: Path) -> None:
    with open_ledger(f"sqlite:///{tmp_path}/other.db") as other:
        key = str(other.verifier_key)
    wrong = policy("audit", "verify", "--vkey", key)
    assert wrong.status == 6
    assert "Covered" not in wrong.out, "what the other log covers is not here"
    assert "passed" not in wrong.out
    found = policy("audit", "verify", "--origin", "elsewhere.example/log")
    assert found.status == 6
    assert "FAILED" in found.out


def test_verify_without_any_key_fails(policy: Run, ledger: Path) -> None:
    ledger.with_name("ledger.db.key").unlink()
    found = policy("audit", "verify")
    assert found.status == 6
    assert "[no-verifier-key]" in found.err


def test_verify_tells_the_first_failing_index(policy: Run, ledger: Path) -> None:
    tamper(ledger, "UPDATE decision SET verdict = 'allow' WHERE leaf_index = 2")
    found = policy("audit", "verify")
    assert found.status == 6
    assert "the first failing index is 2" in found.out
    assert policy("audit", "verify", "-o", "json").json["first_failing_index"] == 2


def test_verify_tells_the_range_where_only_a_root_is_wrong(policy: Run, ledger: Path) -> None:
    add(ledger, *(Draft(EntryType.HOLD, context={"ticket": number}) for number in range(3)))
    raw = _raw(ledger, 5).replace(b'"ticket":1', b'"ticket":7')
    tamper(
        ledger,
        "UPDATE log_entry SET entry = ?, leaf_hash = ? WHERE leaf_index = 5",
        raw,
        hashlib.sha256(b"\0" + raw).digest(),
    )
    found = policy("audit", "verify")
    assert found.status == 6
    assert "the first failing entry is somewhere in entries 4 to 6" in " ".join(found.out.split())
    report = policy("audit", "verify", "-o", "json").json
    assert (report["first_failing_index"], report["last_failing_index"]) == (4, 6)
    tree = next(step for step in report["steps"] if step["name"] == "tree")
    assert (tree["first_index"], tree["last_index"]) == (4, 6)


def test_verify_names_the_entry_of_a_changed_document(policy: Run, ledger: Path) -> None:
    digest = policy("audit", "show", "2", "-o", "json").json["blobs"]["decision"]["digest"]
    tamper(ledger, "UPDATE blob SET content = X'00' WHERE digest = ?", digest)
    report = policy("audit", "verify", "-o", "json").json
    blobs = next(step for step in report["steps"] if step["name"] == "blobs")
    first = next(n for n in range(4) if digest in _raw(ledger, n).decode())
    assert blobs["first_problem"] == f"the document `{digest}` of the entry {first} was changed"
    assert blobs["first_index"] == report["first_failing_index"] == report["last_failing_index"] == first


@pytest.mark.parametrize("kind", ["receipt", "checkpoint"])
def test_verify_compares_with_what_was_kept(policy: Run, ledger: Path, tmp_path: Path, kind: str) -> None:
    kept = tmp_path / "kept"
    text = policy("audit", "prove", "3").out
    kept.write_text(text if kind == "receipt" else parse_proof(text).checkpoint, encoding="utf-8")
    before = policy("audit", "verify", "--kept", str(kept))
    assert before.status == 0
    assert "every step passed" in before.out
    for table in ("log_entry", "decision", "personal"):
        tamper(ledger, f"DELETE FROM {table} WHERE leaf_index = 3")
    tamper(ledger, "DELETE FROM log_checkpoint WHERE size = 4")
    named = {d for e in _entries(ledger) for d in e["blobs"].values()}
    tamper(ledger, f"DELETE FROM blob WHERE digest NOT IN ({','.join('?' * len(named))})", *named)
    assert policy("audit", "verify").status == 0, "what was kept is what finds it"
    found = policy("audit", "verify", "--kept", str(kept))
    assert found.status == 6
    assert "its tail was dropped" in found.out.replace("\n", " ").replace("  ", " ") or "tail" in found.out


def _raw(path: Path, index: int) -> bytes:
    connection = sqlite3.connect(path)
    (raw,) = connection.execute("SELECT entry FROM log_entry WHERE leaf_index = ?", (index,)).fetchone()
    connection.close()
    return bytes(raw)


def _entries(path: Path) -> list[dict[str, Any]]:
    connection = sqlite3.connect(path)
    rows = [json.loads(row[0]) for row in connection.execute("SELECT entry FROM log_entry")]
    connection.close()
    return rows


def test_a_malformed_kept_file_fails_its_step(policy: Run, ledger: Path, tmp_path: Path) -> None:
    assert ledger.exists()
    (tmp_path / "kept").write_text("c2sp.org/tlog-proof@v1\nnonsense", encoding="utf-8")
    found = policy("audit", "verify", "--kept", str(tmp_path / "kept"), "-o", "json")
    assert found.status == 6
    assert found.json["steps"][-1]["status"] == "failed"


def test_a_proof_is_checked_without_the_ledger(policy: Run, ledger: Path, tmp_path: Path) -> None:
    proof, entry, key = tmp_path / "p", tmp_path / "e", vkey(ledger)
    assert policy("audit", "prove", "1", "--to", str(proof), "--entry", str(entry)).out == ""
    ledger.unlink()
    ledger.with_name("ledger.db.key").unlink()
    check = ("audit", "prove", "--check", str(proof), "--entry", str(entry), "--vkey", key)
    found = policy(*check)
    assert (found.status, found.err) == (0, "")
    assert "entry 1 of the log" in found.out
    assert policy(*check, "--origin", key.partition("+")[0]).status == 0
    assert policy(*check, "--origin", "elsewhere").status == 6
    entry.write_bytes(entry.read_bytes().replace(b"pilot", b"pilof"))
    forged = policy(*check)
    assert forged.status == 6
    assert forged.out == ""
    proof.write_text("nothing", encoding="utf-8")
    assert policy(*check).status == 6
