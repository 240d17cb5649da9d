"""Put a refreshed file in place: recorded first, then written, and by one at a time.

A file that no entry tells of must not come to be. An entry without its file, where the process died between the two,
says what was meant, and the next refresh does it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from policy_audit.entry import Blob, Draft, EntryType

from policy_engine.errors import InputError, Problem, UsageError
from policy_engine.pricing.entry_changes import EntryChange
from policy_engine.pricing.generated import FILE
from policy_engine.pricing.history import Change
from policy_engine.pricing.quotes import usd
from policy_engine.pricing.refreshing import Refresh
from policy_engine.whole_files import write_whole

MOST_CHANGES = 200
BLOB = "refreshed"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other refreshes out of the layer meanwhile.

    Raises:
        UsageError: one is at work there.
        InputError: the folder cannot be opened.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(Problem("no-layer", f"cannot open `{folder}`: {(error.strerror or '').lower()}")) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = f"another refresh of `{folder}` is at work"
            raise UsageError(Problem("refresh-at-work", message, help="wait until it is done")) from None
        yield
    finally:
        os.close(descriptor)


def check_writable(refresh: Refresh) -> None:
    """Refuse a file that could not be written, before anything is recorded; makes the folder `catalog` of the layer.

    Raises:
        UsageError: it cannot be.
    """
    folder = refresh.scene.path.parent
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(Problem("cannot-write", f"cannot write into `{folder}`: permission denied"))


def draft(refresh: Refresh, personal: Mapping[str, str], context: Mapping[str, str]) -> Draft:
    """Return the entry of a refresh; the file goes with it as the document `refreshed`."""
    data, scene = refresh.data, refresh.scene
    changes = [_change_body(each) for each in refresh.changes if each.what != "same"]
    # those of regions first, for residency is decided by them
    entries = sorted(refresh.entry_changes, key=lambda each: each.regions is None)
    body = {
        "source": {"name": data.name, "version": data.version, "data_day": data.day.isoformat(), "sha256": data.sha256},
        "at": refresh.at.isoformat().replace("+00:00", "Z"),
        "layer": scene.name,
        "file": FILE,
        "file_sha256": {"before": refresh.sha256_before, "after": refresh.sha256_after},
        "catalog": {"before": refresh.before.digest, "after": refresh.after.digest},
        "providers": list(refresh.named),
        "counts": refresh.counts(),
        "changes": changes[:MOST_CHANGES],
        "changes_left_out": max(0, len(changes) - MOST_CHANGES),
        "entry_counts": refresh.entry_counts(),
        "entry_changes": [_whole(entry_document(each)) for each in entries[:MOST_CHANGES]],
        "entry_changes_left_out": max(0, len(entries) - MOST_CHANGES),
    }
    return Draft(
        EntryType.CATALOG_REFRESHED,
        body=body,
        context={**context, **_told(refresh)},
        personal=dict(personal),
        blobs={BLOB: Blob(refresh.content)},
    )


def change_document(change: Change) -> dict[str, Any]:
    """Return a change as documents have it; amounts are US dollars per million tokens, None where there is none."""
    before, after = change.before or (None, None), change.after or (None, None)
    return {
        "what": change.what,
        "model": change.slot.model,
        "option": change.slot.option,
        "provider": change.slot.provider,
        "region": change.slot.region or None,
        "input_usd_per_million_before": before[0],
        "input_usd_per_million_after": after[0],
        "output_usd_per_million_before": before[1],
        "output_usd_per_million_after": after[1],
    }


def entry_document(change: EntryChange) -> dict[str, Any]:
    """Return a change of a model or provider as documents have it; a field that is not stated is None."""
    fields = [{"field": each.name, "before": each.before, "after": each.after} for each in change.fields]
    return {"what": change.what, "section": change.section, "name": change.key, "fields": fields}


def _whole(value: Any) -> Any:
    """Return `value` without fractions, as decimal text."""
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return usd(Decimal(repr(value))) if isinstance(value, float) else value


def _told(refresh: Refresh) -> dict[str, str]:
    """Return what a list of entries tells of a refresh."""
    counts = (f"{count} {what}" for what, count in refresh.counts().items() if count)
    told = {"layer": refresh.scene.name, "prices": ", ".join(counts) or "none", "source": refresh.data.title}
    for section, found in refresh.entry_counts().items():
        if said := ", ".join(f"{count} {what}" for what, count in found.items() if count):
            told[section] = said
    moved = [each.key for each in refresh.entry_changes if each.regions is not None]
    if moved:
        told["regions changed"] = ", ".join(moved)
    return told


def _change_body(change: Change) -> dict[str, Any]:
    """Return a change as an entry has it: amounts are decimal text, for an entry holds no fractions."""
    document = change_document(change)
    return {name: usd(Decimal(repr(each))) if isinstance(each, float) else each for name, each in document.items()}


def put_in_place(refresh: Refresh) -> None:
    """Write the file, whole or not at all.

    Raises:
        UsageError: it cannot be written, or is not any more what the refresh went on from.
    """
    path = refresh.scene.path
    try:
        now = path.read_bytes() if path.exists() else None
        if now != (None if refresh.scene.old is None else refresh.scene.old.content):
            message = f"`{path}` was changed meanwhile, and is left as it is"
            raise UsageError(Problem("changed-meanwhile", message, help="refresh again"))
        write_whole(path, refresh.content)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UsageError:
    message = f"cannot write `{path}`: {(error.strerror or str(error)).lower()}"
    return UsageError(Problem("cannot-write", message))
