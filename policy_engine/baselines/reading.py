"""Read a baseline, which its subject may have written: strictly, and held to what it says itself.

1. It is one YAML document of this kind, with no key that is not known.
2. Each entry's fingerprint is that of its content and of its days: who edits a fact by hand makes another entry of it.
3. No two entries accept the same.
4. None begins in the future, runs for longer than a year, or ends later than it was written to.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct
from policy_audit.errors import CanonicalError

from policy_engine.baselines.entry import Entry
from policy_engine.errors import InputError, Problem, Span
from policy_engine.loading.yaml_source import Document, load_yaml, read_bytes

API_VERSION, KIND = "policy-engine/v1", "Baseline"
LARGEST = 32 * 1024 * 1024
MOST_DAYS = 365
#: A clock beside this one may be in the next day already.
_AHEAD = timedelta(days=1)
_KEYS = ("apiVersion", "kind", "findings")
_UNKNOWN = re.compile(r"unknown field `(.*)`$", re.DOTALL)
_STEP = re.compile(r"\.([A-Za-z_]+)|\[(\d+)\]")


class Baseline(Struct, frozen=True):
    """A baseline as it was read: its name, the digest of its bytes, and its entries."""

    name: str
    digest: str
    entries: tuple[Entry, ...]


def read_baseline(path: Path, day: date) -> Baseline:
    """Read the baseline at `path` for decisions of `day`.

    Raises:
        InputError: it cannot be read, or is none, with the place of what is wrong.
    """
    content = read_bytes(path, largest=LARGEST)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Baseline(str(path), digest, _entries(content, str(path), day))


def _entries(content: bytes, name: str, day: date) -> tuple[Entry, ...]:
    documents = load_yaml(content, name, largest=LARGEST)
    if len(documents) > 1:
        raise _wrong(documents[1].span(), "a second document stands here, and a file holds one baseline")
    document = documents[0]
    value = document.value
    if not isinstance(value, dict) or (value.get("apiVersion"), value.get("kind")) != (API_VERSION, KIND):
        raise _wrong(document.span(), f"not a document of the kind {KIND} ({API_VERSION})")
    for key in value:
        if key not in _KEYS:
            raise _wrong(document.key_span(key), f"`{key}` is not a key here")
    try:
        found = msgspec.convert(value.get("findings"), tuple[Entry, ...])
    except msgspec.ValidationError as error:
        raise _placed(document, str(error)) from None
    first: dict[str, int] = {}
    problems = []
    for place, entry in enumerate(found):
        problem = _problem(entry, day)
        if problem is None and (other := first.setdefault(entry.accepts(), place)) != place:
            line = document.span("findings", other).line
            problem = "fingerprint", f"the entry of line {line} accepts the same"
        if problem is not None:
            problems.append(_wrong(document.span("findings", place, problem[0]), problem[1]).problems[0])
    if problems:
        raise InputError(problems)
    return found


def _problem(entry: Entry, day: date) -> tuple[str, str] | None:
    """Return the key and the text of what is wrong with an entry."""
    try:
        digest = entry.digest()
    except CanonicalError:
        return "facts", "a fact is nothing that JSON holds"
    if digest != entry.fingerprint:
        return "fingerprint", "the fingerprint is not that of this entry: something in it was edited by hand"
    if entry.added > day + _AHEAD:
        return "added", f"it was added on {entry.added}, which lies ahead of {day}"
    if entry.expires < entry.added:
        return "expires", f"it ends on {entry.expires}, before it was added on {entry.added}"
    if entry.expires > entry.latest:
        return "expires", f"it ends on {entry.expires}, and was written to end on {entry.latest}"
    if (entry.latest - entry.added).days > MOST_DAYS:
        return "latest", f"it runs for more than {MOST_DAYS} days"
    return None


def _placed(document: Document, message: str) -> InputError:
    """Give msgspec's message the place that it names, and the project's tone."""
    what, _, where = message.partition(" - at `")
    steps = [int(number) if number else name for name, number in _STEP.findall(where.removesuffix("`"))]
    if unknown := _UNKNOWN.search(what):
        return _wrong(document.key_span("findings", *steps, unknown[1]), f"`{unknown[1]}` is not a key here")
    return _wrong(document.span("findings", *steps), what[:1].lower() + what[1:])


def _wrong(span: Span, message: str) -> InputError:
    hint = "`policy gate --write-baseline` writes such a file; hands change a reason, or `expires` to an earlier day"
    return InputError(Problem("bad-baseline", message, span, hint))
