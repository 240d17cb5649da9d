"""Every command's help: as it was agreed on, and with an example. `UPDATE_GOLDEN=1` writes the texts anew."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from policy_engine.cli.main import command as root

GOLDEN = Path(__file__).parents[2] / "golden" / "help"
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of a command and of all below it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            try:
                found = command.get_command(context, name)
            except ModuleNotFoundError as error:
                if error.name != f"policy_engine.cli.{name}":
                    raise
                continue  # announced, and not written yet
            assert found is not None, name
            yield from commands(found, (*path, name))


ALL = list(commands(root))


def golden(path: tuple[str, ...]) -> Path:
    return GOLDEN / f"{'-'.join(('policy', *path))}.txt"


@pytest.mark.parametrize("path", ALL, ids=lambda path: " ".join(("policy", *path)))
def test_help_is_golden_and_has_an_example(path: tuple[str, ...]) -> None:
    found = CliRunner().invoke(root, [*path, "--help"], prog_name="policy", terminal_width=80)
    assert found.exit_code == 0, found.output
    assert re.search(r"Examples?:\s+policy ", found.output)
    file = golden(path)
    if UPDATE:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(found.output, encoding="utf-8")
    assert file.is_file(), f"no golden help of `policy {' '.join(path)}`: look at it, then run with UPDATE_GOLDEN=1"
    assert found.output == file.read_text(encoding="utf-8"), "run with UPDATE_GOLDEN=1 if the change is meant"


def test_no_golden_help_is_left_of_a_command_that_is_gone() -> None:
    expected = {golden(path) for path in ALL}
    for file in GOLDEN.glob("*.txt"):
        if UPDATE and file not in expected:
            file.unlink()
        else:
            assert file in expected, file.name
