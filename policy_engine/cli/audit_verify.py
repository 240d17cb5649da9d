"""`policy audit verify`: derive the whole ledger again, and say step by step what was checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.anchor_options import kept_notes
from policy_engine.cli.audit_verify_options import anchored_places, check_quorum, record_run
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import choose_ledger, ledger_options
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_audit.recomputing import Recompute
    from policy_audit.report import VerificationReport

OWN_KEY = (
    "no --vkey was given, so this pins the operator's own key, beside the ledger: it finds what others changed, "
    "not what the operator signed again"
)
KEEP = "nothing kept was given: a dropped tail or an older copy is found only with --kept CHECKPOINT|RECEIPT"


@click.command("verify", epilog="Example: policy audit verify --vkey KEY --kept last-month.tlog-proof")
@click.option("--vkey", "vkeys", metavar="KEY", multiple=True, help="A verifier key that you pinned; repeatable.")
@click.option("--origin", metavar="NAME", help="The log's name that you pinned.  [default: the first key's name]")
@click.option(
    "--kept",
    metavar="FILE|FOLDER|PLACE",
    multiple=True,
    help="A checkpoint or receipt that you kept, a folder of them, file:PATH or git:URL#BRANCH; repeatable.",
)
@click.option("--recompute", is_flag=True, help="Decide every decision again, and compare all bytes.")
@click.option(
    "--anchors",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Compare with what the file: and git: places of this anchors.toml hold, too.",
)
@click.option(
    "--witness", "witnesses", metavar="VKEY", multiple=True, help="A witness whom you pinned; repeatable, with --need."
)
@click.option(
    "--need", type=click.IntRange(1), metavar="N", help="How many of them must have cosigned.  [default: all]"
)
@click.option("--record", is_flag=True, help="Record the result in the ledger; takes the signing key.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    vkeys: Sequence[str],
    origin: str | None,
    kept: Sequence[str],
    anchors: Path | None,
    witnesses: Sequence[str],
    need: int | None,
    record: bool,
    recompute: bool,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Verify the ledger against pinned keys and kept checkpoints.

    Everything is derived again from the entries' bytes. The exit status is 0 where every step that ran passed, and 6
    where any failed; without --kept the step `kept` does not run. A kept checkpoint of what was lost by a restore fails
    it too, with the word `restored`. Without --vkey the key of --ledger-vkey is taken, else the key file beside the
    ledger, which is the operator's own.

    With --recompute one more step decides every decision again from its recorded inputs. What was disposed of, and what
    another version of the engine wrote in other bytes with the same outcome, is counted apart.
    """
    from policy_engine.cli.main import LEDGER, OK
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    check_keys(vkeys)
    quorum = check_quorum(witnesses, need)
    own = choose_ledger(ctx, ledger, ledger_key).pinned
    vkeys = vkeys or ([own] if own is not None else [])
    with reading(ctx, ledger, ledger_key, pinned=False) as open_ledger:
        name = origin or (vkeys[0].partition("+")[0] if vkeys else open_ledger.origin or "")
        notes = kept_notes([*kept, *anchored_places(anchors)], name)
        again = _recomputing() if recompute else None
        with progress("verifying") as tell:
            report = open_ledger.verify(
                list(vkeys) or None, origin, kept=notes, quorum=quorum, progress=tell, recompute=again
            )
    shown = _shown(report, vkeys)
    if record:
        record_run(ctx, ledger, ledger_key, shown, len(notes))
    write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown)))
    return OK if report.ok else LEDGER


def _recomputing() -> Recompute:
    from policy_engine.replays import recomputing

    return recomputing()


def check_keys(vkeys: Sequence[str]) -> None:
    """Refuse what is no verifier key before anything is read.

    Raises:
        UsageError: one is malformed.
    """
    from policy_audit.errors import VerificationError
    from policy_audit.keys import parse_verifier_key

    for vkey in vkeys:
        try:
            parse_verifier_key(vkey)
        except VerificationError as error:
            raise UsageError(Problem("verifier-key", error.message, help=error.help)) from None


def _shown(report: VerificationReport, vkeys: Sequence[str]) -> dict[str, Any]:
    return {
        "kind": "VerificationReport",
        "ok": report.ok,
        "origin": report.origin,
        "pinned": "given" if vkeys else "operator",
        "entries": report.entries,
        "size": report.size,
        "root": report.root,
        "first_failing_index": report.first_failing_index,
        "last_failing_index": report.last_failing_index,
        "findings": report.findings,
        "steps": [
            {
                "number": step.number,
                "name": step.name,
                "title": step.title,
                "status": step.status,
                "checked": step.checked,
                "problems": step.problems,
                "first_problem": step.first_problem,
                "first_index": step.first_index,
                "last_index": step.last_index,
                "note": step.note,
                "apart": step.apart,
            }
            for step in report.steps
        ],
    }


def _sections(shown: Mapping[str, Any]) -> list[Section]:
    steps = [
        (str(s["number"]), s["name"], s["status"], f"{s['checked']:,}", s["first_problem"] or s["note"] or s["title"])
        for s in shown["steps"]
    ]
    sections = [
        Section(header=(">#", "Step", "Result", ">Checked", "~What"), rows=steps),
        Section(pairs=[("VERIFIED" if shown["ok"] else "FAILED", _verdict(shown))]),
    ]
    # What the entries give is vouched for only where the signatures over it are too.
    if shown["ok"] and shown["size"]:
        covered = f"{_entries(shown['size'])} of `{shown['origin']}`, root {shown['root']}"
        sections.append(Section(pairs=[("Covered", covered)]))
    if shown["findings"]:
        sections.append(Section(title="On record", lines=shown["findings"]))
    remarks = [OWN_KEY] if shown["pinned"] == "operator" else []
    if any(s["status"] == "skipped" for s in shown["steps"] if s["name"] == "kept"):
        remarks.append(KEEP)
    remarks += [f"{s['name']}: {n:,} set apart: {why}" for s in shown["steps"] for why, n in s["apart"].items()]
    return [*sections, Section(lines=remarks)] if remarks else sections


def _entries(count: int) -> str:
    return f"{count:,} entr{'y' if count == 1 else 'ies'}"


def _verdict(shown: Mapping[str, Any]) -> str:
    if shown["ok"]:
        entries = _entries(shown["entries"]) if shown["entries"] else "the ledger is empty: it holds no entries"
        every = "every step that ran" if any(s["status"] == "skipped" for s in shown["steps"]) else "every step"
        return f"{entries}, {every} passed"
    failed = [s for s in shown["steps"] if s["status"] in ("failed", "restored")]
    problems = sum(s["problems"] for s in failed)
    text = f"{problems:,} problem{'s' if problems > 1 else ''} in {', '.join(s['name'] for s in failed) or 'no step'}"
    first, last = shown["first_failing_index"], shown["last_failing_index"]
    if first is None:
        return text
    if first == last:
        return f"{text}; the first failing index is {first}"
    return f"{text}; the first failing entry is somewhere in entries {first} to {last}"
