"""`policy sweep`: the same decisions as evaluate's, from every kind of source and into every kind of table."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from policy_engine.decide import Decider
from policy_engine.fleet import reading
from policy_engine.fleet.engine import FleetEngine
from policy_engine.loading.policy import load_policy
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import ALLOWED, AT, DENIED, EXAMPLES
from tests.unit.cli.sweep_scene import decided, decided_of, findings, plain_examples, rejects, same, table
from tests.unit.fleet.tables import LEAST, rows_of_document

Run = Callable[..., Outcome]


@pytest.fixture(scope="session")
def decider() -> Decider:
    return Decider(load_policy())


def test_a_directory_is_decided_as_evaluate_decides_its_files(sweep: Run, decider: Decider, tmp_path: Path) -> None:
    found = sweep(EXAMPLES, "-o", "json")
    assert found.status == 0, found.err
    wanted = decided(decider)
    rows = findings(tmp_path / "out.jsonl")
    same(rows, wanted)
    assert [row["row"] for row in rows] == list(range(1, len(wanted) + 1))
    assert rows[0]["file"] == "coding-assistant.yaml"
    summary = found.json
    assert summary["rows"] == summary["findings"] == sum(summary["verdicts"].values()) == len(wanted)
    assert summary["rejects"] == 0
    assert summary["recorded"] is None
    for verdict, count in summary["verdicts"].items():
        assert count == sum(row["verdict"] == verdict for row in wanted)
    for option, count in summary["recommendations"].items():
        assert count == sum((row["recommendation"] or "none") == option for row in wanted)
    for rule, count in summary["rules"].items():
        assert count == sum(rule in row["fired"] for row in wanted) > 0
    assert sum(summary["rules"].values()) == sum(len(row["fired"]) for row in wanted)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_table_is_decided_as_the_files_that_say_the_same(
    kind: str, sweep: Run, decider: Decider, tmp_path: Path
) -> None:
    """The examples leave out what has no default, so that a null in its place says the same: but for these."""
    raws = plain_examples()
    assert len(raws) > 5
    given = [row for raw in raws for row in rows_of_document(raw)]
    needs = {name for row in given for name in row if name.startswith("needs.")}
    for row in given:
        for name, default in {
            "task.modalities": ["text"],
            "task.min_scores": {},
            **dict.fromkeys(needs, False),
        }.items():
            row.setdefault(name, default)
        if "proposal.deployment" in row:
            row.setdefault("proposal.quantization", "bf16")
    found = sweep(table(tmp_path, kind, given))
    assert found.status == 0, found.err
    same(findings(tmp_path / "out.jsonl"), decided_of(decider, raws))


def test_bad_rows_are_rejects_and_the_others_are_decided(sweep: Run, tmp_path: Path) -> None:
    rows = [LEAST, LEAST | {"task.kind": "chat", "data.residency": []}, LEAST | {"task.name": "u"}]
    source = table(tmp_path, "jsonl", rows)
    source.write_bytes(source.read_bytes() + b"{\n")
    found = sweep(source, "-o", "json")
    assert found.status == 2
    assert [row["task.name"] for row in findings(tmp_path / "out.jsonl")] == ["t", "u"]
    first, second = rejects(tmp_path / "out.jsonl")
    assert first["place"] == {"file": str(source), "line": 2}
    assert sorted(each["message"] for each in first["reasons"]) == [
        "`data.residency` lists no region",
        "`task.kind` cannot be `chat`",
    ]
    assert first["given"] == rows[1]
    assert (second["place"]["line"], second["given"]) == (4, "{")
    summary = found.json
    assert (summary["rows"], summary["findings"], summary["rejects"]) == (4, 2, 2)
    assert f"2 of 4 rows are rejects; the first is {source}:2: " in found.err
    assert "[sweep-rejects]" in found.err


def test_bad_files_are_rejects_with_their_places(sweep: Run, tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.yaml").write_text(ALLOWED.read_text(encoding="utf-8").replace("stage:", "stge:"), encoding="utf-8")
    (folder / "deep" / "b.yml").write_bytes(DENIED.read_bytes() + b"---\nkind: Other\n---\n{\n")
    (folder / "c.yaml").write_text("", encoding="utf-8")
    (folder / "notes.txt").write_text("no workload", encoding="utf-8")
    (folder / "d.yaml").write_bytes(ALLOWED.read_bytes())
    os.mkfifo(folder / "e.yaml")
    found = sweep(folder, "-o", "json")
    assert found.status == 2
    assert [row["file"] for row in findings(tmp_path / "out.jsonl")] == ["d.yaml", "deep/b.yml"]
    bad = rejects(tmp_path / "out.jsonl")
    assert [each["place"] for each in bad] == [
        {"file": "a.yaml", "document": 1},
        {"file": "c.yaml", "document": 1},
        {"file": "e.yaml"},
        {"file": "deep/b.yml", "document": 2},
        {"file": "deep/b.yml", "document": 3},
    ]
    assert bad[0]["reasons"][0]["line"] > 1
    assert bad[2]["reasons"][0]["message"] == "it is no regular file"
    assert (found.json["rows"], found.json["findings"]) == (7, 2)


@pytest.mark.parametrize(
    ("limit", "source", "status"),
    [("deny", ALLOWED, 0), ("review", ALLOWED, 0), ("deny", DENIED, 1), ("review", DENIED, 1)],
)
def test_fail_on(limit: str, source: Path, status: int, sweep: Run, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "w.yaml").write_bytes(source.read_bytes())
    assert sweep(tmp_path / "one", "--fail-on", limit).status == status
    (tmp_path / "one" / "bad.yaml").write_text("{", encoding="utf-8")
    assert sweep(tmp_path / "one", "--fail-on", limit).status == 2


def test_parquet_has_masks_and_their_index(sweep: Run, tmp_path: Path) -> None:
    assert sweep(EXAMPLES, to="out.parquet").status == 0
    assert sweep(EXAMPLES, "--ids", to="ids.parquet").status == 0
    assert sweep(EXAMPLES).status == 0
    index = json.loads((tmp_path / "out.parquet.index.json").read_text(encoding="utf-8"))
    assert json.loads(pl.read_parquet_metadata(tmp_path / "out.parquet")["policy-engine.index"]) == index
    rows = findings(tmp_path / "out.parquet")
    by_hand = []
    for row in rows:
        names = {}
        for mask, about in index["masks"].items():
            bits = sum(row.pop(column) << (64 * number) for number, column in enumerate(about["columns"]))
            names[mask] = [name for place, name in enumerate(index[about["of"]]) if bits >> place & 1]
        by_hand.append(row | names)
    assert by_hand == findings(tmp_path / "ids.parquet") == findings(tmp_path / "out.jsonl")


def test_csv_is_for_spreadsheets(sweep: Run, tmp_path: Path) -> None:
    rows = [LEAST | {"task.name": "=cmd|' /C calc'!A0"}, LEAST | {"task.name": '@a,"b"'}]
    assert sweep(table(tmp_path, "jsonl", rows), to="out.csv").status == 0
    content = (tmp_path / "out.csv").read_bytes()
    assert content.count(b"\r\n") == content.count(b"\n") == 3
    assert sweep(table(tmp_path, "jsonl", rows)).status == 0
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as stream:
        cells = list(csv.DictReader(stream))
    assert [row["task.name"] for row in cells] == ["'=cmd|' /C calc'!A0", '\'@a,"b"']
    for row, other in zip(cells, findings(tmp_path / "out.jsonl"), strict=True):
        assert row["fired"].split(";") == other["fired"]
        assert row["missing"].split(";") == other["missing"]
        assert int(row["score_low.edge"]) == other["score_low.edge"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty.csv", b"", "sweep-source"),
        ("head.csv", b"workload.name,workload.stage,task.name,task.kind\n", "sweep-empty"),
        ("empty.jsonl", b"", "sweep-empty"),
        ("broken.parquet", b"PAR1xxxxPAR1", "sweep-source"),
        ("text.parquet", b"workload.name", "sweep-source"),
        ("binary.csv", bytes(range(256)), "sweep-source"),
        ("t.xlsx", b"", "unknown-format"),
    ],
)
def test_a_source_that_is_none(name: str, content: bytes, code: str, sweep: Run, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.iterdir())
    found = sweep(tmp_path / name)
    assert found.status == 2
    assert f"[{code}]" in found.err
    assert "Traceback" not in found.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_directory_without_workloads_and_a_place_where_nothing_is(sweep: Run, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert "[sweep-empty]" in sweep(tmp_path / "none").err
    assert "no such file or directory" in sweep(tmp_path / "nowhere").err
    assert sweep(tmp_path / "nowhere").status == 2
    assert sweep(tmp_path / "none").status == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--at", "yesterday"], "`yesterday` is not a time"),
        (["--at", "2026-11-24"], "is not a time"),
        (["--ray-address", "127.0.0.1:1"], "`--ray-address` goes with `--engine ray`"),
        (["--policy-digest", "sha256:00"], "the effective policy is"),
        (["--keep", "x"], "workload files have no other columns to keep"),
        (["-o", "csv"], "there is no format `csv`"),
        (["--engine", "spark"], "is not one of `polars`, `ray`"),
    ],
)
def test_what_cannot_work_is_refused(arguments: list[str], message: str, sweep: Run, tmp_path: Path) -> None:
    found = sweep(EXAMPLES, *arguments)
    assert found.status in (2, 3)
    assert message in found.err
    assert not (tmp_path / "out.jsonl").exists()


def test_what_stands_there_is_spared(sweep: Run, policy: Run, tmp_path: Path) -> None:
    assert policy("evaluate", str(ALLOWED), "--ledger", f"sqlite:///{tmp_path}/ledger.db", *AT, "-q").status == 0
    before = (tmp_path / "ledger.db").read_bytes()
    for name in ("ledger.db", "ledger.db.key"):
        found = sweep(EXAMPLES, "--format", "csv", to=name)
        assert (found.status, "[cannot-write]" in found.err) == (2, True)
        found = sweep(EXAMPLES, "--rejects", str(tmp_path / name))
        assert (found.status, "[cannot-write]" in found.err) == (2, True)
    assert (tmp_path / "ledger.db").read_bytes() == before
    source = table(tmp_path, "csv", [LEAST])
    assert "is read or recorded to by this run" in sweep(source, to="fleet.csv").err
    assert "two reports cannot go to one file" in sweep(source, "-o", f"json={tmp_path}/out.jsonl").err
    assert "it is no regular file" in policy("sweep", str(source), "--to", "/dev/null", "--format", "csv").err
    assert "no such directory" in sweep(source, to="no/such/out.csv").err
    assert "does not say in which format" in sweep(source, to="out.txt").err


def test_the_file_that_is_replaced_keeps_its_rights(sweep: Run, tmp_path: Path) -> None:
    (tmp_path / "out.jsonl").write_text("old", encoding="utf-8")
    (tmp_path / "out.jsonl").chmod(0o600)
    assert sweep(EXAMPLES).status == 0
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600
    assert len(findings(tmp_path / "out.jsonl")) > 10
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_the_summary_is_for_people_and_programs(sweep: Run, tmp_path: Path) -> None:
    found = sweep(EXAMPLES, "-o", "text", "-o", f"json={tmp_path}/s.json", "-o", f"markdown={tmp_path}/s.md")
    assert "Rules that fired" in found.out
    assert "rows a second" in found.err
    assert "second" not in found.out
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["kind"] == "Sweep"
    assert "| Verdict | Rows | Part |" in (tmp_path / "s.md").read_text(encoding="utf-8")


def test_a_row_that_is_lost_hands_out_nothing(sweep: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = reading.spooled
    monkeypatch.setattr(reading, "spooled", lambda space, job: whole(space, job).filter(pl.col("row") != 3))
    found = sweep(EXAMPLES)
    assert found.status == 7
    assert "18 rows came in, and 17 findings and 0 rejects go out [sweep-count]" in found.err
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == []


def test_a_table_that_is_changed_while_it_is_read(sweep: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = table(tmp_path, "parquet", [LEAST])
    decide = FleetEngine.findings

    def late(self: FleetEngine, rows: pl.LazyFrame, keep: tuple[str, ...] = ()) -> pl.LazyFrame:
        source.touch()
        return decide(self, rows, keep)

    monkeypatch.setattr(FleetEngine, "findings", late)
    found = sweep(source)
    assert found.status == 2
    assert "the file was changed while it was read" in found.err
    assert not (tmp_path / "out.jsonl").exists()


def test_rules_that_contradict_each_other_on_a_row_are_an_error_of_the_rules(sweep: Run, tmp_path: Path) -> None:
    """As for evaluate: no row is handed out, and the message names the rules."""
    layer = tmp_path / "acme"
    (layer / "life-cycle").mkdir(parents=True)
    (layer / "vocabulary.yaml").write_text(
        "facts:\n  custom.colour: {type: string, source: rule, values: [red, blue], meaning: A colour.}\n",
        encoding="utf-8",
    )
    for colour, kind in (("red", "coding"), ("blue", "agentic")):
        (layer / "life-cycle" / f"own-{colour}.yaml").write_text(
            f"id: own-{colour}\ntitle: {colour}\norigin: ACME 1\nwhen: task.kind in ['{kind}', 'other']\n"
            f"derive: {{custom.colour: \"'{colour}'\"}}\nmessage: {colour}\n",
            encoding="utf-8",
        )
    rows = [LEAST | {"task.kind": kind} for kind in ("coding", "agentic", "judge")]
    assert sweep(table(tmp_path, "jsonl", rows), "--policy", str(layer)).status == 0
    (tmp_path / "out.jsonl").unlink()
    found = sweep(table(tmp_path, "jsonl", [*rows, LEAST]), "--policy", str(layer))
    assert found.status == 3
    assert "rules `own-blue` and `own-red` both fired" in found.err
    assert not (tmp_path / "out.jsonl").exists()


def test_layers_count_and_their_custom_facts_are_columns(sweep: Run, tmp_path: Path) -> None:
    layer = tmp_path / "acme"
    layer.mkdir()
    (layer / "vocabulary.yaml").write_text(
        "facts:\n  custom.critical: {type: bool, default: true, meaning: Whether it is critical.}\n"
        "  custom.level: {type: int, min: 0, max: 9, meaning: The level.}\n",
        encoding="utf-8",
    )
    (layer / "life-cycle").mkdir()
    (layer / "life-cycle" / "critical-stays.yaml").write_text(
        "id: critical-stays\ntitle: Critical work stays\norigin: ACME 1\nwhen: custom.critical && custom.level > 5\n"
        "forbid: [proprietary_api]\nenforcement: mandatory\nmessage: stays\n",
        encoding="utf-8",
    )
    rows = [
        LEAST | {"custom.level": 6},
        LEAST | {"custom.level": 5},
        LEAST | {"custom.level": 6, "custom.critical": None},
    ]
    rows += [LEAST | {"custom.level": 10}, LEAST | {"custom.level": 6, "custom.critical": False}]
    found = sweep(table(tmp_path, "jsonl", rows), "--policy", str(layer))
    assert found.status == 2, found.err
    stays = [
        ("critical-stays" in row["fired"], "critical-stays" in row["indeterminate"])
        for row in findings(tmp_path / "out.jsonl")
    ]
    assert stays == [(True, False), (False, False), (False, True), (False, False)]
    assert "`custom.level` is 10, above 9" in rejects(tmp_path / "out.jsonl")[0]["reasons"][0]["message"]


@pytest.mark.parametrize(("library", "more", "extra"), [("polars", [], "fleet"), ("ray", ["--engine", "ray"], "ray")])
def test_an_extra_that_is_missing_is_named(library: str, more: list[str], extra: str, tmp_path: Path) -> None:
    given = ["sweep", str(EXAMPLES), "--to", str(tmp_path / "out.csv"), *more]
    code = f"import sys; sys.modules[{library!r}] = None; from policy_engine.cli.main import run; run({given!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert f"pip install policy-engine[{extra}]" in done.stderr
    assert not (tmp_path / "out.csv").exists()


def test_nothing_heavy_is_imported_by_other_commands() -> None:
    commands = [["--help"], ["sweep", "--help"], ["evaluate", str(ALLOWED), "--ledger", "sqlite:///:memory:", "-q"]]
    code = (
        f"import sys\nfrom policy_engine.cli.main import call\nassert not any(call(each) for each in {commands!r})\n"
        "print(sorted({'polars', 'ray', 'pyarrow', 'z3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
