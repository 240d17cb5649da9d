"""`policy audit collect`: what runners spooled is on record, once, and what is not there is told."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.collecting import look
from policy_audit.ledger import Draft, EntryType, open_ledger
from policy_audit.proof import parse_proof

from tests.spools import entry_bytes, files, forge_entry, read
from tests.unit.cli.spool_scene import spooled

Policy = Callable[..., Any]


@pytest.fixture
def collect(policy: Policy, ledger: Path) -> Policy:
    """Collect into the ledger of four decisions, and return the document."""

    def run(*arguments: str | Path, status: int = 0) -> Any:
        done = policy("audit", "collect", *map(str, arguments), "-o", "json")
        assert done.status == status, done.err
        return done.json

    return run


def size(ledger: Path) -> int:
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        return sum(1 for _ in opened.walk())


def test_a_file_that_is_changed_meanwhile_is_refused(
    collect: Policy, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looked at whole, and another one when it is to be appended: by then it is torn, or says something else."""
    spool = spooled(tmp_path / "spool", "1", 3)
    torn, forged, _ = files(spool)

    def changed(*given: Any, **named: Any) -> Any:
        found = look(*given, **named)
        torn.write_bytes(b"")
        forge_entry(forged, lambda entry: entry["view"].update(verdict="deny"))
        return found

    monkeypatch.setattr("policy_audit.collecting.look", changed)
    found = collect(spool, status=6)
    assert [(each["file"], each["code"]) for each in found["refused"]] == [
        (str(torn), "spool-torn"),
        (str(forged), "spool-changed"),
    ]
    assert [row["n"] for row in found["decisions"]] == [3]


def test_two_hundred_spools(collect: Policy, policy: Policy, ledger: Path, tmp_path: Path) -> None:
    """Some in copies, one torn, one that lacks a file, and of one run there is no spool."""
    for number in range(200):
        spooled(tmp_path / "spools" / f"{number:03}", str(number), 1 + number % 2, number)
    spools = sorted((tmp_path / "spools").iterdir())
    copy = tmp_path / "copy"
    shutil.copytree(spools[10], copy)
    torn, gone = files(spools[20])[0], files(spools[31])[1]
    torn.write_bytes(torn.read_bytes()[:-100])
    gone.unlink()
    (tmp_path / "runs.txt").write_text("\n".join(map(str, range(201))) + "\n", encoding="utf-8")

    found = collect(*spools, copy, "--runs", tmp_path / "runs.txt", "--receipts", tmp_path / "receipts", status=6)
    assert (found["added"], found["already"], found["copies"], found["ok"]) == (298, 0, 1, False)
    assert [(each["file"], each["code"]) for each in found["refused"]] == [(str(torn), "spool-torn")]
    assert [(each["run"], each["missing"], each["of"]) for each in found["lacking"]] == [("31", [2], 2), (None, [1], 1)]
    assert found["missing"] == ["20", "200"], "a run of which only a torn file is left has no decision on record"
    assert found["entries"] == [302]
    assert size(ledger) == 303
    assert len({row["index"] for row in found["decisions"]}) == 298
    assert [row["recorded_at"] for row in found["decisions"]] == sorted(r["recorded_at"] for r in found["decisions"])

    with open_ledger(f"sqlite:///{ledger}") as opened:
        for row in found["decisions"]:
            raw = opened.entry(row["index"]).raw
            assert raw == entry_bytes(read(Path(row["file"])))
            proof = parse_proof(Path(row["receipt"]).read_text(encoding="utf-8"))
            assert proof.index == row["index"]
            proof.verify(raw, [str(opened.verifier_key)], opened.origin)
        body = opened.entry(302).document["body"]
    assert body["leaf_hashes"]["first"] == found["decisions"][0]["leaf_hash"]
    told = {
        "decisions": 298,
        "already": 0,
        "copies": 1,
        "revoked": 0,
        "runs": 199,
        "calls": 199,
        "refused": 1,
        "lacking": 2,
        "missing": 2,
    }
    assert told.items() <= body.items()
    assert body["entries"] == {"first": 4, "last": 301}
    assert policy("audit", "verify").status == 0


@pytest.fixture
def collected(collect: Policy, tmp_path: Path) -> Any:
    spooled(tmp_path / "spool", "4711", 3)
    return collect(tmp_path / "spool")


def test_what_is_collected_is_as_any_decision(collected: Any, policy: Policy) -> None:
    assert policy("audit", "verify", "--recompute").status == 0
    assert policy("audit", "replay", "--all").out.startswith("EQUAL 7 decisions")
    listed = policy("audit", "list", "--run", "4711", "-o", "json").json
    assert [row["index"] for row in listed["decisions"]] == [6, 5, 4]
    assert listed["decisions"][0]["owner"], "personal values are sealed in the ledger"
    assert policy("audit", "list", "--type", "collection", "-o", "json").json["entries"][0]["index"] == 7
    for row in collected["decisions"]:
        told = policy("explain", row["id"], "-o", "json")
        assert told.status == 0
        assert told.json["ledger"]["index"] == row["index"]
    assert policy("audit", "show", "7").status == 0


def test_gaps_tells_collections_instead_of_a_clock_that_ran_back(
    collect: Policy, policy: Policy, tmp_path: Path, ledger: Path
) -> None:
    """What bears an earlier time is told either way: backdated entries do not hide behind a collection."""
    spool = spooled(tmp_path / "spool", "1", 3)
    earliest = json.loads(entry_bytes(read(files(spool)[0])))["recorded_at"]
    with open_ledger(f"sqlite:///{ledger}") as opened:
        opened.append(Draft(EntryType.HOLD))
    (index,) = collect(spool)["entries"]
    rows = policy("audit", "report", "gaps", "-o", "json").json["rows"]
    told = [row for row in rows if row["kind"] != "silence"]
    assert [(row["kind"], row["since"], row["after_entry"], row["before_entry"]) for row in told] == [
        ("collected", earliest, 4, index)
    ]
    assert "3" in told[0]["what"]


def test_again_nothing_is_added(collect: Policy, collected: Any, ledger: Path, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "spool", tmp_path / "copy")
    again = collect(tmp_path / "copy", tmp_path / "spool")
    assert (again["added"], again["already"], again["copies"]) == (0, 3, 3)
    assert (again["entries"], again["ok"]) == ([], True)
    assert {row["index"] for row in again["decisions"]} == {row["index"] for row in collected["decisions"]}
    assert size(ledger) == 8


def test_a_spool_that_was_kept_brings_no_erased_value_back(
    collect: Policy, policy: Policy, collected: Any, ledger: Path, tmp_path: Path
) -> None:
    person = "anna.actor@acme.example"
    erased = policy("audit", "erase", person, "--reason", "asked for", "-o", "json")
    assert erased.status == 0, erased.err
    assert collect(tmp_path / "spool")["already"] == 3
    with open_ledger(f"sqlite:///{ledger}") as opened:
        assert all("actor" not in opened.personal(index) for index in (4, 5, 6))
    assert policy("audit", "verify").status == 0


def test_a_run_that_is_on_record_is_not_missing(collect: Policy, tmp_path: Path, collected: Any) -> None:
    shutil.rmtree(tmp_path / "spool")
    other = spooled(tmp_path / "other", "12/a")
    runs = tmp_path / "runs.txt"
    runs.write_text("4711\n\n12/a\n12\n4711/2\n", encoding="utf-8")
    assert collect(other, "--runs", runs, status=6)["missing"] == ["12", "4711/2"]


def test_attempts_and_jobs_are_told_apart(
    collect: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ledger: Path
) -> None:
    for name, value in {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "gate"}.items():
        monkeypatch.setenv(name, value)
    spooled(tmp_path / "spool", "77")
    runs = tmp_path / "runs.txt"
    runs.write_text("77\n77/1\n77/2\n77/2/gate\n77/2/other\n", encoding="utf-8")
    for _ in range(2):
        assert collect(tmp_path / "spool", "--runs", runs, "--remove", status=6)["missing"] == ["77/1", "77/2/other"]


def test_files_that_come_later_make_a_call_whole(collect: Policy, tmp_path: Path, ledger: Path) -> None:
    spool, late = spooled(tmp_path / "spool", "1", 3), tmp_path / "late"
    shutil.copytree(spool, late)
    for path in files(spool)[1:]:
        path.unlink()
    files(late)[0].unlink()
    (lacking,) = collect(spool, "--remove", status=6)["lacking"]
    assert (lacking["run"], lacking["missing"], lacking["count"]) == ("1", [2, 3], 2)
    found = collect(late)
    assert (found["added"], found["lacking"]) == (2, [])


def test_what_is_on_record_is_removed_and_what_is_not_stays(collect: Policy, tmp_path: Path, ledger: Path) -> None:
    spool = spooled(tmp_path / "spool", "1", 3)
    torn = files(spool)[1]
    whole = torn.read_bytes()
    torn.write_bytes(whole[:-1])
    found = collect(spool, "--remove", status=6)
    assert (found["removed"], files(spool)) == (2, [torn])
    assert len(list((spool / "blobs").iterdir())) == 3, "the file that is left needs them"
    torn.write_bytes(whole)
    assert collect(spool, "--remove")["removed"] == 1
    assert list(spool.iterdir()) == [spool / "blobs"]
    assert list((spool / "blobs").iterdir()) == []
    assert collect(spool)["decisions"] == []


def test_what_is_being_written_keeps_what_it_needs(collect: Policy, tmp_path: Path, ledger: Path) -> None:
    from policy_audit.spool_format import holding

    spool = spooled(tmp_path / "spool", "1")
    shared = {path.name for path in (spool / "blobs").iterdir()}
    assert len(shared) == 3
    with holding(spool / "blobs"):
        assert collect(spool, "--remove")["removed"] == 1
    assert {path.name for path in (spool / "blobs").iterdir()} == {*shared, ".collected"}


def test_a_broken_off_file_is_told_and_not_taken(collect: Policy, tmp_path: Path, ledger: Path) -> None:
    spool = spooled(tmp_path / "spool", "1")
    (path,) = files(spool)
    shutil.copy(path, spool / f".{path.name}")
    found = collect(spool)
    assert found["unfinished"] == [str(spool / f".{path.name}")]
    assert found["added"] == 1


@pytest.mark.parametrize("format_", ["text", "json", "yaml", "markdown"])
def test_every_format_tells_it(policy: Policy, tmp_path: Path, ledger: Path, format_: str) -> None:
    spool = spooled(tmp_path / "spool", "1", 2)
    files(spool)[0].write_bytes(b"{")
    (tmp_path / "runs.txt").write_text("2\n", encoding="utf-8")
    given = ["audit", "collect", str(spool), "--runs", str(tmp_path / "runs.txt"), "-o", format_]
    done = policy(*given)
    assert done.status == 6
    for said in ("spool-torn", "1" if format_ != "markdown" else "1 added"):
        assert said in done.out
    assert done.err == ""
    if format_ == "text":
        assert "INCOMPLETE" in done.out
        assert "COLLECTED" not in done.out


def test_without_a_ledger_none_is_made(policy: Policy, tmp_path: Path) -> None:
    spool = spooled(tmp_path / "spool", "1")
    done = policy("audit", "collect", str(spool), "--ledger", f"sqlite:///{tmp_path}/mistyped.db", "--remove")
    assert done.status == 6
    assert not (tmp_path / "mistyped.db").exists()
    assert len(files(spool)) == 1


def test_what_is_no_spool_is_usage(policy: Policy, tmp_path: Path, ledger: Path) -> None:
    spool, before = spooled(tmp_path / "spool", "1"), size(ledger)
    assert policy("audit", "collect", str(spool), str(tmp_path / "nowhere")).status == 2
    for text in ("", "\n \n", "a\x00b\n", "x" * 501):
        (tmp_path / "runs.txt").write_text(text, encoding="utf-8")
        done = policy("audit", "collect", str(spool), "--runs", str(tmp_path / "runs.txt"))
        assert done.status == 2, done.err
    for receipts in (spool / "receipts", tmp_path / "runs.txt", tmp_path / "a" / "b"):
        done = policy("audit", "collect", str(spool), "--receipts", str(receipts))
        assert done.status == 2, done.err
        assert "[cannot-write]" in done.err
    assert policy("audit", "collect", str(spool), "-o", f"json={spool}/x.json").status == 2
    assert size(ledger) == before


def test_what_cannot_be_deleted_is_on_record_all_the_same(
    policy: Policy, tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = spooled(tmp_path / "spool", "1", 2)

    def read_only(self: Path, missing_ok: bool = False) -> None:
        raise OSError(30, os.strerror(30), str(self))

    monkeypatch.setattr(Path, "unlink", read_only)
    done = policy("audit", "collect", str(spool), "--remove", "-o", "json")
    assert done.status == 2
    assert "read-only file system" in done.err
    assert "names in clear text" in done.err
    assert (done.json["added"], done.json["removed"]) == (2, 0)
    assert len(files(spool)) == 2


def test_a_collection_is_anchored_where_anchors_are_configured(
    policy: Policy, collect: Policy, tmp_path: Path, ledger: Path
) -> None:
    (tmp_path / "kept").mkdir()
    config = tmp_path / "anchors.toml"
    config.write_text(f'to = ["file:{tmp_path}/kept"]\n', encoding="utf-8")
    found = collect(spooled(tmp_path / "one", "1"), "--config", config)
    assert found["anchoring"]["ok"]
    assert found["anchoring"]["size"] == 6
    assert policy("audit", "verify", "--anchors", str(config)).status == 0
    shutil.rmtree(tmp_path / "kept")
    (tmp_path / "kept").write_bytes(b"")
    failed = collect(spooled(tmp_path / "two", "2"), "--config", config, status=6)
    assert not failed["anchoring"]["ok"]
    assert (failed["added"], failed["ok"]) == (1, True)
    assert policy("audit", "verify").status == 0


def test_several_batches_say_each_what_they_added(
    collect: Policy, policy: Policy, tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policy_audit.collecting.BATCH_FILES", 2)
    spools = [spooled(tmp_path / str(n), str(n), 3) for n in range(2)]
    files(spools[1])[2].write_bytes(b"")
    found = collect(*spools, status=6)
    assert found["entries"] == [6, 9, 11]
    shown = [policy("audit", "show", str(n), "-o", "json").json["body"] for n in found["entries"]]
    assert [each["entries"] for each in shown] == [{"first": a, "last": b} for a, b in ((4, 5), (7, 8), (10, 10))]
    assert ["refused" in each for each in shown] == [False, False, True]
    assert policy("audit", "verify", "--recompute").status == 0
    assert json.loads(json.dumps(found))["added"] == 5
