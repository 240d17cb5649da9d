"""A spool: decisions of a runner that has no ledger, as files that a ledger collects later.

    DIR/blobs/<SHA-256>                        what many decisions share: rules, layers, catalog
    DIR/<time>-<call>-<n>-of-<m>.spool.json    one decision: its entries' exact bytes, and their own documents

A file is JSON: `spool` (the format), `call` (`Call`), `n`, `of`, `policy` (the digest of the rules), `entries`
(`entry` in base64, `leaf_hash`, `personal`: what opens each commitment, in clear text), and `blobs` (base64 by digest).
A decision's entry comes first; those of the waivers that it used follow, and stand or fall with it.

INVARIANT: a file is there under its name only once it is whole and durable, and after all that it names.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from policy_audit.canonical import dump_checked
from policy_audit.commitment import Disclosure
from policy_audit.durable import sync_folder
from policy_audit.entry import Blob, Draft, Prepared, prepare, seal
from policy_audit.errors import CanonicalError, SpoolError
from policy_audit.merkle import leaf_hash
from policy_audit.spool_format import BLOBS, CONTEXT, FORMAT, Call, base64_text, file_name, holding
from policy_audit.view import instant

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Spooled:
    """Where a decision stands: file, leaf hash (hexadecimal) and time by the runner's clock; it has no index yet."""

    file: str
    leaf_hash: str
    recorded_at: str
    n: int
    of: int


class _Decision(NamedTuple):
    """What becomes one file: its name, its bytes, and the decision's leaf hash."""

    name: str
    content: bytes
    leaf: str


class Spool:
    """A folder that takes decisions. It is not made: a mistyped place would take what nobody collects."""

    def __init__(self, folder: Path, clock: Callable[[], datetime] | None = None) -> None:
        self.folder = folder
        self._clock = clock or (lambda: datetime.now(UTC))

    def write(self, decisions: Sequence[Sequence[Draft]], call: Call, shared: Collection[str] = ()) -> list[Spooled]:
        """Write each decision, with the uses of waivers that follow it, as one file; return once all are durable.

        The documents of the roles in `shared` are stored once for all. All files of a call are there, or none is.

        Raises:
            SpoolError: the folder is not there, or does not take them.
        """
        moment = instant(self._clock())
        of = len(decisions)
        try:
            drafts = [[_spooled(draft, call, n, of) for draft in each] for n, each in enumerate(decisions, start=1)]
            prepared = [[prepare(draft) for draft in each] for each in drafts]
        except CanonicalError as error:
            raise SpoolError(
                f"the spool refuses the entry: {error.message}", code=error.code, help=error.help
            ) from error
        common = {blob.digest: blob for blob in _shared(drafts, shared)}
        made = (_file(each, call, n, of, moment, common) for n, each in enumerate(prepared, start=1))
        with _refusing(self.folder):
            if not self.folder.is_dir():
                raise FileNotFoundError(errno.ENOENT, "no such directory", str(self.folder))
            with suppress(FileExistsError):
                (self.folder / BLOBS).mkdir(mode=0o700)
            with holding(self.folder / BLOBS):
                self._store(common.values())
                placed = self._put(made)
        return [Spooled(name, leaf, moment, n, of) for n, (name, leaf) in enumerate(placed, start=1)]

    def _store(self, blobs: Collection[Blob]) -> None:
        """Put documents where they are stored once, whole and durable."""
        folder = self.folder / BLOBS
        for blob in blobs:
            path = folder / blob.digest.removeprefix("sha256:")
            if _holds(path, blob):
                continue
            temporary = folder / f".{path.name}.{secrets.token_hex(8)}"
            try:
                _write(temporary, blob.content)
                os.replace(temporary, path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        sync_folder(folder)
        sync_folder(self.folder)

    def _put(self, files: Iterable[_Decision]) -> list[tuple[str, str]]:
        """Write all files, and only then give them their names; return each one's name and leaf hash."""
        made: list[tuple[str, str]] = []
        there: list[Path] = []
        try:
            for each in files:
                made.append((each.name, each.leaf))
                there.append(self.folder / f".{each.name}")
                _write(there[-1], each.content)
            for number, (name, _) in enumerate(made):
                os.replace(there[number], self.folder / name)
                there[number] = self.folder / name
            sync_folder(self.folder)
        except BaseException:
            for path in there:  # nobody is shown these decisions
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise
        return made


def new_call(run: str, **given: str | None) -> Call:
    """Return a call that no other has the name of; `given` are what the CI system says of it: `attempt`, `job`."""
    return Call(run, secrets.token_hex(16), **given)


def _spooled(draft: Draft, call: Call, n: int, of: int) -> Draft:
    if draft.once is not None:
        raise CanonicalError("a spool has no requests that are asked again", help="give the draft without `once`")
    return replace(draft, context={**draft.context, CONTEXT: {**call.document(), "n": n, "of": of}})


def _shared(drafts: Sequence[Sequence[Draft]], roles: Collection[str]) -> Iterator[Blob]:
    """Yield the documents of these roles, each object once."""
    known: set[int] = set()
    for draft in (draft for each in drafts for draft in each):
        for role in roles:
            content = draft.blobs.get(role)
            if content is not None and id(content) not in known:
                known.add(id(content))
                yield content if isinstance(content, Blob) else Blob(content)


def _file(
    prepared: Sequence[Prepared], call: Call, n: int, of: int, moment: str, common: Mapping[str, Blob]
) -> _Decision:
    sealed = [seal(each, moment) for each in prepared]
    leaves = [leaf_hash(data).hex() for data in sealed]
    own = {blob.digest: blob for each in prepared for blob in each.blobs if blob.digest not in common}
    document: dict[str, Any] = {
        "spool": FORMAT,
        "call": call.document(),
        "n": n,
        "of": of,
        "policy": prepared[0].view["policy_digest"],
        "entries": [
            {"entry": base64_text(data), "leaf_hash": leaf, "personal": [_opening(one) for one in each.disclosures]}
            for each, data, leaf in zip(prepared, sealed, leaves, strict=True)
        ],
        "blobs": {digest: base64_text(blob.content) for digest, blob in own.items()},
    }
    return _Decision(file_name(moment, call.id, n, of), dump_checked(document) + b"\n", leaves[0])


def _opening(disclosure: Disclosure) -> dict[str, str]:
    return {"name": disclosure.name, "salt": disclosure.salt, "value": disclosure.value}


def _holds(path: Path, blob: Blob) -> bool:
    """Whether the document stands there already, whole; its own writer had it synced before it had this name."""
    try:
        return not path.is_symlink() and path.stat().st_size == len(blob.content) and path.read_bytes() == blob.content
    except OSError:
        return False


def _write(path: Path, content: bytes) -> None:
    """Create a file with mode 0600, durably but for its name."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """Say of what the system refuses that the spool cannot be written."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        code = "spool-full" if error.errno in _FULL else "spool-unwritable"
        hint = "name a folder that is there and can be written, with --ledger spool:DIR"
        raise SpoolError(f"the spool `{folder}` cannot be written: {reason}", code=code, help=hint) from error
