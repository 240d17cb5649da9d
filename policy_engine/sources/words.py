"""What the words of a command line name: files, folders, and patterns of paths."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from policy_engine.errors import InputError, Problem, Span, UsageError
from policy_engine.loading.yaml_source import LARGEST_FILE, read_bytes
from policy_engine.sources.globs import Glob, is_pattern
from policy_engine.sources.kinds import Kind, kinds_of

STANDARD_INPUT = "-"
_CHUNK = 1 << 20
_GROUP = b"policy-engine"


@dataclass(frozen=True)
class Word:
    """What a word names: a file, a folder, or a pattern; `folder` is where a pattern's search begins."""

    text: str
    folder: Path | None = None
    glob: Glob | None = None

    @property
    def is_file(self) -> bool:
        return self.folder is None

    @property
    def place(self) -> Path:
        """The folder that all lies in that the word can name, or the file itself."""
        return self.folder if self.folder is not None else Path(self.text)


def read_word(text: str) -> list[Word]:
    """Return what a word names: of a pattern, what lies there by that very name, too.

    A pattern is one whatever is there: a file of its name, which anybody can add, would be judged in place of all.

    Raises:
        UsageError: it is empty.
    """
    if not text:
        raise UsageError(Problem("usage", "an empty path names no file", help="name a file, a folder or a pattern"))
    if text == STANDARD_INPUT or "\0" in text or not is_pattern(text):
        return [literal_word(text)]
    glob = Glob.parse(text)
    pattern = Word(text, Path(glob.folder or "."), glob)
    return [pattern, literal_word(text)] if os.path.lexists(text) else [pattern]


def literal_word(text: str) -> Word:
    """Return the file or the folder of this very name."""
    return Word(text, Path(text)) if text != STANDARD_INPUT and os.path.isdir(text) else Word(text)


def is_regular(path: Path) -> bool:
    """Whether a regular file is there, or through a link."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def look_at(path: Path) -> list[Kind]:
    """Return what the documents of a file are; one that cannot be read is judged, which says why it cannot."""
    try:
        content = read_bytes(path)
        if len(content) > LARGEST_FILE:
            return [Kind.UNREADABLE if _mentions(path) else Kind.OTHER]
    except (InputError, OSError):
        return [Kind.UNREADABLE]
    return kinds_of(content)


def _mentions(path: Path) -> bool:
    """Whether a file that is too large for a workload says that it is one."""
    kept = b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            if _GROUP in kept + chunk:
                return True
            kept = chunk[-len(_GROUP) :]
    return False


def check_found(path: Path, folder: Path, shown: str) -> Problem | None:
    """Return why a file that was found in `folder`, and is called `shown`, cannot be judged, or None.

    A link out of the folder leads to what was not shown; a pipe would keep the others waiting for ever.
    """
    if os.path.islink(path) and not lies_in(path, folder):
        message = f"`{shown}` is a link that leads out of `{folder}`"
        return Problem(
            "linked-file", message, Span(shown, 1, 1), "put the file itself there, or name it, if it is meant"
        )
    if os.path.exists(path) and not is_regular(path):
        return Problem("file-unreadable", f"`{shown}` is no regular file", Span(shown, 1, 1))
    return None


def lies_in(path: Path, folder: Path) -> bool:
    """Whether what `path` names, through links, lies in `folder`."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
