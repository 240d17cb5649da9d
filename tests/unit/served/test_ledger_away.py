"""A served engine whose ledger, or one of its keys, goes, is another's, or is an older copy: 503, until it is right."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from policy_audit.ledger import open_ledger
from policy_audit.restoring import restore_draft

from policy_engine.cli.options import LedgerChoice
from policy_engine.cli.serve_ledger import begin_ledger
from policy_engine.service import ledgers, readiness
from policy_engine.service.open_access import OpenAccess
from policy_engine.service.settings import Settings
from policy_engine.serving.logs import Log
from tests.asking_servers import until
from tests.serving import WORKLOAD, make_token, serving
from tests.stores import Store, sqlite_store


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "REFUSED_SECONDS", 0.0)
    monkeypatch.setattr(readiness, "REFUSED_SECONDS", 0.0)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "place").mkdir()
    return sqlite_store(tmp_path / "place")


@pytest.fixture
def client(store: Store) -> Iterator[httpx.Client]:
    token = make_token(store.url, key=store.key)
    with serving(store.url, key=store.key, create=False) as server, server.client(token) as opened:
        assert decide(opened) == (200, None)
        yield opened


def decide(client: httpx.Client) -> tuple[int, str | None]:
    answer = client.post("/v1/decisions", json=WORKLOAD)
    assert answer.status_code != 503 or answer.headers["Retry-After"]
    return answer.status_code, answer.json().get("code")


def all_refused(client: httpx.Client, *codes: str) -> None:
    for answer in (
        client.get("/readyz"),
        client.post("/v1/decisions", json=WORKLOAD),
        client.get("/checkpoint"),
        client.get("/v1/decisions"),
        client.get("/readyz"),
    ):
        assert answer.status_code == 503
        assert answer.json()["code"] in codes
        assert answer.headers["Retry-After"]


def right_again(client: httpx.Client) -> None:
    until(lambda: decide(client)[0] == 200, 5)
    assert client.get("/readyz").status_code == 200
    assert client.get("/checkpoint").status_code == 200


@contextmanager
def away(path: Path) -> Iterator[None]:
    kept = path.with_name("away")
    path.rename(kept)
    try:
        yield
    finally:
        kept.rename(path)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_that_goes_is_missed_and_none_is_made(client: httpx.Client, store: Store, what: str) -> None:
    assert store.path is not None
    path = store.path if what == "file" else store.path.parent
    with away(path):
        all_refused(client, "ledger-gone", "ledger-missing")
        with httpx.Client(base_url=client.base_url, trust_env=False) as nobody:
            assert decide(nobody)[0] == 503  # and never 200, as where nobody was given a token
        assert not path.exists()
    right_again(client)


def test_an_older_copy_is_refused_and_so_is_its_restore_in_this_process(client: httpx.Client, store: Store) -> None:
    assert store.path is not None
    copy = store.path.with_name("copy")
    subprocess.run(["cp", store.path, copy], check=True)  # by another process: closing it would drop locks in this one
    while not int(client.get("/checkpoint").text.split("\n")[1]) > 3:
        assert decide(client)[0] == 200
    for each in store.path.parent.glob(f"{store.path.name}-*"):
        each.unlink()
    copy.replace(store.path)
    all_refused(client, "ledger-replaced", "ledger-rolled-back")
    assert decide(client) == (503, "ledger-rolled-back")
    with store.open() as ledger:
        ledger.append(restore_draft(ledger, "a copy", "the disk failed", []))
    # this process remembers of the old epoch who was let in, and what is stored: it is to be another one's
    all_refused(client, "ledger-restored")
    assert decide(client) == (503, "ledger-restored")


@pytest.mark.parametrize("kind", ["missing", "empty", "other", "exposed"])
@pytest.mark.parametrize("which", ["key", "personal_key"])
def test_a_key_counts_as_its_file_has_it(client: httpx.Client, store: Store, which: str, kind: str) -> None:
    path: Path = getattr(store, which)
    (path.parent / "other").mkdir()
    other = sqlite_store(path.parent / "other")
    make_token(other.url, key=other.key)
    kept = path.with_name("kept")
    shutil.copy2(path, kept)
    spoil: dict[str, Callable[[], Any]] = {
        "missing": path.unlink,
        "empty": lambda: path.write_bytes(b""),
        "other": lambda: path.write_bytes(getattr(other, which).read_bytes()),
        "exposed": lambda: path.chmod(0o644),
    }
    spoil[kind]()
    assert client.get("/readyz").status_code == 503
    # neither 401, which would send whoever asks for another token, nor 200, by the key that is still in memory
    status, code = decide(client)
    assert status == 503
    assert code is not None
    assert code.startswith(("signing-key", "personal-key", "ledger-tampered"))
    assert client.get("/readyz").json()["code"] == code
    kept.replace(path)
    right_again(client)


def test_a_file_that_could_not_be_written_to_is_opened_again(store: Store) -> None:
    assert store.path is not None
    token = make_token(store.url, key=store.key)
    lock = (["chattr", "+i"], ["chattr", "-i"]) if os.geteuid() == 0 else (["chmod", "400"], ["chmod", "600"])
    if subprocess.run([*lock[0], store.path], capture_output=True, check=False).returncode:
        pytest.skip("the file system has no immutable files, and root is kept out by nothing else")
    try:
        with serving(store.url, key=store.key) as server, server.client(token) as client:
            assert decide(client)[0] == 503
            subprocess.run([*lock[1], store.path], check=True)
            right_again(client)
    finally:
        subprocess.run([*lock[1], store.path], check=True)


def test_open_access_never_comes_back(tmp_path: Path) -> None:
    shared = Settings(ledger="sqlite:///x", rules=tmp_path / "rules")
    one, other = OpenAccess(shared), OpenAccess(shared)
    assert one.lasts
    assert other.lasts
    one.end()
    assert not one.lasts
    assert not other.lasts, "nor in another worker"
    assert not OpenAccess(shared).lasts, "nor in one that replaces it"
    assert not OpenAccess(Settings(ledger="sqlite:///x", token_made=True)).lasts


def test_open_access_ends_in_a_service_with_the_first_token(store: Store) -> None:
    with serving(store.url, key=store.key) as server, server.client() as nobody:
        assert server.service is not None
        assert decide(nobody)[0] == 200
        assert server.service.open_access.lasts
        server_token = make_token(store.url, key=store.key)
        assert decide(nobody)[0] == 401
        with server.client(server_token) as client:
            assert decide(client)[0] == 200
        assert not server.service.open_access.lasts


def test_a_start_makes_a_ledger_where_there_is_a_place_and_no_folder(tmp_path: Path) -> None:
    log = Log(handle=None)
    path = tmp_path / "place" / "l.db"
    choice = LedgerChoice(f"sqlite:///{path}", None, explicit=True)
    assert not begin_ledger(choice, log)
    assert not path.parent.exists()
    path.parent.mkdir()
    assert begin_ledger(choice, log)
    with open_ledger(choice.url, create=False):
        pass
