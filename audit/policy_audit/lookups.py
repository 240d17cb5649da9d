"""What a commit has to know of the database before it writes, asked in one go with the statements that lock it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection

from policy_audit.asking import Answer, Ask, Row, ask_all, asks_in
from policy_audit.entry import EntryType, Prepared
from policy_audit.vault import Vault

DOCUMENTS, TAGS, PERSONS, DISPOSALS, NEWEST, ASKED = "documents", "tags", "persons", "disposals", "newest", "asked"
KnownTags = dict[bytes, int]
Asks = Mapping[str, Sequence[Ask]]
Found = Mapping[str, Sequence[Row]]


def lookups(batch: Sequence[Prepared], known_tags: KnownTags, vault: Vault) -> dict[str, list[Ask]]:
    """Return what `appending.extend` has to ask for: the sets of tags and the persons' keys that may be there."""
    digests = {each.tags.digest for each in batch if each.tags and each.tags.digest not in known_tags}
    values = {disclosure.value for prepared in batch for disclosure in prepared.disclosures}
    persons = sorted({vault.subject(value) for value in values})
    return {
        TAGS: asks_in("SELECT digest, id FROM tag_set WHERE digest", sorted(digests)),
        PERSONS: asks_in("SELECT subject, wrapped FROM subject_key WHERE subject", persons),
    }


def document_asks(digests: Iterable[str]) -> list[Ask]:
    """Ask which of the documents are stored."""
    return asks_in("SELECT digest FROM blob WHERE digest", list(digests))


def disposal_asks(since: int) -> list[Ask]:
    """Ask whether an entry at `since` or after it disposes of documents, so that what was stored may be gone."""
    return [
        Ask(
            "SELECT leaf_index FROM log_entry WHERE type = ? AND type <> 'decision' AND leaf_index >= ? LIMIT 1",
            (EntryType.DISPOSAL.value, since),
            often=True,
        )
    ]


def newest_asks(types: Sequence[str], since: int) -> list[Ask]:
    """Ask for the highest index of each type, of those at `since` or after it: `type <> 'decision'` has the index."""
    others = [kind for kind in types if kind != EntryType.DECISION]
    marks = ", ".join("?" * len(others))
    asks = []
    if others:
        # the bound is part of the index, which has no decisions: only what came since is looked at
        statement = (
            "SELECT type, max(leaf_index) FROM log_entry WHERE type <> 'decision' AND leaf_index >= ? "  # noqa: S608
            f"AND type IN ({marks}) GROUP BY type"
        )
        asks.append(Ask(statement, (since, *others), often=True))
    if len(others) < len(types):
        # every decision has its row there, and `decision` its index
        asks.append(Ask("SELECT 'decision', max(leaf_index) FROM decision WHERE leaf_index >= ?", (since,), often=True))
    return asks


def latest_ask(types: Sequence[str]) -> Ask:
    """Ask for the highest index of each type, in one row: one step in the index each, however many there are."""
    others = [kind for kind in types if kind != EntryType.DECISION]
    highest = ["(SELECT max(leaf_index) FROM log_entry WHERE type = ? AND type <> 'decision')"] * len(others)
    last = ["(SELECT max(leaf_index) FROM decision)"] * (len(types) > len(others))
    return Ask(f"SELECT {', '.join([*highest, *last, 'NULL'])}", others, often=True)


def asked_asks(keys: Sequence[str]) -> list[Ask]:
    """Ask for the requests on record with these keys."""
    return asks_in(
        "SELECT leaf_index, request_key, request, salt, entries, recorded_at FROM once WHERE request_key", keys
    )


def flat(asks: Asks) -> list[Ask]:
    """Return all statements, in the order in which `sorted_out` takes their answers."""
    return [ask for part in asks.values() for ask in part]


def sorted_out(asks: Asks, answers: Sequence[Answer]) -> Found:
    """Return the rows of each kind."""
    left = iter(answers)
    return {name: [row for _ in part for row in next(left).rows] for name, part in asks.items()}


def look(connection: Connection, asks: Asks) -> Found:
    """Ask now."""
    return sorted_out(asks, ask_all(connection, flat(asks)))
