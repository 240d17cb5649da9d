"""The half of a ledger that appends. What is returned is durable; what is refused is not recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from policy_audit.appending import Recorded, extend, has_disposal_since, lock_head, read_head, store_blobs
from policy_audit.entry import Draft, EntryType, Prepared, prepare
from policy_audit.errors import CanonicalError, LedgerError
from policy_audit.keys import Signer
from policy_audit.ledger_base import LedgerBase
from policy_audit.opening import Opened
from policy_audit.vault import Vault
from policy_audit.view import instant
from policy_audit.waiting import SharedCommits

if TYPE_CHECKING:
    from policy_audit.changing import By

_MAX_KNOWN = 10_000


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
        self._head_note: str | None = None
        self._known_blobs: set[str] = set()
        self._known_tags: dict[bytes, int] = {}
        self._known_size = 0
        self._commits = SharedCommits(self._commit)

    def append(self, draft: Draft) -> Recorded:
        """Record one draft; return only once it is durable.

        Raises:
            LedgerError: it was refused; nothing was recorded.
        """
        return self.append_many([draft])[0]

    def append_many(self, drafts: Iterable[Draft]) -> list[Recorded]:
        """Record drafts in this order, all or none, under one checkpoint; return only once they are durable.

        What other threads append meanwhile is committed along with them.

        Raises:
            LedgerError: one was refused; nothing was recorded.
        """
        if self._read_only or self._signer is None:
            raise self._for_reading()
        self._database.check_process()
        if self._vault.missing is not None:
            raise self._vault.missing
        try:
            batch = [prepare(_ordinary(draft)) for draft in drafts]
        except CanonicalError as error:
            raise _refused(error) from error
        return self._commits.append(batch) if batch else []

    def _for_reading(self) -> LedgerError:
        return LedgerError(f"the ledger `{self._database.location}` was opened for reading", code="ledger-read-only")

    def _commit(self, batch: Sequence[Prepared]) -> list[Recorded]:
        with self._database.write() as connection:
            lock_head(connection)
            signer = cast("Signer", self._signer)  # as it is now: another thread may have rotated it meanwhile
            frontier = read_head(connection, signer, self._head_note)
            if self._known_blobs and has_disposal_since(connection, self._known_size, frontier.size):
                self._known_blobs = set()
            blobs = (blob for prepared in batch for blob in prepared.blobs)
            stored = store_blobs(connection, blobs, self._known_blobs)
            moment = instant(self._clock())
            recorded, note, tags = extend(connection, signer, frontier, batch, moment, self._known_tags, self._vault)
        # Only what is committed is remembered.
        self._head_note = note
        if len(self._known_blobs) + len(stored) > _MAX_KNOWN:
            self._known_blobs = set()
        self._known_blobs |= stored
        if len(self._known_tags) + len(tags) > _MAX_KNOWN:
            self._known_tags = {}
        self._known_tags.update(tags)
        self._known_size = recorded[-1].tree_size
        return recorded

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
                raise _refused(error) from error
            self._signer, self._head_note = new, None
        return recorded[0]


def _refused(error: CanonicalError) -> LedgerError:
    return LedgerError(f"the ledger refuses the entry: {error.message}", code=error.code, help=error.help)


def _ordinary(draft: Draft) -> Draft:
    if draft.type == EntryType.KEY_ROTATION:
        raise CanonicalError("a key rotation is recorded by `rotate_key` alone", code="not-an-entry")
    return draft
