"""The keys of `policy audit verify-attestation`: from the command line alone, and what a rotation asks of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.keys import generate_signer, read_key_file
from policy_audit.ledger import open_ledger

from tests.unit.cli.attest_scene import Attested
from tests.unit.cli.given import ALLOWED

Run = Callable[..., Any]
STRANGER = generate_signer("stranger")


def test_a_key_comes_from_the_command_line_alone(policy: Run, attested: Attested, tmp_path: Path) -> None:
    check = ("audit", "verify-attestation", str(attested.file))
    (tmp_path / "log.vkey").write_text(attested.vkey + "\n", encoding="utf-8")
    assert policy(*check, "--key", "log.vkey").status == 0
    assert policy(*check, "--key", STRANGER.verifier_key, "--key", attested.vkey).status == 0
    assert policy(*check, "--key", STRANGER.verifier_key).status == 6
    # a file that is called as the pinned key is not read for it
    path = tmp_path / STRANGER.verifier_key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(attested.vkey, encoding="utf-8")
    assert policy(*check, "--key", STRANGER.verifier_key).status == 6
    key = attested.folder / "ledger.db.key"
    for wrong in ("none.pem", str(key), str(attested.file), "x+y+z", str(tmp_path), attested.signer.signer_key):
        done = policy(*check, "--key", wrong)
        assert (done.status, done.out) == (2, ""), wrong
        assert attested.signer.signer_key.rpartition("+")[2] not in done.err.replace(wrong, "")
    assert policy(*check).status == 2


def test_after_a_rotation_the_old_receipts_are_under_the_old_key(
    policy: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ("--ledger", f"sqlite:///{tmp_path}/l.db")
    run = ("gate", str(ALLOWED), "-q", *ledger, "--attest")
    assert policy(*run, "old.jsonl").status == 0
    with open_ledger(f"sqlite:///{tmp_path}/l.db") as opened:
        old = str(opened.verifier_key)
    assert policy("audit", "rotate-key", "--new-key", str(tmp_path / "new.key"), *ledger).status == 0
    key = next(path for path in (tmp_path / "new.key", tmp_path / "l.db.key") if path.exists())
    assert policy(*run, "new.jsonl", "--ledger-key", str(key)).status == 0
    new = read_key_file(key).verifier_key
    check = ("audit", "verify-attestation")
    assert [policy(*check, f"{name}.jsonl", "--key", key).status for name, key in (("old", old), ("new", new))] == [
        0,
        0,
    ]
    assert [policy(*check, f"{name}.jsonl", "--key", key).status for name, key in (("old", new), ("new", old))] == [
        6,
        6,
    ]
    both = tmp_path / "both.jsonl"
    both.write_bytes(Path("old.jsonl").read_bytes() + Path("new.jsonl").read_bytes())
    monkeypatch.setenv("POLICY_LEDGER_VKEY", f"{old} {new}")
    assert policy(*check, "both.jsonl", "--key", old, "--key", new).status == 0
