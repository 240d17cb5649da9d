"""The two databases of the ledger's tests, an interrupt that arrives, and a collector of garbage that rests."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from policy_audit import migrate

from policy_engine.loading.layers import LayerFiles, shipped_rules
from policy_engine.loading.yaml_source import Document
from tests.migrated import once
from tests.policies_built import conditions_checked_once, networks_compiled_once
from tests.postgres import MEMORY, ROOM, Server, database
from tests.stores import KINDS, SQLITE, Store, empty_template, server_store, sqlite_store


def pytest_configure() -> None:
    """Let an interrupt arrive: what a shell starts in the background ignores it, and so would all that is started."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _folders_in_memory()


def _folders_in_memory() -> None:
    """Let the folders of tests be in memory where there is room and programs may run.

    A disk takes milliseconds to promise each commit, for which tests only wait. What is promised is for a machine that
    loses power, which none of them makes. Those that kill who writes say `disk`, and find the moments of a disk.
    """
    if "PYTEST_DEBUG_TEMPROOT" in os.environ:
        return
    with suppress(OSError):
        if shutil.disk_usage(MEMORY).free >= 2 * ROOM and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


def pytest_collection_finish() -> None:
    """Let the collector look seldom, and never at what collecting tests left: a million objects that stay."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def shipped_documents_parsed_once() -> Iterator[None]:
    """Parse each shipped file once in this process: under every layer of a test they are the same bytes."""
    shipped, parse = shipped_rules(), LayerFiles.documents

    @functools.cache
    def parsed(name: str, content: bytes) -> tuple[Document, ...]:
        return tuple(parse(LayerFiles(None, shipped, {name: content}), name))  # type: ignore[arg-type]

    def documents(self: LayerFiles, name: str) -> list[Document]:
        return list(parsed(name, self.files[name])) if self.root == shipped else parse(self, name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LayerFiles, "documents", documents)
        yield


@pytest.fixture(scope="session", autouse=True)
def policies_built_of_known_parts() -> Iterator[None]:
    """Check each condition, and compile each list of them, once in this process: nearly all are the shipped ones."""
    with pytest.MonkeyPatch.context() as patch:
        conditions_checked_once(patch)
        networks_compiled_once(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def schema_made_once() -> Iterator[None]:
    """Let the schema of new ledgers on SQLite be copied from the first one of this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrate, "migrate", once(migrate.migrate))
        yield


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The folder of a test, on a disk where that counts."""
    if request.node.get_closest_marker("disk") is None:
        yield tmp_path
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


@pytest.fixture
def migrations(schema_made_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the migrations run each time, as they do outside of tests."""
    monkeypatch.setattr(migrate, "migrate", migrate.migrate.__wrapped__)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of PostgreSQL, for as long as the tests run."""
    running = Server()
    yield running
    running.close()


@pytest.fixture(scope="session")
def migrated(server: Server) -> str:
    """The name of a database with the schema and nothing in it, to be copied."""
    return empty_template(server)


@pytest.fixture
def server_database(server: Server, migrated: str, tmp_path: Path) -> Iterator[Store]:
    """A place on a server, migrated, where no ledger has begun."""
    with database(server, migrated) as name:
        yield server_store(server, name, tmp_path)


@pytest.fixture
def unmigrated(server: Server, tmp_path: Path) -> Iterator[Store]:
    """A place on a server where nothing is."""
    with database(server, "template0") as name:
        yield server_store(server, name, tmp_path)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A place where no ledger has begun, on either database."""
    if request.param == SQLITE:
        return sqlite_store(tmp_path)
    found: Store = request.getfixturevalue("server_database")
    return found


@pytest.fixture(params=KINDS)
def nowhere(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A place where not even a schema is, on either database."""
    if request.param == SQLITE:
        return sqlite_store(tmp_path)
    found: Store = request.getfixturevalue("unmigrated")
    return found
