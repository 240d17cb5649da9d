"""What decisions are asked by: derived from the entry alone, so that verifying can derive it again.

A view is one row of columns. Tags are values of which a decision can have several, by kind: the rules that fired or are
indeterminate, the criteria that those cite, and so on. Decisions with the same tags share one set of them, which is
stored once under the index of the first decision that had it: a fleet that is decided every day has few sets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from policy_audit.canonical import check_profile, dump_checked, parse_canonical
from policy_audit.errors import CanonicalError

DECISION = "decision"
REQUIRED = ("decision_id", "namespace", "workload", "verdict", "policy_digest", "catalog_digest", "decided_at")
OPTIONAL = ("workload_digest", "valid_until", "purpose", "stage", "run")
TIMES = ("decided_at", "valid_until")
COLUMNS = (*REQUIRED, *OPTIONAL)
#: rule and criterion: that acted; regulation: the workload's; deployment and model: judged; evidence: asked, not there.
TAG_KINDS = ("rule", "criterion", "regulation", "deployment", "model", "evidence")
_KNOWN = frozenset(COLUMNS)


def check_view(entry_type: str, view: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns as the entry holds them: text, absent instead of None, times in UTC with microseconds.

    Raises:
        CanonicalError: a column is missing, unknown or no text, or the type has no columns.
    """
    present = {name: value for name, value in view.items() if value is not None}
    if entry_type != DECISION:
        if present:
            raise CanonicalError(f"an entry of the type `{entry_type}` has no view")
        return {}
    if not all(map(present.get, REQUIRED)):
        missing = next(name for name in REQUIRED if not present.get(name))
        raise CanonicalError(f"the view of the decision has no `{missing}`")
    for name, value in present.items():
        if name not in _KNOWN:
            raise CanonicalError(f"the view of a decision has no column `{name}`")
        if not isinstance(value, str):
            raise CanonicalError(f"the column `{name}` is not text")
    for name in TIMES:
        if name in present:
            present[name] = instant(present[name])
    return present


class TagSet(NamedTuple):
    """A decision's tags as its entry holds them, their canonical bytes, and the SHA-256 that sets are compared by."""

    members: dict[str, list[str]]
    data: bytes
    digest: bytes


def settle_tags(entry_type: str, tags: Mapping[str, Sequence[str]]) -> TagSet | None:
    """Return the tags by kind, each value once, in order, no kind without values; None where there are none.

    Nothing in it may be changed: decisions in bulk have the same tags, and share what comes of them.

    Raises:
        CanonicalError: a kind is unknown, a value is no text, or the type has no tags.
    """
    if not tags:
        return None
    if entry_type != DECISION:
        raise CanonicalError(f"an entry of the type `{entry_type}` has no tags")
    for kind, values in tags.items():
        if kind not in TAG_KINDS:
            raise CanonicalError(f"a decision has no tags of the kind `{kind}`")
        if isinstance(values, str):  # which would pass for a list of its characters
            raise _no_list(kind)
    try:
        return _settled(tuple((kind, tuple(values)) for kind, values in tags.items()))
    except TypeError:  # what is not hashed is no text
        raise _no_list(", ".join(tags)) from None


def check_tags(entry_type: str, tags: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the members that `settle_tags` gives.

    Raises:
        CanonicalError: as `settle_tags` does.
    """
    settled = settle_tags(entry_type, tags)
    return settled.members if settled else {}


@lru_cache(maxsize=1024)
def _settled(tags: tuple[tuple[str, tuple[str, ...]], ...]) -> TagSet | None:
    checked = {}
    for kind, values in tags:
        if not all(isinstance(value, str) and value for value in values):
            raise _no_list(kind)
        if any("\x00" in value for value in values):
            raise CanonicalError(
                f"a tag of the kind `{kind}` holds the character U+0000", help="no text column can hold it"
            )
        if values:
            checked[kind] = sorted(set(values))
    if not checked:
        return None
    check_profile(checked)
    data = dump_checked(checked)
    return TagSet(checked, data, sha256(data).digest())


def _no_list(kind: str) -> CanonicalError:
    return CanonicalError(f"the tags of the kind `{kind}` are not a list of texts")


def read_tags(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the kind and value of each tag in the bytes that `tags_bytes` wrote."""
    for kind, values in parse_canonical(data).items():
        for value in values:
            yield kind, value


def tags_bytes(tags: Mapping[str, Sequence[str]]) -> bytes | None:
    """Return the bytes of a set of tags, whose SHA-256 sets are compared by; None where there are no tags."""
    return dump_checked(tags) if tags else None


def decision_row(
    index: int, entry_type: str, recorded_at: str, view: Mapping[str, Any], tag_set: int | None
) -> dict[str, Any] | None:
    """Derive the row of the table `decision` from an entry's members; None where the entry is not a decision.

    `tag_set` is the index of the first decision with the same tags, None where this one has none.
    """
    if entry_type != DECISION:
        return None
    columns = {name: view.get(name) for name in COLUMNS}
    return {"leaf_index": index, "recorded_at": recorded_at, **columns, "tag_set": tag_set}


def instant(moment: str | datetime) -> str:
    """Write a time so that the order of texts is the order of times: RFC 3339, UTC, microseconds.

    Raises:
        CanonicalError: it is not a time, or has no time zone.
    """
    return _instant_of_text(moment) if isinstance(moment, str) else _instant(moment)


@lru_cache(maxsize=512)  # decisions that are recorded together were mostly made at one time
def _instant_of_text(text: str) -> str:
    try:
        return _instant(datetime.fromisoformat(text))
    except ValueError as error:
        if isinstance(error, CanonicalError):
            raise
        raise CanonicalError(f"`{text:.40}` is not a time in RFC 3339") from None


def _instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise CanonicalError(f"the time `{moment.isoformat()}` has no time zone", help="write `Z` for UTC")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
