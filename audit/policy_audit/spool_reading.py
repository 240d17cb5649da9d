"""Read a spool strictly: it comes from a runner that nobody vouches for, by way of a store that may have torn it.

A file is taken whole or refused, with the reason. What is checked here is what the ledger itself knows: canonical
entries, leaf hashes, digests, commitments, types. What a decision's entry must say of its decision is its caller's.
"""

from __future__ import annotations

import os
import stat
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from policy_audit.canonical import MAX_DOCUMENT_BYTES, check_profile, dump_checked
from policy_audit.commitment import Disclosure, opens
from policy_audit.entry import PERSONAL_FIELDS, Blob, Entry, EntryType, Prepared, parse_entry, refuse_nul
from policy_audit.errors import AuditError, CanonicalError, SpoolError
from policy_audit.merkle import leaf_hash
from policy_audit.once_sealed import CONTEXT as ONCE_CONTEXT
from policy_audit.spool_format import BLOBS, COLLECTED, CONTEXT, FORMAT, SUFFIX, Call, read_call, read_name, read_place
from policy_audit.view import settle_tags

MOST_FILE_BYTES = 4 * MAX_DOCUMENT_BYTES
MOST_ENTRIES = 1000
_TIME_BYTES = len("2026-01-31T12:00:00.000000Z")
_MEMBERS = {"spool", "call", "n", "of", "policy", "entries", "blobs"}


class Found(NamedTuple):
    """An entry of a file: its bytes, what it says, its leaf hash, and what opens its commitments."""

    raw: bytes
    entry: Entry
    leaf: bytes
    disclosures: tuple[Disclosure, ...]


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file that was read and is whole: a decision's entry first, then those of the waivers that it used."""

    path: Path
    call: Call
    n: int
    of: int
    found: tuple[Found, ...]
    blobs: Mapping[str, Blob]
    size: int
    """The bytes of the file, without what it shares with others."""
    digest: bytes
    """The SHA-256 of these."""

    @property
    def entry(self) -> Entry:
        """The decision's entry."""
        return self.found[0].entry

    @property
    def decision_id(self) -> str:
        return self.entry.view["decision_id"]

    @property
    def recorded_at(self) -> str:
        return self.entry.recorded_at

    def prepared(self) -> list[Prepared]:
        """Return the entries as they are appended: their bytes around the time, and what is stored beside them."""
        return [_prepared(each, self.blobs) for each in self.found]


@dataclass
class SpoolFolder:
    """A folder that a runner spooled into; documents that decisions share are read once, and kept once in `known`."""

    path: Path
    known: dict[str, Blob] = field(default_factory=dict)
    _shared: dict[str, Blob] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._names = sorted(os.listdir(self.path))
        except OSError as error:
            raise _refused("spool-missing", f"`{self.path}` cannot be read: {_reason(error)}") from error
        # a runner that decided nothing leaves an empty one; what is hidden does not make it another folder
        seen = [name for name in self._names if not name.startswith(".")]
        if seen and not any(name == BLOBS or name.endswith(SUFFIX) for name in self._names):
            message = f"`{self.path}` is no spool: it holds other things, and no decisions"
            raise SpoolError(message, code="spool-missing", help="name each folder that `--ledger spool:DIR` wrote to")
        if BLOBS in seen and not self.files and not self.unfinished and not self._is_cleared():
            message = f"`{self.path}` has no decisions any more: what they share is still there, in `{BLOBS}`"
            raise SpoolError(message, code="spool-missing", help="find out where they went, and delete the folder")

    def _is_cleared(self) -> bool:
        """Whether decisions were collected and deleted: nothing is left of what they shared, or it is marked so."""
        folder = self.path / BLOBS
        try:
            names = [] if folder.is_symlink() else os.listdir(folder)
        except OSError:
            return False
        return not folder.is_symlink() and (COLLECTED in names or all(name.startswith(".") for name in names))

    @property
    def files(self) -> list[str]:
        """The names of all that should be decisions, in order: nothing that lies there is passed over."""
        return [name for name in self._names if name != BLOBS and not name.startswith(".")]

    @property
    def unfinished(self) -> list[str]:
        """The names of files that a writer broke off, or is still writing: nobody was shown what they hold."""
        return [name for name in self._names if name.startswith(".") and name.endswith(SUFFIX)]

    def read(self, name: str) -> Parcel:
        """Read a decision's file.

        Raises:
            SpoolError: it is torn, was changed, or is none that a runner writes; the code says which.
        """
        named = read_name(name)
        if named is None:
            raise _refused("spool-name", "it is no file of a spool, by its name")
        path = self.path / name
        data = _read(path, MOST_FILE_BYTES)
        document = _document(data)
        call, place = read_call(document["call"]), read_place(document)
        if call is None or place is None or (call.id, *place) != named:
            raise _refused("spool-changed", "its name and what it holds do not agree")
        found = tuple(_entries(document["entries"], call, place))
        blobs = dict(_own(document["blobs"]))
        for digest in sorted({digest for each in found for digest in each.entry.blobs.values()} - blobs.keys()):
            blobs[digest] = self._common(digest)
        if unnamed := blobs.keys() - {digest for each in found for digest in each.entry.blobs.values()}:
            raise _refused("spool-changed", f"none of its entries names the document `{min(unnamed)}`")
        if document["policy"] != found[0].entry.view["policy_digest"]:
            raise _refused("spool-changed", "its policy is not that of its decision")
        return Parcel(path, call, *place, found, blobs, len(data), sha256(data).digest())

    def _common(self, digest: str) -> Blob:
        found = self._shared.get(digest)
        if found is None:
            folder = self.path / BLOBS
            if folder.is_symlink():
                raise _refused("spool-link", f"`{BLOBS}` is a link")
            try:
                content = _read(folder / digest.removeprefix("sha256:"), MAX_DOCUMENT_BYTES)
            except SpoolError as error:
                code = "spool-torn" if error.code == "spool-unreadable" else error.code
                raise _refused(code, f"the document `{digest}`: {error.message}") from error
            found = self._shared[digest] = self.known.setdefault(digest, _checked(digest, content))
        return found


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes; a link is not followed, and nothing is waited for.

    Raises:
        SpoolError: it is missing, is no file, or is too large.
    """
    try:
        if path.is_symlink():
            raise _refused("spool-link", "it is a link")
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _refused("spool-link", "it is no regular file")
            if status.st_size > most:
                raise _refused("spool-large", f"it has {status.st_size:,} bytes, more than {most:,}")
            return file.read(most + 1)
    except OSError as error:
        raise _refused("spool-unreadable", f"it cannot be read: {_reason(error)}") from error


def _document(data: bytes) -> dict[str, Any]:
    """Return what a file holds, which must be exactly what a runner writes.

    Raises:
        SpoolError: it is not.
    """
    try:
        value = orjson.loads(data)
    except (ValueError, RecursionError):
        raise _refused("spool-torn", "it is torn: it is not JSON to its end") from None
    if not isinstance(value, dict) or value.get("spool") != FORMAT:
        raise _refused("spool-format", f"it is not of the format `{FORMAT}`")
    lists = isinstance(value.get("entries"), list) and isinstance(value.get("blobs"), dict)
    if value.keys() != _MEMBERS or not lists or not isinstance(value["call"], dict):
        raise _refused("spool-format", "it does not have the members that the format names")
    # a duplicate key, or any other notation, does not survive being written again
    if _again(value) != data:
        raise _refused("spool-changed", "it is not as a runner writes it")
    return value


def _again(value: Any) -> bytes:
    try:
        return dump_checked(value) + b"\n"
    except AuditError:
        return b""


def _entries(listed: list[Any], call: Call, place: tuple[int, int]) -> Iterator[Found]:
    if not 1 <= len(listed) <= MOST_ENTRIES:
        raise _refused("spool-format", f"it has {len(listed):,} entries")
    decision: Entry | None = None
    for number, item in enumerate(listed):
        found = _entry(item)
        entry = found.entry
        if decision is None:
            if entry.type != EntryType.DECISION:
                raise _refused("spool-type", f"its first entry is of the type `{entry.type}`, not a decision")
            decision = entry
        elif entry.type != EntryType.WAIVER_USED:
            raise _refused("spool-type", f"its entry {number + 1} is of the type `{entry.type}`, not `waiver-used`")
        elif entry.body.get("decision") != decision.view["decision_id"] or entry.recorded_at != decision.recorded_at:
            raise _refused("spool-changed", f"its entry {number + 1} is not about its decision")
        said = entry.context.get(CONTEXT)
        if said != {**call.document(), "n": place[0], "of": place[1]}:
            raise _refused("spool-changed", f"its entry {number + 1} does not say of which call it is")
        yield found


def _entry(item: Any) -> Found:
    if not isinstance(item, dict) or item.keys() != {"entry", "leaf_hash", "personal"}:
        raise _refused("spool-format", "an entry does not have the members that the format names")
    raw = _decoded(item["entry"])
    leaf = leaf_hash(raw)
    if leaf.hex() != item["leaf_hash"]:
        raise _refused("spool-changed", "an entry does not have its leaf hash")
    disclosures = _disclosures(item["personal"])
    try:
        entry = parse_entry(raw)
        # as when it is appended here: what is in an entry can never be erased
        for given in (entry.context, entry.body):
            check_profile(given, PERSONAL_FIELDS)
        refuse_nul([*disclosures, *(each.value for each in disclosures.values()), *entry.view.values()])
        if ONCE_CONTEXT in entry.context:
            raise CanonicalError(f"its context has `{ONCE_CONTEXT}`, which the ledger alone gives")
    except AuditError as error:
        raise _refused("spool-entry", f"an entry is malformed: {error.message}") from error
    if disclosures.keys() != entry.commitments.keys():
        raise _refused("spool-commitment", "its personal values are not those that its entry commits to")
    for name, disclosure in disclosures.items():
        if not opens(entry.commitments[name], disclosure):
            raise _refused("spool-commitment", f"the value of `{name}` does not open its commitment")
    return Found(raw, entry, leaf, tuple(disclosures.values()))


def _disclosures(listed: Any) -> dict[str, Disclosure]:
    if not isinstance(listed, list) or not all(
        isinstance(item, dict) and item.keys() == {"name", "salt", "value"} and all(map(_is_text, item.values()))
        for item in listed
    ):
        raise _refused("spool-format", "its personal values do not have the members that the format names")
    found = {item["name"]: Disclosure(item["salt"], item["name"], item["value"]) for item in listed}
    if len(found) != len(listed):
        raise _refused("spool-format", "it has a personal value twice")
    return found


def _own(blobs: Mapping[str, Any]) -> Iterator[tuple[str, Blob]]:
    for digest, text in blobs.items():
        yield digest, _checked(digest, _decoded(text))


def _checked(digest: str, content: bytes) -> Blob:
    if f"sha256:{sha256(content).hexdigest()}" != digest:
        raise _refused("spool-changed", f"the document `{digest:.80}` does not have its digest")
    return Blob(content)


def _decoded(text: Any) -> bytes:
    try:
        return a2b_base64(text, strict_mode=True)
    except (NotBase64, TypeError, ValueError):
        raise _refused("spool-format", "it holds what is not base64") from None


def _prepared(found: Found, blobs: Mapping[str, Blob]) -> Prepared:
    entry = found.entry
    members = {"entry": "policy-audit/v1", "context": entry.context, "commitments": entry.commitments}
    first = dump_checked({**members, "blobs": entry.blobs, "body": entry.body})
    # as `entry.prepare` splits them: the time stands between what comes before it and after it in canonical order
    before = first[:-1] + b',"recorded_at":"'
    if not found.raw.startswith(before):
        raise _refused("spool-entry", "an entry is not in the order of its members")
    after = found.raw[len(before) + _TIME_BYTES :]
    named = tuple(blobs[digest] for digest in entry.blobs.values())
    return Prepared(
        entry.type, before, after, entry.view, settle_tags(entry.type, entry.tags), found.disclosures, named
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _refused(code: str, message: str) -> SpoolError:
    return SpoolError(message, code=code)
