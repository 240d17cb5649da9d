"""Reports of decisions: populations and samples, the AI Act's log, denials, missing evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from policy_engine.reports.asking import ALL_COMPARED, AS_RECORDED, CLOCK, COLUMNS_ALONE, UNREAD, Asked
from policy_engine.reports.documents import tags
from policy_engine.reports.report import Cell, Column, Report
from policy_engine.reports.sampling import SCHEME, draw

if TYPE_CHECKING:
    from policy_audit.querying import Selection
    from policy_audit.records import CheckedDecision

ENTRY, RECORDED = Column("entry", "entry"), Column("recorded_at", "time")
WHO = (Column("namespace"), Column("workload"), Column("owner", personal=True))
DECIDED = (Column("verdict"), Column("purpose"), Column("stage"), Column("valid_until", "time"))
_POPULATION = (
    ENTRY,
    RECORDED,
    Column("decision_id", "digest"),
    *WHO,
    *DECIDED,
    Column("run"),
    Column("policy_digest", "digest"),
    Column("catalog_digest", "digest"),
    Column("workload_digest", "digest"),
)


def decisions(asked: Asked) -> Report:
    """Return every decision that the filters select."""
    selection = asked.select()
    rows = [_population_row(asked, each) for each in selection.all(newest=False)]
    return asked.answer(
        "recorded decisions", "decisions", _POPULATION, rows, remarks=_remarks(selection, AS_RECORDED, CLOCK)
    )


def soc2_population(asked: Asked) -> Report:
    """Return the population of decisions, or with `sample` a sample of it, with the size of the whole."""
    selection = asked.select()
    size, seed = asked.given.get("sample"), asked.given.get("seed")
    if size is None:
        rows = [_population_row(asked, each) for each in selection.all(newest=False)]
        return asked.answer(
            "all decisions of the period",
            "decisions",
            _POPULATION,
            rows,
            remarks=_remarks(selection, AS_RECORDED, "Complete for the entries that the checkpoint covers."),
        )
    return sampled(asked, selection, int(size), str(seed))


def sampled(asked: Asked, selection: Selection, size: int, seed: str) -> Report:
    """Return a seeded sample of what is selected, in the order in which it is drawn.

    The caller compared all query columns with the entries (`Snapshot.compare_view`): the total is part of the sample.
    """
    population = selection.indexes()
    drawn = draw(population, size, seed)
    found = {each.row.index: each for each in asked.checked(asked.snapshot.decision_rows(drawn))}
    rows = [(number, *_population_row(asked, found[index])) for number, index in enumerate(drawn, start=1)]
    return asked.answer(
        f"a random sample of {size:,} by the seed `{seed}`",
        "decisions, of which the rows are a sample",
        (Column("drawn", "count"), *_POPULATION),
        rows,
        population=len(population),
        summary=(("scheme", SCHEME), ("seed", seed), ("sample", len(rows))),
        remarks=_remarks(
            selection,
            AS_RECORDED,
            "The seed decides the sample: have it chosen by who does not make decisions.",
            rests_on=ALL_COMPARED,
        ),
    )


def ai_act_log(asked: Asked) -> Report:
    """Return what each decision recorded, as supporting evidence of logs under the EU AI Act."""
    selection = asked.select()
    names = ("rule", "model", "deployment", "regulation", "evidence")
    titles = ("rules", "models", "deployments", "regulations", "missing_evidence")
    columns = (
        ENTRY,
        RECORDED,
        Column("decided_at", "time"),
        Column("decision_id", "digest"),
        *WHO,
        *DECIDED,
        *(Column(title, "list") for title in titles),
        Column("engine"),
        Column("actor", personal=True),
        Column("actor_known_by"),
        Column("policy_digest", "digest"),
        Column("catalog_digest", "digest"),
        Column("workload_digest", "digest"),
    )
    rows: list[Sequence[Cell]] = []
    for each in selection.all(newest=False):
        row, found, people = each.row, tags(asked.snapshot, each), asked.persons.of(each.stored)
        engine = each.entry.body.get("engine")
        version = engine.get("version") if isinstance(engine, dict) else None
        rows.append(
            (
                row.index,
                row.recorded_at,
                row.decided_at,
                row.decision_id,
                *_who(asked, each),
                *_decided(each),
                *(tuple(sorted(found.get(name, ()))) for name in names),
                version if isinstance(version, str) else None,
                people.get("actor"),
                str(each.entry.context.get("actor_known_by", "")) or None,
                row.policy_digest,
                row.catalog_digest,
                row.workload_digest,
            )
        )
    return asked.answer(
        "decisions with what they were made of",
        "decisions",
        columns,
        rows,
        remarks=_remarks(
            selection,
            "Supporting evidence for logs (Regulation (EU) 2024/1689, Art. 12, 19 and 26(6)); no claim of conformity.",
            "It logs decisions on where a workload may run, and not what the workload's model answers.",
            AS_RECORDED,
        ),
    )


def denials(asked: Asked) -> Report:
    """Return denials, and for each how often the workload was denied before and whether it came back unchanged."""
    columns = (
        ENTRY,
        RECORDED,
        Column("decision_id", "digest"),
        *WHO,
        Column("purpose"),
        Column("denied_before", "count"),
        Column("repeat", "flag"),
        Column("previous_denial", "entry"),
        Column("rules", "list"),
    )
    selection = asked.select(verdicts=("deny",))
    last: dict[tuple[str, str], tuple[int, str | None, str, int]] = {}
    rows: list[Sequence[Cell]] = []
    repeats = 0
    for each in selection.all(newest=False):
        row, key = each.row, (each.row.namespace, each.row.workload)
        before = last.get(key)
        repeat = before is not None and before[1:3] == (row.workload_digest, row.policy_digest)
        repeats += repeat
        count = before[3] if before is not None else 0
        last[key] = (row.index, row.workload_digest, row.policy_digest, count + 1)
        found = tuple(sorted(tags(asked.snapshot, each).get("rule", ())))
        denied = (row.purpose, count, repeat, before[0] if before is not None else None, found)
        rows.append((row.index, row.recorded_at, row.decision_id, *_who(asked, each), *denied))
    return asked.answer(
        "denials; a repeat is the same workload, unchanged, under the same policy as its denial before",
        "denials",
        columns,
        rows,
        summary=(("workloads denied", len(last)), ("repeats", repeats)),
        remarks=_remarks(selection, AS_RECORDED, "Denials before the period are not counted as earlier ones."),
    )


def missing_evidence(asked: Asked) -> Report:
    """Return decisions that required evidence which was not there."""
    query = asked.query
    wanted = query.tags if any(kind == "evidence" for kind, _ in query.tags) else (*query.tags, ("evidence", None))
    selection = asked.select(tags=wanted)
    columns = (ENTRY, RECORDED, Column("decision_id", "digest"), *WHO, *DECIDED, Column("missing_evidence", "list"))
    rows = [
        (
            each.row.index,
            each.row.recorded_at,
            each.row.decision_id,
            *_who(asked, each),
            *_decided(each),
            tuple(sorted(tags(asked.snapshot, each).get("evidence", ()))),
        )
        for each in selection.all(newest=False)
    ]
    return asked.answer(
        "decisions without evidence that a rule requires",
        "decisions",
        columns,
        rows,
        remarks=_remarks(selection, AS_RECORDED, "Advisory evidence is not counted."),
    )


def _population_row(asked: Asked, each: CheckedDecision) -> tuple[Cell, ...]:
    row = each.row
    digests = (row.policy_digest, row.catalog_digest, row.workload_digest)
    run = row.run or each.entry.context.get("run")
    told = (*_who(asked, each), *_decided(each), run if isinstance(run, str) else None)
    return (row.index, row.recorded_at, row.decision_id, *told, *digests)


def _who(asked: Asked, each: CheckedDecision) -> tuple[Cell, ...]:
    return each.row.namespace, each.row.workload, asked.persons.one(each.stored, "owner")


def _decided(each: CheckedDecision) -> tuple[Cell, ...]:
    return each.row.verdict, each.row.purpose, each.row.stage, each.row.valid_until


def _remarks(selection: Selection, *remarks: str, rests_on: str = COLUMNS_ALONE) -> tuple[str, ...]:
    return (rests_on, *remarks, *((UNREAD,) if selection.unread else ()))
