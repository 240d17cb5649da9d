"""What a served engine does when something fails, with real processes, while clients keep asking.

Under each fault: every decision that was handed out is on record, with the same id at the same index; what is no
decision is a 503 that says when to come back, or a connection that was cut with its worker; the tree verifies; and
decisions are handed out again by themselves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.asking_servers import until, workers_of
from tests.faulted import Load, Relay, hold
from tests.postgres import Server as Database
from tests.postgres import database
from tests.serving import make_token, serving_process
from tests.stores import Store, server_store, sqlite_store

pytestmark = pytest.mark.slow
PARAMETERS = "parameters: {attestation_days: {value: %s}}\n"


class Served:
    """A served engine on a database server of its own, behind a relay."""

    def __init__(self, url: str, pid: int, store: Store, relay: Relay, layer: Path, home: Path) -> None:
        self.url, self.pid, self.store, self.relay, self.layer, self.home = url, pid, store, relay, layer, home
        self.token = make_token(store.url, key=store.key)

    @property
    def workers(self) -> list[int]:
        return workers_of(self.pid)

    @contextmanager
    def asked(self) -> Iterator[Load]:
        """Ask while the block runs and until decisions are handed out again; then hold them to the ledger."""
        load = Load(self.url, self.token)
        try:
            load.answered_after(time.monotonic())
            yield load
        finally:
            load.stop()
        hold(load, self.store.url, self.store.key)

    def get(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.get(self.url + path, headers=headers, timeout=40, trust_env=False)

    def in_force(self) -> dict[str, Any]:
        """Return the policy; a worker that has not asked the ledger since a fault may say 503 once more."""
        deadline = time.monotonic() + 10
        while (answer := self.get("/v1/policy")).status_code == 503 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def reload(self) -> None:
        os.kill(self.pid, signal.SIGHUP)

    def policy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "HOME": str(self.home), "POLICY_LEDGER_KEY": str(self.store.key)}
        command = [sys.executable, "-m", "policy_engine", *arguments, "--ledger", self.store.url]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def database_server() -> Iterator[Database]:
    """A server that is no other tests', to be stopped and killed."""
    running = Database()
    yield running
    running.close()


@pytest.fixture(scope="module")
def served(database_server: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    from policy_audit import migrate

    home, sockets = tmp_path_factory.mktemp("served"), tmp_path_factory.mktemp("s")
    layer = home / "layer"
    layer.mkdir()
    (layer / "parameters.yaml").write_text(PARAMETERS % 30)
    with database(database_server, "template0") as name:
        store = server_store(database_server, name, home)
        migrate.upgrade(store.url)
        relay = Relay(sockets, str(database_server.folder / f".s.PGSQL.{database_server.port}"))
        behind = store.url.replace(str(database_server.folder).replace("/", "%2F"), str(sockets).replace("/", "%2F"))
        behind = behind.replace(str(database_server.folder), str(sockets))
        assert behind != store.url
        with store.open():
            pass
        options = ("--workers", "2", "--policy", str(layer), "--ledger-key", str(store.key))
        with serving_process(behind, *options, home=home) as (server, process):
            yield Served(server.url, process.pid, store, relay, layer, home)
            relay.passing.set()
        relay.close()


def said(name: str, seconds: float) -> None:
    """Note how long it took until decisions were handed out again."""
    print(f"\nrecovery: {name}: {seconds:.2f} s")


@pytest.mark.parametrize("count", [1, 2])
def test_workers_that_are_killed_are_replaced(served: Served, count: int) -> None:
    with served.asked() as load:
        before = served.workers
        assert len(before) == 2
        for each in before[:count]:
            os.kill(each, signal.SIGKILL)
        killed = time.monotonic()
        said(f"{count} of 2 workers killed", load.answered_after(killed))
        until(lambda: len(served.workers) == 2 and not set(before[:count]) & set(served.workers))
        said("workers replaced", time.monotonic() - killed)
    assert sum(each.status is None for each in load.outcomes) <= 12


def test_a_worker_that_hangs_is_replaced(served: Served) -> None:
    with served.asked() as load:
        hung = served.workers[0]
        os.kill(hung, signal.SIGSTOP)
        stopped = time.monotonic()
        said("a worker stopped, the other answers", load.answered_after(stopped))
        until(lambda: hung not in served.workers and len(served.workers) == 2, 40)
        said("a worker stopped, replaced", time.monotonic() - stopped)
        load.answered_after(time.monotonic())


def terminate(server: Database) -> None:
    with server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND backend_type = 'client backend'"
        )


def restart(server: Database) -> None:
    server.stop()
    time.sleep(0.5)
    server.start()


def crash(server: Database) -> None:
    server.kill()
    time.sleep(0.5)
    server.start()


@pytest.mark.parametrize("fault", [terminate, restart, crash])
def test_a_database_that_goes_away_and_comes_back(
    served: Served, database_server: Database, fault: Callable[[Database], None]
) -> None:
    with served.asked() as load:
        before = served.workers
        began = time.monotonic()
        fault(database_server)
        said(f"database: {fault.__name__}", load.answered_after(time.monotonic()))
        assert fault is terminate or any(each.status == 503 and each.began > began for each in load.outcomes)
    assert served.workers == before


def test_a_network_that_stalls(served: Served) -> None:
    with served.asked() as load:
        before = served.workers
        served.relay.passing.clear()
        stalled = time.monotonic()
        load.refused_after(stalled, "ledger-unreachable", 35)
        said("network stalled, the first refusal", time.monotonic() - stalled)
        served.relay.passing.set()
        said("network back", load.answered_after(time.monotonic()))
    assert served.workers == before


def _told(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


def test_a_newer_version_migrates_the_ledger(served: Served) -> None:
    with served.asked() as load:
        with served.store.connection() as connection:
            connection.execute("UPDATE alembic_version SET version_num = '9999'")
        try:
            load.refused_after(time.monotonic(), "ledger-newer")
            # each worker looks for itself, and one may still tell of the fault before
            until(lambda: _told(served.get("/readyz")) == (503, "ledger-newer"))
        finally:
            with served.store.connection() as connection:
                connection.execute("UPDATE alembic_version SET version_num = '0004'")
        said("schema as it was", load.answered_after(time.monotonic()))


def test_broken_rules_leave_the_old_in_force_and_are_told(served: Served) -> None:
    before = served.in_force()
    assert before["reload"] is None
    file = served.layer / "parameters.yaml"
    with served.asked() as load:
        file.write_text("parameters: {attestation_days: {value: [")
        served.reload()
        until(lambda: "reload" in served.get("/readyz").json())
        until(lambda: served.in_force()["reload"] is not None)
        found = served.in_force()
        assert found["policy"] == before["policy"]
        assert str(file) in found["reload"]["problems"][0]["place"]
        os.kill(served.workers[0], signal.SIGKILL)  # the one that follows has the old rules, too
        until(lambda: len(served.workers) == 2)
        load.answered_after(time.monotonic())
        file.write_text(PARAMETERS % 31)
        served.reload()
        told = time.monotonic()
        until(lambda: all(served.in_force()["policy"] != before["policy"] for _ in range(8)))
        said("rules in force in all workers", time.monotonic() - told)
        for _ in range(8):
            assert served.in_force()["reload"] is None
            assert served.get("/readyz").json().keys() == {"status", "policy"}
    assert not [each for each in load.outcomes if each.status not in (200, None)]
    with served.store.open(read_only=True) as ledger:
        policies = {each.document["view"]["policy_digest"] for each in ledger.list_entries(type="decision", limit=40)}
    assert policies <= {before["policy"], served.in_force()["policy"]}


def test_the_signing_key_is_rotated_under_a_running_server(served: Served) -> None:
    with served.asked() as load:
        new = served.home / "new.key"
        done = served.policy("audit", "rotate-key", "--new-key", str(new), "--reason", "yearly")
        assert done.returncode == 0, done.stderr
        load.refused_after(time.monotonic(), "signing-key-rotated")
        Path(f"{new}.personal").replace(served.store.personal_key)
        new.replace(served.store.key)
        said("key rotated and put in place", load.answered_after(time.monotonic()))


def test_workers_end_with_their_supervisor(served: Served) -> None:
    workers = served.workers
    load = Load(served.url, served.token)
    try:
        load.answered_after(time.monotonic())
        os.kill(served.pid, signal.SIGKILL)
        killed = time.monotonic()
        until(lambda: not any(Path(f"/proc/{each}").exists() for each in workers), 40)
        said("workers ended after their supervisor", time.monotonic() - killed)
    finally:
        load.stop()
    hold(load, served.store.url, served.store.key)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        store = sqlite_store(disk)
        token = make_token(store.url, key=store.key)
        with serving_process(store.url, "--ledger-key", str(store.key), home=tmp_path) as (server, _):
            load = Load(server.url, token, 4)
            try:
                load.answered_after(time.monotonic())
                filler = disk / "filler"
                with suppress(OSError), filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(bytes(4096))
                load.refused_after(time.monotonic(), "ledger-disk-full", 30)
                filler.unlink()
                said("room again", load.answered_after(time.monotonic()))
            finally:
                load.stop()
            hold(load, store.url, store.key)
    finally:
        subprocess.run(["umount", str(disk)], check=True)
