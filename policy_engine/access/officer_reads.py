"""That somebody read what is on record, as an entry: by the command line and by the server alike.

INVARIANT: a person who was asked for stands in a personal value alone, which can be erased, and never in the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from policy_audit.entry import Draft, EntryType

from policy_engine.recorder import Context, recordable

if TYPE_CHECKING:
    from policy_audit.checkpoint import Checkpoint

#: Parameters of questions whose value is a person.
PERSONS = frozenset({"owner", "subject", "actor", "requester", "approver", "champion", "person"})
#: What stands in an entry's text for a value that it could never be rid of: a person, a path with a login, a URL with
#: a password, a position in an answer (it holds a digest of what was asked, and so of the person).
UNTOLD = {**dict.fromkeys(PERSONS, "PERSON"), "kept": "KEPT", "layers": "DIR", "cursor": "CURSOR"}
MOST_TEXT = 4000


def read_draft(
    query: str,
    command: str,
    count: int,
    by: Context,
    *,
    person: str | None = None,
    checkpoint: Checkpoint | None = None,
    repeated: int = 0,
) -> Draft:
    """Return the entry of a question that found `count` things.

    `query` is its name (`audit list`), `command` what asks it again, `person` whom it was about, and `repeated` how
    often it was asked again since the entry before; 0 is left out.
    """
    body: dict[str, Any] = {"query": query, "command": command[:MOST_TEXT], "count": count}
    if repeated:
        body["repeated"] = repeated
    if checkpoint is not None:
        body["checkpoint"] = {"size": checkpoint.size, "root": checkpoint.root.hex()}
    personal = {"actor": by.actor} if by.actor else {}
    kept = recordable(person)
    if kept and count:  # a question does not put anybody into the ledger
        personal["subject"] = kept
    context = {"actor_known_by": by.actor_known_by, **by.details}
    return Draft(EntryType.OFFICER_QUERY, body=body, context=context, personal=personal)


def told(name: str, value: str) -> str:
    """Return what an entry's text says of a parameter's value."""
    return UNTOLD.get(name) or recordable(value)


def person_of(parameters: Mapping[str, str | Sequence[str]]) -> str | None:
    """Return whom a question is about: the first person among its parameters, in the order of their names."""
    for name in sorted(PERSONS & parameters.keys()):
        value = parameters[name]
        found = value if isinstance(value, str) else next(iter(value), "")
        if found:
            return found
    return None
