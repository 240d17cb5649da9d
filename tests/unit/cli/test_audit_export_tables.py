"""`policy audit export` of decisions, and `export-check`: real decisions, what is asked for, what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import open_ledger

from tests.unit.cli.ledgers import tamper, vkey
from tests.unit.exports.oscal_reading import read

Run = Callable[..., Any]
ACTOR, OWNER = "anna.actor@acme.example", "olga.owner@acme.example"


@pytest.mark.parametrize("name", ["csv", "jsonl", "parquet", "html", "oscal"])
def test_real_decisions_are_exported_recorded_and_checked(name: str, policy: Run, ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = policy("audit", "export", str(out), "--format", name, "-o", "json")
    assert made.status == 0, made.err
    value = made.json
    assert (value["kind"], value["selected"], value["population"], value["entry"]) == ("Export", 4, 4, 4)
    with open_ledger(f"sqlite:///{ledger}") as opened:
        entry = opened.entry(4)
        assert opened.personal(4) == {"actor": ACTOR}
    assert entry.type == "export"
    assert entry.document["body"]["manifest"] == value["manifest"]
    for path in out.rglob("*"):
        assert path.is_dir() or b"acme.example" not in path.read_bytes(), path
    checked = policy("audit", "export-check", str(out), "--vkey", vkey(ledger), "-o", "json")
    assert checked.status == 0, checked.out
    assert [step["status"] for step in checked.json["steps"]] == ["passed"] * 5
    assert policy("audit", "verify").status == 0
    if name == "oscal":
        (result,) = read(out)["assessment-results"]["results"]
        states = {f["target"]["target-id"]: f["target"]["status"] for f in result["findings"]}
        assert states["criterion_DATA-01_smt"] == {"state": "not-satisfied", "reason": "fail"}
        assert {"state": "satisfied", "reason": "pass"} in states.values()


@pytest.mark.parametrize(
    ("asked", "indexes", "words"),
    [
        ((), [0, 1, 2, 3], "all decisions"),
        (("--verdict", "deny"), [0, 2], "decisions with the verdict deny"),
        (("--workload", "drafts/assistant"), [1, 3], "decisions in the namespace drafts, on the workload assistant"),
        (
            ("--purpose", "deploy", "--stage", "production"),
            [2],
            "decisions of the stage production, for the purpose deploy",
        ),
        (("--rule", "data-stays-in-network", "--verdict", "deny"), [0, 2], None),
        (("--missing-evidence", "--run", "none"), [], "decisions of the run none, without required evidence: any"),
        (("--model", "gpt-4o", "--expired", "--at", "2999-01-01"), [0, 2], None),
        (("--owner", OWNER), [0, 2], "decisions on the workloads of one owner, who is not named here"),
        (("--since", "2999-01-01"), [], "decisions recorded at 2999-01-01T00:00:00.000000Z or later"),
    ],
)
def test_the_filters_select(
    asked: tuple[str, ...], indexes: list[int], words: str | None, policy: Run, ledger: Path, tmp_path: Path
) -> None:
    made = policy("audit", "export", str(tmp_path / "out"), "--format", "csv", *asked, "-o", "json")
    assert made.status == 0, made.err
    with (tmp_path / "out" / "decisions.csv").open(encoding="utf-8", newline="") as stream:
        assert [int(row["index"]) for row in csv.DictReader(stream)] == indexes
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert (manifest["population"]["selected"], manifest["population"]["all"]) == (len(indexes), 4)
    if words is not None:
        assert manifest["query"]["words"] == words
    arguments = manifest["query"]["command"].split()[4:]
    again = policy("audit", "export", str(tmp_path / "again"), *arguments, "-o", "json")
    assert again.json["query"] == made.json["query"]
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        assert b"olga" not in b"".join(entry.raw for entry in opened.list_entries(type="export"))
    assert b"olga" not in (tmp_path / "out" / "manifest.json").read_bytes()
    assert policy("audit", "export-check", str(tmp_path / "out"), "--vkey", vkey(ledger)).status == 0


def test_personal_values_only_where_asked_and_that_is_on_record(policy: Run, ledger: Path, tmp_path: Path) -> None:
    tamper(ledger, "DELETE FROM personal WHERE leaf_index = 1 AND name = 'owner'")
    tamper(ledger, "UPDATE personal SET sealed = zeroblob(92) WHERE leaf_index = 2 AND name = 'owner'")
    made = policy("audit", "export", str(tmp_path / "out"), "--format", "csv", "--with-personal")
    assert made.status == 0, made.err
    assert "keep the folder accordingly" in made.out
    with (tmp_path / "out" / "decisions.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["owner"], row["owner_status"]) for row in rows] == [
        (OWNER, "held"),
        ("", "missing"),
        ("", "altered"),
        ("otto.owner@acme.example", "held"),
    ]
    assert [row["champion_status"] for row in rows] == ["held", "none", "held", "none"]
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        entry = opened.entry(4)
    assert entry.document["body"]["personal"] is True
    assert b"olga" not in entry.raw
    checked = policy("audit", "export-check", str(tmp_path / "out"), "--vkey", vkey(ledger))
    assert checked.status == 0
    assert "personal cells are not checked" in checked.out


@pytest.mark.parametrize("name", ["csv", "html"])
def test_a_tampered_export_is_status_6(name: str, policy: Run, ledger: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert policy("audit", "export", str(out), "--format", name).status == 0
    path = out / f"decisions.{name}"
    path.write_bytes(path.read_bytes().replace(b"deny", b"done"))
    found = policy("audit", "export-check", str(out), "--vkey", vkey(ledger))
    assert found.status == 6
    assert "FAILED in manifest, rows" in " ".join(found.out.split())
    assert "Covered" not in found.out


def test_without_the_key_an_export_is_unrecorded_and_says_so(policy: Run, ledger: Path, tmp_path: Path) -> None:
    pinned = vkey(ledger)
    ledger.with_name("ledger.db.key").unlink()
    refused = policy("audit", "export", str(tmp_path / "out"), "--format", "csv")
    assert refused.status == 6
    assert not (tmp_path / "out").exists()
    made = policy("audit", "export", str(tmp_path / "out"), "--format", "csv", "--unrecorded")
    assert made.status == 0, made.err
    assert "no entry of this export was made" in made.out
    assert policy("audit", "export-check", str(tmp_path / "out"), "--vkey", pinned).status == 6
    assert policy("audit", "export-check", str(tmp_path / "out"), "--vkey", pinned, "--unrecorded").status == 0


def test_a_tampered_ledger_is_status_6_and_leaves_nothing(policy: Run, ledger: Path, tmp_path: Path) -> None:
    tamper(ledger, "UPDATE decision SET verdict = 'allow' WHERE leaf_index = 0")
    found = policy("audit", "export", str(tmp_path / "out"), "--format", "csv")
    assert (found.status, found.out) == (6, "")
    assert "[view-changed]" in found.err
    assert not list(tmp_path.glob("*out*"))


def test_usage(policy: Run, ledger: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x", encoding="utf-8")
    for arguments, code in (
        (("export", out, "--format", "csv", "--documents"), "usage"),
        (("export", str(tmp_path / "full"), "--format", "csv"), "export-folder"),
        (("export", str(tmp_path / "no" / "out"), "--format", "csv"), "export-unwritable"),
        (("export", out, "--format", "csv", "--policy-digest", "xyz"), "policy-digest"),
        (("export-check", out, "--vkey", vkey(ledger)), "file-unreadable"),
        (("export-check", str(tmp_path / "full"), "--vkey", "nonsense"), "verifier-key"),
        (("export-check", str(tmp_path / "full")), "usage"),
    ):
        found = policy("audit", *arguments)
        assert found.status == 2, arguments
        assert f"[{code}]" in found.err
    assert policy("audit", "verify", "-o", "json").json["entries"] == 4
    shutil.rmtree(tmp_path / "full")
    (tmp_path / "full" / "tile").mkdir(parents=True)
    found = policy("audit", "export-check", str(tmp_path / "full"), "--vkey", vkey(ledger))
    assert (found.status, "python -m policy_audit.verify" in found.err) == (2, True)
