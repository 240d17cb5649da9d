"""The vault: seals personal values on their way into the database, and opens them on their way out.

A vault goes with one ledger and is used under its writer's lock when it seals. What it remembers is only ever a
shortcut: which persons have a key, and which, is read in the transaction that seals, so that a key which another
process has destroyed since is never used again.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, select

from policy_audit.asking import Row, ask_all, asks_in
from policy_audit.commitment import Disclosure
from policy_audit.errors import PersonalKeyError
from policy_audit.inserting import Rows, insert_all
from policy_audit.names import PERSONAL, SUBJECT_KEY
from policy_audit.personal_key import KEY_BYTES, PersonalKey
from policy_audit.sealing import new_nonces, open_value, read_plain, seal_value

_MOST_REMEMBERED = 10_000


class Vault:
    """The personal key, where there is one, with what was derived and opened by it.

    `missing` says why it is not there, or is another one, though values are sealed: nothing is appended then.
    """

    def __init__(self, key: PersonalKey | None, missing: PersonalKeyError | None = None) -> None:
        self.key = key
        self.missing = missing
        self._subjects: dict[str, str] = {}
        self._ciphers: dict[str, tuple[bytes, AESGCM]] = {}

    def require(self) -> PersonalKey:
        """Return the personal key.

        Raises:
            PersonalKeyError: there is none.
        """
        if self.key is not None:
            return self.key
        raise self.missing or PersonalKeyError(
            "the personal key is needed, and is not there",
            code="personal-key-missing",
            help="it stands beside the signing key, as `<signing key>.personal`",
        )

    def subject(self, value: str) -> str:
        """Return what stands for the person `value` in the database."""
        found = self._subjects.get(value)
        if found is None:
            if len(self._subjects) >= _MOST_REMEMBERED:
                self._subjects.clear()
            found = self._subjects[value] = self.require().subject(value)
        return found

    def store(self, connection: Connection, values: Sequence[tuple[int, Disclosure]]) -> None:
        """Store values, each with its entry's index, sealed; persons without a key get one.

        Raises:
            PersonalKeyError: the personal key is missing, or is not the one that the ledger's values are sealed under.
        """
        subjects = sorted({self.subject(disclosure.value) for _, disclosure in values})
        insert_all(connection, self.sealed(connection, values, list(read_keys(connection, subjects))))

    def sealed(
        self, connection: Connection, values: Sequence[tuple[int, Disclosure]], keys: Iterable[Row]
    ) -> list[Rows]:
        """Return the rows of values, sealed, and before them those of the keys of persons that have none yet.

        `keys` are the persons' wrapped keys, with their subjects, as they are in this transaction: all that there are
        of those whose values these are, or of more.

        Raises:
            PersonalKeyError: as `store`.
        """
        if not values:
            return []
        subjects = [self.subject(disclosure.value) for _, disclosure in values]
        ciphers, new = self._ready(connection, set(subjects), keys)
        rows = [
            (index, disclosure.name, subject, seal_value(ciphers[subject], index, disclosure, nonce))
            for subject, (index, disclosure), nonce in zip(subjects, values, new_nonces(len(values)), strict=True)
        ]
        return [(SUBJECT_KEY, new), (PERSONAL, rows)]

    def open(self, index: int, name: str, subject: str, sealed: object, wrapped: object) -> Disclosure | None:
        """Return what a sealed row holds; None where it, or its person's key, was changed or is not there.

        Raises:
            PersonalKeyError: there is no personal key, or another one.
        """
        cipher = self.cipher(subject, wrapped)
        return open_value(cipher, index, name, sealed) if cipher is not None else None

    def cipher(self, subject: str, wrapped: object) -> AESGCM | None:
        """Return a person's cipher; None where the key was changed or is not there.

        Raises:
            PersonalKeyError: there is no personal key, or another one.
        """
        key = self.require()
        known = self._ciphers.get(subject)
        if known is not None and known[0] == wrapped:
            return known[1]
        try:
            unwrapped = key.unwrap(subject, wrapped)
        except PersonalKeyError as error:
            if error.code == "personal-key-changed":
                return None
            raise
        assert isinstance(wrapped, bytes)  # noqa: S101 - it was unwrapped
        return self._remember(subject, wrapped, unwrapped)

    def _ready(
        self, connection: Connection, subjects: Collection[str], keys: Iterable[Row]
    ) -> tuple[dict[str, AESGCM], list[Row]]:
        """Return the ciphers of `subjects`, and the rows of the keys that are made for those that have none."""
        key = self.require()
        ciphers: dict[str, AESGCM] = {}
        for subject, wrapped in keys:
            if subject not in subjects:
                continue
            cipher = self.cipher(subject, wrapped)
            if cipher is None:
                key.unwrap(subject, wrapped)  # says why
            else:
                ciphers[subject] = cipher
        new = [subject for subject in subjects if subject not in ciphers]
        if new and not ciphers:
            check_key(connection, key)
        made = {subject: os.urandom(KEY_BYTES) for subject in new}
        ciphers |= {subject: AESGCM(secret) for subject, secret in made.items()}
        return ciphers, [(each, key.wrap(each, secret)) for each, secret in made.items()]

    def _remember(self, subject: str, wrapped: bytes, unwrapped: bytes) -> AESGCM:
        if len(self._ciphers) >= _MOST_REMEMBERED:
            self._ciphers.clear()
        cipher = AESGCM(unwrapped)
        self._ciphers[subject] = (wrapped, cipher)
        return cipher


class Keyed:
    """A row of `personal` with its person's key beside it."""

    __slots__ = ("leaf_index", "name", "sealed", "subject", "wrapped")

    def __init__(self, row: Any, wrapped: Any) -> None:
        self.leaf_index, self.name, self.subject, self.sealed = row.leaf_index, row.name, row.subject, row.sealed
        self.wrapped = wrapped


def check_key(connection: Connection, key: PersonalKey) -> None:
    """Refuse a personal key that is not the one which the persons' keys are wrapped under.

    Raises:
        PersonalKeyError: it is another one. Under it every person would look new.
    """
    row = connection.execute(select(SUBJECT_KEY.c.subject, SUBJECT_KEY.c.wrapped).limit(1)).one_or_none()
    if row is not None:
        key.unwrap(row.subject, row.wrapped)


def has_subject_keys(connection: Connection) -> bool:
    """Whether any value is sealed, so that there must be a personal key."""
    return connection.execute(select(SUBJECT_KEY.c.subject).limit(1)).first() is not None


def read_keys(connection: Connection, subjects: Sequence[str]) -> Iterator[Row]:
    """Yield the wrapped keys of those of `subjects` that have one."""
    for answer in ask_all(connection, asks_in("SELECT subject, wrapped FROM subject_key WHERE subject", subjects)):
        yield from answer.rows


def open_row(vault: Vault, row: Any) -> Disclosure | None:
    """Return what a row of `personal`, with its person's `wrapped` key beside it, holds; None where nothing opens."""
    if row.subject is None:
        return read_plain(row.name, row.sealed)
    try:
        return vault.open(row.leaf_index, row.name, row.subject, row.sealed, row.wrapped)
    except PersonalKeyError:
        return None
