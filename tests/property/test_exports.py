"""What is exported and read back is what was on record, whatever the text; and CSV holds no formula."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import unicodedata
from pathlib import Path

import pyarrow.parquet
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_audit.entry import parse_entry
from policy_audit.many_proofs import inclusion_proofs
from policy_audit.merkle import inclusion_proof, leaf_hash, root_hash

from policy_engine.exports import csv_table, page
from policy_engine.exports.check import Pinned, check_export
from policy_engine.exports.decisions import COLUMNS, decision_row
from tests.unit.exports.given import SIGNER, decision, export, ledger

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("=+-@'\";,\\\r\n\t\u202e\u200b<>&"),
    min_size=1,
    max_size=12,
).map(lambda text: unicodedata.normalize("NFC", text))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(TEXT, st.lists(TEXT, max_size=3)), min_size=1, max_size=4))
def test_every_format_reads_back(names: list[tuple[str, list[str]]]) -> None:
    drafts = [decision(n, workload=name, tags={"rule": rules}) for n, (name, rules) in enumerate(names)]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with ledger(folder / "ledger.db", *drafts) as opened:
            for name in ("csv", "jsonl", "parquet", "html"):
                export(opened, folder / name, name)
            stored = [opened.entry(n) for n in range(len(names))]
        rows = [decision_row(each.index, each.leaf_hash, parse_entry(each.raw)) for each in stored]
        exact = [dict(zip((c.name for c in COLUMNS), row, strict=True)) for row in rows]
        lists = {c.name for c in COLUMNS if c.kind == "list"}
        lines = (folder / "jsonl" / "decisions.jsonl").read_bytes().split(b"\n")[:-1]
        assert [json.loads(line) for line in lines] == [
            {key: list(value) if key in lists else value for key, value in row.items()}
            for row in exact  # type: ignore[arg-type]
        ]
        table = pyarrow.parquet.read_table(folder / "parquet" / "decisions.parquet").to_pylist()
        assert [(row["workload"], row["rules"], row["index"]) for row in table] == [
            (row["workload"], list(row["rules"]), row["index"])
            for row in exact  # type: ignore[arg-type]
        ]
        with (folder / "csv" / "decisions.csv").open(encoding="utf-8", newline="") as stream:
            found = list(csv.DictReader(stream))
        assert [row["workload"] for row in found] == [csv_table.safe_text(str(row["workload"])) for row in exact]
        for name in ("csv", "jsonl", "parquet", "html"):
            assert check_export(folder / name, Pinned([SIGNER.verifier_key], SIGNER.name)).ok, name


@settings(max_examples=500, deadline=None)
@given(st.lists(TEXT, max_size=3) | TEXT)
def test_a_cell_is_no_formula_however_it_is_split(value: list[str] | str) -> None:
    text = csv_table.cell_text(tuple(value) if isinstance(value, list) else value, "text")
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow(["x", text])
    (row,) = csv.reader(io.StringIO(stream.getvalue(), newline=""))
    assert row == ["x", text]
    for part in text.replace("\n", ";").split(";"):
        assert not part.strip().startswith(tuple("=+-@＝＋－＠"))
    if isinstance(value, str):
        assert csv_table.plain_text(text) == csv_table.printable(value)


@settings(max_examples=300, deadline=None)
@given(TEXT)
def test_text_in_a_page_is_text(text: str) -> None:
    found = page.shown(text)
    assert "<" not in found
    assert ">" not in found
    assert '"' not in found
    assert found.replace("\n", "").isprintable()


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 200), st.data())
def test_many_proofs_are_the_proofs_one_by_one(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(str(n).encode()) for n in range(size)]
    wanted = data.draw(st.sets(st.integers(0, size - 1)))
    root, found = inclusion_proofs(iter(leaves), size, wanted)
    assert root == root_hash(leaves)
    assert found == {n: tuple(inclusion_proof(leaves, n, size)) for n in wanted}
