"""Ledgers that are to be tampered with, and places where the command line works on its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from policy_audit import grants

from tests.integration.anchoring import Anchored
from tests.integration.granting import ERASER, READER, ROLES, WRITER, Granted
from tests.integration.place import Place
from tests.integration.tampering import decision
from tests.postgres import OWNER, Server, database
from tests.stores import KINDS, SQLITE, Store, server_store, sqlite_store


def _fill(store: Store) -> Store:
    with store.open() as ledger:
        for number in range(4):
            ledger.append(decision(number))
        ledger.append_many([decision(number) for number in range(4, 10)])
        ledger.append(decision(10))
    return store


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return _fill(sqlite_store(tmp_path_factory.mktemp("original")))


@pytest.fixture(scope="session")
def original_on_server(tmp_path_factory: pytest.TempPathFactory, server: Server, migrated: str) -> Store:
    return _fill(server_store(server, server.create(migrated), tmp_path_factory.mktemp("original")))


@pytest.fixture(params=KINDS)
def filled(request: pytest.FixtureRequest) -> Store:
    """A ledger of eleven decisions: four commits of one, one of six, one of one."""
    found: Store = request.getfixturevalue("in_file" if request.param == SQLITE else "on_server")
    return found


@pytest.fixture
def in_file(original: Store, tmp_path: Path) -> Store:
    """The same, on SQLite alone: its columns hold whatever is put there, PostgreSQL's what their type says."""
    return original.copy(tmp_path)


@pytest.fixture
def on_server(original_on_server: Store, tmp_path: Path) -> Iterator[Store]:
    """The same, on PostgreSQL alone."""
    assert original_on_server.server is not None
    with database(original_on_server.server, original_on_server.database) as name:
        yield original_on_server.copy(tmp_path, name)


@pytest.fixture(scope="session")
def parsed_rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache that a first run leaves, so that not every test has to parse all rules."""
    first = Place(tmp_path_factory.mktemp("first"))
    assert first.evaluate().returncode == 0
    return first.home / "cache"


@pytest.fixture(scope="session")
def three_decisions(tmp_path_factory: pytest.TempPathFactory, parsed_rules: Path) -> Path:
    """A folder with a ledger of three decisions, each of a commit of its own, which verifies."""
    made = Place(tmp_path_factory.mktemp("three"), parsed_rules)
    for _ in range(3):
        assert made.evaluate().returncode == 0
    assert made.verified() == 3
    return made.folder


@pytest.fixture
def place(tmp_path: Path, parsed_rules: Path) -> Place:
    return Place(tmp_path, parsed_rules)


@pytest.fixture
def anchored(filled: Store) -> Iterator[Anchored]:
    """That ledger, to be anchored, rolled back and forked."""
    with ExitStack() as until:
        yield Anchored(filled, until)


@pytest.fixture(params=KINDS)
def either(request: pytest.FixtureRequest, tmp_path: Path, parsed_rules: Path) -> Place:
    """A place whose ledger is on either database."""
    return Place(
        tmp_path, parsed_rules, request.getfixturevalue("server_database") if request.param != SQLITE else None
    )


@pytest.fixture(scope="session")
def three_on_server(
    tmp_path_factory: pytest.TempPathFactory, parsed_rules: Path, server: Server, migrated: str
) -> Store:
    """The same on a server."""
    folder = tmp_path_factory.mktemp("three")
    made = Place(folder, parsed_rules, server_store(server, server.create(migrated), folder))
    for _ in range(3):
        assert made.evaluate().returncode == 0
    assert made.verified() == 3
    return made.store


@pytest.fixture(params=KINDS)
def three(request: pytest.FixtureRequest, tmp_path: Path, parsed_rules: Path) -> Iterator[Place]:
    """A place with a ledger of three decisions, on either database."""
    if request.param == SQLITE:
        yield Place(tmp_path, parsed_rules, sqlite_store(request.getfixturevalue("three_decisions")).copy(tmp_path))
        return
    made: Store = request.getfixturevalue("three_on_server")
    assert made.server is not None
    with database(made.server, made.database) as name:
        yield Place(tmp_path, parsed_rules, made.copy(tmp_path, name))


@pytest.fixture(scope="session")
def roles(server: Server) -> None:
    """Roles that the server has; those of `ROLES` are granted rights in a ledger that wants them."""
    with server.connect() as connection:
        for role in (*ROLES, "nobody_special"):
            connection.execute(f'CREATE ROLE "{role}" LOGIN')
        connection.execute("CREATE ROLE strong SUPERUSER LOGIN")
        connection.execute(f"CREATE ROLE heir LOGIN IN ROLE {OWNER}")
        connection.execute("CREATE ROLE all_data LOGIN IN ROLE pg_write_all_data")


@pytest.fixture
def granted(server_database: Store, server: Server, roles: None) -> Granted:
    grants.apply(server_database.url, grants.Roles(WRITER, READER, ERASER))
    return Granted(server_database, server)
