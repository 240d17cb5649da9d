"""`policy audit verify`: derive the whole ledger again, and say step by step what was checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.asking.verifying import KEEP, OWN_KEY, check_keys, entries_words, verification_value, verified_words
from policy_engine.cli.anchor_options import kept_notes
from policy_engine.cli.audit_verify_options import anchored_places, check_quorum, record_run
from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import choose_ledger, ledger_options
from policy_engine.cli.progress import progress
from policy_engine.cli.sections import FORMATS, Section, report_writers

if TYPE_CHECKING:
    from policy_audit.recomputing import Recompute


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
    shown = verification_value(report, given=bool(vkeys))
    if record:
        record_run(ctx, ledger, ledger_key, shown, len(notes))
    write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown)))
    return OK if report.ok else LEDGER


def _recomputing() -> Recompute:
    from policy_engine.replays import recomputing

    return recomputing()


def _sections(shown: Mapping[str, Any]) -> list[Section]:
    steps = [
        (str(s["number"]), s["name"], s["status"], f"{s['checked']:,}", s["first_problem"] or s["note"] or s["title"])
        for s in shown["steps"]
    ]
    sections = [
        Section(header=(">#", "Step", "Result", ">Checked", "~What"), rows=steps),
        Section(pairs=[("VERIFIED" if shown["ok"] else "FAILED", verified_words(shown))]),
    ]
    # What the entries give is vouched for only where the signatures over it are too.
    if shown["ok"] and shown["size"]:
        covered = f"{entries_words(shown['size'])} of `{shown['origin']}`, root {shown['root']}"
        sections.append(Section(pairs=[("Covered", covered)]))
    if shown["findings"]:
        sections.append(Section(title="On record", lines=shown["findings"]))
    remarks = [OWN_KEY] if shown["pinned"] == "operator" else []
    if any(s["status"] == "skipped" for s in shown["steps"] if s["name"] == "kept"):
        remarks.append(KEEP)
    remarks += [f"{s['name']}: {n:,} set apart: {why}" for s in shown["steps"] for why, n in s["apart"].items()]
    return [*sections, Section(lines=remarks)] if remarks else sections
