"""`policy audit reconcile`: what is deployed, and what callers count, against what is on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from policy_audit.ledger import Draft

from tests.integration.tampering import decision
from tests.unit.cli.ledgers import add

Run = Callable[..., Any]
HEADER = "namespace,workload,deployment,model,artefact,deployed_at"


def decided(name: str, verdict: str = "allow", purpose: str | None = "deploy", **more: Any) -> Draft:
    draft = decision(0)
    until = more.pop("until", "2099-01-01T00:00:00Z")
    view = {**draft.view, "workload": name, "verdict": verdict, "purpose": purpose, "valid_until": until, **more}
    tags = {"deployment": ["self_hosted"], "model": ["llama-3-70b", "mistral-7b"]}
    return replace(draft, view=view, tags=tags)


@pytest.fixture
def fleet(ledger: Path) -> Path:
    add(
        ledger,
        decided("good", run="r1"),
        decided("draft-only", purpose="draft", run="r1"),
        decided("denied", verdict="deny", run="r1"),
        decided("reviewed", verdict="review", run="r2"),
        decided("old", until="2020-01-01T00:00:00Z", run="r2"),
        decided("nowhere", verdict="allow_with_conditions", run="r3"),
        decided("nowhere-and-old", until="2020-01-01T00:00:00Z"),
        decided("redone", verdict="deny"),
        decided("redone"),
    )
    return ledger


def write(*rows: str, header: str = HEADER, name: str = "inventory.csv", encoding: str = "utf-8") -> str:
    Path(name).write_text("\n".join((header, *rows)) + "\n", encoding=encoding)
    return name


def findings(outcome: Any) -> list[tuple[str, str | None, int | None]]:
    assert outcome.status in (0, 1), outcome.err
    return [(row["finding"], row["workload"], row["line"]) for row in outcome.json["rows"]]


def row(name: str, deployment: str = "self_hosted", model: str = "mistral-7b", more: str = ",") -> str:
    return f"default,{name},{deployment},{model},{more}"


@pytest.mark.usefixtures("fleet")
def test_every_finding(policy: Run) -> None:
    file = write(
        row("good"),
        row("redone"),
        row("unheard-of"),
        row("draft-only"),
        row("denied"),
        row("reviewed"),
        row("old", model="gpt-4o"),
        row("good", deployment="edge"),
        row("good", more="img@sha256:1,2020-01-01"),
    )
    found = policy("audit", "reconcile", file, "-o", "json")
    assert findings(found) == [
        ("no-decision", "unheard-of", 4),
        ("not-for-deploy", "draft-only", 5),
        ("denied", "denied", 6),
        ("only-reviewed", "reviewed", 7),
        ("other-model", "old", 8),
        ("expired", "old", 8),
        ("other-deployment", "good", 9),
        ("deployed-before", "good", 10),
        ("never-deployed", "nowhere", None),
    ]
    assert found.json["population"] == 9
    assert policy("audit", "reconcile", file).status == 0
    failing = policy("audit", "reconcile", file, "--fail-on", "findings", "-o", "json")
    assert failing.status == 1
    assert failing.json["rows"] == found.json["rows"]
    rows = {each["finding"]: each for each in found.json["rows"]}
    assert rows["other-model"]["decided"] == ["llama-3-70b", "mistral-7b"]
    text = policy("audit", "reconcile", file).out
    assert "not in the inventory" in " ".join(text.split())


@pytest.mark.usefixtures("fleet")
def test_what_is_as_decided_has_no_finding(policy: Run) -> None:
    file = write(row("good"), row("good", model="llama-3-70b"), row("nowhere"), row("redone"), row("good"))
    found = policy("audit", "reconcile", file, "--fail-on", "findings", "-o", "json")
    assert (found.status, findings(found)) == (0, [])
    assert any("repeat others" in each for each in found.json["remarks"])
    late = policy("audit", "reconcile", file, "--at", "2100-01-01", "-o", "json")
    assert {name for name, _, _ in findings(late)} == {"expired"}
    drafts = policy("audit", "reconcile", write(row("draft-only")), "--purpose", "draft", "-o", "json")
    assert findings(drafts) == []


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_files_are_read_as_spreadsheets_write_them(policy: Run, encoding: str, separator: str) -> None:
    header = separator.join((" Namespace", "WORKLOAD", "owner of it", "deployment", "Model "))
    line = separator.join(("default", '"good"', '"a ""quoted"" name\r\nin two lines"', "self_hosted", " mistral-7b"))
    file = write(
        line, "", separator.join(("default", "nope", "x", "self_hosted", "y")), header=header, encoding=encoding
    )
    found = policy("audit", "reconcile", file, "-o", "json")
    assert [each for each in findings(found) if each[0] != "never-deployed"] == [("no-decision", "nope", 5)]


def bad(data: bytes) -> str:
    Path("bad.csv").write_bytes(data)
    return "bad.csv"


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "has no header"),
        (b"namespace,workload,deploiment,model\n", "bad.csv:1:1: error: there is no column `deployment`"),
        (b"namespace,workload,deployment,model,model\n", "the column `model` is there twice"),
        (b"namespace,workload,deployment,model\na,b,c\n", "bad.csv:2:1: error: the row has 3 cells"),
        (b"namespace,workload,deployment,model\n\na,,c,d\n", "bad.csv:3:1: error: the row has no `workload`"),
        (b'namespace,workload,deployment,model\na,b,c,"d\n', "is not CSV"),
        (b"namespace,workload,deployment,model\na,b\x00,c,d\n", "bad.csv:2:1: error: a cell holds a character"),
        (b"namespace,workload,deployment,model\na,b,c,\xff\n", "bad.csv:2:1: error: the file is not text in UTF-8"),
        (b"namespace,workload,deployment,model\na,b,c," + b"d" * 2000, "more than 1,000 characters"),
        (b'namespace,workload,deployment,model\na,b,c,"' + b"d" * 200_000 + b'"\n', "is not CSV"),
        ("namespace,workload,deployment,model\na,b\u200bc,c,d\n".encode(), "cannot be seen"),
        (b"namespace,workload,deployment,model,deployed_at\na,b,c,d,soon\n", "`soon` is not a time"),
    ],
)
def test_a_malformed_inventory_is_status_2_with_its_line(policy: Run, data: bytes, says: str) -> None:
    found = policy("audit", "reconcile", bad(data))
    assert (found.status, found.out) == (2, ""), found
    assert says in found.err


@pytest.mark.usefixtures("ledger")
def test_a_file_that_is_not_there_and_nothing_to_compare_are_status_2(policy: Run) -> None:
    for given in (["none.csv"], [], ["--runs", "none.csv"], [write(row("x")), "--since", "2026-01-01"]):
        assert policy("audit", "reconcile", *given).status == 2


@pytest.mark.usefixtures("fleet")
@pytest.mark.parametrize(
    ("rows", "given", "expected"),
    [
        (["r1,3", "r2,2"], [], []),
        (
            ["r1,4", "r2,1", "r9,1"],
            [],
            [("missing-entries", "run r1"), ("surplus-entries", "run r2"), ("missing-entries", "run r9")],
        ),
        (["r1,3"], ["--since", "2020-01-01"], [("unknown-run", "run r2"), ("unknown-run", "run r3")]),
        (["r1,0"], ["--since", "2099-01-01"], []),
    ],
)
def test_an_entry_that_was_dropped_before_commit_is_missing_from_the_callers_count(
    policy: Run, rows: Sequence[str], given: list[str], expected: list[tuple[str, str]]
) -> None:
    file = write(*rows, header="run,decisions", name="counts.csv")
    found = policy("audit", "reconcile", "--runs", file, *given, "-o", "json", "--fail-on", "findings")
    assert [(each["finding"], each["deployed"]) for each in found.json["rows"]] == expected
    assert found.status == (1 if expected else 0)


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("rows", [["r1,-1"], ["r1,many"], ["r1,1", "r1,1"], [",1"], ["r1,9999999999999"]])
def test_malformed_counts_are_status_2(policy: Run, rows: Sequence[str]) -> None:
    found = policy("audit", "reconcile", "--runs", write(*rows, header="run,decisions", name="counts.csv"))
    assert (found.status, found.out) == (2, "")
    assert "counts.csv:" in found.err
