"""Bytes where text belongs: the commands end in the ledger's status 6, never in an internal error."""

from __future__ import annotations

import json
import sqlite3
from hashlib import sha256
from pathlib import Path

import pytest
from policy_audit.canonical import canonical_bytes
from policy_audit.merkle import leaf_hash

from policy_engine.cli.main import call

WORKLOAD = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: drafts, name: assistant, owner: otto.owner@acme.example}
spec:
  stage: pilot
  tasks: [{name: t, kind: summarisation}]
"""
LEDGER = 6
LIST, ALL, SHOW, PROVE = ["list"], ["list", "--type", "all"], ["show", "0"], ["prove", "0"]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ledger of one decision, which the settings name."""
    for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "POLICY_CACHE_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("POLICY_LEDGER", f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.setenv("POLICY_ACTOR", "anna.actor@acme.example")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "open.yaml").write_text(WORKLOAD, encoding="utf-8")
    assert call(["evaluate", "open.yaml", "-q"]) == 0
    return tmp_path / "ledger.db"


def administrator(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    for (trigger,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {trigger}")
    return connection


@pytest.mark.parametrize("value", ["X'FF'", "CAST(X'FF' AS TEXT)"])
@pytest.mark.parametrize(
    ("column", "commands"),
    [
        ("log_entry.type", [ALL, SHOW, PROVE]),
        ("log_entry.recorded_at", [ALL, SHOW, PROVE]),
        ("log_checkpoint.note", [SHOW, PROVE]),
        ("personal.subject", [LIST, SHOW]),
        ("personal.name", [LIST, SHOW]),
        ("decision.recorded_at", [LIST]),
        ("decision.decision_id", [LIST]),
        ("decision.workload", [LIST]),
        ("decision.purpose", [LIST]),
    ],
)
def test_bytes_in_a_text_column_end_in_the_status_of_the_ledger(
    path: Path, capsys: pytest.CaptureFixture[str], column: str, commands: list[list[str]], value: str
) -> None:
    table, _, name = column.partition(".")
    connection = administrator(path)
    # One personal value for an entry, so that one name does not stand twice.
    connection.execute("DELETE FROM personal WHERE name <> 'owner'")
    connection.execute(f"UPDATE {table} SET {name} = {value}")
    connection.commit()
    connection.close()
    for command in commands:
        for output in ([], ["-o", "json"]) if command[0] != "prove" else ([],):
            assert call(["audit", *command, *output]) == LEDGER
            assert "internal" not in capsys.readouterr().err
    if table == "log_checkpoint":
        assert call(["evaluate", "open.yaml", "-q"]) == LEDGER
        assert "[ledger-tampered]" in capsys.readouterr().err


@pytest.mark.parametrize("forged", [b"\xff", b"[]", b"{}", b'{"tasks": [1]}', b"[" * 100_000])
def test_a_forged_document_that_is_no_decision_ends_in_the_status_of_the_ledger(
    path: Path, capsys: pytest.CaptureFixture[str], forged: bytes
) -> None:
    """Document, entry, leaf hash and query columns fit one another: only the tree and the form speak against it."""
    connection = administrator(path)
    identifier = sha256(forged).hexdigest()
    entry = json.loads(connection.execute("SELECT entry FROM log_entry").fetchone()[0])
    entry["blobs"]["decision"], entry["view"]["decision_id"] = f"sha256:{identifier}", identifier
    del entry["tags"]  # so that the document is asked
    data = canonical_bytes(entry)
    connection.execute("INSERT INTO blob VALUES (?, ?)", (f"sha256:{identifier}", forged))
    connection.execute("UPDATE log_entry SET entry = ?, leaf_hash = ?", (data, leaf_hash(data)))
    connection.execute("UPDATE decision SET decision_id = ?, tag_set = NULL", (identifier,))
    connection.commit()
    connection.close()
    for command in (["list", "--rule", "any"], SHOW, PROVE, ["verify"]):
        assert call(["audit", *command]) == LEDGER
        assert "internal" not in capsys.readouterr().err
