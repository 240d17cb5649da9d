"""`policy audit retention`: the periods in force, the holds, and what is due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.ledger_reading import reading
from policy_engine.cli.options import Folder, ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers

if TYPE_CHECKING:
    from policy_audit.disposing import Due
    from policy_audit.retention import Period

NO_PERIOD = (
    "no retention period is for these, so that their personal values and documents are kept without end, and never "
    "become due: set a period in retention.yaml of a layer, and name the layer with --policy"
)


@click.command("retention", epilog="Example: policy audit retention --policy our-rules -o json")
@click.option(
    "--policy",
    "layers",
    metavar="DIR",
    multiple=True,
    type=Folder(path_type=Path),
    help="A layer whose retention.yaml counts too; repeatable.",
)
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    layers: Sequence[Path],
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> None:
    """Show the retention periods, what they and the legal holds cover, and what is due for disposal.

    Each entry is counted once, by what covers it. Data under a regulation that no period is for is kept without end,
    and is listed: a layer's retention.yaml sets a period for it.
    """
    from policy_audit.disposing import survey
    from policy_audit.holding import list_holds

    from policy_engine.cli import audit_hold
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.loading.retention import read_retention, regulations_of

    targets = parse_outputs(outputs, FORMATS)
    retention = read_retention(layers)
    with reading(ctx, ledger, ledger_key) as open_ledger:
        holds = [hold for hold in list_holds(open_ledger) if hold.released is None]
        due = survey(open_ledger, retention, regulations_of)
    shown = {
        "kind": "Retention",
        "periods": [period_shown(period) for period in retention.periods],
        "holds": [audit_hold.shown(hold, due.scopes.get(hold.index)) for hold in holds],
        **due_shown(due),
    }
    listed = [(hold, due.scopes.get(hold.index)) for hold in holds]
    write_reports(
        targets,
        report_writers(lambda: shown, lambda: [*_sections(shown), *audit_hold.sections(listed), *_state(shown)]),
    )


def period_shown(period: Period) -> dict[str, Any]:
    """Return a period as JSON has it."""
    return {
        "id": period.id,
        "months": period.months,
        "regulations": sorted(period.regulations) if period.regulations is not None else None,
        "minimum": period.minimum,
        "source": period.source,
        "says": period.says,
    }


def due_shown(due: Due) -> dict[str, Any]:
    """Return what is due as JSON has it."""
    return {
        "entries": due.entries,
        "due": {
            "values": [{"index": index, "name": name} for index, name in due.values],
            "documents": list(due.documents),
        },
        "covered_by": due.covered,
        "held_by": due.held,
        "kept_by_holds": due.kept,
        "entries_due": due.due_entries,
        "nothing_left": due.gone,
        "without_period": due.unknown,
        "next_due": due.next_due,
    }


def due_text(shown: Mapping[str, Any]) -> str:
    """Say how much is due."""
    values, documents = shown["due"]["values"], shown["due"]["documents"]
    entries = len({value["index"] for value in values})
    count = f"{len(values):,} personal value{'' if len(values) == 1 else 's'} of {entries:,} entr"
    return f"{count}{'y' if entries == 1 else 'ies'}, {len(documents):,} document{'' if len(documents) == 1 else 's'}"


def _sections(shown: Mapping[str, Any]) -> list[Section]:
    rows = [
        (
            period["id"],
            _length(period["months"]),
            ", ".join(period["regulations"]) if period["regulations"] is not None else "every entry",
            period["source"],
        )
        for period in shown["periods"]
    ]
    return [Section("Periods", header=("=Period", "=At least", "~For", "~Source"), rows=rows)]


def _state(shown: Mapping[str, Any]) -> list[Section]:
    covered = [(f"{count:,}", name) for name, count in sorted(shown["covered_by"].items())]
    others = (("kept_by_holds", "legal holds alone"), ("entries_due", "nothing: due"), ("nothing_left", "disposed of"))
    covered += [(f"{shown[name]:,}", words) for name, words in others if shown[name]]
    held = [(f"{count:,}", f"of these kept by the legal hold {name}") for name, count in shown["held_by"].items()]
    state = [("Entries", f"{shown['entries']:,}"), ("Due", due_text(shown))]
    if shown["next_due"] is not None:
        state.append(("Next due", shown["next_due"][:10]))
    sections = [Section("Covered", header=(">Entries", "~By"), rows=[*covered, *sorted(held)])] if covered else []
    return [*sections, *_without_period(shown["without_period"]), Section(pairs=state)]


def _without_period(found: Mapping[str, int]) -> list[Section]:
    """Name the regulations on record that no period is for, and say what follows."""
    if not found:
        return []
    rows = [(f"{count:,}", name) for name, count in sorted(found.items())]
    table = Section("Without a period", header=(">Decisions", "~On data under"), rows=rows)
    return [table, Section(lines=[NO_PERIOD])]


def _length(months: int) -> str:
    years, rest = divmod(months, 12)
    parts = [
        f"{count} {name}{'' if count == 1 else 's'}" for count, name in ((years, "year"), (rest, "month")) if count
    ]
    return " ".join(parts)
