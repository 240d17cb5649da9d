"""Opening and migrating a ledger on a server: what is made, what is refused, and processes that do it at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from policy_audit import migrate
from policy_audit.database import connect, locate
from policy_audit.errors import LedgerError
from policy_audit.keys import generate_signer, read_key_file, write_key_file
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.names import REVISION
from policy_audit.schema import differences
from policy_audit.tables import METADATA

from tests.integration.writers import Writer
from tests.postgres import Server
from tests.stores import Store

HOLD = Draft(EntryType.HOLD)


def code_of(store: Store, **options: object) -> str:
    with pytest.raises(LedgerError) as caught:
        store.open(**options)
    assert not caught.value.message.endswith(".")
    return caught.value.code


def test_the_first_use_makes_the_key_and_begins_the_log(server_database: Store) -> None:
    with server_database.open() as ledger:
        assert ledger.created_verifier_key == ledger.verifier_key == read_key_file(server_database.key).verifier_key
        assert stat.S_IMODE(server_database.key.stat().st_mode) == 0o600
    with server_database.open() as again:
        assert again.created_verifier_key is None
        assert again.verifier_key == ledger.verifier_key


def test_ledger_and_key_belong_together(server_database: Store) -> None:
    with server_database.open() as ledger:
        ledger.append_many([HOLD, HOLD])
    content = server_database.key.read_bytes()
    server_database.key.unlink()
    assert code_of(server_database) == "signing-key-missing"
    assert code_of(server_database, key_path=None) == "signing-key-path"
    with server_database.open(read_only=True) as ledger:
        assert ledger.entry(1).index == 1
    write_key_file(server_database.key, generate_signer())
    with server_database.open() as ledger:
        with pytest.raises(LedgerError) as caught:
            ledger.append(HOLD)
        assert caught.value.code == "ledger-tampered"
    server_database.key.write_bytes(content)
    with server_database.administrator() as connection:
        for table in ("log_entry", "log_checkpoint"):
            connection.execute(f"DELETE FROM {table}")
    assert code_of(server_database) == "ledger-gone"


def test_a_reader_begins_nothing(server_database: Store) -> None:
    assert code_of(server_database, read_only=True) == "ledger-missing"
    assert not server_database.key.exists()


def test_opening_never_migrates(unmigrated: Store) -> None:
    assert code_of(unmigrated) == "ledger-not-migrated"
    assert code_of(unmigrated, read_only=True) == "ledger-not-migrated"
    assert not unmigrated.key.exists()
    assert migrate.status(unmigrated.url) == migrate.MigrationStatus(None, REVISION)
    assert migrate.upgrade(unmigrated.url) == migrate.MigrationStatus(None, REVISION)
    assert migrate.upgrade(unmigrated.url).is_current
    with unmigrated.open() as ledger:
        assert ledger.append(HOLD).index == 0


def test_the_migrated_schema_is_that_of_the_models(server_database: Store) -> None:
    database = connect(locate(server_database.url))
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), METADATA) == []
        assert differences(connection) == ([], [])
    database.close()


def test_upgrading_by_url_as_the_command_alembic_does(unmigrated: Store) -> None:
    config = migrate.configuration()
    config.set_main_option("sqlalchemy.url", unmigrated.url.replace("%", "%%"))
    command.upgrade(config, "head")
    with unmigrated.open() as ledger:
        ledger.append(HOLD)
        assert ledger.verify().ok


def test_a_newer_schema_is_refused(server_database: Store) -> None:
    server_database.open().close()
    with server_database.connection() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    assert code_of(server_database) == "ledger-newer"
    assert not migrate.status(server_database.url).is_current
    with pytest.raises(LedgerError) as caught:
        migrate.upgrade(server_database.url)
    assert caught.value.code == "ledger-newer"


def test_the_database_of_something_else_is_not_touched(unmigrated: Store) -> None:
    with unmigrated.connection() as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    for ask in (migrate.status, migrate.upgrade):
        with pytest.raises(LedgerError) as caught:
            ask(unmigrated.url)
        assert caught.value.code == "not-a-ledger"
    own = f"{unmigrated.url}&schema=ledger"
    assert migrate.upgrade(own).current is None
    with open_ledger(own, key_path=unmigrated.key) as ledger:
        ledger.append(HOLD)
        assert ledger.verify().ok, "a schema of its own beside it is"


def test_a_schema_where_everybody_may_put_functions_is_not_migrated(unmigrated: Store) -> None:
    with unmigrated.connection() as connection:
        connection.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with pytest.raises(LedgerError) as caught:
        migrate.upgrade(unmigrated.url)
    assert caught.value.code == "ledger-rights"
    assert 'REVOKE CREATE ON SCHEMA "public" FROM PUBLIC' in str(caught.value)


def test_a_database_of_another_encoding_is_not_migrated(server: Server, unmigrated: Store) -> None:
    name = f"{unmigrated.database}_latin"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        with pytest.raises(LedgerError) as caught:
            migrate.upgrade(server.url(name))
        assert caught.value.code == "ledger-encoding"
    finally:
        server.drop(name)


def upgrade(store: Store) -> subprocess.Popen[bytes]:
    arguments = ["-m", "policy_engine", "db", "upgrade", "--ledger", store.url]
    return subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_two_processes_upgrade_at_once(unmigrated: Store) -> None:
    processes = [upgrade(unmigrated) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    told = sorted(b"upgraded from no schema" in out for out, _ in outputs)
    assert told == [False, False, True], outputs
    with unmigrated.open() as ledger:
        assert ledger.verify().ok


def test_an_upgrade_that_is_killed_leaves_what_was_there(unmigrated: Store, server: Server) -> None:
    """It is killed when it has made some tables, and waits for one that somebody else is about to make."""
    other = server.connect(unmigrated.database)
    other.autocommit = False
    other.execute("CREATE TABLE decision (x INTEGER)")
    process = upgrade(unmigrated)
    with server.connect(unmigrated.database) as looking:
        query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        while not (waiting := looking.execute(query, (unmigrated.database,)).fetchall()):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.kill()
        process.communicate()
        other.rollback()
        other.close()
        # the server notices when it next looks at the connection
        looking.execute("SELECT pg_terminate_backend(%s)", waiting[0])
        while looking.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", waiting[0]).fetchall():
            time.sleep(0.02)
    assert migrate.status(unmigrated.url).current is None
    assert migrate.upgrade(unmigrated.url).current is None
    with unmigrated.open() as ledger:
        assert ledger.verify().ok


def test_a_migration_waits_for_writers_and_they_stop_after_it(server_database: Store) -> None:
    """A migration to a revision that is not there yet: it takes the locks as `upgrade` does."""
    writer = Writer(server_database, "writer")
    writer.wait_for_the_first()
    location = locate(server_database.url)
    database = connect(location)
    with database.write(patient=True) as connection:
        migrate._prepare_server(connection, location)
        connection.exec_driver_sql("ALTER TABLE decision ADD COLUMN more TEXT")
        time.sleep(0.2)
        connection.exec_driver_sql("ALTER TABLE log_entry ADD COLUMN more TEXT")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        size = connection.exec_driver_sql("SELECT count(*) FROM log_entry").scalar_one()
    database.close()
    told = writer.told()
    assert writer.process.exitcode == 1, "it ended with the refusal"
    with server_database.connection() as looking:
        stored = dict(looking.execute("SELECT leaf_index, encode(leaf_hash, 'hex') FROM log_entry"))
    assert len(stored) == size, "nothing was written after the migration by what does not know it"
    assert told.items() <= stored.items()


def test_threads_begin_one_log(server_database: Store) -> None:
    created: list[str | None] = []

    def begin() -> None:
        with server_database.open() as ledger:
            created.append(ledger.created_verifier_key)
            ledger.append(HOLD)

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([key for key in created if key]) == 1
    with server_database.open() as ledger:
        assert ledger.verify().entries == 6


def test_opening_a_current_ledger_imports_neither_alembic_nor_the_table_definitions(server_database: Store) -> None:
    server_database.open().close()
    code = (
        "import sys; from policy_audit.ledger import open_ledger, Draft, EntryType\n"
        f"with open_ledger({server_database.url!r}, key_path={str(server_database.key)!r}) as ledger:\n"
        "    ledger.append(Draft(EntryType.HOLD))\n"
        "print(sorted({'alembic', 'sqlmodel', 'policy_audit.tables'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "[]"


def test_verifying_holds_one_page_at_a_time(server_database: Store, tmp_path: Path) -> None:
    """A hundred documents of a megabyte: what the verifier holds of them at once is a few."""
    code = (
        "import resource, sys; from policy_audit.ledger import open_ledger\n"
        "from policy_audit import fsck, tables\n"
        "with open_ledger(sys.argv[1], key_path=sys.argv[2]) as ledger:\n"
        "    ledger.checkpoint(); ledger.entry(0)\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    assert ledger.verify().ok\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    with server_database.open() as ledger:
        for _ in range(100):
            ledger.append(Draft(EntryType.HOLD, blobs={"big": os.urandom(1_000_000)}))
    done = subprocess.run(
        [sys.executable, "-c", code, server_database.url, str(server_database.key)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 70_000, "kilobytes; all documents would be 100,000 and more"
