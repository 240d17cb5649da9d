"""Where files are for whoever reads a report: relative to the root of the repository, where they lie in it."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from policy_engine.errors import Span
from policy_engine.wording import printable

_STREAMS = ("<stdin>", "-")
_OPEN_FILES, _MEMORY = ("/dev/", "/proc/"), "/dev/shm/"  # noqa: S108 - a place to be told from the others


def is_stream(file: str) -> bool:
    """Whether `file` names what is gone when the run ends: standard input, a pipe, an open file."""
    return file in _STREAMS or is_open_file(file)


def is_open_file(file: str) -> bool:
    """Whether `file` names what a process holds open, as a shell's `<(command)`; in shared memory files are files."""
    return file.startswith(_OPEN_FILES) and not os.path.abspath(file).startswith(_MEMORY)


def relative_path(file: str) -> str | None:
    """Return `file` as a path from the root, with slashes; None for a stream, and for what lies outside.

    The root is the checkout that a CI system names, else the working directory.
    """
    return None if is_stream(file) else _within(file, tuple(_roots()))


@lru_cache(maxsize=4096)
def _within(file: str, roots: tuple[str, ...]) -> str | None:
    """Return `file` as a path from the first of `roots` that it lies in, by its name or where links lead."""
    for root in roots:
        for normal in (os.path.abspath, os.path.realpath):
            place = Path(normal(file))
            if place.is_relative_to(normal(root)):
                return place.relative_to(normal(root)).as_posix()
    return None


def _roots() -> list[str]:
    env = os.environ
    named = env.get("GITHUB_WORKSPACE") if env.get("GITHUB_ACTIONS") == "true" else None
    named = env.get("CI_PROJECT_DIR") if env.get("GITLAB_CI") == "true" else named
    return [*([named] if named else []), os.getcwd()]


def relative_uri(path: str) -> str:
    """Return a relative path as a URI reference; bytes that are no UTF-8 are encoded as they are."""
    return quote(os.fsencode(path), safe="/")


def absolute_uri(file: str) -> str:
    """Return the file URI of a path."""
    return Path(os.path.abspath(file)).as_uri()


def shown_path(file: str) -> str:
    """Return a path as people are shown it: from the root, else as it was given; on one line."""
    return one_line(relative_path(file) or file)


def shown_place(span: Span) -> str:
    """Return file and line as people are shown them."""
    return f"{shown_path(span.file)}:{span.line}"


def one_line(text: str) -> str:
    """Return text on one line, with what is not printable as an escape."""
    return printable(text).replace("\n", "\\n")
