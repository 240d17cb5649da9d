"""`policy evidence check`: of which grade each piece of evidence is today, and what keeps it from a better one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from policy_engine.asking.moments import exact
from policy_engine.cli.evidence_common import one_workload, workload_option
from policy_engine.cli.moments import AsOf
from policy_engine.cli.options import policy_options
from policy_engine.cli.sections import FORMATS, Section, report_writers


@click.command("check", epilog="Example: policy evidence check workload.yaml --policy acme -o json")
@click.argument("file", metavar="FILE")
@click.option("--at", metavar="TIME", type=AsOf(), help="As of this time, or of this date (UTC).  [default: now]")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@workload_option
@policy_options
def command(
    file: str,
    *,
    at: Any,
    outputs: Sequence[str],
    chosen: str | None,
    layers: Sequence[Path],
    policy_digest: str | None,
) -> None:
    """Say of which grade the evidence in FILE is.

    And of each piece what keeps it from counting, or from a better grade that it claims. Nothing is recorded. A bare
    ledger_index counts in the ledger of a decision alone, so that it shows as less here; and what was revoked on record
    there shows here as if it were not.
    """
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.loading.evidence import check_evidence, evidence_documents
    from policy_engine.vouching.voucher import Voucher

    targets = parse_outputs(outputs, FORMATS)
    policy = load(layers, policy_digest)
    workload, folder = one_workload(file, chosen, policy)
    moment = at or now()
    found = check_evidence(workload, moment.date(), folder, Voucher(policy).of(workload, moment, folder))
    rows = [{"evidence": name, **document} for name, document in evidence_documents(found).items()]
    value = {"kind": "EvidenceList", "workload": workload.identity, "at": exact(moment), "evidence": rows}
    write_reports(targets, report_writers(lambda: value, lambda: [*_sections(rows), *_asked(value, at)]))


def _asked(value: dict[str, Any], at: Any) -> list[Section]:
    return [Section(pairs=[("As of", value["at"])])] if at is not None else []


def _sections(rows: Sequence[dict[str, Any]]) -> list[Section]:
    if not rows:
        return [Section(lines=["the workload names no evidence"])]
    header = ("=Evidence", "=Grade", "=Until", "~What keeps it from counting, or from a better grade")
    cells = [(row["evidence"], *_cells(row)) for row in rows]
    return [Section(header=header, rows=cells)]


def _cells(row: dict[str, Any]) -> tuple[str, str, str]:
    days = [day for day in (row["valid_until"], row.get("ends")) if day is not None]
    grade = row["grade"] if row["problem"] is None else "none"
    return grade, min(days, default=""), row["problem"] or row.get("short") or ""
