"""Anchors in a folder: `<origin>/<size>`, one file for each checkpoint, never overwritten.

A file is made with O_EXCL, written, and synced together with its folders: no link and no rename, which mounted
object stores do not have. What a crash left half-written is kept as it is, and the checkpoint gets the next name:
`<size>.1`.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from policy_audit.anchors.place import Place, Receipt, Submission, file_name
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.durable import sync_folder
from policy_audit.errors import AnchorError, VerificationError
from policy_audit.note import MAX_NOTE_BYTES

_NAME = re.compile(r"(0|[1-9][0-9]{0,18})(?:\.([1-9]))?")
_TRIES = 10


class FileAnchor:
    """A folder that keeps what it was given."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._folder = Path(place.target)

    def put(self, submission: Submission) -> Receipt:
        checkpoint = submission.checkpoint
        folder = self._folder / file_name(checkpoint.origin)
        try:
            self._make(folder)
            names = _names(folder)
            if names and names[-1][0] != checkpoint.size:
                self._check_latest(folder, names, submission)
            return self._write(folder, checkpoint.size, submission.note, submission)
        except OSError as error:
            raise self._failed(error) from error

    def held(self, origin: str) -> list[str]:
        folder = self._folder / file_name(origin)
        try:
            names = _names(folder)
            if not names:
                raise AnchorError(f"`{self.place.where}` holds no checkpoint of `{origin}`", code="anchor-empty")
            sizes = groupby(names, key=lambda name: name[0])
            return [note for _, group in sizes for note in _whole(folder, list(group))]
        except OSError as error:
            raise self._failed(error) from error

    def _check_latest(self, folder: Path, names: list[tuple[int, int]], submission: Submission) -> None:
        """Hold the largest checkpoint of the place against the ledger; one that a crash cut off is written again."""
        size = names[-1][0]
        notes = _whole(folder, [name for name in names if name[0] == size])
        own = submission.note_of(size)
        if own is not None and not any(map(_is_note, notes)):
            self._write(folder, size, own, submission)
            notes = [own]
        for note in notes:
            submission.check_held(note, self.place.where)

    def _write(self, folder: Path, size: int, note: str, submission: Submission) -> Receipt:
        data = note.encode()
        for number in range(_TRIES):
            name = _file(size, number)
            if _create(folder / name, data):
                sync_folder(folder)
                return Receipt(True, {"file": f"{folder.name}/{name}"})
            found = _read(folder / name)
            text = found.decode("utf-8", "replace")
            if not _is_note(text) and _is_torn(found, data):
                continue
            if submission.check_held(text, self.place.where).size != size:
                raise AnchorError(f"`{folder / name}` holds the checkpoint of another size", code="anchor-damaged")
            return Receipt(False, {"file": f"{folder.name}/{name}"})
        raise AnchorError(f"`{folder / str(size)}` was left half-written too often", code="anchor-damaged")

    def _make(self, folder: Path) -> None:
        # The place itself is never made: a mount that is not there must not become a folder on the local disk.
        if not self._folder.is_dir():
            raise AnchorError(
                f"there is no folder `{self._folder}`", help="make it, or mount it; it is not made here by itself"
            )
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            sync_folder(self._folder)

    def _failed(self, error: OSError) -> AnchorError:
        return AnchorError(f"`{self.place.where}` cannot be used: {(error.strerror or str(error)).lower()}")


def read_folder(folder: Path, origin: str) -> list[str]:
    """Return the checkpoints in a folder: those anchored there for `origin`, or else whatever files it holds.

    Raises:
        AnchorError: it cannot be read, or holds nothing.
    """
    place = Place("file", str(folder))
    if (folder / file_name(origin)).is_dir():
        return FileAnchor(place).held(origin)
    try:
        paths = sorted(path for path in folder.iterdir() if not path.is_dir() and not path.name.startswith("."))
        notes = [_read(path).decode("utf-8", "replace") for path in paths]
    except OSError as error:
        raise FileAnchor(place)._failed(error) from error
    if not notes:
        raise AnchorError(f"the folder `{folder}` holds no checkpoint", code="anchor-empty")
    return notes


def _names(folder: Path) -> list[tuple[int, int]]:
    """Return size and number of the files in a log's folder, in order."""
    matches = (_NAME.fullmatch(entry.name) for entry in os.scandir(folder)) if folder.is_dir() else ()
    return sorted((int(match[1]), int(match[2] or 0)) for match in matches if match)


def _file(size: int, number: int) -> str:
    return f"{size}.{number}" if number else str(size)


def _whole(folder: Path, names: Iterable[tuple[int, int]]) -> list[str]:
    """Return what the files of one size hold, without those that a crash cut off and that were written again."""
    files = [_read(folder / _file(*name)) for name in names]
    texts = [data.decode("utf-8", "replace") for data in files]
    whole = [data for data, text in zip(files, texts, strict=True) if _is_note(text)]
    return [
        text
        for data, text in zip(files, texts, strict=True)
        if data in whole or not any(_is_torn(data, other) for other in whole)
    ]


def _is_note(text: str) -> bool:
    """Whether `text` has the form of a checkpoint; nothing is verified."""
    try:
        parse_checkpoint(text)
    except VerificationError:
        return False
    return text.endswith("\n") and "\n\n" in text


def _is_torn(found: bytes, whole: bytes) -> bool:
    """Whether `found` is what a crash leaves of `whole`, with cosignatures or without: cut off, or ending in zeros."""
    kept = found.rstrip(b"\0")
    return whole.startswith(kept) or kept.startswith(whole)


def _create(path: Path, data: bytes) -> bool:
    """Write a new file, durably; return False where there is one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o444)
    except FileExistsError:
        return False
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return True


def _read(path: Path) -> bytes:
    """Return a regular file's bytes, of which a note may have so many."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"`{path.name}` is no file")
        data = file.read(MAX_NOTE_BYTES + 1)
    if len(data) > MAX_NOTE_BYTES:
        raise OSError(f"`{path.name}` is larger than any checkpoint")
    return data
