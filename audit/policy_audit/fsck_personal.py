"""Step 6, personal values, and what of step 5 disposals change: what is there opens, what is gone was destroyed.

Entries come in the order of their indexes, so that an erasure or a disposal excuses only what was recorded before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from policy_audit.commitment import verify_commitment
from policy_audit.entry import Entry, EntryType, destroyed_fields, disposed_documents
from policy_audit.errors import AuditError, PersonalKeyError
from policy_audit.personal_key import is_wrapped_form
from policy_audit.report import Step
from policy_audit.sealing import is_sealed_form
from policy_audit.tables import PERSONAL, SUBJECT_KEY
from policy_audit.vault import Keyed, Vault, open_row

DESTROYING = (EntryType.ERASURE, EntryType.DISPOSAL)
_SUBJECT = re.compile(r"[A-Za-z0-9_-]{22}")
_PART = 500


class PersonalCheck:
    """The personal values of one pass. In memory: each person's key, and what is missing and not excused."""

    def __init__(self, connection: Connection, step: Step, vault: Vault) -> None:
        self.connection, self.step, self.vault = connection, step, vault
        self.wrapped: dict[str, Any] = {}
        self.used: set[str] = set()
        self.missing: dict[tuple[int, str], None] = {}
        self.unopened = self.plain = 0

    def read_keys(self) -> None:
        """Read the persons' keys, and open each where the personal key is there."""
        for subject, wrapped in self.connection.execute(select(SUBJECT_KEY).execution_options(yield_per=1000)):
            if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
                self.step.fail(f"{subject!a:.40} names no person's key")
                continue
            self.wrapped[subject] = wrapped
            if self.vault.key is None:
                if not is_wrapped_form(wrapped):
                    self.step.fail(f"the key of the person {subject} is malformed")
                continue
            try:
                self.vault.key.unwrap(subject, wrapped)
            except PersonalKeyError as error:
                self.step.fail(f"the key of the person {subject} does not open: {error.message}")

    def check(self, index: int, entry: Entry | None, rows: dict[Any, Any]) -> None:
        """Compare the rows of one entry, by name, with what it commits to."""
        for name, digest in (entry.commitments if entry else {}).items():
            row = rows.pop(name, None)
            if row is None:
                self.missing[index, name] = None
            else:
                self._check_row(index, name, digest, row)
        for name, row in rows.items():
            self.step.fail(f"the entry {index} commits to no {name!a:.80}", index)
            if isinstance(row.subject, str):
                self.used.add(row.subject)
        if entry is not None and entry.type in DESTROYING:
            self._excuse(index, entry)

    def finish(self) -> None:
        """Report what is missing without an excuse, keys of nobody, and what was not opened."""
        for index, name in self.missing:
            self.step.fail(f"the value of {name!a:.80} is missing without an erasure", index)
        for subject in sorted(self.wrapped.keys() - self.used):
            self.step.fail(f"the key of the person {subject} belongs to no value")
        notes = []
        if self.unopened:
            notes.append(
                f"{self.unopened:,} sealed value{_s(self.unopened)} not opened, for want of the personal key: "
                "not compared with the commitments"
            )
        if self.plain:
            notes.append(f"{self.plain:,} value{_s(self.plain)} not sealed yet: open the ledger for appending once")
        self.step.note = "; ".join(notes) or None

    def _check_row(self, index: int, name: str, digest: str, row: Any) -> None:
        failed = f"the value of {name!a:.80} is not the one that the entry {index} commits to"
        if row.subject is None:
            self.plain += 1
        elif not isinstance(row.subject, str) or row.subject not in self.wrapped:
            self.step.checked += 1
            self.step.fail(f"the value of {name!a:.80} of the entry {index} has no person's key", index)
            return
        else:
            self.used.add(row.subject)
            if self.vault.key is None:
                self.unopened += 1
                if not is_sealed_form(row.sealed):
                    self.step.fail(failed, index)
                return
        self.step.checked += 1
        try:
            disclosure = open_row(self.vault, Keyed(row, self.wrapped.get(row.subject or "")))
            if disclosure is None:
                self.step.fail(failed, index)
                return
            verify_commitment(digest, disclosure)
            if row.subject is not None and self.vault.subject(disclosure.value) != row.subject:
                self.step.fail(f"the value of {name!a:.80} of the entry {index} stands under another person", index)
        except AuditError:
            self.step.fail(failed, index)

    def _excuse(self, index: int, entry: Entry) -> None:
        named = {pair for pair in destroyed_fields(entry.type, entry.body) if 0 <= pair[0] < index}
        for pair in named:
            self.missing.pop(pair, None)
        for leaf, name in self._still_held(named):
            verb = "erased" if entry.type == EntryType.ERASURE else "disposed of"
            self.step.fail(f"the value of {name!a:.80} was {verb} by the entry {index}, and is held all the same", leaf)

    def _still_held(self, named: set[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        indexes = sorted({index for index, _ in named})
        columns = PERSONAL.c.leaf_index, PERSONAL.c.name
        for start in range(0, len(indexes), _PART):
            part = indexes[start : start + _PART]
            rows = self.connection.execute(select(*columns).where(PERSONAL.c.leaf_index.in_(part)))
            yield from sorted(named & {(row.leaf_index, row.name) for row in rows})


class DocumentCheck:
    """Which named documents are missing, and which were disposed of and are there again."""

    def __init__(self, step: Step, held: set[bytes]) -> None:
        self.step, self.held = step, held
        self.missing: dict[bytes, int] = {}
        self.back: dict[bytes, int] = {}

    def check(self, index: int, entry: Entry) -> None:
        """Note what the entry names, then what it disposes of."""
        for digest in entry.blobs.values():
            named = bytes.fromhex(digest.removeprefix("sha256:"))
            self.back.pop(named, None)
            if named not in self.held:
                self.missing.setdefault(named, index)
        if entry.type == EntryType.DISPOSAL:
            for digest in disposed_documents(entry.body):
                named = bytes.fromhex(digest.removeprefix("sha256:"))
                self.missing.pop(named, None)
                if named in self.held:
                    self.back[named] = index

    def finish(self) -> None:
        """Report what is missing without a disposal, and what is there against one."""
        for digest, index in self.missing.items():
            self.step.fail(f"the document `sha256:{digest.hex()}` of the entry {index} is missing", index)
        for digest, index in self.back.items():
            problem = f"the document `sha256:{digest.hex()}` was disposed of by the entry {index}, and is held"
            self.step.fail(problem, index)


def by_index_and_name(rows: Sequence[Any]) -> dict[Any, dict[Any, Any]]:
    """Group rows by entry, and there by name."""
    grouped: dict[Any, dict[Any, Any]] = {}
    for row in rows:
        grouped.setdefault(row.leaf_index, {})[row.name] = row
    return grouped


def _s(count: int) -> str:
    return " was" if count == 1 else "s were"
