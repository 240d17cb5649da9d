"""The half of a ledger that appends. What is returned is durable; what is refused is not recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from policy_audit.appending import extend, lock_head, read_head
from policy_audit.committing import Known, commit_groups
from policy_audit.entry import Draft, Prepared, prepare
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.groups import Answer, Group, Ready, Recorded, conflict, prepare_group, refused
from policy_audit.keys import Signer
from policy_audit.ledger_base import LedgerBase
from policy_audit.lookups import asked_asks, latest_ask
from policy_audit.once_rows import answered, requests
from policy_audit.once_sealed import Once, expired_by
from policy_audit.opening import Opened
from policy_audit.vault import Vault
from policy_audit.view import instant
from policy_audit.waiting import SharedCommits, own_copy

if TYPE_CHECKING:
    from policy_audit.changing import By


class LedgerWriting(LedgerBase):
    """Appending, and handing over to another key."""

    def __init__(
        self,
        opened: Opened,
        vault: Vault,
        *,
        read_only: bool,
        clock: Callable[[], datetime],
        key_path: Path | None = None,
    ) -> None:
        super().__init__(opened, vault, read_only=read_only, clock=clock, key_path=key_path)
        self._known = Known()
        self._commits = SharedCommits(self._commit)

    def append(self, draft: Draft) -> Recorded:
        """Record one draft; return only once it is durable.

        Raises:
            LedgerError: it was refused; nothing was recorded.
        """
        return self.append_many([draft])[0]

    def append_many(self, drafts: Iterable[Draft | Prepared]) -> list[Recorded]:
        """Record drafts in this order, all or none, under one checkpoint; return only once they are durable.

        What other threads append meanwhile is committed along with them.

        Raises:
            LedgerError: one was refused; nothing was recorded.
        """
        (answer,) = self.append_groups([Group(list(drafts))])
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    def append_groups(self, groups: Sequence[Group]) -> list[Answer]:
        """Record groups in this order under one checkpoint, each all or none; return only once they are durable.

        Each is answered by itself: where its entries stand, or the error that it was refused with. What concerns the
        ledger as a whole, such as a full disk, is the answer to all. The entries of a group are contiguous. A group
        whose `once` was there within 24 hours is not recorded again: its answer is the first one, `repeated`.
        """
        try:
            if self._read_only or self._signer is None:
                raise self._for_reading()
            self._database.check_process()
            if self._vault.missing is not None:
                raise self._vault.missing
        except LedgerError as error:
            return [own_copy(error) for _ in groups]
        prepared = [_ready(group) for group in groups]
        ready = [each for each in prepared if isinstance(each, Ready) and each.batch]
        answers = iter(self._commits.append(ready) if ready else [])
        return [
            each if isinstance(each, LedgerError) else next(answers) if each.batch else list[Recorded]()
            for each in prepared
        ]

    def latest(self, types: Iterable[str]) -> int:
        """Return one more than the index of the last entry of one of `types`; 0 where there is none.

        Ask for it before what a group is made from is read: it is the size for the group's `Guard`.
        """
        with self._database.read_asking([latest_ask(sorted(set(map(str, types))))]) as (_, (answer,)):
            return max((index + 1 for index in answer.rows[0] if index is not None), default=0)

    def asked(self, once: Once) -> list[Recorded] | None:
        """Return what was recorded for a request that was asked before; None where a commit would record it now.

        Raises:
            LedgerError: the key was given with another request (`once-conflict`).
        """
        with self._database.read_asking(asked_asks([once.key])) as (connection, answers):
            rows = [row for answer in answers for row in answer.rows]
            found = requests(rows, expired_by(instant(self._clock())))[0].get(once.key)
            if found is None:
                return None
            answer = answered(connection, once.key, found) if found.request == once.request else conflict()
        if isinstance(answer, LedgerError):
            raise answer
        return answer

    def _for_reading(self) -> LedgerError:
        return LedgerError(f"the ledger `{self._database.location}` was opened for reading", code="ledger-read-only")

    def _commit(self, groups: Sequence[Ready]) -> list[Answer]:
        with self._database.turn():  # as they are now: another thread may have rotated a key meanwhile
            signer = cast("Signer", self._signer)
            return commit_groups(self._database, signer, self._vault, self._known, self._clock, groups)

    @property
    def _head_note(self) -> str | None:
        """The note that this process signed last."""
        return self._known.head

    @_head_note.setter
    def _head_note(self, note: str | None) -> None:
        self._known.head = note

    def rotate_key(self, new: Signer, reason: str | None = None, *, by: By | None = None) -> Recorded:
        """Hand over to a new key of the same name, from the next entry on; return only once that is durable.

        The entry holds a statement signed by both keys, and both sign its checkpoint. Have the new key's file written
        and synced first: nobody can append without it afterwards. `by` says who does it.

        Raises:
            LedgerError: it was refused, or the reason names who does it; nothing was recorded.
        """
        from policy_audit.changing import sealable
        from policy_audit.rotating import rotation_draft
        from policy_audit.words import refuse_names

        refuse_names({"reason": reason or ""}, by.personal if by is not None else {})
        who = sealable(self, by)
        with self._database.turn():
            if self._read_only or self._signer is None:
                raise self._for_reading()
            old = self._signer
            try:
                with self._database.write() as connection:
                    lock_head(connection)
                    frontier = read_head(connection, old, self._head_note)
                    draft = rotation_draft(connection, frontier, old, new, reason)
                    batch = [prepare(replace(draft, context=dict(who.context), personal=dict(who.personal)))]
                    moment = instant(self._clock())
                    recorded, _, _ = extend(connection, old, frontier, batch, moment, {}, self._vault, cosigner=new)
            except CanonicalError as error:
                raise refused(error) from error
            self._signer, self._head_note = new, None
        return recorded[0]


def _ready(group: Group) -> Ready | LedgerError:
    try:
        return prepare_group(group)
    except LedgerError as error:
        return error
