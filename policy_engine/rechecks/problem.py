"""Why a recorded workload is not decided again."""

from __future__ import annotations

#: Words of `replay.NotReplayableError` that say that the ledger is not what it should be.
_TAMPERED = frozenset({"document-missing", "document-changed", "document-not-named", "malformed"})


class NotRecheckedError(Exception):
    """A recorded workload cannot be decided again, for a `reason` that is a word, and `why`.

    `tampered`: the ledger is not what it should be, rather than that what it holds was taken out of it for good reason,
    or that the rules of today cannot decide it; `rules`: those are at fault.
    """

    def __init__(self, reason: str, why: str, *, tampered: bool | None = None, rules: bool = False) -> None:
        super().__init__(why)
        self.reason, self.why, self.rules = reason, why, rules
        self.tampered = reason in _TAMPERED if tampered is None else tampered
