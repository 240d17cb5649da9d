"""Reason and ticket of what is done: they stand in an entry for good, so that they may name nobody."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping

from policy_audit.errors import LedgerError
from policy_audit.sealing import normalise

MAX_REASON = 1000
MAX_TICKET = 200
#: Shorter names are too often part of something else.
SHORTEST = 3
_ADDRESSED = re.compile(r"(.*)<([^<>]+@[^<>]+)>")


def check_words(
    reason: str, ticket: str | None, subject: str | None = None, people: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return reason and ticket as an entry holds them.

    `subject` is whom it is about, and `people` are the personal values of the entry by name.

    Raises:
        LedgerError: the reason is empty or too long, or one of them names a person, which nothing could erase.
    """
    words = {"reason": reason, **({"ticket": ticket} if ticket is not None else {})}
    words = {name: unicodedata.normalize("NFC", text).strip() for name, text in words.items()}
    if not words["reason"] or len(words["reason"]) > MAX_REASON or len(words.get("ticket", "")) > MAX_TICKET:
        message = f"a reason of 1 to {MAX_REASON:,} characters is needed, and a ticket of {MAX_TICKET} at most"
        raise LedgerError(message, code="reason")
    for name, text in words.items():
        # whom it is about is known for sure: even inside of another word it is their name
        if subject is not None and normalise(subject) and normalise(subject) in normalise(text):
            raise _named(name, "person")
    refuse_names(words, {**({"person": subject} if subject is not None else {}), **(people or {})})
    return words


def refuse_names(words: Mapping[str, str], people: Mapping[str, str]) -> None:
    """Refuse texts that name one of `people`, given by what they are (`actor`, `owner`, ...).

    Raises:
        LedgerError: one of them does.
    """
    for name, text in words.items():
        for role, person in people.items():
            if any(_says(normalise(text), form) for form in _forms(normalise(person))):
                raise _named(name, role.partition("_")[0])


def _named(name: str, role: str) -> LedgerError:
    return LedgerError(
        f"the {name} names the {role}: what is in an entry can never be erased",
        code="reason-names-subject",
        help="word it without the name",
    )


def _forms(person: str) -> Iterator[str]:
    """Yield how a person may be called: the whole value; of `Name <address>` each of the two."""
    yield person
    if (found := _ADDRESSED.fullmatch(person)) is not None:
        yield from (part.strip() for part in found.groups())


def _says(text: str, name: str) -> bool:
    """Whether a text holds the name, or as a word the part of an address before the at sign."""
    local, at, _ = name.partition("@")
    if at and name in text:
        return True
    if len(local) < SHORTEST:
        return False
    if not at:
        return re.search(rf"(?<!\w){re.escape(local)}(?!\w)", text) is not None
    words = "".join(char if char.isalnum() or char in "._-" else " " for char in text).split()
    return local in {word.strip("._-") for word in words}
