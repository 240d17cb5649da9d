"""What the commands that anchor, and those that read anchors, share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from policy_engine.asking.verifying import checkpoint_of
from policy_engine.cli.ledger_reading import read_text
from policy_engine.cli.options import _settings
from policy_engine.errors import Problem, RecordingError, UsageError

if TYPE_CHECKING:
    from policy_audit.anchors.configuration import Configuration

F = TypeVar("F", bound=Callable[..., Any])
#: What is wrong with what was asked, and not with the ledger or the place.
_USAGE = frozenset({"anchor-place", "anchor-installation"})


def config_option(command: F) -> F:
    """`--config`."""
    return click.option(
        "--config",
        metavar="FILE",
        type=click.Path(path_type=Path),
        envvar="POLICY_ANCHORS",
        callback=_settings,
        help="An anchors.toml: to, every, need, beat, evidence.  [setting: anchors]",
    )(command)


@contextmanager
def anchor_errors() -> Iterator[None]:
    """Turn the anchors' errors into the program's: a place that is none is usage, one that fails is the ledger's."""
    from policy_audit.errors import AnchorError

    try:
        yield
    except AnchorError as error:
        kind = UsageError if error.code in _USAGE else RecordingError
        raise kind(Problem(error.code, error.message, help=error.help)) from error


def configuration(config: Path | None, to: Sequence[str] = ()) -> Configuration:
    """Return what is to be anchored where: places that are named go before those of the file.

    Raises:
        UsageError: neither is given, or one cannot be read.
    """
    from dataclasses import replace

    from policy_audit.anchors.configuration import Configuration, parse_places, read_configuration

    with anchor_errors():
        if not to and config is None:
            hint = "name one with --to, or an anchors.toml with --config, or as `anchors` in policy.toml"
            raise UsageError(Problem("anchor-place", "no place to anchor at is named", help=hint))
        found = read_configuration(config) if config is not None else Configuration()
        return replace(found, places=parse_places(to), need=None) if to else found


def kept_notes(names: Sequence[str], origin: str) -> list[str]:
    """Return the checkpoints that files, folders and places hold; a receipt's is that which it leads to.

    Raises:
        InputError: a file cannot be read.
        RecordingError: a place cannot be read, or holds nothing of this log.
    """
    from policy_audit.anchors.file import read_folder
    from policy_audit.anchors.place import parse_place
    from policy_audit.anchors.rounds import make_anchor

    notes: list[str] = []
    for name in names:
        with anchor_errors():
            if name.startswith(("file:", "git:", "tsa:", "witness:")) and not os.path.exists(name):
                notes += make_anchor(parse_place(name)).held(origin)
            elif os.path.isdir(name):
                notes += read_folder(Path(name), origin)
            else:
                notes.append(checkpoint_of(read_text(Path(name))))
    return notes
