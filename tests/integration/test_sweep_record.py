"""`policy sweep --record`: what it found, decided in full and on record as evaluate would put it there."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from policy_engine.fleet import recording
from tests.integration.place import CHAMPION, OWNER, Place
from tests.unit.cli.given import EXAMPLES
from tests.unit.cli.sweep_scene import findings, rejects
from tests.unit.fleet.tables import LEAST, csv_text, frame, jsonl

AT = ("--at", "2026-11-22T09:00:00Z")
OWNED = LEAST | {"workload.owner": OWNER}


def sweep(place: Place, source: Path, *more: str, status: int = 0) -> dict[str, Any]:
    out = place.home / "out.jsonl"
    done = place.run("sweep", str(source), "--to", str(out), "--record", *AT, "-o", "json", *more)
    assert done.returncode == status, done.stderr
    assert b"Traceback" not in done.stderr
    value: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return value


def entries(place: Place) -> list[dict[str, Any]]:
    with place.store.open(read_only=True) as ledger:
        return [entry.document for entry in ledger.list_entries(newest_first=False)]


def decision(place: Place, index: int) -> dict[str, Any]:
    with place.store.open(read_only=True) as ledger:
        entry = ledger.entry(index)
        found: dict[str, Any] = json.loads(ledger.blob(entry.document["blobs"]["decision"]))
        return found


def test_a_folder_is_recorded_as_evaluate_records_it(either: Place) -> None:
    count = len(list(EXAMPLES.glob("*.yaml")))
    done = either.run("evaluate", *map(str, sorted(EXAMPLES.glob("*.yaml"))), *AT, "-q", "--purpose", "deploy")
    assert done.returncode == 0, done.stderr
    assert sweep(either, EXAMPLES, "--purpose", "deploy")["recorded"] == count
    found = entries(either)
    decided = [entry for entry in found if entry["type"] == "decision"]
    assert len(decided) == 2 * count
    same = ("blobs", "body", "context")
    for one, other in zip(decided[:count], decided[count:], strict=True):
        assert {name: one[name] for name in same} == {name: other[name] for name in same}
        assert one["commitments"].keys() == other["commitments"].keys()
    assert either.verified() == len(found)
    replayed = either.run("audit", "replay", "--all")
    assert replayed.returncode == 0, replayed.stdout


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_the_rows_of_a_table_are_recorded_as_whole_workloads(kind: str, place: Place) -> None:
    moved = {"migration.champion": CHAMPION, "migration.from.deployment": "edge", "evidence.dpa": "C-1"}
    both = {"workload.name": "two", "workload.task_count": 2}
    rows = [
        OWNED | both | {"task.name": "a", "task.share": 0.25},
        OWNED | {"workload.name": "one"} | moved,
        OWNED | both | {"task.name": "b", "task.share": 0.75},
    ]
    source = place.home / f"fleet.{kind}"
    if kind == "parquet":
        frame(rows).write_parquet(source)
    else:
        source.write_bytes(jsonl(rows) if kind == "jsonl" else csv_text(rows))
    assert sweep(place, source)["recorded"] == 2
    two, one = decision(place, 0), decision(place, 1)
    assert [(task["name"], two["workload"]["name"]) for task in two["tasks"]] == [("a", "two"), ("b", "two")]
    assert one["evidence"]["dpa"]["grade"] == one["evidence"]["owner_named"]["grade"] == "asserted"
    verdicts = {("two", task["name"]): task["verdict"] for task in two["tasks"]}
    verdicts |= {("one", "t"): one["verdict"]}
    found = findings(place.home / "out.jsonl")
    assert {(row["workload.name"], row["task.name"]): row["verdict"] for row in found} == verdicts
    assert [row["row"] for row in found] == ([2, 3, 4] if kind == "csv" else [1, 2, 3])
    assert [row["entry"] for row in found] == [0, 1, 0]
    shown = json.loads(place.run("explain", found[1]["decision"], "-o", "json").stdout)
    assert shown["workload"]["owner"] == OWNER
    assert place.run("audit", "replay", "--all").returncode == 0
    content = b"".join(path.read_bytes() for path in place.folder.glob("ledger.db*"))
    assert OWNER.encode() not in content
    assert CHAMPION.encode() not in content


def test_what_is_no_whole_workload_is_a_reject_and_has_no_finding(place: Place) -> None:
    pair = {"workload.task_count": 2, "task.share": 0.5}
    wrong = {
        "nobody": [LEAST],
        "half": [OWNED | pair],
        "twice": [OWNED | pair, OWNED | pair],
        "shares": [OWNED | pair, OWNED | pair | {"task.name": "u", "task.share": 0.4}],
        "differs": [OWNED | pair, OWNED | pair | {"task.name": "u", "data.sensitivity": "public"}],
        "champion": [OWNED | {"migration.champion_present": True}],
    }
    rows = [row | {"workload.name": name} for name, several in wrong.items() for row in several]
    source = place.home / "fleet.jsonl"
    source.write_bytes(jsonl([*rows, OWNED]))
    value = sweep(place, source, status=2)
    assert (value["recorded"], value["findings"], value["rejects"]) == (1, 1, len(rows))
    assert [row["workload.name"] for row in findings(place.home / "out.jsonl")] == ["w"]
    why: dict[str, str] = {}
    for each in rejects(place.home / "out.jsonl"):
        why.setdefault(each["given"]["workload.name"], each["reasons"][0]["message"])
    assert why.keys() == wrong.keys()
    assert "`workload.owner` is not given" in why["nobody"]
    assert "`workload.task_count` is 2, and the source has 1 row of it" in why["half"]
    assert "is the name of" in why["twice"]
    assert "sum to 0.9" in why["shares"]
    assert "do not say the same of `data.sensitivity`" in why["differs"]
    assert "names nobody" in why["champion"]
    assert place.verified() == 1


def test_a_ledger_that_refuses_hands_out_nothing(place: Place) -> None:
    assert place.evaluate(*AT).returncode == 0
    place.path.with_name("ledger.db.key").unlink()
    done = place.run("sweep", str(EXAMPLES), "--to", "out.csv", "--record", *AT)
    assert done.returncode == 6
    assert done.stdout == b""
    assert [path.name for path in place.home.iterdir() if "out" in path.name] == []


@pytest.mark.parametrize("column", ["verdict", "score.edge", "fired_0", "monthly_usd.self_hosted"])
def test_a_finding_that_is_decided_otherwise_ends_the_recording(
    column: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first commit stands; of the second, in which the difference is, nothing is recorded."""
    from policy_engine.cli.main import call

    read = recording._findings

    def changed(path: Path, rows: list[int]) -> dict[int, dict[str, Any]]:
        found = read(path, rows)
        if 7 in found:
            other = "deny" if found[7]["verdict"] != "deny" else "allow"
            found[7][column] = other if column == "verdict" else (found[7][column] or 0) + 1
        return found

    monkeypatch.setattr(recording, "_findings", changed)
    monkeypatch.setattr(recording, "IN_COMMIT", 5)
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.home)
    source = place.home / "fleet.jsonl"
    source.write_bytes(jsonl([OWNED | {"workload.name": f"w{number}"} for number in range(7)]))
    assert call(["sweep", str(source), "--to", "out.csv", "--record", *AT]) == 7
    assert place.verified() == 5
    assert [path.name for path in place.home.iterdir() if "out" in path.name] == []


def test_differing_takes_no_unknown_for_a_number() -> None:
    assert recording.differing({"a": 1.0}, {"a": 1.0 + 1e-12}) is None
    assert recording.differing({"a": 1.0}, {"a": None}) == "a"
    assert recording.differing({"a": None}, {"a": 0.0}) == "a"
    assert recording.differing({"a": 1.0}, {"a": 1.001}) == "a"


def test_a_table_of_which_nothing_can_be_recorded_is_all_rejects(place: Place) -> None:
    source = place.home / "fleet.jsonl"
    source.write_bytes(jsonl([LEAST | {"workload.name": name} for name in ("b", "a")]))
    value = sweep(place, source, status=2)
    assert (value["rows"], value["recorded"], value["findings"], value["rejects"]) == (2, 0, 0, 2)
    assert findings(place.home / "out.jsonl") == []
    assert [
        "`workload.owner` is not given" in each["reasons"][0]["message"] for each in rejects(place.home / "out.jsonl")
    ]


def test_rejects_of_recording_stand_among_the_others(place: Place) -> None:
    source = place.home / "fleet.csv"
    huge = OWNED | {"workload.name": "huge", "volume.requests_per_day": 10**30}
    nobody = LEAST | {"workload.name": "nobody"}
    source.write_bytes(csv_text([nobody, huge, OWNED, nobody | {"workload.name": "none"}]))
    value = sweep(place, source, status=2)
    assert (value["recorded"], value["findings"], value["rejects"]) == (1, 1, 3)
    found = rejects(place.home / "out.jsonl")
    assert [each["place"] for each in found] == [{"file": str(source), "line": line} for line in (2, 3, 5)]
    assert [each["given"]["workload.name"] for each in found] == ["nobody", "huge", "none"]


def test_rows_that_mean_the_same_are_one_workload(place: Place) -> None:
    """What is kept may differ by task; what is left out says the same as its default."""
    pair = OWNED | {"workload.task_count": 2, "task.share": 0.5, "workload.namespace": "default", "mine": "a"}
    other = OWNED | {"workload.task_count": 2, "task.share": 0.5, "task.name": "u", "mine": "b"}
    other |= {"workload.namespace": None, "needs.edge": False, "data.sensitivity": None}
    single = OWNED | {"workload.name": "one", "workload.task_count": None}
    source = place.home / "fleet.jsonl"
    source.write_bytes(jsonl([pair, other, single]))
    assert sweep(place, source, "--keep", "mine")["recorded"] == 2
    assert [row["mine"] for row in findings(place.home / "out.jsonl")] == ["a", "b", None]
    assert len(decision(place, 0)["tasks"]) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_interrupts_is_told_what_is_on_record(
    number: int, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signal comes between two commits: the first stands, and no file is written."""
    from policy_engine.cli.main import call

    read, commits = recording._findings, []

    def interrupted(path: Path, rows: list[int]) -> dict[int, dict[str, Any]]:
        commits.append(rows)
        if len(commits) == 2:
            os.kill(os.getpid(), number)
        return read(path, rows)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(recording, "_findings", interrupted)
    monkeypatch.setattr(recording, "IN_COMMIT", 5)
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(place.home)
    source = place.home / "fleet.jsonl"
    source.write_bytes(jsonl([OWNED | {"workload.name": f"w{each}"} for each in range(12)]))
    assert call(["sweep", str(source), "--to", "out.csv", "--record", *AT]) == 7
    error = capsys.readouterr().err
    assert "warning: 5 workloads were put on record before, and stay there; another run records them again" in error
    assert "error: interrupted [interrupted]" in error
    assert place.verified() == 5
    assert [path.name for path in place.home.iterdir() if "out" in path.name] == []
    assert signal.getsignal(signal.SIGTERM) == before
