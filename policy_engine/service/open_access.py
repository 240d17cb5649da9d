"""Whether whoever reaches the server may use it: on loopback, until somebody was given a token, and never again.

What the ledger says of tokens may be lost; that the server asked for one is not forgotten while it runs, by whichever
worker: a file that they share says so.
"""

from __future__ import annotations

from contextlib import suppress

from policy_engine.service.settings import Settings

ENDED = "token-made"


class OpenAccess:
    """Open access to one worker."""

    def __init__(self, settings: Settings) -> None:
        self._lasts = settings.may_be_open
        self._ended = settings.shared(ENDED)

    @property
    def lasts(self) -> bool:
        """Whether a ledger without a token lets in everybody."""
        if self._lasts and self._ended is not None and self._ended.exists():
            self._lasts = False
        return self._lasts

    def end(self) -> None:
        """Note that a token was seen."""
        if self._lasts:
            self._lasts = False
            if self._ended is not None:
                with suppress(OSError):  # the folder is away: the other workers see the token in the ledger
                    self._ended.touch(mode=0o600)
