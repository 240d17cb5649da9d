"""One consistent reading of a ledger: everything that is asked of a `Snapshot` is bound to one signed checkpoint.

A snapshot is one read transaction. Its tree is that of its checkpoint: what is appended meanwhile, and on request what
was appended after a time or a size, is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from policy_audit import reading
from policy_audit.checking import checked, checked_entries
from policy_audit.checkpoint import Checkpoint, parse_checkpoint
from policy_audit.collected import CollectedSpans, read_spans
from policy_audit.commitment import Disclosure
from policy_audit.entry import EntryType
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.periods import note_of_size, size_at, span_of
from policy_audit.querying import Selection, TagsOf
from policy_audit.records import CheckedDecision, DecisionQuery, StoredDecision, StoredEntry
from policy_audit.tables import DECISION, ENTRY, TAG
from policy_audit.view import instant

if TYPE_CHECKING:
    from policy_audit.disposing import Due
    from policy_audit.holds import Hold
    from policy_audit.ledger import Ledger
    from policy_audit.report import VerificationReport
    from policy_audit.retention import Retention
    from policy_audit.subjects import SubjectValue
    from policy_audit.survey import RegulationsOf
    from policy_audit.vault import Vault

_PART = 500
Progress = Callable[[int, int], None]


@contextmanager
def open_snapshot(
    ledger: Ledger, *, as_of: datetime | str | None = None, size: int | None = None
) -> Iterator[Snapshot]:
    """Read the ledger as it is now, as it was at a time, or up to a size that a checkpoint has.

    Raises:
        LedgerError: `checkpoint-missing`: there is no checkpoint of that size.
    """
    with ledger.snapshot() as connection:
        if size is None and as_of is not None:
            size = size_at(connection, as_of)
        note = reading.read_checkpoint(connection) if size is None else note_of_size(connection, size)
        yield Snapshot(connection, note, ledger.vault)


class Snapshot:
    """The ledger up to `size` entries, which `note` signs; see `open_snapshot`."""

    def __init__(self, connection: Connection, note: str, vault: Vault) -> None:
        self._connection, self._vault = connection, vault
        self.note = note
        self.checkpoint: Checkpoint = parse_checkpoint(note)

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.checkpoint.size

    def select(self, query: DecisionQuery, tags_of: TagsOf | None = None) -> Selection:
        """Return what `query` selects, to be read page by page or counted.

        Raises:
            PersonalKeyError: it asks for a person, and the personal key is not there, without which nobody is found.
        """
        if query.owner is not None:
            query = replace(query, owner=self._vault.subject(query.owner))
        return Selection(self._connection, query, self.size, tags_of)

    def entry(self, index: int) -> StoredEntry:
        """Return one entry, checked against its leaf hash.

        Raises:
            LedgerError: there is none.
        """
        if index >= self.size:
            raise LedgerError(f"the ledger has no entry {index}", code="entry-missing")
        return reading.read_entry(self._connection, index)

    def entries(
        self,
        types: Collection[EntryType | str] | None = None,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        limit: int | None = None,
        newest: bool = True,
        start: int | None = None,
    ) -> Iterator[StoredEntry]:
        """Yield entries of the types, by default all, from the index `start` on; `since` <= recorded < `until`.

        Raises:
            VerificationError: an entry's bytes, or columns, are not what was recorded.
        """
        conditions = self._conditions(types, since, until)
        index, left = ENTRY.c.leaf_index, limit
        while left is None or left > 0:
            query = select(ENTRY).where(*conditions)
            if start is not None:
                query = query.where(index <= start if newest else index >= start)
            part = _PART if left is None else min(_PART, left)
            rows = self._connection.execute(query.order_by(index.desc() if newest else index).limit(part)).all()
            yield from checked_entries([reading.stored_entry(row) for row in rows])
            if len(rows) < part:
                return
            left = None if left is None else left - part
            start = rows[-1].leaf_index + (-1 if newest else 1)

    def count_entries(
        self,
        types: Collection[EntryType | str] | None = None,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
    ) -> int:
        """Return how many entries there are of the types."""
        query = select(func.count()).select_from(ENTRY).where(*self._conditions(types, since, until))
        return int(self._connection.execute(query).scalar_one())

    def times(self) -> Iterator[tuple[int, str, str]]:
        """Yield index, type and time of recording of every entry, as the columns have them."""
        index = ENTRY.c.leaf_index
        columns = select(index, ENTRY.c.type, ENTRY.c.recorded_at).where(index < self.size).order_by(index)
        for row in self._connection.execute(columns.execution_options(yield_per=5000)):
            where = f"the columns of the entry {row.leaf_index}"
            yield row.leaf_index, reading.stored_text(row.type, where), reading.stored_text(row.recorded_at, where)

    def collected(self) -> CollectedSpans:
        """Return which entries were collected from spools, and have their runners' times."""
        return read_spans(self._connection)

    def blob(self, digest: str) -> bytes:
        """Return a document by its digest, checked."""
        return reading.read_blob(self._connection, digest)

    def disclosures(self, index: int) -> dict[str, Disclosure]:
        """Return the personal values of an entry by name, as stored: see `Ledger.disclosures`."""
        return reading.read_disclosures(self._connection, index, self._vault)[0]

    def sealed(self, index: int) -> set[str]:
        """Return the names of the entry's personal values that are held, and that only the personal key would open."""
        return reading.read_disclosures(self._connection, index, self._vault)[1]

    def disposed(self) -> set[tuple[int, str]]:
        """Return the personal values that were disposed of once no retention period covered them."""
        return reading.read_erased(self._connection, EntryType.DISPOSAL)

    def values_of_subject(self, person: str) -> Iterator[SubjectValue]:
        """Yield every value that is held of a person, under any name: see `subjects.subject_access`.

        Raises:
            PersonalKeyError: the personal key is not there, without which nobody is found.
        """
        from policy_audit.subjects import values_of

        return values_of(self._connection, self._vault, person, self.size)

    def due(self, retention: Retention, regulations_of: RegulationsOf, now: datetime) -> tuple[list[Hold], Due]:
        """Return the holds on record, and what is due for disposal at `now`: see `disposing.survey`.

        Only of a snapshot of the whole ledger: the entries must give the signed root.

        Raises:
            VerificationError: they do not.
            LedgerError: one is missing or malformed.
        """
        from policy_audit.disposing import survey_in

        history, found = survey_in(self._connection, self._vault, retention, regulations_of, now)
        if (history.frontier.size, history.frontier.root()) != (self.size, self.checkpoint.root):
            message = "the entries do not give the root of the checkpoint"
            raise VerificationError(message, code="tree-changed", help="run `policy audit verify`")
        return list(history.holds), found

    def erased(self) -> set[tuple[int, str]]:
        """Return the personal values, by entry and name, that erasures on record name, whenever that was."""
        return reading.read_erased(self._connection)

    def receipt(self, index: int) -> str:
        """Return the proof file of an entry, under the first checkpoint that covers it."""
        return reading.read_receipt(self._connection, index)

    def policy_digests(self, beginning: str = "", *, limit: int) -> list[str]:
        """Return digests of policies that decisions were made under, of those that begin so."""
        return reading.read_policy_digests(self._connection, beginning, limit)

    def policies(
        self, *, since: datetime | str | None = None, until: datetime | str | None = None
    ) -> list[tuple[str, int, int, int]]:
        """Return the policies that decisions of a period were made under: digest, first and last index, count.

        The one that was decided under first comes first.
        """
        index, digest = DECISION.c.leaf_index, DECISION.c.policy_digest
        query = select(digest, func.min(index), func.max(index), func.count()).where(*self._period(since, until))
        rows = self._connection.execute(query.group_by(digest).order_by(func.min(index))).all()
        return [(reading.stored_text(row[0], "the query columns"), *row[1:]) for row in rows]

    def tag_values(self, kind: str, limit: int) -> list[str]:
        """Return values that tags of a kind have, in order."""
        query = select(TAG.c.value).where(TAG.c.kind == kind).distinct().order_by(TAG.c.value).limit(limit)
        rows = self._connection.execute(query).scalars()
        return [reading.stored_text(value, "the tags of decisions") for value in rows]

    def has_untagged(self) -> bool:
        """Whether there are decisions without tags, whose documents have to be read for them."""
        query = select(DECISION.c.leaf_index).where(DECISION.c.tag_set.is_(None)).limit(1)
        return self._connection.execute(query).first() is not None

    def latest(
        self, *, namespace: str | None = None, workload: str | None = None, purpose: str | None = None
    ) -> list[StoredDecision]:
        """Return the last decision on each workload, in the order of their names, by the query columns alone."""
        index = DECISION.c.leaf_index
        last = select(func.max(index)).where(index + 0 < self.size)
        for name, value in (("namespace", namespace), ("workload", workload), ("purpose", purpose)):
            if value is not None:
                last = last.where(DECISION.c[name] == value)
        chosen = last.group_by(DECISION.c.namespace, DECISION.c.workload)
        query = select(DECISION).where(index.in_(chosen)).order_by(DECISION.c.namespace, DECISION.c.workload)
        return [reading.stored_decision(row) for row in self._connection.execute(query)]

    def decision_rows(self, indexes: Sequence[int]) -> Iterator[StoredDecision]:
        """Yield the query columns of the decisions at these indexes, in no order."""
        for start in range(0, len(indexes), _PART):
            wanted = [index for index in indexes[start : start + _PART] if index < self.size]
            query = select(DECISION).where(DECISION.c.leaf_index.in_(wanted))
            yield from [reading.stored_decision(row) for row in self._connection.execute(query)]

    def checked(self, rows: Sequence[StoredDecision]) -> list[CheckedDecision]:
        """Return rows with their entries, compared with these.

        Raises:
            VerificationError: a row is not what its entry's bytes say.
        """
        return checked(self._connection, rows)

    def count_tags(self, kind: str, policy_digest: str) -> dict[str, int]:
        """Return how many decisions under a policy have each tag of a kind."""
        sets = (
            select(DECISION.c.tag_set, func.count().label("n"))
            .where(DECISION.c.policy_digest == policy_digest, DECISION.c.leaf_index + 0 < self.size)
            .group_by(DECISION.c.tag_set)
            .subquery()
        )
        query = select(TAG.c.value, func.sum(sets.c.n)).join(sets, TAG.c.tag_set == sets.c.tag_set)
        rows = self._connection.execute(query.where(TAG.c.kind == kind).group_by(TAG.c.value).order_by(TAG.c.value))
        return {reading.stored_text(value, "the tags of decisions"): int(count) for value, count in rows}

    def count_verdicts(self, policy_digest: str) -> dict[str, int]:
        """Return how many decisions under a policy have each verdict."""
        verdict = DECISION.c.verdict
        query = select(verdict, func.count()).where(
            DECISION.c.policy_digest == policy_digest, DECISION.c.leaf_index + 0 < self.size
        )
        rows = self._connection.execute(query.group_by(verdict).order_by(verdict))
        return {reading.stored_text(value, "the query columns"): int(count) for value, count in rows}

    def count_by_day(
        self,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        namespaces: Collection[str] | None = None,
        purpose: str | None = None,
    ) -> dict[tuple[str, str], int]:
        """Return how many decisions of each verdict were recorded on each day (UTC) of a period, by day and verdict."""
        day, verdict = func.substr(DECISION.c.recorded_at, 1, 10), DECISION.c.verdict
        query = select(day, verdict, func.count()).where(*self._period(since, until))
        if namespaces is not None:
            query = query.where(DECISION.c.namespace.in_(sorted(namespaces)))
        if purpose is not None:
            query = query.where(DECISION.c.purpose == purpose)
        where = "the query columns"
        rows = self._connection.execute(query.group_by(day, verdict)).all()
        return {(reading.stored_text(row[0], where), reading.stored_text(row[1], where)): int(row[2]) for row in rows}

    def check_count(self) -> None:
        """Compare how many decisions the query columns have with how many of the entries are decisions.

        What was taken out of both is missed: `verify` alone tells that nothing is left out.

        Raises:
            VerificationError: they are not as many.
        """
        index = DECISION.c.leaf_index
        query = select(func.count()).select_from(DECISION).where(index + 0 < self.size)
        rows, entries = int(self._connection.execute(query).scalar_one()), self.count_entries([EntryType.DECISION])
        if rows != entries:
            raise VerificationError(
                f"the query columns have {rows:,} decisions, and {entries:,} entries are decisions",
                help="run `policy audit verify`",
                code="view-changed",
            )

    def runs(self, *, since: datetime | str | None = None, until: datetime | str | None = None) -> dict[str, int]:
        """Return how many decisions of a period each run has, by the query columns."""
        run = DECISION.c.run
        query = select(run, func.count()).where(run.is_not(None), *self._period(since, until))
        rows = self._connection.execute(query.group_by(run))
        return {reading.stored_text(name, "the query columns"): int(count) for name, count in rows}

    def verify(
        self, verifier_keys: Sequence[str], origin: str, kept: Sequence[str] = (), progress: Progress | None = None
    ) -> VerificationReport:
        """Derive everything again that this transaction sees: see `Ledger.verify`."""
        from policy_audit.fsck import verify_database

        return verify_database(self._connection, list(verifier_keys), origin, list(kept), progress, vault=self._vault)

    def compare_view(self, verifier_key: str | None, persons: bool = False, progress: Progress | None = None) -> None:
        """Compare the query columns of all decisions with their entries, and these with the signed root.

        After this a count, and what is not listed, is as good as the entries. With `persons` what a person's entries
        are found by is compared, too, which takes the personal key.

        Raises:
            VerificationError: they are not, and it says which.
        """
        from policy_audit.many_proofs import prove_entries

        vault = self._vault if persons else None
        prove_entries(self._connection, self.note, verifier_key, (), vault, progress=progress)

    def _period(self, since: datetime | str | None, until: datetime | str | None) -> list[Any]:
        """Return the terms that keep decisions in a period, by expressions that no index is on."""
        (low, high), exact = span_of(self._connection, self.size, since, until)
        conditions: list[Any] = [DECISION.c.leaf_index + 0 >= low, DECISION.c.leaf_index + 0 < high]
        if not exact:
            conditions += [DECISION.c.recorded_at >= instant(since)] if since is not None else []
            conditions += [DECISION.c.recorded_at < instant(until)] if until is not None else []
        return conditions

    def _conditions(
        self, types: Collection[EntryType | str] | None, since: datetime | str | None, until: datetime | str | None
    ) -> list[Any]:
        (low, high), exact = span_of(self._connection, self.size, since, until)
        conditions: list[Any] = [ENTRY.c.leaf_index >= low, ENTRY.c.leaf_index < high]
        if not exact:
            conditions += [ENTRY.c.recorded_at >= instant(since)] if since is not None else []
            conditions += [ENTRY.c.recorded_at < instant(until)] if until is not None else []
        if types is not None:
            wanted = [str(each) for each in types]
            conditions.append(ENTRY.c.type.in_(wanted))
            if EntryType.DECISION.value not in wanted:
                conditions.append(ENTRY.c.type != EntryType.DECISION.value)  # which is what their index holds
        return conditions
