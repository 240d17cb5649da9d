"""`/v1/exports`: jobs that any worker of the host tells of, on record, bounded, and whole or not at all."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from policy_engine.exports.check import Pinned, check_export
from policy_engine.service import jobs
from policy_engine.service.jobs import Jobs
from tests.serving import serving
from tests.unit.served.waiver_world import World, world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def one(folder: Path) -> Iterator[World]:
    with world(folder, state=folder / "state") as found:
        found.decide()
        found.decide("draft")
        yield found


def code(answer: Any) -> str:
    return f"{answer.status_code} {answer.json()['code']}"


def begin(one: World, report: str = "decisions", form: str = "csv", who: str = "olga:read", **more: Any) -> Any:
    return one.call(who, "POST", "/v1/exports", json={"report": report, "format": form, **more})


def ended(one: World, place: str, who: str = "olga:read") -> dict[str, Any]:
    for _ in range(200):
        found: dict[str, Any] = one.call(who, "GET", place).json()
        if found["state"] in ("done", "failed"):
            return found
        time.sleep(0.05)
    raise AssertionError(found)


def test_an_export_is_what_the_command_checks_and_any_worker_of_the_host_gives_it(one: World, folder: Path) -> None:
    begun = begin(one, filters={"purpose": "deploy", "verdict": ["deny", "review"]})
    assert begun.status_code == 202, begun.text
    place = begun.headers["location"]
    assert begun.json()["links"] == {"self": place, "content": None}
    done = ended(one, place)
    assert done["state"] == "done", done
    assert (done["progress"]["share"], done["result"]["selected"]) == (1.0, 1)
    assert done["progress"]["done"] == done["progress"]["total"]
    # another worker of the host: the same ledger and state, and nothing else
    with serving(one.server.ledger, state=folder / "state") as other:
        beside = World(other)
        assert beside.call("olga:read", "GET", place).json() == done
        content = beside.call("olga:read", "GET", done["links"]["content"])
    assert content.headers["content-type"] == "application/zip"
    digest = hashlib.sha256(content.content).digest()
    assert digest.hex() == done["sha256"]
    assert content.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    zipfile.ZipFile(io.BytesIO(content.content)).extractall(folder / "unpacked")
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        key = ledger.verifier_key
        entry = ledger.entry(done["result"]["entry"]).document
        assert ledger.personal(done["result"]["entry"])["actor"] == "olga@acme.example"
    assert (entry["type"], entry["body"]["format"], entry["context"]["actor_known_by"]) == ("export", "csv", "token")
    assert check_export(folder / "unpacked", Pinned([key], key.partition("+")[0], False)).ok
    assert one.call("olga:read", "DELETE", place).status_code == 204
    assert code(one.call("olga:read", "GET", place)) == "404 export-missing"
    assert not list((folder / "state/exports").glob(f"{done['id']}*"))


def test_reports_and_the_log_are_exported_too(one: World, folder: Path) -> None:
    report = ended(one, begin(one, "separation-of-duties", "jsonl").headers["location"])
    assert (report["state"], report["result"]["report"]) == ("done", "separation-of-duties")
    about = begin(one, "access", "csv", filters={"subject": "o@acme.example"}).headers["location"]
    entry = ended(one, about)["result"]["entry"]
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        assert ledger.personal(entry)["subject"] == "o@acme.example"
        assert b"o@acme.example" not in ledger.entry(entry).raw
        asked = ledger.entry(entry).document["body"]["command"]
        assert json.loads(asked.removeprefix("POST /v1/exports ")) == {
            "report": "access",
            "format": "csv",
            "filters": {"subject": "PERSON"},
        }
    log = ended(one, begin(one, "log", "tlog").headers["location"])
    assert log["state"] == "done", log
    content = one.call("olga:read", "GET", log["links"]["content"]).content
    assert "checkpoint" in zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_who_asked_sees_it_and_an_administrator(one: World) -> None:
    place = begin(one).headers["location"]
    ended(one, place)
    for who in ("mallory:read", "olga:read@claims", "admin:read,administer@claims"):
        for method, path in (("GET", place), ("GET", f"{place}/content"), ("DELETE", place)):
            assert code(one.call(who, method, path)) == "404 export-missing", who
    assert one.call("admin:read,administer", "GET", place).status_code == 200
    for guess in ("0" * 24, "..%2f..%2fetc", "x", "A" * 24):
        assert one.call("olga:read", "GET", f"/v1/exports/{guess}").status_code == 404


def test_what_no_job_could_do_is_refused_before_there_is_one(one: World) -> None:
    refused = {
        "400 export-format": {"report": "decisions", "format": "tlog"},
        "404 unknown-report": {"report": "no-such", "format": "csv"},
        "400 export-filters": {"report": "log", "format": "tlog", "filters": {"since": "2026-01-01"}},
        "400 unknown-parameter": {"report": "decisions", "format": "csv", "filters": {"as_of": "2026-01-01"}},
        "400 parameter": {"report": "decisions", "format": "csv", "filters": {"since": "yesterday"}},
        "422 body": {"report": "decisions", "format": "csv", "filter": {}},
        "400 usage": {
            "report": "decisions",
            "format": "csv",
            "filters": {"since": "2026-02-01", "until": "2026-01-01"},
        },
        "400 policy-digest": {"report": "decisions", "format": "csv", "filters": {"policy_digest": "11111111"}},
        "400 verifier-key": {"report": "integrity", "format": "csv", "filters": {"vkey": ["bad"]}},
        "400 export-documents": {"report": "decisions", "format": "csv", "documents": True},
    }
    got = {key: code(one.call("olga:read", "POST", "/v1/exports", json=body)) for key, body in refused.items()}
    assert got == {key: key for key in refused}
    for filters in ({"at": "2026-01-01"}, {"verdict": []}):
        answer = begin(one, filters=filters)
        assert (answer.status_code, "--" in answer.text) == (400, False), answer.text
    twice = '{"report": "decisions", "format": "csv", "filters": {"run": "1", "r\\u0075n": "2"}}'
    repeated = one.call("olga:read", "POST", "/v1/exports", content=twice, headers={"Content-Type": "application/json"})
    assert (code(repeated), "`run`" in repeated.json()["detail"]) == ("400 json", True)
    assert code(begin(one, who="x:decide")) == "403 role"
    assert code(begin(one, "log", "tlog", "out:read@support")) == "403 namespace"
    inside = ended(one, begin(one, who="out:read@support").headers["location"], "out:read@support")
    assert (inside["result"]["selected"], inside["result"]["population"]) == (0, 0)
    assert ended(one, begin(one).headers["location"])["result"]["population"] == 2


def test_a_token_that_is_revoked_meanwhile_gets_no_export(one: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from policy_engine.access.tokens import revoked_draft
    from policy_engine.recorder import Context
    from policy_engine.service import exports

    write, go = exports._write, threading.Event()
    monkeypatch.setattr(exports, "_write", lambda *given: go.wait(20) and write(*given))
    place = begin(one, who="gone:read").headers["location"]
    with open_ledger(one.server.ledger) as ledger:
        name = one._tokens["gone:read"].split("_")[1]
        ledger.append(revoked_draft(name, "left", Context("draft", None, "asserted", {})))
    go.set()
    found = ended(one, place, "admin:read,administer")
    assert (found["state"], found["error"]["code"]) == ("failed", "token-revoked")
    assert code(one.call("admin:read,administer", "GET", f"{place}/content")) == "409 export-not-done"


def test_a_full_disk_is_a_failed_job_with_words(one: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("policy_engine.service.exports.zipfile.ZipFile.write", full)
    found = ended(one, begin(one).headers["location"])
    assert (found["state"], found["error"]) == (
        "failed",
        {"code": "export-unwritable", "message": "no space left on device", "help": None},
    )
    assert sorted(os.listdir(folder / "state/exports" / found["id"])) == ["beat", "job.json"]


def test_a_job_whose_worker_died_says_so_and_old_ones_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Jobs(tmp_path / "exports")
    about: dict[str, Any] = {"owner": "o", "known_by": "token", "namespaces": None, "report": "log", "format": "tlog"}
    job = kept.new(**about)
    assert (tmp_path / "exports").stat().st_mode & 0o777 == 0o700
    assert kept.get(job.id) == job
    os.utime(tmp_path / "exports" / job.id / "beat", (time.time() - jobs.DEAD_SECONDS - 1,) * 2)
    dead = kept.get(job.id)
    assert dead is not None
    assert dead.error is not None
    assert (dead.state, dead.error["code"]) == ("failed", "worker-died")
    kept.beat(job.id)
    assert kept.get(job.id) == job
    monkeypatch.setattr(jobs, "KEPT_SECONDS", -1.0)
    left = tmp_path / "exports" / ("0" * 24)  # of a job that was taken away while it wrote
    left.mkdir()
    os.utime(left, (0, 0))
    assert list(kept.all()) == []
    assert os.listdir(tmp_path / "exports") == []


def test_an_export_that_is_taken_away_while_it_runs_stops_and_leaves_nothing(
    one: World, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from policy_engine.service import exports

    write, began, go, ended_with = exports._write, threading.Event(), threading.Event(), []

    def slow(service: Any, target: Any, wanted: Any, record: Any, told: Any) -> Any:
        began.set()
        go.wait(20)
        try:
            told(1, 2)
            return write(service, target, wanted, record, told)
        except BaseException as error:
            ended_with.append(type(error).__name__)
            raise

    monkeypatch.setattr(exports, "_write", slow)
    place = begin(one).headers["location"]
    assert began.wait(20)
    before = len(one_exports(one))
    assert one.call("olga:read", "DELETE", place).status_code == 204
    go.set()
    for _ in range(100):
        if ended_with:
            break
        time.sleep(0.05)
    assert ended_with == ["CancelledError"]
    assert len(one_exports(one)) == before
    assert place.rpartition("/")[2] not in os.listdir(folder / "state/exports")


def one_exports(one: World) -> list[Any]:
    with open_ledger(one.server.ledger, read_only=True) as ledger:
        return list(ledger.list_entries(type="export"))


def test_there_are_only_so_many(one: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("policy_engine.service.exports.MOST_JOBS", 0)
    answer = begin(one)
    assert code(answer) == "429 too-many-exports"
    assert answer.headers["retry-after"] == "60"


def test_a_range_that_cannot_be_given_is_a_problem(one: World) -> None:
    done = ended(one, begin(one).headers["location"])
    place, size = done["links"]["content"], done["bytes"]

    def ask(text: str, **more: str) -> Any:
        return one.call("olga:read", "GET", place, headers={"Range": text, **more})

    whole = one.call("olga:read", "GET", place)
    for text in ("bytes=abc", "bytes=", "bytes", "pages=1-2", "bytes=5-2", "bytes=1-2,x", "bytes=--1"):
        assert code(ask(text)) == "400 range", text
    for text in (f"bytes={size}-", "bytes=-0", f"bytes=0-1,{size}-"):
        refused = ask(text)
        assert code(refused) == "416 range-unsatisfiable", text
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["content-range"] == f"bytes */{size}"
    for text, part in (
        ("bytes=0-3", slice(0, 4)),
        ("bytes=-5", slice(-5, None)),
        (f"bytes=9-{size + 9}", slice(9, None)),
    ):
        given = ask(text)
        assert (given.status_code, given.content) == (206, whole.content[part]), text
    stale = ask(f"bytes={size}-", **{"If-Range": '"another"'})
    assert (stale.status_code, stale.content) == (200, whole.content)
    assert code(ask("bytes=x", **{"If-Range": whole.headers["etag"]})) == "400 range"
