"""Whether a worker is ready: known without a probe, by the ledger's own keys, and by what commits are refused with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from policy_audit.errors import LedgerError
from policy_audit.keys import generate_signer, write_key_file
from policy_audit.ledger import Ledger, open_ledger
from policy_audit.personal_key import path_of
from prometheus_client.parser import text_string_to_metric_families

from policy_engine.errors import Problem, RecordingError
from policy_engine.service import ledgers, readiness
from tests.asking_servers import until
from tests.serving import WORKLOAD, Server, serving
from tests.stores import Store, sqlite_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = sqlite_store(tmp_path)
    with found.open():
        return found


@pytest.fixture
def server(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(readiness, "ASK_SECONDS", 0.05)
    monkeypatch.setattr(ledgers, "REFUSED_SECONDS", 0.0)
    with serving(store.url, key=store.key, public_metrics=True) as running:
        yield running


def ready(server: Server) -> tuple[int, str | None]:
    with server.client() as client:
        answer = client.get("/readyz")
    return answer.status_code, answer.json().get("code")


def shown(server: Server, name: str, **labels: str) -> float:
    with server.client() as client:
        families = list(text_string_to_metric_families(client.get("/metrics").text))
    samples = [each for family in families for each in family.samples]
    return sum(each.value for each in samples if each.name == name and each.labels == labels)


def test_it_is_known_though_nobody_asks(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.service is not None
    assert shown(server, "policy_ready") == 1
    with monkeypatch.context() as away:

        def refuse() -> None:
            raise RecordingError(Problem("ledger-unreachable", "it is away"))

        away.setattr(server.service.door, "open", refuse)
        until(lambda: shown(server, "policy_ready") == 0, 5)
    until(lambda: shown(server, "policy_ready") == 1, 5)


def test_a_ledger_that_does_not_answer_is_not_ready(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "SILENT_SECONDS", 0.0)
    assert shown(server, "policy_ready") == 0


@pytest.mark.parametrize(("which", "code"), [("key", "ledger-tampered"), ("personal", "personal-key-other")])
def test_keys_of_another_ledger_are_not_ready(server: Server, store: Store, which: str, code: str) -> None:
    own = store.key if which == "key" else path_of(store.key)
    (own.parent / "other").mkdir()
    other = sqlite_store(own.parent / "other")
    with open_ledger(other.url, key_path=other.key):
        theirs = other.key if which == "key" else path_of(other.key)
    with server.client(server.token("decide", "read")) as client:
        assert client.post("/v1/decisions", json=WORKLOAD).status_code == 200
    kept = own.with_suffix(".kept")
    shutil.copy2(own, kept)
    shutil.copy2(theirs, own)
    with serving(store.url, key=store.key, public_metrics=True) as wrong:
        assert ready(wrong) == (503, code)
        assert shown(wrong, "policy_ready") == 0
    shutil.copy2(kept, own)
    with serving(store.url, key=store.key) as right:
        assert ready(right) == (200, None)


def test_a_key_that_was_rotated_is_not_ready_until_the_new_one_is_there(server: Server, store: Store) -> None:
    new = store.key.with_suffix(".new")
    with store.open() as ledger:
        assert ledger.origin is not None
        signer = generate_signer(ledger.origin)
        write_key_file(new, signer)
        ledger.rotate_key(signer, None)
    assert ready(server) == (503, "signing-key-rotated")
    new.replace(store.key)
    until(lambda: ready(server) == (200, None), 5)


def test_a_commit_that_was_refused_is_not_ready_until_one_succeeds(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LedgerError("the disk is full", code="ledger-disk-full")

    with server.client(server.token("decide")) as client:
        assert client.post("/v1/decisions", json=WORKLOAD).status_code == 200
        with monkeypatch.context() as filled:
            filled.setattr(Ledger, "append_groups", full)
            assert client.post("/v1/decisions", json=WORKLOAD).status_code == 503
        assert ready(server) == (503, "ledger-disk-full")
        assert shown(server, "policy_ready") == 0
        # probes are counted as well: they are all that is left where a balancer sends nobody
        assert shown(server, "policy_ledger_refusals_total", code="ledger-disk-full") == 2
        monkeypatch.setattr(readiness, "REFUSED_SECONDS", 0.0)
        assert ready(server)[0] == 200
        monkeypatch.setattr(readiness, "REFUSED_SECONDS", 60.0)
        assert client.post("/v1/decisions", json=WORKLOAD).status_code == 200
    assert ready(server)[0] == 200
