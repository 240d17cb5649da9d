"""The ledger of a worker: opened when it is first needed, and again where that failed."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from policy_engine.errors import RecordingError
from policy_engine.recorder import recording_error
from policy_engine.service.settings import Settings

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

#: What a ledger refuses as long as it stays open: opened again, it takes the keys that stand in the files by then.
_OUTDATED = frozenset({"signing-key-rotated", "personal-key-other", "personal-key-missing"})
#: For so long a refusal stands, so that a server that is away is not asked by every request.
REFUSED_SECONDS = 1.0


class LedgerDoor:
    """Gives the open ledger; safe in several threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._ledger: Ledger | None = None
        self._refused: tuple[float, RecordingError] | None = None
        self._heeded = -REFUSED_SECONDS

    def open(self) -> Ledger:
        """Return the ledger.

        Raises:
            RecordingError: it cannot be opened now; it is tried again a second later.
        """
        if self._ledger is not None:
            return self._ledger
        with self._lock:
            if self._ledger is None:
                self._check_refused()
                self._ledger = self._open()
            return self._ledger

    def is_open(self, ledger: Ledger) -> bool:
        """Whether `ledger` is what `open` returns."""
        return ledger is self._ledger

    def heed(self, refusal: BaseException) -> None:
        """Open the ledger again next time, where it will refuse until then. Who has the old one may still read."""
        if getattr(refusal, "code", None) in _OUTDATED:
            with self._lock:
                if time.monotonic() - self._heeded >= REFUSED_SECONDS:
                    self._heeded = time.monotonic()
                    self._ledger = None

    def _check_refused(self) -> None:
        if self._refused is not None and time.monotonic() - self._refused[0] < REFUSED_SECONDS:
            error = self._refused[1]
            raise type(error)(error.problems)

    def _open(self) -> Ledger:
        from policy_audit.errors import AuditError
        from policy_audit.ledger import open_ledger
        from policy_audit.pinning import require_pinned

        settings = self._settings
        try:
            if settings.pinned is not None:
                require_pinned(settings.ledger, settings.pinned)
            return open_ledger(settings.ledger, key_path=settings.key)
        except AuditError as caught:
            error = recording_error(caught)
            refused = error if isinstance(error, RecordingError) else RecordingError(error.problems)
            self._refused = time.monotonic(), refused
            raise refused from caught

    def close(self) -> None:
        """Close it, where it is open."""
        with self._lock:
            if self._ledger is not None:
                self._ledger.close()
                self._ledger = None


def usable(ledger: Ledger) -> None:
    """Check that decisions can be recorded, as far as reading tells.

    Raises:
        LedgerError: it cannot be read, another version has migrated it, or it is not what the signing key signed.
        SigningKeyError, PersonalKeyError: the keys that it was opened with are not the ledger's own.
    """
    ledger.checkpoint()
    ledger.check_schema()
    ledger.check_keys()
