"""What `policy audit collect` makes of several spools together, whatever one of them is, and of what it met before."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from policy_audit.collecting import Standing, look
from policy_audit.spool_format import Call, holding

from policy_engine.recorder import context_from_environment
from policy_engine.spooled import check_spooled
from policy_engine.spooled_calls import lacking_calls
from policy_engine.spooling import SpoolRecorder
from tests.spools import entry_bytes, files, read
from tests.unit.cli.baseline_bench import Bench
from tests.unit.cli.spool_scene import spooled
from tests.unit.cli.test_collect import collect
from tests.unit.replay_case import decided, engine

__all__ = ["collect"]
Policy = Callable[..., Any]


def test_a_folder_that_is_empty_or_no_spool_keeps_no_other_from_being_collected(
    collect: Policy, policy: Policy, tmp_path: Path, ledger: Path
) -> None:
    """A gate that had nothing to judge leaves an empty one."""
    spool, empty, foreign = spooled(tmp_path / "spool", "1"), tmp_path / "empty", tmp_path / "foreign"
    empty.mkdir()
    foreign.mkdir()
    assert collect(empty)["decisions"] == []
    (empty / ".gitkeep").touch()
    found = collect(empty, spool)
    assert (found["added"], found["refused"]) == (1, [])
    (foreign / "notes.txt").write_text("x", encoding="utf-8")
    found = collect(foreign, spooled(tmp_path / "more", "2"), empty, "--remove", status=6)
    assert [(each["file"], each["code"]) for each in found["refused"]] == [(str(foreign), "spool-missing")]
    assert "name each folder" in found["refused"][0]["reason"]
    assert (found["added"], found["removed"], (foreign / "notes.txt").exists()) == (1, 1, True)
    entry = policy("audit", "show", str(found["entries"][0]), "-o", "json").json
    assert entry["body"]["refused"] == 1


@pytest.mark.parametrize("left", ["its documents", "a link", "a file"])
def test_a_spool_that_lost_its_decisions_is_refused(
    collect: Policy, policy: Policy, tmp_path: Path, ledger: Path, left: str
) -> None:
    """What they share tells that there were some; nothing is left of it where they were collected."""
    whole, spool = spooled(tmp_path / "whole", "1"), spooled(tmp_path / "spool", "2")
    for file in files(spool):
        file.unlink()
    if left != "its documents":
        shutil.rmtree(spool / "blobs")
    if left == "a link":
        (spool / "blobs").symlink_to(tmp_path / "nowhere")
    if left == "a file":
        (spool / "blobs").touch()
    for more in ((), ("--remove",)):
        found = collect(spool, whole, *more, status=6)
        (refused,) = found["refused"]
        assert (refused["file"], refused["code"]) == (str(spool), "spool-missing")
        assert "has no decisions any more" in refused["reason"]
    assert found["removed"] == 1
    assert [path.name for path in whole.iterdir()] == ["blobs"]
    assert collect(whole)["refused"] == [], "it was collected"
    (whole / "blobs" / ".gitkeep").touch()
    assert collect(whole, "--remove")["refused"] == []


def test_a_spool_that_is_cleared_in_part_is_no_spool_that_lost_its_decisions(
    collect: Policy, tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there are no locks, or the collector was killed, what decisions shared stays, and says that it was seen."""
    spool, marked = spooled(tmp_path / "spool", "1", 2), tmp_path / "spool" / "blobs" / ".collected"
    torn = files(spool)[1]
    whole = torn.read_bytes()
    torn.write_bytes(b"{")
    assert len(collect(spool, "--remove", status=6)["refused"]) == 1
    assert not marked.exists(), "a decision is left, of which nobody knows yet"
    torn.write_bytes(whole)
    with monkeypatch.context() as patched:
        patched.setattr("policy_audit.spool_format.holding", lambda *_, **__: nullcontext(False))
        assert collect(spool, "--remove")["removed"] == 1
    assert marked.exists()
    assert len(list((spool / "blobs").iterdir())) > 1
    assert collect(spool)["refused"] == []
    spooled(spool, "3")
    assert collect(spool, "--remove")["removed"] == 1
    assert list((spool / "blobs").iterdir()) == []


def test_the_sum_counts_decisions_and_each_folder_once(
    collect: Policy, policy: Policy, tmp_path: Path, ledger: Path
) -> None:
    spool, copy, link = spooled(tmp_path / "spool", "1", 2), tmp_path / "copy", tmp_path / "link"
    shutil.copytree(spool, copy)
    link.symlink_to(spool)
    found = collect(spool, copy, link, spool)
    assert (found["added"], found["already"], found["copies"], len(found["decisions"])) == (2, 0, 2, 4)
    assert {(row["file"].split("/")[-2], row["copy"]) for row in found["decisions"]} == {
        ("spool", False),
        ("copy", True),
    }
    body = policy("audit", "show", str(found["entries"][0]), "-o", "json").json["body"]
    assert (body["decisions"], body["already"], body["copies"]) == (2, 0, 2)
    told = policy("audit", "collect", str(spool), str(copy), "--remove").out
    assert "0 added, 2 already on record, 2 handed in more than once" in " ".join(told.split())
    assert [*files(spool), *files(copy)] == []


def test_a_run_of_the_list_lacks_what_it_lacked_before(collect: Policy, tmp_path: Path, ledger: Path) -> None:
    """Its spool is cleared, and nothing of it is handed in again: the list is what asks for it."""
    spool, runs = spooled(tmp_path / "spool", "1", 3), tmp_path / "runs.txt"
    files(spool)[1].unlink()
    other = [spooled(tmp_path / f"other-{n}", f"1{n}") for n in range(3)]
    runs.write_text("1\n", encoding="utf-8")
    first = collect(spool, "--runs", runs, "--remove", status=6)["lacking"]
    assert [(each["run"], each["missing"], each["of"]) for each in first] == [("1", [2], 3)]
    assert collect(spool, other[0], "--runs", runs, status=6)["lacking"] == first
    runs.write_text("10\n1/2\n", encoding="utf-8")
    assert collect(other[1], "--runs", runs, status=6)["lacking"] == [], "1/2 is another attempt, and missing"
    assert collect(other[2])["lacking"] == [], "nobody asked for it"


def test_a_torn_file_of_what_is_on_record_lacks_nothing(collect: Policy, tmp_path: Path, ledger: Path) -> None:
    """Only its name tells of what call it is, and when that was."""
    spool, copy = spooled(tmp_path / "spool", "1", 2), tmp_path / "copy"
    shutil.copytree(spool, copy)
    gone = files(spool)[1]
    gone.unlink()
    assert collect(spool, status=6)["lacking"][0]["missing"] == [2]
    for path in files(copy):
        path.write_bytes(b"{")
    found = collect(copy, status=6)
    assert len(found["refused"]) == 2
    assert [(each["run"], each["missing"]) for each in found["lacking"]] == [("1", [2])]
    torn = spooled(tmp_path / "torn", "2")
    files(torn)[0].write_bytes(b"{")
    assert [(each["run"], each["missing"]) for each in collect(torn, status=6)["lacking"]] == [(None, [1])]


def test_what_a_killed_writer_of_receipts_left_is_removed(collect: Policy, tmp_path: Path, ledger: Path) -> None:
    spool, receipts = spooled(tmp_path / "spool", "1"), tmp_path / "receipts"
    (row,) = collect(spool, "--receipts", receipts)["decisions"]
    # as `write_whole` makes it, and a kill leaves it
    left = Path(tempfile.mkstemp(dir=receipts, prefix=f".{row['id']}.tlog-proof.")[1])
    kept = receipts / ".notes.tlog-proof.ab_cd123"
    link = tmp_path / "link"
    link.symlink_to(receipts)
    kept.touch()
    with holding(receipts):
        collect(spool, "--receipts", receipts)
    assert left.exists(), "another collector is writing"
    collect(spool, "--receipts", link)
    assert sorted(path.name for path in receipts.iterdir()) == [kept.name, f"{row['id']}.tlog-proof"]


def test_what_a_gate_with_a_baseline_spools_is_collected(
    collect: Policy, policy: Policy, tmp_path: Path, ledger: Path
) -> None:
    """Of it the context has two members more than of any other gate."""
    bench, spool = Bench(tmp_path, policy), tmp_path / "spool"
    spool.mkdir()
    assert bench.write().status == 1
    assert bench.with_baseline(ledger=("--ledger", f"spool:{spool}")).status == 0
    contexts = [json.loads(entry_bytes(read(path)))["context"] for path in files(spool)]
    assert [each["baseline_accepted"] for each in contexts] == ["1", "3"]
    assert collect(spool)["added"] == 2


GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "acme/claims",
    "GITHUB_SHA": "4f1c2a7e" * 5,
    "GITHUB_RUN_ID": "4711",
    "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_ACTOR": "rita",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_PATH": "acme/claims",
    "CI_COMMIT_SHA": "4f1c2a7e" * 5,
    "CI_PIPELINE_ID": "4711",
    "CI_MERGE_REQUEST_IID": "7",
    "GITLAB_USER_LOGIN": "rita",
}
OWN = {"POLICY_REPOSITORY": "Ünïts/ a\u0301 \u2028" + "x" * 600, "POLICY_COMMIT": "a\tb\n", "POLICY_RUN": "  7 \n"}


@pytest.mark.parametrize("given", [GITHUB, GITLAB, OWN, {}], ids=["github", "gitlab", "own", "none"])
def test_whatever_a_runners_environment_says_is_collected(given: dict[str, str], tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    SpoolRecorder(spool, engine().policy).record([decided("hospital")], context_from_environment("pull_request", given))
    found = look([spool], check_spooled, datetime.now(UTC))
    assert found.refused == []
    assert len(found.lots) == 1


def test_a_copy_stands_in_for_what_is_torn_meanwhile(
    collect: Policy, tmp_path: Path, ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool, copy = spooled(tmp_path / "spool", "1"), tmp_path / "copy"
    shutil.copytree(spool, copy)

    def torn(*given: Any, **named: Any) -> Any:
        found = look(*given, **named)
        files(spool)[0].write_bytes(b"")
        return found

    monkeypatch.setattr("policy_audit.collecting.look", torn)
    found = collect(spool, copy, status=6)
    assert (found["added"], found["copies"], len(found["refused"])) == (1, 0, 1)


def test_a_call_on_record_lacks_what_its_greatest_number_says() -> None:
    call = Call("1", "a" * 32)
    known = {"1": [Standing(call, 2, 3), Standing(call, 1, 2), None]}
    assert [(each.missing, each.of) for each in lacking_calls([], [], known, [], ["1"])] == [((3,), 3)]
    assert list(lacking_calls([], [], known, [], ["2"])) == []
