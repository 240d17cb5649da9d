"""`-o FORMAT[=PATH]`: several reports of one run, each written whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from policy_engine.errors import Problem, UsageError, did_you_mean

Writer = Callable[[IO[str]], str]


@dataclass(frozen=True)
class Target:
    """One report: its format, and the file it goes to (None: standard output)."""

    format: str
    path: Path | None


def parse_outputs(given: Sequence[str], formats: Sequence[str], default: str = "text") -> list[Target]:
    """Read `-o` values.

    Raises:
        UsageError: an unknown format, or two reports on standard output.
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
    return targets


def write_reports(targets: Sequence[Target], writers: Mapping[str, Writer]) -> None:
    """Write every report; files first, so that what is on the terminal was not printed before a failure.

    Raises:
        UsageError: a file cannot be written.
    """
    for target in targets:
        if target.path is not None:
            _write_file(target.path, writers[target.format](_Plain()))
    for target in targets:
        if target.path is None:
            text = writers[target.format](sys.stdout)
            click.echo(text, nl=not text.endswith("\n"))


class _Plain:
    """Stands for a file: never a terminal."""

    def isatty(self) -> bool:
        return False


def _write_file(path: Path, text: str) -> None:
    if not text.endswith("\n"):
        text += "\n"
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as stream:
            stream.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(stream.name, 0o666 & ~umask)
        os.replace(stream.name, path)
    except OSError as error:
        message = f"cannot write `{path}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from None


def to_json(value: Any) -> str:
    """Write one JSON document with stable keys."""
    import orjson

    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def to_yaml(value: Any) -> str:
    """Write one YAML document."""
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=100)
    return text
