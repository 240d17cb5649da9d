"""A ledger behind PgBouncer, which gives each transaction the next free process of the server."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft, EntryType, Ledger, open_ledger

from tests.postgres import OWNER
from tests.stores import Store

PROGRAM = shutil.which("pgbouncer")
pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="PgBouncer is not installed (Debian: apt-get install pgbouncer)"
)
NOTE = Draft(EntryType.HEARTBEAT, body={}, personal={"actor": "anna@acme.example"})
SETTINGS = """\
[databases]
* = host={server} port={port}
[pgbouncer]
listen_addr =
unix_socket_dir = {folder}
unix_socket_mode = 0777
listen_port = {port}
auth_type = trust
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = 2
logfile = {folder}/log
"""


@pytest.fixture(params=["transaction", "session"])
def pooled(server_database: Store, request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[str]:
    """The URL of a ledger behind a pool of two connections."""
    server = server_database.server
    assert server is not None
    assert PROGRAM is not None
    folder: Path = tmp_path_factory.mktemp("p")
    (folder / "users").write_text(f'"{OWNER}" ""\n')
    values = {"server": server.folder, "port": server.port, "folder": folder, "mode": request.param}
    (folder / "settings").write_text(SETTINGS.format(**values))
    user: dict[str, Any] = {}
    if os.geteuid() == 0:  # as root it refuses to run
        nobody = pwd.getpwnam("nobody")
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for each in (folder, *folder.iterdir()):
            os.chown(each, nobody.pw_uid, nobody.pw_gid)
        for parent in folder.parents[:-2]:
            parent.chmod(parent.stat().st_mode | 0o011)
    process = subprocess.Popen([PROGRAM, "-q", str(folder / "settings")], **user)
    try:
        _wait_for(folder / f".s.PGSQL.{server.port}", process)
        yield server_database.url.replace(str(server.folder), str(folder))
    finally:
        process.kill()
        process.wait()


def _wait_for(place: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as tried:
                tried.connect(str(place))
            return
        except OSError:
            assert process.poll() is None, "it does not start"
            assert time.monotonic() < deadline, "it does not listen"
            time.sleep(0.05)


def test_several_processes_of_the_server_serve_each_ledger_in_turns(server_database: Store, pooled: str) -> None:
    def append(ledger: Ledger) -> list[int]:
        return [ledger.append(NOTE).index for _ in range(60)]

    ledgers = [open_ledger(pooled, key_path=server_database.key) for _ in range(2)]
    try:
        with ThreadPoolExecutor(4) as pool:
            found = [index for indexes in pool.map(append, [*ledgers, *ledgers]) for index in indexes]
    finally:
        for each in ledgers:
            each.close()
    assert sorted(found) == list(range(240))
    with server_database.open(read_only=True) as ledger:
        assert ledger.verify().ok


def test_nothing_is_prepared_there(server_database: Store, pooled: str) -> None:
    with open_ledger(pooled, key_path=server_database.key) as ledger:
        for _ in range(4):
            ledger.append(NOTE)
        with ledger._database.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT name FROM pg_prepared_statements").all()
    assert found == []
