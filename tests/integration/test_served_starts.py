"""How a served engine starts, refuses to start, and stops: exit statuses, and words without a traceback."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.asking_servers import until, workers_of
from tests.faulted import Load, hold
from tests.integration.granting import WRITER, Granted
from tests.serving import free_port, make_token, serving_process
from tests.stores import sqlite_store

pytestmark = pytest.mark.slow


def serve(home: Path, *options: str, port: int | None = None, ledger: str | None = None) -> tuple[int, str]:
    """Run `policy serve`, which is to refuse; return its status and what it says."""
    command = [sys.executable, "-m", "policy_engine", "serve", "--listen", f"127.0.0.1:{port or free_port()}"]
    command += ["--ledger", ledger or f"sqlite:///{home}/l.db", *options]
    done = subprocess.run(
        command, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a cache that these tests share, so that not each of them has to parse all rules."""
    return tmp_path_factory.mktemp("home")


def listens(url: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(url.rpartition(":")[2]))) == 0


def test_a_port_that_is_taken(home: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        status, said = serve(home, port=other.getsockname()[1])
    assert status == 2
    assert "another process listens there" in said


def test_rules_that_are_broken(tmp_path: Path, home: Path) -> None:
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "parameters.yaml").write_text("parameters: {no_such_thing: {value: 1}}\n")
    status, said = serve(home, "--policy", str(layer))
    assert status == 3
    assert f"{layer}/parameters.yaml:1" in said
    line = json.loads([each for each in said.splitlines() if each.startswith("{")][-1])
    assert (line["level"], line["event"]) == ("error", "not started")
    assert f"{layer}/parameters.yaml:1" in line["message"]


def test_a_folder_of_state_is_one_servers_and_what_else_is_in_it_stays(tmp_path: Path, home: Path) -> None:
    state = tmp_path / "state"
    (state / "metrics").mkdir(parents=True)
    (state / "metrics" / "mine").write_text("kept")
    (state / "policy-serve-photos").mkdir()
    killed = state / "policy-serve-abcd1234"
    (killed / "rules").mkdir(parents=True)
    ledger = f"sqlite:///{tmp_path}/l.db"
    with serving_process(ledger, "--state", str(state), home=home):
        assert not killed.exists()  # a server left it that was killed
        (own,) = state.glob("policy-serve-????????")
        assert own.stat().st_mode & 0o777 == 0o700
        assert list((own / "metrics").glob("0.lock"))
        status, said = serve(home, "--state", str(state), ledger=ledger)
        assert status == 2
        assert f"another server has the folder `{state}`" in said
    assert (state / "metrics" / "mine").read_text() == "kept"
    assert {path.name for path in state.iterdir()} >= {"metrics", "policy-serve-photos"}
    assert not own.exists()


def test_a_ledger_that_cannot_be(home: Path) -> None:
    assert serve(home, ledger="mysql://x")[0] == 2


def test_a_ledger_that_comes_later(tmp_path: Path, home: Path) -> None:
    store = sqlite_store(tmp_path)
    place = Path(store.url.removeprefix("sqlite:///"))
    kept = place.with_name("kept")
    with store.open():
        pass
    place.rename(kept)
    place.write_bytes(b"no database at all, but a text that somebody put here")
    with serving_process(store.url, "--ledger-key", str(store.key), home=home, wait=False) as (server, process):
        ready = f"{server.url}/readyz"
        until(lambda: listens(server.url))
        answer = httpx.get(ready, timeout=30, trust_env=False)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert httpx.get(f"{server.url}/healthz", timeout=5, trust_env=False).status_code == 200
        place.unlink()
        assert httpx.get(ready, timeout=30, trust_env=False).status_code == 503  # none is made in its place
        kept.rename(place)
        came = time.monotonic()
        until(lambda: httpx.get(ready, timeout=5, trust_env=False).status_code == 200, 10)
        print(f"\nrecovery: a ledger that came later: {time.monotonic() - came:.2f} s")
        assert process.poll() is None


def test_signals_in_the_start_are_heeded_when_it_comes_to_them(tmp_path: Path, home: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    command = ["env", f"TMPDIR={temporary}", sys.executable, "-m", "policy_engine", "serve", "--ledger"]
    command += [f"sqlite:///{tmp_path}/l.db", "--listen", f"127.0.0.1:{free_port()}"]
    env = {**os.environ, "HOME": str(home)}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as process:
        caught = 1 << (signal.SIGHUP - 1) | 1 << (signal.SIGTERM - 1)
        status = Path(f"/proc/{process.pid}/status")

        def hears() -> bool:
            return int(status.read_text().partition("SigCgt:")[2].split()[0], 16) & caught == caught

        until(hears)
        assert not list(temporary.iterdir()), "it hears before it makes anything"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
    assert (process.returncode, "Traceback" in said) == (0, False)
    assert [json.loads(line)["event"] for line in said.splitlines() if line.startswith("{")][-2:] == [
        "stopping",
        "stopped",
    ]
    assert not list(temporary.iterdir())


def test_a_second_signal_ends_it_at_once(tmp_path: Path, home: Path) -> None:
    store = sqlite_store(tmp_path)
    with serving_process(store.url, "--ledger-key", str(store.key), home=home) as (_, process):
        (worker,) = workers_of(process.pid)
        os.kill(worker, signal.SIGSTOP)  # it does not end by itself
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 7
        assert not Path(f"/proc/{worker}").exists()
        assert process.stderr is not None
        assert "stopped at once" in process.stderr.read().decode()


def test_files_run_out_and_are_free_again(tmp_path: Path, home: Path) -> None:
    store = sqlite_store(tmp_path)
    token = make_token(store.url, key=store.key)
    with serving_process(store.url, "--ledger-key", str(store.key), home=home) as (server, process):
        (worker,) = workers_of(process.pid)
        used = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (used + 4, 4096))
        load = Load(server.url, token, 3)
        try:
            load.answered_after(time.monotonic())
            port = int(server.url.rpartition(":")[2])
            held = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
            time.sleep(1)
            for each in held:
                each.close()
            freed = time.monotonic()
            print(f"\nrecovery: files free again: {load.answered_after(freed):.2f} s")
        finally:
            load.stop()
        assert workers_of(process.pid) == [worker]
    hold(load, store.url, store.key)


def test_rules_that_change_are_seen_without_a_signal(tmp_path: Path, home: Path) -> None:
    store, layer = sqlite_store(tmp_path), tmp_path / "layer"
    layer.mkdir()
    (layer / "parameters.yaml").write_text("parameters: {attestation_days: {value: 40}}\n")
    options = ("--policy", str(layer), "--reload-seconds", "0.3", "--ledger-key", str(store.key))
    with serving_process(store.url, *options, home=home) as (server, process):

        def ready() -> dict[str, object]:
            found: dict[str, object] = httpx.get(f"{server.url}/readyz", timeout=5, trust_env=False).json()
            return found

        first = ready()
        (layer / "parameters.yaml").unlink()  # an empty layer is none
        until(lambda: "reload" in ready())
        assert ready()["policy"] == first["policy"]
        (layer / "parameters.yaml").write_text("parameters: {attestation_days: {value: 40}}\n")
        until(lambda: ready() == first)
        (layer / "parameters.yaml").write_text("parameters: {attestation_days: {value: 41}}\n")
        until(lambda: ready()["policy"] != first["policy"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stderr is not None
        lines = [json.loads(line) for line in process.stderr.read().decode().splitlines() if line.startswith("{")]
        assert [each["event"] for each in lines].count("reload failed") == 1  # and not at each look


def test_a_user_who_was_not_granted_anew_is_told_at_the_start(granted: Granted, home: Path) -> None:
    with granted.store.open(), granted.server.connect(granted.store.database) as owner:
        owner.execute(f'REVOKE DELETE ON once FROM "{WRITER}"')
    options = ("--ledger-key", str(granted.store.key))
    with serving_process(granted.url(WRITER), *options, home=home) as (_, process):
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        assert process.stderr is not None
        said = process.stderr.read().decode()
        assert "DELETE on once" in said
        assert "policy db grants" in said


def test_a_key_that_is_none_is_said_in_the_log_too(tmp_path: Path, home: Path) -> None:
    store = sqlite_store(tmp_path)
    with store.open():
        pass
    store.key.write_bytes(b"no key")
    status, said = serve(home, "--ledger-key", str(store.key), "--log-format", "json", ledger=store.url)
    assert status == 6
    (line,) = (json.loads(each) for each in said.splitlines() if each.startswith("{"))
    assert (line["event"], line["code"]) == ("not started", "signing-key")
