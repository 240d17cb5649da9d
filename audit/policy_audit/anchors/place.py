"""Places: what a checkpoint is put to, as text; and what is put, and what comes back.

file:PATH               a folder, on a mount that keeps what it was given (object lock, WORM)
git:URL#BRANCH          a branch of another repository
tsa:URL#ROOTS.pem       an RFC 3161 time-stamping authority, and the certificates that it is trusted by
witness:URL#VKEY        a C2SP witness's submission prefix, and its verifier key
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import SplitResult, quote, urlsplit

from policy_audit.checkpoint import Checkpoint, parse_checkpoint
from policy_audit.cosignature import Cosignature, parse_witness_key
from policy_audit.epochs import Restore
from policy_audit.errors import AnchorAlarmError, AnchorError, LedgerError, VerificationError

KINDS = ("file", "git", "tsa", "witness")
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")
_LONGEST_NAME = 200
_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint is anchored; `pin` is what stands after `#`: branch, certificates, verifier key."""

    kind: str
    target: str
    pin: str = ""

    @property
    def where(self) -> str:
        """The place's name on record; a branch belongs to it, what is pinned does not."""
        branch = f"#{self.pin}" if self.kind == "git" else ""
        return f"{self.kind}:{self.target}{branch}"


def parse_place(text: str, folder: Path | None = None) -> Place:
    """Read a place's text; relative paths are taken from `folder`.

    Raises:
        AnchorError: it is of no known kind, or lacks what has to be pinned.
    """
    kind, colon, rest = text.partition(":")
    if not colon or kind not in KINDS or not rest or any(char < " " for char in text):
        raise _refused(f"`{text[:80]}` is no place for an anchor", f"a place is one of {', '.join(_FORMS)}")
    if kind == "file":
        return Place(kind, str(_absolute(rest, folder)))
    target, _, pin = rest.partition("#")
    if kind == "git":
        return _git_place(target, pin, folder)
    _check_url(target)
    if not pin:
        raise _refused(f"`{text[:80]}` pins nothing, so that anyone could answer", f"write {_FORMS[KINDS.index(kind)]}")
    if kind == "tsa":
        return Place(kind, target, str(_absolute(pin, folder)))
    try:
        parse_witness_key(pin)
    except VerificationError as error:
        raise _refused(f"the key of the witness `{target}` cannot be used: {error.message}", error.help) from None
    return Place(kind, target.rstrip("/"), pin)


_FORMS = ("file:PATH", "git:URL#BRANCH", "tsa:URL#ROOTS.pem", "witness:URL#VKEY")


def _git_place(target: str, pin: str, folder: Path | None) -> Place:
    branch = pin or "main"
    if not _BRANCH.fullmatch(branch) or ".." in branch or "//" in branch or branch.endswith(("/", ".", ".lock")):
        raise _refused(f"`{branch[:80]}` is not the name of a branch")
    if not target or target.startswith("-") or "::" in target:
        raise _refused(f"`{target[:80]}` is not the URL of a git repository")
    if "://" in target:
        if _split(target).password is not None:
            raise _refused(
                "the URL of the git repository holds a password", "put it into ~/.netrc, or use a key over ssh"
            )
    elif ":" not in target:
        target = str(_absolute(target, folder))
    return Place("git", target, branch)


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise _refused(f"`{url[:80]}` is not a URL: {error}") from None


def _check_url(url: str) -> None:
    parts = _split(url)
    if parts.scheme not in _WEB or not parts.hostname or parts.query:
        raise _refused(f"`{url[:80]}` is not a URL of http or https without a query")
    if parts.username is not None or parts.password is not None:
        raise _refused("a URL with a user or a password in it is not used", "what is anchored is no secret")


def _absolute(name: str, folder: Path | None) -> Path:
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:
        raise _refused(f"`{name[:80]}` is no path: {error}") from None
    return path if path.is_absolute() else (folder or Path.cwd()) / path


def _refused(message: str, help_: str | None = None) -> AnchorError:
    return AnchorError(message, code="anchor-place", help=help_)


@dataclass(frozen=True, slots=True)
class Submission:
    """A checkpoint to anchor, and what the ledger can say about any other one.

    `root` gives the root of the first n entries, `proof` the consistency proof from n entries to this checkpoint,
    `note_of` the ledger's own checkpoint of n entries, and `opened` verifies a note as one of this ledger. `size` is
    that of the whole ledger, which may be larger than the checkpoint's. `known` is what was recorded of the place when
    it last held a checkpoint.
    `lost` says which restore on record names a note as lost, and `restored` which one began below a size.
    """

    note: str
    size: int
    root: Callable[[int], bytes]
    proof: Callable[[int], list[bytes]]
    note_of: Callable[[int], str | None]
    opened: Callable[[str], Checkpoint]
    known: Mapping[str, Any] = field(default_factory=dict)
    lost: Callable[[str], Restore | None] = lambda _: None
    restored: Callable[[int], Restore | None] = lambda _: None

    @property
    def checkpoint(self) -> Checkpoint:
        return parse_checkpoint(self.note)

    def check_held(self, note: str, where: str) -> Checkpoint:
        """Hold what a place holds against the ledger, and return it.

        Raises:
            AnchorAlarmError: the ledger does not continue it, or it is no checkpoint that this ledger signed.
            AnchorError: the ledger cannot be read.
        """
        try:
            held = self.opened(note)
        except VerificationError as error:
            self._refuse_lost(note, where)
            raise AnchorAlarmError(
                f"`{where}` holds what is no checkpoint of this ledger: {error.message}",
                code="anchor-damaged",
                help="it was tampered with; or the ledger was rolled back to before the key that signed it",
                evidence=note,
            ) from error
        self.check_size(held.size, where, note)
        try:
            root = self.root(held.size)
        except (LedgerError, VerificationError) as error:
            raise AnchorError(f"the ledger cannot be held against `{where}`: {error.message}") from error
        if root != held.root:
            self._refuse_lost(note, where)
            raise AnchorAlarmError(
                f"`{where}` holds another tree of {held.size:,} entries than the ledger, signed by its key",
                help="these are two histories: keep both checkpoints, they prove it; then verify the ledger",
                evidence=note,
            )
        return held

    def check_size(self, size: int, where: str, note: str | None = None) -> None:
        """Refuse to be shorter than what a place holds.

        Raises:
            AnchorAlarmError: the ledger has fewer entries.
        """
        if size > self.size:
            if note is not None:
                self._refuse_lost(note, where)
            raise AnchorAlarmError(
                f"`{where}` holds a checkpoint of {size:,} entries, and the ledger has {self.size:,}: its tail was "
                "dropped, or an older copy restored",
                code="ledger-rolled-back",
                help=self._say_so(size),
                evidence=note,
            )

    def _say_so(self, size: int) -> str:
        restore = self.restored(size)
        if restore is None:
            return "where it was restored, say so: `policy audit restored`"
        return (
            f"{restore.named} may say why: name what this place holds with `policy audit restored --kept`, or, of a "
            "witness, ask its operator to begin anew for this log, or take another one"
        )

    def _refuse_lost(self, note: str, where: str) -> None:
        """Raise the alarm by its own name where a restore on record names the note as lost.

        Raises:
            AnchorAlarmError: one does. It is an alarm all the same: whoever holds the key can write a restore.
        """
        restore = self.lost(note)
        if restore is None:
            return
        size = parse_checkpoint(note).size
        raise AnchorAlarmError(
            f"`{where}` holds the checkpoint of {size:,} entries that {restore.named} names as lost",
            code="anchor-lost",
            help="give the ledger a new place (another folder or branch), and name this one under `evidence` in "
            "anchors.toml: it stays the evidence of what was lost, and is not written to",
            evidence=note,
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a place gave: `fresh` where it did not hold the checkpoint before; documents, and figures for the record."""

    fresh: bool
    details: Mapping[str, Any] = field(default_factory=dict)
    blobs: Mapping[str, bytes] = field(default_factory=dict)
    cosignatures: tuple[Cosignature, ...] = ()


class Anchor(Protocol):
    """A place that takes checkpoints."""

    @property
    def place(self) -> Place: ...

    def put(self, submission: Submission) -> Receipt:
        """Have the place hold the checkpoint; return only once it does.

        Raises:
            AnchorError: it does not.
            AnchorAlarmError: because it holds what contradicts it.
        """
        ...

    def held(self, origin: str) -> list[str]:
        """Return the checkpoints of this log that the place holds.

        Raises:
            AnchorError: it cannot be read, or gives nothing back.
        """
        ...


def file_name(origin: str) -> str:
    """Return a log's name as the name of one folder, on any file system."""
    name = quote(origin, safe="").replace("~", "%7E")
    if name.startswith("."):
        name = f"%2E{name[1:]}"
    return name if len(name) <= _LONGEST_NAME else f"sha256-{sha256(origin.encode()).hexdigest()}"
