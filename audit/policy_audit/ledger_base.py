"""What every part of an open ledger has: the database, the keys, and whether it may be written to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from policy_audit.database import Database
from policy_audit.keys import Signer
from policy_audit.opening import Opened
from policy_audit.vault import Vault

if TYPE_CHECKING:
    from sqlalchemy import Connection


class LedgerBase:
    """An open ledger, before anything is appended, read or verified."""

    def __init__(
        self,
        opened: Opened,
        vault: Vault,
        *,
        read_only: bool,
        clock: Callable[[], datetime],
        key_path: Path | None = None,
    ) -> None:
        self._database: Database = opened.database
        self._signer: Signer | None = opened.signer
        self._vault = vault
        self._key_path = key_path
        self._read_only = read_only
        self._clock = clock
        self.created_verifier_key: str | None = opened.signer.verifier_key if opened.created and opened.signer else None
        """Set where opening has just made the key: to be shown once, for verifiers to pin."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Ledger {self._database.location}>"

    @property
    def origin(self) -> str | None:
        """The ledger's name, which its key carries; None where it was opened without a key."""
        return self._signer.name if self._signer else None

    @property
    def verifier_key(self) -> str | None:
        """The public text of the signing key; None where the ledger was opened without a key."""
        return self._signer.verifier_key if self._signer else None

    @property
    def signer(self) -> Signer | None:
        """What signs checkpoints; None where the ledger was opened without a key."""
        return self._signer

    def sign_statement(self, payload: bytes) -> str:
        """Return the DSSE envelope of an in-toto statement, signed by the ledger's key; nothing is recorded.

        Raises:
            SigningKeyError: the ledger was opened without its key, or the program that has it gives no signature.
            VerificationError: the payload could be a note's text.
        """
        from policy_audit.dsse import sign_envelope
        from policy_audit.errors import SigningKeyError

        if self._signer is None:
            raise SigningKeyError("the ledger was opened without its signing key", code="signing-key-missing")
        return sign_envelope(payload, self._signer)

    def now(self) -> datetime:
        """Return the time by the clock that gives entries theirs."""
        return self._clock()

    @property
    def is_scratch(self) -> bool:
        """True in memory: nothing outlives the process."""
        return not self._database.location.server and self._database.location.path is None

    @property
    def vault(self) -> Vault:
        """What opens personal values; without the personal key it opens none."""
        return self._vault

    def close(self) -> None:
        """Close all connections."""
        self._database.close()

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Give one read transaction to the modules of this package that read more than the calls below."""
        return self._database.read()
