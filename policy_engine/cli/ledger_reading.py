"""What the commands that read the ledger share: open it read-only, find an entry, write exact bytes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.officer_query import record_query
from policy_engine.cli.options import SCRATCH, choose_ledger, opened
from policy_engine.errors import InputError, Problem, RecordingError, UsageError, VerificationFailedError
from policy_engine.whole_files import write_whole

if TYPE_CHECKING:
    from policy_audit.errors import LedgerError
    from policy_audit.ledger import Ledger, StoredDecision, StoredEntry
    from policy_audit.snapshot import Snapshot

MIN_PREFIX = 4
_MOST_DIGITS = 18
_RECENT = 2000
ERASED = "erased"
DISPOSED = "disposed of"
SEALED = "sealed: only the personal key, beside the signing key, opens it"
LOST = "missing, and no entry erases it: run `policy audit verify`"
ALTERED = "altered: does not open its commitment; run `policy audit verify`"
_DAMAGED = "the ledger is damaged: run `policy audit verify`"


@contextmanager
def reading(ctx: click.Context, url: str | None, key: Path | None, *, pinned: bool = True) -> Iterator[Ledger]:
    """Open the ledger of the settings for reading; none is ever made.

    Another one than the settings pin is refused, unless the caller compares the keys itself (`pinned`).

    Where the question is to be recorded it is on leaving, before anything is shown.

    Raises:
        RecordingError: it is not there, or is not a ledger.
    """
    choice = choose_ledger(ctx, url, key)
    choice = choice if pinned else replace(choice, pinned=None)
    if choice.scratch:
        message = f"`{SCRATCH}` holds nothing once the command that wrote it has ended"
        raise RecordingError(Problem("ledger-missing", message, help="name the ledger to read with --ledger"))
    try:
        with opened(choice, read_only=True) as ledger:
            yield ledger
        record_query(ctx, choice)
    except RecordingError as error:
        if error.code == "ledger-missing" and error.help is None:
            hint = "name one with --ledger; `policy evaluate` makes the default one"
            raise type(error)(Problem(error.code, error.problems[0].message, help=hint)) from error
        raise


def find_entry(ledger: Ledger, target: str) -> StoredEntry:
    """Return the entry at an index, or the one that records the decision with this id.

    Raises:
        InputError: there is none, or the beginning of an id fits several.
        VerificationFailedError: the ledger once held an entry there, or lists it, and holds it no more.
    """
    from policy_audit.errors import LedgerError

    if target.isascii() and target.isdigit() and len(target) <= _MOST_DIGITS:
        try:
            return ledger.entry(int(target))
        except LedgerError as error:
            if error.code != "entry-missing":
                raise
            _refuse_gap(ledger, int(target), error)
            if len(target) < MIN_PREFIX:
                hint = "`policy audit list` shows what is on record"
                raise InputError(Problem(error.code, error.message, help=hint)) from error
    return decision_entry(ledger, target)


def _refuse_gap(ledger: Ledger, index: int, error: LedgerError) -> None:
    from policy_audit.checkpoint import parse_checkpoint

    size = parse_checkpoint(ledger.checkpoint()).size
    if index < size:
        message = f"the entry {index} is missing, though the last checkpoint covers {size:,} entries"
        raise VerificationFailedError(Problem(error.code, message, help=_DAMAGED)) from error


def listed_entry(ledger: Ledger, index: int) -> StoredEntry:
    """Return the entry that a query column named.

    Raises:
        VerificationFailedError: there is none, so that the column is forged, or the entry was deleted.
    """
    from policy_audit.errors import LedgerError

    try:
        return ledger.entry(index)
    except LedgerError as error:
        if error.code != "entry-missing":
            raise
        message = f"the entry {index}, which the query columns name, is missing"
        raise VerificationFailedError(Problem(error.code, message, help=_DAMAGED)) from error


def decision_entry(ledger: Ledger, identifier: str) -> StoredEntry:
    """Return the entry that records the decision with this id, or with the only id that begins so.

    Raises:
        InputError: there is none, or there are several.
        VerificationFailedError: the query column that led to the entry is not what its bytes say.
    """
    found = _find_decision(ledger, identifier)
    entry = listed_entry(ledger, found.index)
    if entry.document.get("view", {}).get("decision_id") != found.decision_id:
        message = f"the query columns of the entry {entry.index} are not those of its bytes"
        raise VerificationFailedError(Problem("view-changed", message, help="run `policy audit verify`"))
    return entry


def _find_decision(ledger: Ledger, identifier: str) -> StoredDecision:
    from policy_audit.errors import LedgerError

    wanted = identifier.strip().lower().removeprefix("sha256:")
    if len(wanted) < MIN_PREFIX:
        message = f"`{identifier}` is too short for the id of a decision"
        raise InputError(Problem("decision-missing", message, help=f"give at least {MIN_PREFIX} characters of it"))
    try:
        return ledger.find_decision(wanted)
    except LedgerError as error:
        if error.code == "decision-ambiguous":
            raise InputError(Problem(error.code, error.message, help=error.help)) from error
        if error.code != "decision-missing":
            raise
        message = f"the ledger has no decision `{identifier}`"
        raise InputError(Problem(error.code, message, help=_near(ledger, identifier, wanted))) from error


def _near(ledger: Ledger, identifier: str, wanted: str) -> str:
    from difflib import get_close_matches

    from policy_audit.ledger import DecisionFilter

    namespace, _, name = identifier.rpartition("/")
    if ledger.list_decisions(DecisionFilter(namespace=namespace or None, workload=name), limit=1):
        return f"that is a workload; `policy audit list --workload {identifier}` shows its decisions"
    known = {d.decision_id[: len(wanted)]: d.decision_id for d in ledger.list_decisions(limit=_RECENT)}
    near = get_close_matches(wanted, list(known), n=1, cutoff=0.7)
    return f"did you mean `{known[near[0]][:16]}`?" if near else "`policy audit list` shows what is on record"


def decision_document(ledger: Ledger, entry: StoredEntry) -> dict[str, Any]:
    """Return the decision that `entry` records, as it was recorded.

    Raises:
        VerificationFailedError: the entry does not name the document, or another one than its id says, or what
            it names is not a decision.
    """
    from policy_audit.errors import AuditError

    document = entry.document
    digest = document.get("blobs", {}).get("decision")
    if not isinstance(digest, str) or digest != f"sha256:{document.get('view', {}).get('decision_id')}":
        message = f"the entry {entry.index} does not name the decision that it records"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`"))
    try:
        value: Any = json.loads(ledger.blob(digest))
    except (ValueError, RecursionError) as error:
        # `VerificationError` is a ValueError too, and says more.
        if isinstance(error, AuditError):
            raise
        value = None
    if not isinstance(value, dict):
        message = f"the document that the entry {entry.index} names is not a decision"
        raise VerificationFailedError(Problem("decision-changed", message, help="run `policy audit verify`"))
    return value


def personal_values(
    ledger: Ledger | Snapshot, entry: StoredEntry, erased: Callable[[], Collection[tuple[int, str]]] | None = None
) -> dict[str, Any]:
    """Return the personal values of `entry`, None where none can be shown, and the names of those that are not shown.

    INVARIANT: a value is shown only where it opens the entry's commitment; one that does not is altered.
    `erased` gives what `Ledger.erased` does; it is asked only where a value is not held.
    """
    from policy_audit.commitment import opens

    held, commitments = ledger.disclosures(entry.index), entry.document["commitments"]
    sealed = ledger.sealed(entry.index) if commitments.keys() - held.keys() else set()
    values: dict[str, str | None] = dict.fromkeys(sorted(commitments.keys() | held.keys() | sealed))
    for name, disclosure in held.items():
        if name in commitments and opens(commitments[name], disclosure):
            values[name] = disclosure.value
    gone = values.keys() - held.keys() - sealed
    recorded = (erased or ledger.erased)() if gone else ()
    names = sorted(name for name in gone if (entry.index, name) in recorded)
    others = gone - set(names)
    disposed = ledger.disposed() if others else ()
    return {
        "personal": values,
        "sealed": sorted(sealed),
        "erased": names,
        "disposed": sorted(name for name in others if (entry.index, name) in disposed),
        "altered": sorted(name for name in held if values[name] is None),
    }


def personal_status(found: Mapping[str, Any], name: str) -> str:
    """Return `held`, `sealed`, `altered`, `erased`, `disposed`, `missing` or `none` for a name in `found`.

    `found` is what `personal_values` returned.
    """
    if name not in found["personal"]:
        return "none"
    if found["personal"][name] is not None:
        return "held"
    return next((status for status in ("sealed", "altered", "erased", "disposed") if name in found[status]), "missing")


def personal_text(found: Mapping[str, Any], name: str) -> str:
    """Return a personal value as people read it; only what an entry erases is called erased."""
    texts = {"sealed": SEALED, "altered": ALTERED, "erased": ERASED, "disposed": DISPOSED, "missing": LOST}
    return texts.get(personal_status(found, name)) or str(found["personal"][name])


def write_bytes(target: str, data: bytes) -> None:
    """Write `data` to a file, whole or not at all, or with `-` to standard output.

    Raises:
        UsageError: the file cannot be written.
    """
    if target == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    try:
        write_whole(path, data)
    except OSError as error:
        message = f"cannot write `{path}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from None


def read_text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InputError: it cannot be read, is too long or is not UTF-8.
    """
    try:
        return read_exact(path).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(Problem("file-unreadable", f"`{path}` is not text in UTF-8")) from None


def read_exact(path: Path) -> bytes:
    """Return a file's bytes, of which there may be four million at most."""
    from policy_audit.durable import read_given

    most = 4_000_000
    try:
        data = read_given(path, most)
    except OSError as error:
        message = f"cannot read `{path}`: {(error.strerror or str(error)).lower()}"
        raise InputError(Problem("file-unreadable", message)) from None
    if len(data) > most:
        raise InputError(Problem("file-unreadable", f"`{path}` has more than {most:,} bytes"))
    return data
