"""One commit of groups: all that it has to know is asked with the lock, and all that it stores goes out together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple, cast

from sqlalchemy import Connection

from policy_audit.appending import check_revision, extend, lock_asks, new_blobs, read_head
from policy_audit.asking import Ask, Row
from policy_audit.database import Database
from policy_audit.entry import Prepared
from policy_audit.errors import LedgerError
from policy_audit.groups import Answer, Asked, Deciding, Outcome, Ready, Recorded, guarded
from policy_audit.inserting import Rows
from policy_audit.keys import Signer
from policy_audit.lookups import (
    ASKED,
    DISPOSALS,
    DOCUMENTS,
    NEWEST,
    Found,
    KnownTags,
    asked_asks,
    disposal_asks,
    document_asks,
    flat,
    look,
    lookups,
    newest_asks,
    sorted_out,
)
from policy_audit.once_rows import answered, forget, requests, try_forget
from policy_audit.once_sealed import SealedOnce, expired_by, later
from policy_audit.remembered import HEAD_ASK, Head, Remembered
from policy_audit.vault import Vault
from policy_audit.view import instant

_MAX_KNOWN = 10_000
SWEEP = timedelta(seconds=60)
_LOCK, _VERSION, _HEAD = "lock", "version", "head"


class Known:
    """What a process has seen committed, which spares it questions; never more than a shortcut.

    `head` is the note that it signed last. Up to `size` the log was looked through for disposals. From `next_sweep` on
    the requests that are a day old are to be deleted; empty, before the first commit, says that it is not known.
    """

    def __init__(self) -> None:
        self.head: str | None = None
        self.blobs: set[str] = set()
        self.tags: KnownTags = {}
        self.size = 0
        self.next_sweep = ""

    def remember(self, head: str, blobs: set[str], tags: KnownTags, size: int) -> None:
        """Take over the head that a commit signed, and what it stored, or found stored."""
        self.head = head
        if len(self.blobs) + len(blobs) > _MAX_KNOWN:
            self.blobs = set()
        self.blobs |= blobs
        if len(self.tags) + len(tags) > _MAX_KNOWN:
            self.tags = {}
        self.tags.update(tags)
        self.size = size


class _Done(NamedTuple):
    """What each group is answered, the note that was signed (None where nothing was), and what was learned by it."""

    answers: list[Answer]
    note: str | None
    blobs: set[str]
    tags: KnownTags
    size: int
    next_sweep: str
    head: Head | None = None


def commit_groups(
    database: Database, signer: Signer, vault: Vault, known: Known, now: Callable[[], datetime], groups: Sequence[Ready]
) -> list[Answer]:
    """Commit groups, in their order, and answer each; the caller has the turn.

    Raises:
        LedgerError: nothing was recorded: the ledger refuses as a whole, or the database an entry of some group.
    """
    commit = _Commit(signer, vault, known, groups, database.remembered)
    asks = commit.asks(database.on_sqlite)
    with database.write_asking(flat(asks)) as (connection, answers):
        done = commit.run(connection, sorted_out(asks, answers), now)
    if done.note is not None:  # only what is committed is remembered
        known.remember(done.note, done.blobs, done.tags, done.size)
        known.next_sweep = done.next_sweep
    if database.remembered is not None and done.head is not None:
        database.remembered.take(done.head)  # before anybody is answered
    return done.answers


class _Commit:
    """One commit, from what is asked to what is answered."""

    def __init__(
        self, signer: Signer, vault: Vault, known: Known, groups: Sequence[Ready], remembered: Remembered | None
    ) -> None:
        self.signer, self.vault, self.known, self.groups = signer, vault, known, groups
        self.remembered, self.floor = remembered, remembered.floor() if remembered is not None else None
        self.keys = {group.once.key for group in groups if group.once is not None}

    def asks(self, on_sqlite: bool) -> dict[str, Sequence[Ask]]:
        """Return all that has to be known, the lock first."""
        batch = [prepared for group in self.groups for prepared in group.batch]
        known = self.known.blobs
        *lock, version = lock_asks(on_sqlite)
        return {
            _LOCK: lock,
            _VERSION: [version],
            _HEAD: [self.remembered.ask(self.floor) if self.remembered is not None else HEAD_ASK],
            DISPOSALS: disposal_asks(self.known.size) if known else [],
            DOCUMENTS: document_asks({each.digest for one in batch for each in one.blobs if each.digest not in known}),
            **lookups(batch, self.known.tags, self.vault),
            NEWEST: newest_asks(*guarded(self.groups)),
            ASKED: asked_asks(sorted(self.keys)),
        }

    def run(self, connection: Connection, found: Found, now: Callable[[], datetime]) -> _Done:
        """Decide about each group, and add those that are to be added."""
        check_revision(found[_VERSION])
        held = self.remembered.held(connection, self.floor, found[_HEAD]) if self.remembered is not None else None
        heads = [row[:4] for row in found[_HEAD]]
        frontier = read_head(connection, self.signer, self._trusted(heads), heads)
        moment = instant(now())
        expired = expired_by(moment)
        asked, old = requests(found[ASKED], expired)
        newest = {kind: index for kind, index in found[NEWEST] if index is not None}
        deciding = Deciding(frontier.size, newest, asked)
        outcomes = [deciding.decide(group) for group in self.groups]
        accepted = [prepared for group in deciding.accepted for prepared in group.batch]
        if not accepted:
            return _Done(self._answers(connection, outcomes, {}), None, set(), {}, 0, "", held)
        next_sweep = self._forget(connection, old, expired, moment)
        rows, blobs = self._new_blobs(connection, found, accepted)
        tags = self.known.tags
        recorded, note, met = extend(
            connection, self.signer, frontier, accepted, moment, tags, self.vault, found=found, beside=[rows], last=True
        )
        answers = self._answers(connection, outcomes, _apart(deciding.accepted, recorded))
        head = held.grown(note, self.signer.verifier_key) if held is not None else None
        return _Done(answers, note, blobs, met, frontier.size, next_sweep, head)

    def _trusted(self, heads: Sequence[Row]) -> str | None:
        """Return the note whose signature this process need not verify: its own last one, or one of those beside it."""
        if self.floor is not None and heads and self.floor.is_sealed(heads[0][-1], self.signer.verifier_key):
            return str(heads[0][-1])
        return self.known.head

    def _new_blobs(self, connection: Connection, found: Found, batch: Sequence[Prepared]) -> tuple[Rows, set[str]]:
        wanted = {blob.digest: blob for prepared in batch for blob in prepared.blobs}
        if not found[DISPOSALS]:
            return new_blobs(wanted, found, self.known.blobs)
        self.known.blobs = set()  # what was seen stored may be gone
        return new_blobs(wanted, look(connection, {DOCUMENTS: document_asks(wanted)}))

    def _forget(self, connection: Connection, old: Sequence[int], expired: str, moment: str) -> str:
        """Delete what is forgotten, the oldest of all once in a while; return when that is due again."""
        due, swept = self.known.next_sweep, False
        if moment >= due and (due or self.keys):
            swept = True
            forgotten = try_forget(connection, expired)
            if old:  # whose keys may be asked with anew
                forget(connection, old)
            due = "" if forgotten else later(moment, SWEEP)
        elif not due:
            due = later(moment, SWEEP)
        if old and not swept:
            forget(connection, old)
        return due

    def _answers(
        self, connection: Connection, outcomes: Sequence[Outcome], recorded: Mapping[int, list[Recorded]]
    ) -> list[Answer]:
        answers: list[Answer] = []
        for group, outcome in zip(self.groups, outcomes, strict=True):
            if isinstance(outcome, LedgerError):
                answers.append(outcome)
            elif isinstance(outcome, Asked):
                once = cast("SealedOnce", group.once)  # it was found by its key
                answers.append(answered(connection, once.key, outcome))
            else:
                own = recorded[outcome.number]
                answers.append([replace(each, repeated=True) for each in own] if outcome.repeated else own)
        return answers


def _apart(groups: Sequence[Ready], recorded: Sequence[Recorded]) -> dict[int, list[Recorded]]:
    """Return what each group's entries became, by the group's number."""
    each = iter(recorded)
    return {number: [next(each) for _ in group.batch] for number, group in enumerate(groups)}
