"""`policy audit verify-attestation`: check attestations with nothing but pinned keys, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.attestation_common import PublicKey, check_file, key_options, pinned
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.cli.subjects import WantedSubject
from policy_engine.wording import number

if TYPE_CHECKING:
    from policy_engine.attesting.checking import Checked, Wanted
    from policy_engine.attesting.reading import Read

UNPROVEN = "no receipt was asked for: that the decisions are on record is what the signer says"
UNBOUND = "no --subject was given: what was checked may be about anything"


@click.command(
    "verify-attestation",
    epilog="Example: policy audit verify-attestation out.intoto.jsonl --key attest-public.pem --ledger-vkey KEY",
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@key_options
@click.option(
    "--subject",
    "subjects",
    metavar="[NAME@]sha256:HEX",
    multiple=True,
    type=WantedSubject(),
    help="What one of the decisions has to bind; repeatable.",
)
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
def command(
    *,
    file: Path,
    keys: Sequence[PublicKey],
    logs: Sequence[str],
    no_receipt: bool,
    subjects: Sequence[Wanted],
    outputs: Sequence[str],
) -> int:
    """Check what `policy gate --attest` wrote: signatures, statements, decisions, their summaries and receipts.

    Every line has to be what the gate writes, signed by a pinned key; nothing in FILE says whom to trust. The exit
    status is 0 where every step that ran passed, 6 where any failed, and 2 where FILE cannot be read or is something
    else. Verdicts are not judged here: `policy verify-deployment` does that.
    """
    from policy_engine.cli.main import LEDGER, OK
    from policy_engine.cli.output import parse_outputs, spare, write_reports

    targets = parse_outputs(outputs, FORMATS)
    spare(targets, [file])
    pins = pinned(keys, logs, no_receipt, subjects)
    found = check_file(file, pins)
    shown = shown_check(found)
    remarks = [UNBOUND] * (not subjects) + [UNPROVEN] * no_receipt
    write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown, remarks)))
    return OK if found.ok else LEDGER


def shown_check(found: Checked) -> dict[str, Any]:
    """Return the steps, and the decisions where every step passed: what is not verified is not repeated."""
    steps = [
        {
            "number": place,
            "name": step.name,
            "title": step.title,
            "status": step.status,
            "checked": step.checked,
            "problems": [{"line": line, "problem": problem} for line, problem in step.problems],
        }
        for place, step in enumerate(found.steps, 1)
    ]
    decisions = [shown_decision(read) for _, read in found.decisions] if found.ok else []
    return {"kind": "AttestationCheck", "ok": found.ok, "steps": steps, "decisions": decisions}


def shown_decision(read: Read) -> dict[str, Any]:
    """Return what is said of a decision that was checked."""
    from policy_engine.attesting.statements import verified_at

    document, ledger = read.document, read.predicate["ledger"]
    return {
        "id": read.predicate["id"],
        "workload": read.workload,
        "stage": document["workload"]["stage"],
        "purpose": read.purpose,
        "verdict": document["verdict"],
        "valid_until": document["valid_until"],
        "policy_digest": document["policy"]["digest"],
        "recorded_at": verified_at(read.predicate),
        "origin": ledger.get("origin"),
        "index": ledger.get("index"),
        "subjects": [str(subject) for subject in read.subjects],
    }


def step_section(shown: Mapping[str, Any]) -> Section:
    """Return the steps as a table, each with the first thing that is wrong in it."""
    rows = [
        (str(step["number"]), step["name"], step["status"], number(step["checked"]), _what(step))
        for step in shown["steps"]
    ]
    return Section(header=(">#", "Step", "Result", ">Checked", "~What"), rows=rows)


def _what(step: Mapping[str, Any]) -> str:
    if not step["problems"]:
        return str(step["title"])
    first, more = step["problems"][0], len(step["problems"]) - 1
    line = f"line {first['line']}: " if first["line"] is not None else ""
    return f"{line}{first['problem']}" + (f" (and {more} more)" if more else "")


def _sections(shown: Mapping[str, Any], remarks: Sequence[str]) -> list[Section]:
    failed = [step["name"] for step in shown["steps"] if step["status"] == "failed"]
    if failed:
        return [step_section(shown), Section(pairs=[("FAILED", f"in {', '.join(failed)}")])]
    rows = [
        (each["verdict"], each["workload"], each["valid_until"] or "no end", each["id"][:12])
        for each in shown["decisions"]
    ]
    sections = [
        step_section(shown),
        Section(pairs=[("VERIFIED", "every step that ran passed")]),
        Section(header=("Verdict", "~Workload", "Valid until", "Decision"), rows=rows),
    ]
    return [*sections, Section(lines=remarks)] if remarks else sections
