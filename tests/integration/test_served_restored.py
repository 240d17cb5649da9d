"""A ledger that is restored under a running server: nothing of the history that is lost counts any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psycopg
import pytest
from policy_audit.restoring import restore_draft

from policy_engine.service.ground import BEARING
from tests.asking_servers import until
from tests.serving import WORKLOAD, make_token, serving_process
from tests.stores import Store

pytestmark = pytest.mark.slow
T = TypeVar("T")


class Place:
    """A database on a server, and copies of it that are put in its place."""

    def __init__(self, store: Store) -> None:
        assert store.server is not None
        self.store, self.server = store, store.server

    def alone(self, database: str, do: Callable[[], T]) -> T:
        """Do what wants nobody else in a database, whose clients come back at once."""
        for _ in range(100):
            with self.server.connect() as admin:
                where = f"datname = '{database}'"
                admin.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {where}")
            with suppress(psycopg.errors.ObjectInUse):
                return do()
        raise AssertionError("there is always somebody else")

    def copied(self) -> str:
        return self.alone(self.store.database, lambda: self.server.create(self.store.database))

    def put_back(self, copy: str) -> str:
        """Put a copy in the ledger's place; return what the other one is called now."""
        newer = f"{self.store.database}_newer"
        self.rename(self.store.database, newer)
        self.rename(copy, self.store.database)
        return newer

    def rename(self, old: str, new: str) -> None:
        with self.server.connect() as admin:
            self.alone(old, lambda: admin.execute(f"ALTER DATABASE {old} RENAME TO {new}"))


def workload(name: str) -> dict[str, Any]:
    found: dict[str, Any] = deepcopy(WORKLOAD)
    found["metadata"]["name"] = name
    return found


def test_who_was_let_in_and_what_was_stored_is_asked_anew(server_database: Store, tmp_path: Path) -> None:
    place, store = Place(server_database), server_database
    ann = make_token(store.url, key=store.key)
    started = serving_process(store.url, "--workers", "2", "--ledger-key", str(store.key), home=tmp_path)
    with started as (server, _), httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client:

        def asked(token: str, name: str) -> tuple[int, dict[str, Any]]:
            headers = {"Authorization": f"Bearer {token}"}
            answer = client.post("/v1/decisions?purpose=deploy", json=workload(name), headers=headers)
            return answer.status_code, answer.json()

        assert asked(ann, "first")[0] == 200
        copy = place.copied()
        # what the copy lacks: a token, at the index that the restore will have, and two documents
        eve = make_token(store.url, key=store.key, subject="eve@acme.example")
        with store.open(read_only=True) as ledger:
            bearing = ledger.latest(BEARING)
        until(lambda: asked(eve, "second")[0] == 200)
        for _ in range(8):  # by both workers
            assert asked(eve, "second")[0] == asked(ann, "third")[0] == 200
        newer = place.put_back(copy)
        try:
            until(lambda: asked(ann, "first")[1].get("code") == "ledger-rolled-back")
            with store.open() as ledger:
                (recorded,) = ledger.append_many([restore_draft(ledger, "a copy", "the disk failed", [])])
            assert recorded.index + 1 == bearing, "what bears on decisions is as long as before"
            until(lambda: asked(ann, "second")[0] == 200, 60)
            for _ in range(20):
                status, problem = asked(eve, "second")
                assert (status, problem["code"]) in ((401, "token-unknown"), (503, "ledger-restored"))
                assert asked(ann, "third")[0] in (200, 503)
            until(lambda: asked(ann, "third")[0] == 200, 60)
            assert asked(eve, "third")[0] == 401
            with store.open(read_only=True) as ledger:
                assert ledger.verify().ok, ledger.verify()
                subjects = {json.dumps(ledger.personal(each.index)) for each in ledger.list_entries(type="decision")}
            assert not any("eve" in each for each in subjects)
        finally:
            place.server.drop(newer)
