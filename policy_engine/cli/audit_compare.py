"""`policy audit compare`: whether two signed checkpoints are of one history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from policy_engine.asking.verifying import check_keys, checkpoint_of
from policy_engine.cli.ledger_reading import read_text, reading
from policy_engine.cli.options import ledger_options
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.errors import Problem, RecordingError, VerificationFailedError
from policy_engine.exports.evidence import other_key

if TYPE_CHECKING:
    from policy_audit.checkpoint import Checkpoint
    from policy_audit.ledger import Ledger


@click.command("compare", epilog="Example: policy audit compare mine.checkpoint yours.tlog-proof --vkey KEY")
@click.argument("first", metavar="CHECKPOINT1", type=click.Path(path_type=Path))
@click.argument("second", metavar="CHECKPOINT2", type=click.Path(path_type=Path))
@click.option(
    "--vkey", "vkeys", metavar="KEY", multiple=True, required=True, help="A verifier key of the log; repeatable."
)
@click.option("--origin", metavar="NAME", help="The log's name.  [default: the first key's name]")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@ledger_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    first: Path,
    second: Path,
    vkeys: Sequence[str],
    origin: str | None,
    outputs: Sequence[str],
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Compare two signed checkpoints, or receipts, of one log: one history, or two?

    Two of the same size need no log. Two of different sizes are held against the ledger. Where one is signed by
    another key of the log, the key rotations in the ledger lead to it from the key that is given; without the ledger
    give both keys. The exit status is 0 where one
    continues the other, and 6 where they are two histories, which the two files then prove to anyone who has the key,
    or where it cannot be decided.
    """
    from policy_audit.comparing import CONSISTENT, compare
    from policy_audit.note import unpinned_keys

    from policy_engine.cli.main import LEDGER, OK
    from policy_engine.cli.output import parse_outputs, write_reports

    targets = parse_outputs(outputs, FORMATS)
    check_keys(vkeys)
    name = origin or vkeys[0].partition("+")[0]
    notes = {path: checkpoint_of(read_text(path)) for path in (first, second)}
    keys = list(vkeys)
    if any(unpinned_keys(note, name, keys) for note in notes.values()):
        keys += _rotated_keys(ctx, ledger, ledger_key, name, keys)
    opened = [_opened(path, notes[path], keys, name) for path in (first, second)]
    if opened[0].size == opened[1].size:
        found = compare(opened[0], opened[1], lambda _: None)
    else:
        with reading(ctx, ledger, ledger_key) as open_ledger:
            found = compare(opened[0], opened[1], _root_at(open_ledger))
    shown = {
        "kind": "Comparison",
        "ok": found.result == CONSISTENT,
        "result": found.result,
        "why": found.why,
        "origin": name,
        "checkpoints": [
            {"file": str(path), "size": each.size, "root": each.root.hex()}
            for path, each in zip((first, second), opened, strict=True)
        ],
    }
    pairs = [(found.result.upper().replace("-", " "), found.why)]
    write_reports(targets, report_writers(lambda: shown, lambda: [Section(pairs=pairs)]))
    return OK if shown["ok"] else LEDGER


def _opened(path: Path, note: str, keys: list[str], name: str) -> Checkpoint:
    from policy_audit.checkpoint import open_checkpoint
    from policy_audit.errors import VerificationError

    try:
        return open_checkpoint(note, keys, name)
    except VerificationError as error:
        message = f"`{path}` is no checkpoint of the log `{name}`: {error.message}"
        follow = "or name a ledger of this log, whose entries hold the rotation, with --ledger"
        hint = other_key(note, name, keys, follow) if error.code == "no-known-signature" else error.help
        raise VerificationFailedError(Problem(error.code, message, help=hint)) from error


def _rotated_keys(ctx: click.Context, url: str | None, key: Path | None, name: str, pinned: Sequence[str]) -> list[str]:
    """Return the keys that rotations in the ledger lead to from a pinned one; none where there is no ledger.

    Each rotation is signed by the key before it and the one after it, so that the ledger need not be believed. Which
    size a key signs from does not matter here: two histories are two, whichever of the log's keys signed them.
    """
    from policy_audit.rotating import key_history

    try:
        with reading(ctx, url, key) as ledger, ledger.snapshot() as connection:
            return key_history(connection, name, pinned).keys
    except RecordingError:
        return []


def _root_at(ledger: Ledger) -> Callable[[int], bytes | None]:
    from policy_audit.errors import LedgerError
    from policy_audit.stored_tree import StoredTree

    def root_at(size: int) -> bytes | None:
        with ledger.snapshot() as connection:
            try:
                return StoredTree(connection).root(size)
            except LedgerError:
                return None

    return root_at
