"""Documents that are no longer held because an entry says that they were disposed of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from policy_audit.entry import DIGEST, EntryType, parse_entry
from policy_audit.errors import CanonicalError
from policy_audit.merkle import leaf_hash
from policy_audit.tables import ENTRY


def disposed_documents(body: Mapping[str, Any]) -> set[str]:
    """Return the digests that the body of a disposal names.

    It lists them as `disposed`, objects with `digest`; what has another form names nothing.
    """
    listed = body.get("disposed")
    items = listed if isinstance(listed, list) else []
    digests = (item.get("digest") for item in items if isinstance(item, dict))
    return {digest for digest in digests if isinstance(digest, str) and DIGEST.fullmatch(digest)}


def is_disposed(connection: Connection, digest: str) -> bool:
    """Tell whether an entry on record disposes of the document with this digest."""
    query = select(ENTRY).where(ENTRY.c.type == EntryType.DISPOSAL.value).order_by(ENTRY.c.leaf_index)
    for row in connection.execute(query):
        try:
            if not isinstance(row.entry, bytes) or leaf_hash(row.entry) != row.leaf_hash:
                continue  # it was changed: it disposes of nothing
            entry = parse_entry(row.entry)
        except CanonicalError:
            continue
        # what counts is the entry's bytes, and not the column that led to it
        if entry.type == EntryType.DISPOSAL and digest in disposed_documents(entry.body):
            return True
    return False
