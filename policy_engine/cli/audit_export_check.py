"""`policy audit export-check`: check an exported folder against a pinned key, without the ledger."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.verifying import check_keys
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import InputError, Problem
from policy_engine.wording import number

if TYPE_CHECKING:
    from policy_engine.exports.check import Checked

PERSONAL = "personal cells are not checked: entries hold commitments to them alone"
SAMPLED = "rows without their entries beside them are not compared: their file has the SHA-256 of the manifest"


@click.command("export-check", epilog="Example: policy audit export-check q3/ --vkey KEY")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--vkey", "vkeys", metavar="KEY", multiple=True, required=True, help="A verifier key that you pinned.")
@click.option("--origin", metavar="NAME", help="The log's name that you pinned.  [default: the first key's name]")
@click.option("--unrecorded", is_flag=True, help="Accept an export of which the ledger has no entry.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
def command(*, folder: Path, vkeys: Sequence[str], origin: str | None, unrecorded: bool, outputs: Sequence[str]) -> int:
    """Check an export of `policy audit export` with nothing but a key that you pinned.

    Every file's SHA-256, the checkpoint's signature, the entry that records the export, every proof against the
    entry's bytes, and the rows against the entries. The exit status is 0 where every step that ran passed, and 6 where
    any failed. A folder of the format tlog is verified by `python -m policy_audit.verify`.
    """
    from policy_engine.cli.main import LEDGER, OK
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.exports.check import Pinned, check_export

    targets = parse_outputs(outputs, FORMATS)
    check_keys(vkeys)
    _refuse_other(folder)
    found = check_export(folder, Pinned(vkeys, origin or vkeys[0].partition("+")[0], unrecorded))
    shown = _shown(found)
    write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown)))
    return OK if found.ok else LEDGER


def _refuse_other(folder: Path) -> None:
    if not os.path.isdir(folder):
        raise InputError(Problem("file-unreadable", f"`{folder}` is not a folder"))
    if not (folder / "manifest.json").exists() and (folder / "tile").exists():
        hint = f"python -m policy_audit.verify {folder} --vkey KEY"
        raise InputError(Problem("export-folder", f"`{folder}` holds a log, and no manifest", help=hint))


def _shown(found: Checked) -> dict[str, Any]:
    manifest = found.manifest
    about: dict[str, Any] = {}
    # what a manifest says is vouched for only where it was checked
    if manifest is not None and found.ok:
        about = {
            "format": manifest.format,
            "query": manifest.words,
            "selected": manifest.selected,
            "counted": manifest.counted,
            "origin": manifest.origin,
            "size": manifest.size,
            "root": manifest.root,
            "personal": manifest.personal,
            "sampled": manifest.proofs_mode != "all",
        }
    steps = [
        {
            "number": place,
            "name": step.name,
            "title": step.title,
            "status": step.status,
            "checked": step.checked,
            "problem": step.problem,
        }
        for place, step in enumerate(found.steps, 1)
    ]
    return {"kind": "ExportCheck", "ok": found.ok, **about, "steps": steps}


def _sections(shown: Mapping[str, Any]) -> list[Section]:
    rows = [
        (str(s["number"]), s["name"], s["status"], number(s["checked"]), s["problem"] or s["title"])
        for s in shown["steps"]
    ]
    failed = [s["name"] for s in shown["steps"] if s["status"] == "failed"]
    ran = "every step that ran passed" if any(s["status"] == "skipped" for s in shown["steps"]) else "every step passed"
    verdict = ("VERIFIED", ran) if shown["ok"] else ("FAILED", f"in {', '.join(failed)}")
    sections = [Section(header=(">#", "Step", "Result", ">Checked", "~What"), rows=rows), Section(pairs=[verdict])]
    if not shown["ok"]:
        return sections
    covered = (
        f"{number(shown['selected'])} {shown['counted']} of `{shown['origin']}` under {number(shown['size'])} entries"
    )
    sections.append(Section(pairs=[("Asked", shown["query"]), ("Covered", covered), ("Root", shown["root"])]))
    remarks = ([PERSONAL] if shown["personal"] else []) + ([SAMPLED] if shown["sampled"] else [])
    return [*sections, Section(lines=remarks)] if remarks else sections
