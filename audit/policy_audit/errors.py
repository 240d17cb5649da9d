"""The ledger's error tree: every error carries a message, a stable `code` and, where there is one, `help`.

    AuditError                  the root; nothing else is raised on purpose
    ├── CanonicalError          a value or bytes outside the canonical profile
    ├── VerificationError       a proof, note, checkpoint or key text does not verify
    ├── AnchorError             a place did not take a checkpoint, or does not give back what it holds
    │   └── AnchorAlarmError    what a place holds is not what the ledger holds: rolled back, or two histories
    ├── SpoolError              a spool cannot be written, or a file of one is not what it should be
    └── LedgerError             the ledger refused: nothing was recorded, nothing is half-written
        ├── SigningKeyError     the signing key is missing, unreadable, exposed or another ledger's
        ├── PersonalKeyError    the personal key is missing, unreadable, exposed or another ledger's
        └── HeldError           a legal hold covers what was to be erased or disposed of; the refusal is on record

Messages: lower case, no final period, user input in backticks, what to do goes into `help`.
"""

from __future__ import annotations


class AuditError(Exception):
    """The root of every error that `policy_audit` raises."""

    default_code = "audit"

    def __init__(self, message: str, *, code: str | None = None, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.help = help

    def __str__(self) -> str:
        return f"{self.message} (help: {self.help})" if self.help else self.message


class CanonicalError(AuditError, ValueError):
    """A value has no canonical form in the profile, or bytes are not canonical."""

    default_code = "not-canonical"


class VerificationError(AuditError, ValueError):
    """Something that was to be verified is malformed or false."""

    default_code = "not-verified"


class AnchorError(AuditError):
    """A place where checkpoints are anchored cannot be used, or refused; the ledger itself is not in question."""

    default_code = "anchor-failed"


class AnchorAlarmError(AnchorError):
    """An anchor and the ledger contradict each other: one of them was rolled back, forked, rewritten or damaged.

    `evidence` is the note that the anchor holds, where it holds one.
    """

    default_code = "split-view"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        help: str | None = None,  # noqa: A002
        evidence: str | None = None,
    ) -> None:
        super().__init__(message, code=code, help=help)
        self.evidence = evidence


class SpoolError(AuditError):
    """A spool does not take a decision, or what a file of it holds is not what a runner writes."""

    default_code = "spool"


class LedgerError(AuditError):
    """The ledger refused, or cannot be read; whatever was asked of it was not done."""

    default_code = "ledger"


class SigningKeyError(LedgerError):
    """The signing key cannot be used with this ledger."""

    default_code = "signing-key"


class PersonalKeyError(LedgerError):
    """The personal key cannot be used with this ledger."""

    default_code = "personal-key"


class HeldError(LedgerError):
    """A legal hold covers what was to be erased; the refusal itself is recorded, at `index`."""

    default_code = "legal-hold"

    def __init__(self, message: str, *, index: int | None, help: str | None = None) -> None:  # noqa: A002
        super().__init__(message, help=help)
        self.index = index
