"""Read a golden dataset, and answers to it: JSON Lines. Every problem of all files is said at once, by its line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from policy_engine.errors import InputError, Problem, Span, did_you_mean
from policy_engine.fleet.lines import LONGEST, as_text, read_lines
from policy_engine.loading.wording import quoted
from policy_engine.parity.labels import plain
from policy_engine.parity.lines import LineError, read_json

MOST_EXAMPLES = 100_000
LARGEST_FILE = 1 << 30
_SHOWN = 20
_GOLDEN = ("id", "input", "expected", "task", "meta")
_ANSWER = ("id", "answer", "latency_ms", "usd", "meta")
_MOST = 1e9


class Example(Struct, frozen=True):
    """What the right answer is; `line` counts from 1, `task` is None where the line says none."""

    id: str
    line: int
    expected: Any
    task: str | None


class Answer(Struct, frozen=True):
    """What a model answered, how long it took in milliseconds, and what it cost in US dollars; None is unknown."""

    line: int
    text: str
    latency_ms: float | None
    usd: float | None


class GoldenFile(Struct, frozen=True):
    """The examples by id, in the order of the file; `content_sha256` is that of what is right, however written."""

    path: Path
    sha256: str
    examples: Mapping[str, Example]
    content_sha256: str


class AnswerFile(Struct, frozen=True):
    """The answers of one model, by the id of the example.

    `content_sha256` is that of the answers, however they are written; `said_sha256` of all that the lines say.
    """

    model: str
    path: Path
    sha256: str
    answers: Mapping[str, Answer]
    content_sha256: str
    said_sha256: str


class Problems:
    """What is wrong with all files, each file's first twenty said."""

    def __init__(self) -> None:
        self._said: list[Problem] = []
        self._of: dict[Path, int] = {}

    def add(self, path: Path, code: str, message: str, line: int = 1, column: int = 1, hint: str | None = None) -> None:
        """Keep a problem in a file."""
        self._of[path] = self._of.get(path, 0) + 1
        if self._of[path] <= _SHOWN:
            self._said.append(Problem(code, message, Span(str(path), line, column), hint))

    def found(self, path: Path) -> bool:
        """Whether anything is wrong with this file."""
        return path in self._of

    def count(self, path: Path) -> int:
        """Return how much is wrong with this file."""
        return self._of.get(path, 0)

    def raise_any(self) -> None:
        """Raise what is wrong.

        Raises:
            InputError: anything is.
        """
        more = {path: count - _SHOWN for path, count in self._of.items() if count > _SHOWN}
        said = [
            *self._said,
            *(Problem("more", f"`{path}` has {n:,} more problems like these") for path, n in more.items()),
        ]
        if said:
            raise InputError(said)


class _Hashed:
    """A stream whose digest is of exactly the bytes that were read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._digest = stream, hashlib.sha256()

    def readline(self, size: int = -1) -> bytes:
        line = self._stream.readline(size)
        self._digest.update(line)
        return line

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def read_golden(path: Path, problems: Problems) -> GoldenFile:
    """Read the golden dataset; what is wrong is added to `problems`."""
    found: dict[str, Example] = {}

    def take(number: int, key: str, row: Mapping[str, Any]) -> None:
        if key in found:
            raise LineError(f"the id {quoted(key)} is that of line {found[key].line} too")
        if row.get("expected") is None:
            raise LineError("it does not say what is `expected`")
        task = row.get("task")
        if task is not None and not (isinstance(task, str) and task.strip()):
            raise LineError("its `task` is no name")
        found[key] = Example(key, number, row["expected"], task)

    digest = _read(path, problems, _GOLDEN, take)
    if not problems.found(path) and not found:
        problems.add(
            path, "no-examples", "it has no example", hint='a line is {"id": ..., "input": ..., "expected": ...}'
        )
    content = content_digest([each.id, _plain(each.expected)] for each in found.values())
    return GoldenFile(path, digest, found, content)


def read_answers(model: str, path: Path, golden: GoldenFile, problems: Problems) -> AnswerFile:
    """Read what one model answered; an answer for each example of the dataset, and no other."""
    found: dict[str, Answer] = {}
    said: list[list[Any]] = []
    known = golden.examples if not problems.found(golden.path) else None
    strangers: list[str] = []

    def take(number: int, key: str, row: Mapping[str, Any]) -> None:
        if key in found:
            raise LineError(f"the id {quoted(key)} is that of line {found[key].line} too")
        if known is not None and key not in known:
            strangers.append(key)
            raise LineError(f"no example of the golden dataset has the id {quoted(key)}")
        if not isinstance(row.get("answer"), str):
            raise LineError("its `answer` is no text: give it as the model did, JSON too")
        found[key] = Answer(number, row["answer"], _figure(row, "latency_ms"), _figure(row, "usd"))
        said.append([key, *(row.get(name) for name in _ANSWER[1:])])

    digest = _read(path, problems, _ANSWER, take)
    if not found and not problems.found(path):
        problems.add(path, "no-answer", "it has no answer", hint='a line is {"id": ..., "answer": ...}')
    # what is missing may stand in a line that could not be read
    for key in known if known is not None and problems.count(path) == len(strangers) else ():
        if key not in found:
            line = golden.examples[key].line
            problems.add(path, "no-answer", f"no answer for the id {quoted(key)}, line {line} of `{golden.path}`")
    content = content_digest([each, plain(answer.text)] for each, answer in found.items())
    return AnswerFile(model, path, digest, found, content, content_digest(said))


def content_digest(rows: Iterable[Sequence[Any]]) -> str:
    """Return the SHA-256 of what lines say: in whichever order, and however they are spaced, escaped and ended."""
    digest = hashlib.sha256()
    for line in sorted(json.dumps(list(row), sort_keys=True, separators=(",", ":")) for row in rows):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    """Return what is right without what no metric looks at: spaces around words, case, and `1.0` for 1."""
    if isinstance(value, dict):
        return {plain(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return plain(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _figure(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST:
        raise LineError(f"its `{name}` is no number from 0 to {_MOST:,.0f}")
    return float(value)


def _read(path: Path, problems: Problems, names: Sequence[str], take: Any) -> str:
    """Hand each line to `take`, which raises LineError; return the digest of the file."""
    try:
        if not path.is_file():
            what = "is no regular file" if path.exists() else "no such file"
            problems.add(path, "unreadable", f"cannot read `{path}`: {what}")
            return ""
        if path.stat().st_size > LARGEST_FILE:
            problems.add(path, "too-large", f"`{path}` has more than {LARGEST_FILE >> 20:,} MiB")
            return ""
        with path.open("rb") as stream:
            hashed = _Hashed(stream)
            for number, line in _lines(hashed, path, problems):
                try:
                    row = _row(line, names)
                    take(number, _id(row), row)
                except LineError as error:
                    problems.add(path, "bad-line", str(error), number, error.column)
            return hashed.hexdigest()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such file"
        problems.add(path, "unreadable", f"cannot read `{path}`: {why.lower()}")
        return ""


def _lines(stream: Any, path: Path, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold something."""
    count = 0
    for number, line in read_lines(stream):
        if line is None:
            problems.add(path, "bad-line", f"the line has more than {LONGEST:,} bytes", number)
        elif line.strip():
            count += 1
            if count > MOST_EXAMPLES:
                problems.add(path, "too-many", f"it has more than {MOST_EXAMPLES:,} examples", number)
                return
            yield number, line


def _row(line: bytes, names: Sequence[str]) -> Mapping[str, Any]:
    try:
        text = as_text(line)
    except ValueError as error:
        raise LineError(str(error)) from None
    row = read_json(text)
    if not isinstance(row, dict):
        raise LineError("it is no object")
    for name in row:
        if name not in names:
            hint = did_you_mean(name, names) or "what is yours goes under `meta`"
            raise LineError(f"unknown key {quoted(name)}; {hint}")
    return row


def _id(row: Mapping[str, Any]) -> str:
    found = row.get("id")
    if isinstance(found, bool) or not isinstance(found, str | int) or not str(found).strip():
        raise LineError("its `id` is neither a text nor a whole number")
    return str(found)
