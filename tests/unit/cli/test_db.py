"""`policy db`: migrate, and say where the schema stands."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.names import REVISION

Run = Callable[..., Any]


def test_upgrade_says_from_and_to(policy: Run, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/l.db"
    assert policy("db", "status", "--ledger", url).status == 6
    assert not (tmp_path / "l.db").exists()
    found = policy("db", "upgrade", "--ledger", url)
    assert found.status == 0, found.err
    assert f"from no schema to revision {REVISION}" in found.out
    again = policy("db", "upgrade", "--ledger", url)
    assert (again.status, "already" in again.out) == (0, True)
    status = policy("db", "status", "--ledger", url, "-o", "json")
    assert status.json == {
        "kind": "DatabaseStatus",
        "ledger": f"{tmp_path}/l.db",
        "current": REVISION,
        "head": REVISION,
        "up_to_date": True,
    }


def test_status_of_a_ledger_in_use(policy: Run, ledger: Path) -> None:
    found = policy("db", "status")
    assert (found.status, "yes" in found.out) == (0, True)
    assert str(ledger) in "".join(line.strip() for line in found.out.splitlines())


def test_status_of_another_schema_is_told_and_is_no_failure(policy: Run, ledger: Path) -> None:
    connection = sqlite3.connect(ledger)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    found = policy("db", "status")
    assert found.status == 0
    assert "newer than this program" in found.out
    upgraded = policy("db", "upgrade")
    assert upgraded.status == 6
    assert "[ledger-newer]" in upgraded.err


def test_what_is_no_ledger_is_refused(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is a text", encoding="utf-8")
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    for name in ("text", "other"):
        for what in ("status", "upgrade"):
            found = policy("db", what, "--ledger", f"sqlite:///{tmp_path}/{name}.db")
            assert (found.status, found.out) == (6, ""), (name, what)
            assert "[not-a-ledger]" in found.err


def test_a_scratch_ledger_has_nothing_to_migrate(policy: Run) -> None:
    for what in ("status", "upgrade"):
        assert policy("db", what, "--ledger", "sqlite:///:memory:").status == 2


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://user:s3cret@localhost:1/db",
        "postgresql+psycopg://user:s3cret@localhost:port/db",
        "postgresql+psycopg://localhost:1/db?user=user&password=s3cret",
        "postgresql://user:s3cret@localhost:1/db",
        "mysql://user:s3cret@localhost/db",
    ],
)
@pytest.mark.parametrize("what", ["status", "upgrade"])
def test_passwords_are_never_printed(policy: Run, url: str, what: str) -> None:
    if url.startswith("postgresql+psycopg"):
        pytest.importorskip("psycopg")
    found = policy("db", what, "--ledger", url)
    # a URL that names no ledger is usage; one that names a ledger which cannot be reached is not
    assert found.status == (2 if "[ledger-url]" in found.err else 6)
    assert "s3cret" not in found.out + found.err
    assert found.err.startswith("error: ")


POSTGRESQL = "postgresql+psycopg://owner:s3cret@localhost:1/db"


def test_grants_are_printed_without_a_server(policy: Run) -> None:
    found = policy("db", "grants", "--writer", 'w"riter', "--reader", "auditor", "--ledger", f"{POSTGRESQL}?schema=own")
    assert (found.status, found.err) == (0, "")
    lines = found.out.splitlines()
    assert (lines[0], lines[-1]) == ("BEGIN;", "COMMIT;")
    assert 'GRANT INSERT ON "own"."blob", ' in found.out
    assert 'GRANT EXECUTE ON FUNCTION "own"."policy_audit_lock_head"() TO "w""riter";' in lines
    changing = [line for line in lines if line.startswith("GRANT") and ("UPDATE" in line or "DELETE" in line)]
    assert changing == ['GRANT DELETE ON "own"."once" TO "w""riter";'], "which is kept for a day"
    eraser = policy("db", "grants", "--eraser", "e", "--ledger", POSTGRESQL).out
    tables = ", ".join(f'"public"."{name}"' for name in ("blob", "once", "personal", "subject_key"))
    assert f'GRANT DELETE ON {tables} TO "e";' in eraser


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--writer", "a", "--reader", "a"),
        ("--writer", ""),
        ("--writer", "x" * 64),
        ("--writer", "a", "--ledger", "sqlite:///x.db"),
        ("--writer", "a", "--ledger", "sqlite:///:memory:"),
    ],
)
def test_grants_that_make_no_sense_are_usage(policy: Run, given: tuple[str, ...]) -> None:
    found = policy("db", "grants", "--ledger", POSTGRESQL, *given)
    assert (found.status, found.out) == (2, "")
    assert "s3cret" not in found.err


def test_grants_that_cannot_be_made_are_refused(policy: Run) -> None:
    found = policy("db", "grants", "--writer", "a", "--apply", "--ledger", POSTGRESQL)
    assert (found.status, found.out) == (6, "")
    assert "[ledger-unreachable]" in found.err
    assert "s3cret" not in found.err
