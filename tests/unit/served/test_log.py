"""`GET /checkpoint` and `/tile/...`: byte for byte the folder that `policy audit export` writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from policy_audit.entry import Draft, EntryType
from policy_audit.folder_check import Wanted, verify_folder
from policy_audit.ledger import open_ledger

from tests.serving import Server, serving

ENTRIES = 300


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    ledger = f"sqlite:///{tmp_path_factory.mktemp('log') / 'ledger.db'}"
    with open_ledger(ledger) as opened:
        opened.append_many([Draft(EntryType.HEARTBEAT, body={"number": number}) for number in range(ENTRIES)])
    with serving(ledger) as running:
        yield running


def test_the_files_are_those_of_the_exported_folder(server: Server, tmp_path: Path) -> None:
    token = server.token("read")
    with open_ledger(server.ledger) as ledger:
        ledger.export_log(tmp_path / "exported")
        vkey = ledger.verifier_key
    exported = {path.relative_to(tmp_path / "exported").as_posix(): path.read_bytes()
                for path in (tmp_path / "exported").rglob("*") if path.is_file()}  # fmt: skip
    assert {"checkpoint", "tile/0/000", "tile/0/001.p/45", "tile/1/000.p/1", "tile/entries/000"} <= exported.keys()
    with server.client(token) as client:
        for name, data in exported.items():
            answer = client.get(f"/{name}")
            assert (answer.status_code, answer.content) == (200, data), name
            note = name == "checkpoint"
            kind = "text/plain; charset=utf-8" if note else "application/octet-stream"
            keep = "private, no-cache" if note else "private, max-age=31536000, immutable"
            assert (answer.headers["content-type"], answer.headers["cache-control"]) == (kind, keep)
            served = tmp_path / "served" / name
            served.parent.mkdir(parents=True, exist_ok=True)
            served.write_bytes(answer.content)
    report = verify_folder(tmp_path / "served", Wanted([vkey]))
    assert [step for step in report.steps if step.status == "failed"] == []
    assert report.size == ENTRIES + 1


@pytest.mark.parametrize(
    "path",
    ["0/002", "0/001", "0/1",
     "0/001.p/200", "0/001.p/0", "00/000", "-1/000", "x/000", "entries/002", "entries", "", "0/000/",
     "0/000.p/256", "63/000", "64/000", "0/x000/000", "0/%00", "0/" + "x001/" * 40 + "001"],
)  # fmt: skip
def test_what_the_tree_does_not_have_is_not_there(server: Server, path: str) -> None:
    with server.client(server.token("read")) as client:
        answer = client.get(f"/tile/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_who_may_see_the_log(server: Server) -> None:
    server.token("read")
    with server.client() as nobody:
        assert [nobody.get(path).status_code for path in ("/checkpoint", "/tile/0/000")] == [401, 401]
    with server.client(server.token("decide")) as pipeline:
        assert [pipeline.get(p).status_code for p in ("/checkpoint", "/tile/0/000", "/tile/entries/000")] == [
            200,
            200,
            403,
        ]
    with server.client(server.token("read", namespaces=["hr"])) as scoped:
        assert [scoped.get(p).status_code for p in ("/checkpoint", "/tile/0/000", "/tile/entries/000")] == [
            200,
            200,
            403,
        ]
        for evasion in ("/tile/%65ntries/000", "/tile//entries/000", "/tile/0/../entries/000"):
            assert scoped.get(evasion).status_code in (403, 404)


def test_a_public_log_is_for_anybody(server: Server) -> None:
    server.token("read")  # without any the server would be open
    with serving(server.ledger, public_log=True) as public, public.client() as anybody:
        for path in ("/checkpoint", "/tile/0/000", "/tile/entries/000"):
            answer = anybody.get(path)
            assert answer.status_code == 200
            assert answer.headers["cache-control"].startswith("public, ")
        assert anybody.get("/v1/decisions").status_code == 401
