"""The command line on PostgreSQL, in processes of its own: every command that asks the ledger, and what is refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from policy_audit.names import REVISION

from tests.integration.place import OWNER, Place, refused
from tests.postgres import Server
from tests.stores import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def on_server_place(server_database: Store, tmp_path: Path, parsed_rules: Path) -> Place:
    return Place(tmp_path, parsed_rules, server_database)


@pytest.fixture
def bare(unmigrated: Store, tmp_path: Path, parsed_rules: Path) -> Place:
    """A place whose database has nothing in it yet."""
    return Place(tmp_path, parsed_rules, unmigrated)


def said(found: subprocess.CompletedProcess[bytes]) -> str:
    assert (found.returncode, found.stderr) == (0, b""), found.stderr
    return " ".join(found.stdout.decode().split())


def test_from_an_empty_database_to_a_proof(bare: Place, server: Server) -> None:
    refused(bare.evaluate(), "ledger-not-migrated")
    status = json.loads(bare.run("db", "status", "-o", "json").stdout)
    assert (status["current"], status["head"], status["up_to_date"]) == (None, REVISION, False)
    assert f"from no schema to revision {REVISION}" in said(bare.run("db", "upgrade"))
    assert "already" in said(bare.run("db", "upgrade"))
    for role in ("cli_writer", "cli_auditor"):
        with server.connect() as connection:
            connection.execute(f"CREATE ROLE {role} LOGIN")
    printed = bare.run("db", "grants", "--writer", "cli_writer", "--reader", "cli_auditor")
    assert b'GRANT INSERT ON "public"."blob"' in printed.stdout
    with server.connect(bare.store.database) as connection:
        connection.execute(printed.stdout.decode())
    assert "granted to" in said(
        bare.run("db", "grants", "--writer", "cli_writer", "--reader", "cli_auditor", "--apply")
    )
    owner, bare.url = bare.url, server.url(bare.store.database, "cli_writer")
    first = bare.decided()
    assert first["ledger"]["index"] == 0
    assert bare.decided()["ledger"]["index"] == 1
    refused(bare.run("db", "grants", "--reader", "cli_auditor", "--apply"), "ledger-rights")
    refused(bare.evaluate("--ledger", server.url(bare.store.database, "cli_auditor")), "ledger-rights")
    bare.url = server.url(bare.store.database, "cli_auditor")
    listed = json.loads(bare.run("audit", "list", "-o", "json").stdout)["decisions"]
    assert [row["owner"] for row in listed] == [OWNER, OWNER]
    assert OWNER in said(bare.run("audit", "show", "0"))
    assert OWNER in said(bare.run("explain", first["id"][:12]))
    assert "c2sp.org/tlog-proof@v1" in said(bare.run("audit", "prove", "1"))
    assert bare.verified() == 2
    bare.url = owner
    with server.connect(bare.store.database) as connection:
        connection.execute("DROP OWNED BY cli_writer, cli_auditor")


def test_a_server_that_cannot_be_used_is_status_6_without_a_password(on_server_place: Place, server: Server) -> None:
    name = on_server_place.store.database
    for url, code in (
        (f"postgresql+psycopg://u:s3cret@127.0.0.1:1/{name}", "ledger-unreachable"),
        (f"postgresql+psycopg://u:s3cret@127.0.0.1:{server.port}/{name}", "ledger-login"),
        (server.url("no_such_database"), "ledger-missing"),
    ):
        found = on_server_place.evaluate("--ledger", url)
        refused(found, code)
        assert b"s3cret" not in found.stderr


def test_a_key_is_wanted_and_is_kept(on_server_place: Place) -> None:
    refused(on_server_place.evaluate(env={"POLICY_LEDGER_KEY": ""}), "signing-key-path", "signing-key")
    assert on_server_place.decided()["ledger"]["index"] == 0
    content = on_server_place.store.key.read_bytes()
    on_server_place.store.key.unlink()
    refused(on_server_place.evaluate(), "signing-key-missing")
    assert not on_server_place.store.key.exists(), "a new key would hide the loss of the old one"
    on_server_place.store.key.write_bytes(content)
    on_server_place.store.key.chmod(0o600)
    assert on_server_place.decided()["ledger"]["index"] == 1


def test_a_database_that_was_made_read_only(on_server_place: Place, server: Server) -> None:
    assert on_server_place.evaluate().returncode == 0
    name = on_server_place.store.database
    with server.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    refused(on_server_place.evaluate(), "ledger-read-only")
    assert on_server_place.verified() == 1
    with server.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    assert on_server_place.decided()["ledger"]["index"] == 1
