"""What a report is asked, and how its answer is put together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from policy_audit.commitment import opens
from policy_audit.records import DecisionQuery
from policy_audit.view import instant

from policy_engine.reports.report import Bound, Cell, Column, Period, Query, Report, Row

if TYPE_CHECKING:
    from policy_audit.querying import Selection
    from policy_audit.records import CheckedDecision, StoredDecision, StoredEntry
    from policy_audit.snapshot import Snapshot

    from policy_engine.reports.source import SnapshotSource

_PART = 500
COLUMNS_ALONE = (
    "The count is of the query columns; each row that is listed was compared with its entry. What a forged column "
    "hides is found by `policy audit verify`."
)
ALL_COMPARED = "The query columns of all decisions were compared with their entries: the count is that of the entries."
AS_RECORDED = "Shows what was recorded: not that an input was truthful, nor what was never recorded."
CLOCK = "Times are the recording clock's; nobody vouches for it but the anchors."
UNREAD = "Decisions of an older version, without tags, were not all read: others may belong here."


@dataclass(frozen=True)
class Asked:
    """One question: the snapshot that answers it, the options that were given, and the command line that asks again."""

    snapshot: Snapshot
    name: str
    title: str
    command: str
    now: datetime
    query: DecisionQuery = field(default_factory=DecisionQuery)
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def at(self) -> datetime:
        """The time that the question is about: `--at`, or now."""
        at: datetime = self.given.get("at") or self.now
        return at

    @property
    def second(self) -> datetime:
        """The second of that time: `valid_until` names the last one, and is past when that one has ended."""
        return self.at.replace(microsecond=0)

    @property
    def when(self) -> str:
        """That time in words: the same for the same question, whenever it is asked."""
        at = self.given.get("at")
        return f"at {instant(at)}" if at is not None else "when this was generated"

    @cached_property
    def source(self) -> SnapshotSource:
        """The snapshot, for what reads a ledger."""
        from policy_engine.reports.source import SnapshotSource

        return SnapshotSource(self.snapshot)

    @cached_property
    def persons(self) -> Persons:
        """The personal values of entries."""
        return Persons(self.snapshot)

    def select(self, **changed: Any) -> Selection:
        """Return the decisions of the question, with fields of its query changed."""
        from dataclasses import replace

        from policy_engine.reports.documents import tags_of

        return self.snapshot.select(replace(self.query, **changed), tags_of(self.snapshot))

    def entries(self, *types: str, newest: bool = False) -> Iterator[StoredEntry]:
        """Yield the entries of the types that the period holds."""
        return self.snapshot.entries(types or None, since=self.query.since, until=self.query.until, newest=newest)

    def answer(
        self,
        words: str,
        counted: str,
        columns: Sequence[Column],
        rows: Iterable[Sequence[Cell]],
        *,
        population: int | None = None,
        summary: Sequence[tuple[str, Cell]] = (),
        remarks: Sequence[str] = (),
        ok: bool = True,
    ) -> Report:
        """Return the report; `population` is the number of rows, where it is not said."""
        made: tuple[Row, ...] = tuple(tuple(row) for row in rows)
        checkpoint = self.snapshot.checkpoint
        since, until = (
            instant(moment) if moment is not None else None for moment in (self.query.since, self.query.until)
        )
        return Report(
            name=self.name,
            title=self.title,
            query=Query(f"{words}{_narrowed(self.query)}", self.command),
            period=Period(since, until),
            population=len(made) if population is None else population,
            counted=counted,
            checkpoint=Bound(self.snapshot.note, checkpoint.origin, checkpoint.size, checkpoint.root.hex()),
            columns=tuple(columns),
            rows=made,
            generated_at=instant(self.now),
            summary=tuple(summary),
            remarks=tuple(remarks),
            as_of=self._told("as_of"),
            at=self._told("at"),
            ok=ok,
        )

    def _told(self, name: str) -> str | None:
        moment = self.given.get(name)
        return instant(moment) if moment is not None else None

    def checked(self, rows: Iterable[StoredDecision]) -> Iterator[CheckedDecision]:
        """Yield rows with their entries, compared with these, in parts."""
        source = iter(rows)
        while part := list(islice(source, _PART)):
            yield from self.snapshot.checked(part)


class Persons:
    """The personal values that entries commit to, as a report may show them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @cached_property
    def _erased(self) -> Collection[tuple[int, str]]:
        return self._snapshot.erased()

    @cached_property
    def _disposed(self) -> Collection[tuple[int, str]]:
        return self._snapshot.disposed()

    def of(self, entry: StoredEntry) -> dict[str, str]:
        """Return every value by its name; one that cannot be shown says why in brackets.

        INVARIANT: a value is shown only where it opens the entry's commitment.
        """
        commitments = entry.document["commitments"]
        held = self._snapshot.disclosures(entry.index) if commitments else {}
        sealed = self._snapshot.sealed(entry.index) if commitments.keys() - held.keys() else set()
        found = {}
        for name in sorted(commitments):
            if name in held:
                found[name] = held[name].value if opens(commitments[name], held[name]) else "(altered)"
            else:
                found[name] = "(sealed)" if name in sealed else self._gone((entry.index, name))
        return found

    def _gone(self, field: tuple[int, str]) -> str:
        if field in self._erased:
            return "(erased)"
        return "(disposed of)" if field in self._disposed else "(missing)"

    def one(self, entry: StoredEntry, name: str) -> str | None:
        """Return one value; None where the entry has none of this name."""
        return self.of(entry).get(name)


WHY_NOT = frozenset({"(erased)", "(disposed of)", "(sealed)", "(missing)", "(altered)"})


def shown(value: str) -> bool:
    """Whether a value of `Persons` is the person's, and not a word on why it is not there."""
    return value not in WHY_NOT


def text(value: Any) -> str | None:
    """Return what a body holds as text; None where it holds something else."""
    return value if isinstance(value, str) else None


def brief(value: Any, most: int = 300) -> str:
    """Return a body in one line: its members by name, the long ones cut."""
    import json

    if isinstance(value, Mapping):
        parts = (f"{name} {each if isinstance(each, str) else brief_json(each)}" for name, each in value.items())
        line = ", ".join(parts)
    else:
        line = json.dumps(value, ensure_ascii=False)
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def brief_json(value: Any) -> str:
    """Return a value as JSON in one line."""
    import json

    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _narrowed(query: DecisionQuery) -> str:
    """Return the filters of a query in words, but for its period."""
    plain = ("namespace", "workload", "purpose", "stage", "run")
    parts = [f"{name} `{getattr(query, name)}`" for name in plain if getattr(query, name) is not None]
    parts += [f"verdict {' or '.join(query.verdicts)}"] if query.verdicts else []
    parts += [f"policy `{query.policy_digest}`"] if query.policy_digest is not None else []
    parts += [f"{kind} `{value}`" if value is not None else f"any {kind} tag" for kind, value in query.tags]
    parts += ["one owner"] if query.owner is not None else []
    parts += [f"`valid_until` before {instant(query.expired_at)}"] if query.expired_at is not None else []
    return f"; {', '.join(parts)}" if parts else ""
