"""The files around a collection: the list of runs, the receipts, and the spools that are cleared."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.cli.ledger_reading import read_text, write_bytes
from policy_engine.errors import InputError, Problem, Span, UsageError

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.collecting import Collected

_LONGEST_RUN = 500
RECEIPT = ".tlog-proof"
#: What a writer of receipts that was killed leaves: see `whole_files.write_whole`.
_BROKEN_OFF = re.compile(r"\.[0-9a-f]{64}(\.[0-9]+)?\.tlog-proof\.[0-9a-z_]{8}")


def read_runs(path: Path) -> list[str]:
    """Return the runs of a CI system's list, one a line; empty lines are left out.

    Raises:
        InputError: it cannot be read, lists nothing, or a line is no name of a run.
    """
    found: list[str] = []
    for number, line in enumerate(read_text(path).removeprefix("\ufeff").splitlines(), start=1):
        run = unicodedata.normalize("NFC", line.strip())
        if len(run) > _LONGEST_RUN or not run.isprintable():
            message = f"the line is no run: it has more than {_LONGEST_RUN} characters, or some that cannot be shown"
            raise InputError(Problem("runs", message, Span(str(path), number, 1)))
        if run:
            found.append(run)
    if not found:
        raise InputError(Problem("runs", f"`{path}` lists no run", help="leave `--runs` out where none is expected"))
    return found


def check_folder(folder: Path, spools: Sequence[Path]) -> None:
    """Refuse a folder of receipts that cannot be made or written, before anything is recorded.

    Raises:
        UsageError: it cannot, or lies in a spool.
    """
    reason = None
    if any(folder.resolve().is_relative_to(spool.resolve()) for spool in spools):
        reason = "it lies in a spool"
    else:
        try:
            folder.mkdir(exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                reason = "permission denied"
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
    if reason is not None:
        raise UsageError(Problem("cannot-write", f"cannot write receipts to `{folder}`: {reason}"))


def write_receipts(ledger: Ledger, found: Collected, folder: Path, value: dict[str, Any]) -> int:
    """Write each decision's proof file by its id, and name it in `value`.

    Where one decision was recorded several times, the file of a later entry has its index in its name.

    Raises:
        UsageError: a file cannot be written.
    """
    from policy_audit.spool_format import holding

    with suppress(OSError), holding(folder.resolve(), alone=True) as alone:
        if alone:
            _remove_broken_off(folder)
    entries: dict[str, set[int]] = {}
    for place in found.placed:
        entries.setdefault(place.lot.decision_id, set()).add(place.index)
    written: dict[int, str] = {}
    with ExitStack() as held:
        with suppress(OSError):  # a folder that can be written and not listed: nobody clears it, either
            held.enter_context(holding(folder.resolve()))
        for decision, indexes in entries.items():
            for index in sorted(indexes):
                name = decision if index == min(indexes) else f"{decision}.{index}"
                path = folder / f"{name}{RECEIPT}"
                write_bytes(str(path), ledger.receipt(index).encode())
                written[index] = str(path)
    for row in value["decisions"]:
        row["receipt"] = written[row["index"]]
    return 0


def _remove_broken_off(folder: Path) -> None:
    """Delete what a writer of receipts left that was killed."""
    for name in os.listdir(folder):
        if _BROKEN_OFF.fullmatch(name):
            (folder / name).unlink(missing_ok=True)


def remove_collected(found: Collected, value: dict[str, Any]) -> int:
    """Delete the files of decisions that are on record, and what no other file needs; say in `value` how many.

    Raises:
        UsageError: a file cannot be deleted.
    """
    folders = {place.lot.folder.path for place in found.placed}
    try:
        for folder in folders:
            _mark(folder)
        for place in found.placed:
            with suppress(FileNotFoundError):
                place.lot.path.unlink()
                value["removed"] += 1
        for folder in folders:
            _remove_shared(folder)
    except OSError as error:
        message = f"cannot delete `{error.filename}`: {(error.strerror or str(error)).lower()}"
        hint = "all that is reported is on record; delete the spools, for they hold names in clear text"
        raise UsageError(Problem("cannot-write", message, help=hint)) from error
    return 0


def _mark(folder: Path) -> None:
    """Say for the next collection that what goes now is on record, in case that this one is killed meanwhile."""
    from policy_audit.spool_format import BLOBS, COLLECTED

    blobs = folder / BLOBS
    if not blobs.is_symlink() and blobs.is_dir():
        os.close(os.open(blobs / COLLECTED, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))


def _remove_shared(folder: Path) -> None:
    """Delete shared documents once no decision is left, and nobody is writing one; the mark stays with what stays."""
    from policy_audit.durable import sync_folder
    from policy_audit.spool_format import BLOBS, COLLECTED, SUFFIX, holding

    blobs = folder / BLOBS
    if blobs.is_symlink() or not blobs.is_dir():
        return
    with holding(blobs, alone=True) as alone:
        if any(name.endswith(SUFFIX) for name in os.listdir(folder)):
            (blobs / COLLECTED).unlink(missing_ok=True)
        elif alone:
            for name in sorted(os.listdir(blobs), key=lambda name: name == COLLECTED):
                (blobs / name).unlink(missing_ok=True)
    sync_folder(folder)
