"""Too much at once, too long, nobody there to answer: what is refused is not recorded, what is recorded is whole."""

from __future__ import annotations

import copy
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from policy_audit.ledger import Ledger, open_ledger

from policy_engine.errors import InputError
from policy_engine.loading.policy import load_policy
from policy_engine.service.bodies import read_workloads
from policy_engine.service.deciding import LARGE_BYTES, Evaluator
from policy_engine.service.settings import Limits
from tests.serving import WORKLOAD, Server, make_token, serving


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Evaluations of workloads called `slow...` wait until this is set."""
    go, one = threading.Event(), Evaluator._one

    def waiting(self: Evaluator, loaded: Any, *rest: Any) -> Any:
        if loaded.workload.metadata.name.startswith("slow"):
            go.wait(20)
        return one(self, loaded, *rest)

    monkeypatch.setattr(Evaluator, "_one", waiting)
    yield go
    go.set()


def called(name: str) -> dict[str, Any]:
    found = copy.deepcopy(WORKLOAD)
    found["metadata"]["name"] = name
    return found


def ask(server: Server, body: Any) -> Any:
    with server.client() as client:
        return client.post("/v1/decisions", json=body)


def names(url: str) -> list[str]:
    with open_ledger(url, read_only=True) as ledger:
        found = ledger.list_entries(type="decision", newest_first=False)
        return [each.document["view"]["workload"] for each in found]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_request_too_many_is_told_to_come_back(url: str, held: threading.Event) -> None:
    with serving(url, limits=Limits(waiting=2)) as server, ThreadPoolExecutor(2) as pool:
        assert server.service is not None
        slow = [pool.submit(ask, server, called(f"slow-{n}")) for n in range(2)]
        until(lambda: server.service is not None and server.service.decisions.working == 2)
        refused = ask(server, called("quick"))
        assert (refused.status_code, refused.json()["code"]) == (429, "busy")
        assert refused.headers["retry-after"] == "1"
        held.set()
        assert [each.result().status_code for each in slow] == [200, 200]
        assert ask(server, called("quick")).status_code == 200
    assert sorted(names(url)) == ["quick", "slow-0", "slow-1"]


def test_what_is_not_decided_in_time_is_given_up_and_not_recorded(url: str, held: threading.Event) -> None:
    with serving(url, limits=Limits(request_seconds=0.3)) as server:
        refused = ask(server, [called("quick"), called("slow-1"), called("last")])
        assert (refused.status_code, refused.json()["code"]) == (503, "evaluation-timeout")
        assert refused.headers["retry-after"].isdigit()
        held.set()
        assert ask(server, called("quick")).status_code == 200
    assert names(url) == ["quick"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"[" + b",".join([b"1"] * 500_000) + b"]", "too-many-values"),
        (b'{"a":[' + b",".join([b"1"] * 500_000) + b"]}", "too-many-values"),
        (b"- - - - - - 1\n" * 60_000, "too-many-workloads"),
        (b"a:\n" + b" - - - - - - 1\n" * 60_000, "too-many-values"),
        (b"--- 1\n" * 60_000, "too-many-workloads"),
        (b"{}\n" + b"---\n{}\n" * 99, "workload-"),
    ],
    ids=["list", "in a mapping", "block", "block in a mapping", "stream", "as many as are taken"],
)
def test_bodies_that_are_no_workloads_are_left_early(body: bytes, code: str) -> None:
    started = time.process_time()
    with pytest.raises(InputError) as error:
        read_workloads(body, load_policy().vocabulary, 100)
    assert time.process_time() - started < 5
    assert error.value.code.startswith(code) or (code == "workload-" and len(error.value.problems) >= 100)


def test_large_bodies_of_one_wait_for_each_other_and_not_those_of_others(url: str, held: threading.Event) -> None:
    def padded(name: str) -> dict[str, str | bytes]:
        return {"content": json.dumps(called(name)).encode() + b" " * (LARGE_BYTES + 1)}

    def send(token: str, name: str) -> Any:
        with server.client(token) as client:
            return client.post("/v1/decisions", **padded(name), headers={"Content-Type": "application/json"})

    first = make_token(url, "decide", subject="first@acme.example")
    second = make_token(url, "decide", subject="second@acme.example")
    with serving(url) as server, ThreadPoolExecutor(6) as pool:
        assert server.service is not None
        large, decisions = server.service.evaluator._large, server.service.decisions
        slow = [pool.submit(send, first, f"slow-{n}") for n in range(5)]
        until(lambda: decisions.evaluating == 5)
        other = pool.submit(send, second, "other")
        until(lambda: decisions.evaluating == 6)
        time.sleep(0.1)
        assert large._work_queue.qsize() == 1, "the other's, behind one of the first's"
        held.set()
        assert {each.result().status_code for each in [*slow, other]} == {200}


def test_what_is_handed_to_the_ledger_is_waited_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    append = Ledger.append_groups

    def slowly(self: Ledger, groups: Any) -> Any:
        time.sleep(0.6)
        return append(self, groups)

    monkeypatch.setattr(Ledger, "append_groups", slowly)
    with serving(url, limits=Limits(request_seconds=0.3)) as server:
        answer = ask(server, called("patient"))
    assert answer.status_code == 200
    assert names(url) == ["patient"]


def test_long_lists_and_slow_workloads_do_not_hold_up_a_short_one(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one, begun = Evaluator._one, list[str]()

    def slowly(self: Evaluator, loaded: Any, *rest: Any) -> Any:
        if loaded.workload.metadata.name.startswith("long"):
            begun.append(loaded.workload.metadata.name)
            time.sleep(0.05)
        return one(self, loaded, *rest)

    monkeypatch.setattr(Evaluator, "_one", slowly)
    many = [[called(f"long-{each}-{n}") for n in range(16)] for each in range(3)]
    with serving(url, threads=1) as server, ThreadPoolExecutor(3) as pool:
        lists = [pool.submit(ask, server, each) for each in many]
        until(lambda: server.service is not None and server.service.decisions.working == 3)
        before = len(begun)
        assert ask(server, called("short")).status_code == 200
        meanwhile = len(begun) - before
        assert not any(each.done() for each in lists)
        assert [each.result().status_code for each in lists] == [200] * 3
    assert meanwhile < 24  # of the 48 that the lists have
    assert len(names(url)) == 49


def test_who_leaves_leaves_a_whole_record_or_none(url: str) -> None:
    body = json.dumps([called("one"), called("two")]).encode()
    lines = ("POST /v1/decisions HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {len(body)}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    with serving(url) as server:
        place = urlsplit(server.url)
        assert place.hostname is not None
        for sent in (len(body), len(body) // 2, len(body), 0, len(body)):
            with socket.create_connection((place.hostname, place.port or 0)) as connection:
                connection.sendall(head.encode() + body[:sent])
        assert ask(server, called("last")).status_code == 200
    found = names(url)
    assert found.count("last") == 1
    assert [each for each in found if each != "last"] == ["one", "two"] * found.count("one")
    assert found.count("one") <= 3
    with open_ledger(url, read_only=True) as ledger:
        assert ledger.verify().ok
