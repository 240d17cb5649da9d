"""YAML 1.2 text to plain values, each with its place; made for files that nobody vouches for.

The parser's events are read in a loop, so that no nesting in the text becomes nesting of calls here.
What has more than one reading, or could harm, is refused with its place: tags, merge keys, repeated keys,
keys that are no strings, raw control characters, aliases that multiply.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import yaml

from policy_engine.errors import InputError, PolicyError, Problem, Span
from policy_engine.loading.regular_files import open_regular
from policy_engine.loading.yaml_builder import Builder, Place
from policy_engine.loading.yaml_syntax import syntax_problem

LARGEST_FILE = 1024 * 1024

# What YAML 1.2 does not print, or what it and YAML 1.1 take for different things (U+0085, U+2028 and U+2029 as
# line breaks), or what only misleads (a byte-order mark inside the text).
_UNREADABLE_ASCII = re.compile("[^\t\n\r\x20-\x7e]")
_UNREADABLE = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
LINE_BREAK = re.compile("\r\n|\r|\n")
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Placed(Protocol):
    """What knows where a value stands, and its parts."""

    @property
    def place(self) -> Place:
        """Line and column, from 1."""
        ...

    @property
    def keys(self) -> Mapping[str | int, Place]:
        """Where the keys of a mapping stand."""
        ...

    def child(self, step: str | int) -> Placed | None:
        """Return the part of this key or index; None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Most:
    """How much a text may hold: so many documents or items of a list, and so many values and keys; then it is left."""

    items: int
    values: int


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its plain value, and where each part of it stands."""

    file: str
    value: Any
    _root: Placed = field(repr=False, compare=False)

    def span(self, *path: str | int) -> Span:
        """Return where the value at `path` stands, or its nearest ancestor that is there."""
        node: Placed = self._root
        for step in path:
            child = node.child(step)
            if child is None:
                break
            node = child
        return Span(self.file, *node.place)

    def items(self) -> list[Document] | None:
        """Return each item of a list as a document of its own, in the same places; None where this is no list."""
        if not isinstance(self.value, list):
            return None
        found = [(value, self._root.child(index)) for index, value in enumerate(self.value)]
        return [Document(self.file, value, node) for value, node in found if node is not None]

    def key_span(self, *path: str | int) -> Span:
        """Return where the key at the end of `path` stands; as `span` where there is no such key."""
        node: Placed | None = self._root
        for step in path[:-1]:
            node = node.child(step) if node else None
        place = node.keys.get(path[-1]) if node and path and isinstance(path[-1], str) else None
        return Span(self.file, *place) if place else self.span(*path)


def load_documents(
    text: str | bytes,
    file: str,
    error: type[PolicyError] = InputError,
    largest: int = LARGEST_FILE,
    most: Most | None = None,
) -> list[Document | PolicyError]:
    """Read the documents of `text`, `largest` bytes at most, in order, each as itself or as what is wrong with it.

    After a syntax error, or nesting too deep, the rest of the text is not read, so that it is always the last
    of the list. The list is never empty: a text without a document is one error.
    """
    decoded = decode(text, file, largest)
    if isinstance(decoded, Problem):
        return [error(decoded)]
    found = list(_documents(decoded, file, error, most))
    return found or [error(Problem("yaml-empty", "the file is empty", Span(file, 1, 1)))]


def begins_with_list(text: bytes) -> bool:
    """Whether the first document of a text is a list; of what is no YAML it is none."""
    try:
        for event in yaml.parse(text.decode("utf-8-sig", "replace"), Loader=_Loader):
            if isinstance(event, yaml.NodeEvent):
                return isinstance(event, yaml.SequenceStartEvent)
    except yaml.YAMLError:
        pass
    return False


def load_yaml(
    text: str | bytes, file: str, error: type[PolicyError] = InputError, largest: int = LARGEST_FILE
) -> list[Document]:
    """Read every document of `text`, of `largest` bytes at most.

    Raises:
        error: with the problems of all documents.
    """
    found = load_documents(text, file, error, largest)
    problems = [problem for each in found if isinstance(each, PolicyError) for problem in each.problems]
    if problems:
        raise error(problems)
    return [each for each in found if isinstance(each, Document)]


def read_yaml(path: Path, error: type[PolicyError] = InputError) -> list[Document]:
    """Read every document of the file at `path`; as `load_yaml`."""
    return load_yaml(read_bytes(path, error), str(path), error)


def read_bytes(path: Path, error: type[PolicyError] = InputError, largest: int = LARGEST_FILE) -> bytes:
    """Return the file's bytes, of which one more than allowed is enough to refuse it.

    Raises:
        error: the file cannot be opened or read, or is no regular one.
    """
    try:
        with open_regular(path) as stream:
            return stream.read(largest + 1)
    except (OSError, ValueError) as caught:  # ValueError: a NUL in the path
        reason = getattr(caught, "strerror", None) or "not a path"
        raise error(
            Problem("file-unreadable", f"cannot read the file: {reason.lower()}", Span(str(path), 1, 1))
        ) from caught


def decode(text: str | bytes, file: str, largest: int = LARGEST_FILE) -> str | Problem:
    """Return the text without its byte-order mark, or why it cannot be read as YAML."""
    decoded = decode_utf8(text, file, largest)
    if isinstance(decoded, Problem):
        return decoded
    # the whole pattern takes as long to compile as a workload to decide, and most files are ASCII
    unreadable = _UNREADABLE_ASCII if decoded.isascii() else re.compile(_UNREADABLE)
    if found := unreadable.search(decoded):
        message = f"the character U+{ord(found.group()):04X} is not allowed in the text"
        hint = "write it as an escape in double quotes, or leave it out"
        return Problem("yaml-control-character", message, _end_of(decoded[: found.start()], file), hint)
    return decoded


def decode_utf8(text: str | bytes, file: str, largest: int = LARGEST_FILE) -> str | Problem:
    """Return the text without its byte-order mark, or why it is none, or too large."""
    size = len(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    if size > largest:
        message = f"the file is larger than {largest // 1024:,} KiB"
        return Problem("yaml-file-too-large", message, Span(file, 1, 1), "split it into several files")
    decoded = _from_utf8(text, file) if isinstance(text, bytes) else text
    return decoded if isinstance(decoded, Problem) else decoded.removeprefix("\ufeff")


def _from_utf8(text: bytes, file: str) -> str | Problem:
    if text.startswith((b"\xff\xfe", b"\xfe\xff")):
        return Problem("yaml-encoding", "the file is UTF-16", Span(file, 1, 1), "save it as UTF-8")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as caught:
        span = _end_of(text[: caught.start].decode("utf-8").removeprefix("\ufeff"), file)
        message = f"the byte 0x{text[caught.start]:02x} is not UTF-8"
        return Problem("yaml-encoding", message, span, "save the file as UTF-8")


def _end_of(text: str, file: str) -> Span:
    """Return the place just after `text`, which is a file's beginning."""
    lines = LINE_BREAK.split(text)
    return Span(file, len(lines), len(lines[-1]) + 1)


def _documents(text: str, file: str, error: type[PolicyError], most: Most | None) -> Iterator[Document | PolicyError]:
    builder, ended = Builder(file), 0
    try:
        for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
            if most is not None and (too_much := _too_much(count, max(ended, builder.items), most, file)):
                yield error(too_much)
                return
            if isinstance(event, yaml.DocumentStartEvent):
                builder = Builder(file)
            elif isinstance(event, yaml.DocumentEndEvent):
                yield _finished(builder, file, error)
                builder, ended = Builder(file), ended + 1
            else:
                builder.take(event)
                if builder.too_deep:
                    # libyaml takes time for each open bracket at each token: minutes for a file of brackets.
                    yield error(builder.problems)
                    return
    except yaml.YAMLError as caught:
        yield error([*builder.problems, syntax_problem(caught, text, file)])


def _too_much(values: int, items: int, most: Most, file: str) -> Problem | None:
    if items > most.items:
        message = f"there are more than {most.items:,} of them, which are taken at once"
        return Problem("too-many-workloads", message, Span(file, 1, 1), "send them in several requests")
    if values > most.values:
        message = f"there are more than {most.values:,} values and keys"
        return Problem("too-many-values", message, Span(file, 1, 1), "send less at once")
    return None


def _finished(builder: Builder, file: str, error: type[PolicyError]) -> Document | PolicyError:
    if builder.problems:
        return error(builder.problems)
    root = builder.root
    if root.value is None:
        return error(Problem("yaml-empty", "the document is empty", Span(file, *root.place)))
    return Document(file, root.value, root)
