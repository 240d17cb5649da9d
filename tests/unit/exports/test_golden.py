"""The bytes of exports of a small ledger, under a key and a clock that are always the same.

`UPDATE_GOLDEN=1` writes them anew. Parquet's bytes are its library's, and are not kept.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.exports.given import decision, export, ledger, task

GOLDEN = Path(__file__).parents[2] / "golden" / "exports"
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))
FILES = {
    "csv": ("decisions.csv", "manifest.json", "checkpoint", "proofs/1.tlog-proof", "export.json", "export.tlog-proof"),
    "jsonl": ("decisions.jsonl",),
    "html": ("decisions.html",),
    "oscal": ("oscal/catalog.json", "oscal/assessment-plan.json", "oscal/assessment-results.json"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_bytes_are_those_agreed_on(name: str, tmp_path: Path) -> None:
    drafts = [
        decision(0, task(forbidden=["stays"]), workload="triage"),
        decision(1, task(), workload="=hostile; <b>", verdict="allow", tags={}),
        decision(2, task(outstanding=["agreement"]), workload="triage", verdict="review"),
    ]
    with ledger(tmp_path / "ledger.db", *drafts) as opened:
        export(opened, tmp_path / "out", name)
    for file in FILES[name]:
        data = (tmp_path / "out" / file).read_bytes()
        kept = GOLDEN / file.replace("/", "-")
        if UPDATE:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
        assert data == kept.read_bytes(), file
