"""The ledger of a worker: opened when it is first needed, and again where that failed, or where it cannot recover.

What the workers of one supervisor have seen and committed outlives an open ledger, and a worker: an older copy that is
put back is not gone on with. It does not outlive the supervisor, for whoever starts anew knows nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from policy_engine.errors import RecordingError
from policy_engine.recorder import recording_error
from policy_engine.service.settings import Settings

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.remembered import Head, Remembered

_LOG = logging.getLogger("policy_engine.ledger")
#: What a ledger refuses as long as it stays open: opened again, it takes the files that have the names by then.
_OUTDATED = frozenset({
    "signing-key", "signing-key-exposed", "signing-key-missing", "signing-key-rotated", "signing-program",
    "personal-key", "personal-key-exposed", "personal-key-missing", "personal-key-other",
    "ledger-gone", "ledger-replaced", "ledger-tampered", "ledger-io", "ledger-corrupt",
})  # fmt: skip
#: The same of a file alone: a server takes writes again over the connections that there are.
_OUTDATED_FILE = frozenset({"ledger-read-only", "ledger-unreadable"})
#: What somebody did to the ledger, and has to be told of though nobody asks; said again after so many seconds.
_ALARMS = frozenset({"ledger-gone", "ledger-missing", "ledger-replaced", "ledger-rolled-back", "ledger-restored"})
_ALARM_SECONDS = 60.0
#: What a worker remembers of tokens, waivers and stored documents is of a history that is lost: it ends, and another
#: one is started in its place.
_ENDING = "ledger-restored"
HEAD = "head"
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
        self._said: dict[str, float] = {}
        self._ending = False
        self._remembered: Remembered | None = None

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
        code = getattr(refusal, "code", None)
        if code in _ALARMS:
            self._say(code, str(refusal))
        if code == _ENDING and self._settings.rules is not None and not self._ending:  # there is a supervisor
            self._ending = True
            os.kill(os.getpid(), signal.SIGTERM)
        outdated = code in _OUTDATED or (code in _OUTDATED_FILE and self._settings.ledger.startswith("sqlite:"))
        if not outdated:
            return
        with self._lock:
            if time.monotonic() - self._heeded < REFUSED_SECONDS:
                return
            self._heeded = time.monotonic()
            old, self._ledger = self._ledger, None
        if old is not None:
            # its connections have files open that may have lost their names: the next one is to find others
            old.close()

    def _say(self, code: str, text: str) -> None:
        moment = time.monotonic()
        if moment - self._said.get(code, -_ALARM_SECONDS) >= _ALARM_SECONDS:
            self._said[code] = moment
            _LOG.error("%s", text)

    def _check_refused(self) -> None:
        if self._refused is not None and time.monotonic() - self._refused[0] < REFUSED_SECONDS:
            error = self._refused[1]
            raise type(error)(error.problems)

    def _open(self) -> Ledger:
        from policy_audit.errors import AuditError
        from policy_audit.ledger import open_ledger
        from policy_audit.pinning import require_pinned
        from policy_audit.remembered import Remembered

        settings = self._settings
        if self._remembered is None:
            self._remembered = Remembered(settings.shared(HEAD), _restored)
        try:
            if settings.pinned is not None:
                require_pinned(settings.ledger, settings.pinned)
            return open_ledger(
                settings.ledger, key_path=settings.key, create=settings.create, remembered=self._remembered
            )
        except AuditError as caught:
            if caught.code in _ALARMS:
                self._say(caught.code, str(caught))
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


def _restored(before: Head, now: Head) -> None:
    _LOG.warning("the ledger was restored, as it says itself: %s entries in place of %s", now.size, before.size)


def usable(ledger: Ledger) -> None:
    """Check that decisions can be recorded, as far as reading tells.

    Raises:
        LedgerError: it cannot be read, another version has migrated it, or it is not what the signing key signed.
        SigningKeyError, PersonalKeyError: the keys that it was opened with are not the ledger's own.
    """
    ledger.checkpoint()
    ledger.check_schema()
    ledger.check_keys()
