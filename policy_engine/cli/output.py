"""`-o FORMAT[=PATH]`: several reports of one run, each written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import IO, Any

import click

from policy_engine.errors import BrokenOutputError, Problem, UsageError, did_you_mean
from policy_engine.whole_files import KEPT, is_kept, write_whole

Writer = Callable[[IO[str]], str]


@dataclass(frozen=True)
class Target:
    """One report: its format, and the file it goes to (None: standard output)."""

    format: str
    path: Path | None


def parse_outputs(given: Sequence[str], formats: Sequence[str], default: str = "text") -> list[Target]:
    """Read `-o` values.

    Raises:
        UsageError: an unknown format, two reports on standard output or in one file, or a file that cannot be.
    """
    targets = []
    for text in given or (default,):
        name, sep, path = text.partition("=")
        if name not in formats:
            hint = did_you_mean(name, formats) or f"the formats are {', '.join(formats)}"
            raise UsageError(Problem("unknown-format", f"there is no format `{name}`", help=hint))
        if sep and not path:
            raise UsageError(Problem("unknown-format", f"`{text}` names no file", help=f"write {name}=FILE"))
        targets.append(Target(name, Path(path) if sep else None))
    if sum(target.path is None for target in targets) > 1:
        message = "only one report can go to standard output"
        raise UsageError(Problem("two-on-stdout", message, help="give the others a file: -o json=decision.json"))
    paths = [os.path.abspath(target.path) for target in targets if target.path is not None]
    if len(set(paths)) < len(paths):
        raise UsageError(Problem("two-in-one-file", "two reports cannot go to one file"))
    for place in paths:
        check_place(Path(place))
    return targets


def spare(targets: Sequence[Target], files: Iterable[Path], folders: Iterable[Path] = ()) -> None:
    """Refuse reports that would overwrite what the run reads or records to: `files`, or anything in `folders`.

    Raises:
        UsageError: with each such report.
    """
    kept, inside = {path.resolve() for path in files}, [path.resolve() for path in folders]
    problems = []
    for target in targets:
        place = target.path.resolve() if target.path is not None else None
        if place is not None and (place in kept or any(place.is_relative_to(folder) for folder in inside)):
            message = f"`{target.path}` is read or recorded to by this run, and no place for its report"
            problems.append(Problem("cannot-write", message, help="name another file"))
    if problems:
        raise UsageError(problems)


def check_place(path: Path) -> None:
    """Refuse a file that cannot be written while nothing has been done yet."""
    reason = None
    # os.path: a folder that may not be entered is an answer, and no exception
    if os.path.isdir(path):
        reason = "is a directory"
    elif is_kept(path):
        reason = KEPT
    elif not os.path.isdir(path.parent):
        reason = "no such directory"
    elif not os.access(path if os.path.exists(path) and not os.path.isfile(path) else path.parent, os.W_OK):
        reason = "permission denied"
    if reason is not None:
        raise UsageError(Problem("cannot-write", f"cannot write `{path}`: {reason}"))


def write_reports(
    targets: Sequence[Target], writers: Mapping[str, Writer], more: Sequence[Callable[[], None]] = ()
) -> None:
    """Write every report that can be written; `more` write what is no report of its own, before standard output.

    Raises:
        UsageError: with each file that cannot be written.
        BrokenOutputError: standard output does not take its report.
        Exception: what a writer raised, once the other reports are written.
    """
    problems: list[Problem] = []
    broken: Exception | None = None
    # files first: a reader may leave early
    files, shown = ([each for each in targets if (each.path is None) is last] for last in (False, True))
    steps: list[Callable[[], None]] = [partial(_write, each, writers) for each in files]
    steps += [*more, *(partial(_write, each, writers) for each in shown)]
    for step in steps:
        try:
            step()
        except UsageError as error:
            problems += error.problems
        except Exception as error:  # noqa: BLE001 - raised below: one broken report keeps no other from being written
            broken = broken or error
    if broken is not None:
        raise broken
    if problems:
        raise UsageError(problems)


def _write(target: Target, writers: Mapping[str, Writer]) -> None:
    """Write one report."""
    writer = writers[target.format]
    if target.path is not None:
        text = writer(_Plain())
        try:
            write_file(target.path, text)
        except OSError as error:
            message = f"cannot write `{target.path}`: {(error.strerror or str(error)).lower()}"
            raise UsageError(Problem("cannot-write", message)) from error
        return
    if sys.stdout is None:
        raise UsageError(Problem("cannot-write", "standard output is closed"))
    text = writer(sys.stdout)
    try:
        click.echo(text, nl=not text.endswith("\n"))
    except BrokenPipeError:
        raise  # click's own way out: the reader is gone
    except OSError as error:
        raise BrokenOutputError(error) from error


class _Plain(StringIO):
    """Stands for a file: never a terminal."""


def write_file(path: Path, text: str) -> None:
    """Write `text`, which ends in a line feed, as `write_whole` does."""
    write_whole(path, (text if text.endswith("\n") else text + "\n").encode())


def to_json(value: Any) -> str:
    """Write one JSON document with stable keys."""
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def to_yaml(value: Any, flow: bool = False) -> str:
    """Write one YAML document, as `yaml_writing.to_yaml` does."""
    from policy_engine.loading import yaml_writing

    return yaml_writing.to_yaml(value, flow)
