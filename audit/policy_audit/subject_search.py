"""Which entries hold a value of a person: the one place that knows how values are stored."""

from __future__ import annotations

import unicodedata
from typing import Any

from sqlalchemy import Select, select

from policy_audit.tables import PERSONAL


def decisions_of_subject(person: str, name: str = "owner") -> Select[Any]:
    """Return the query of the indexes of entries that hold `person` as their value of `name`.

    A value counts as a whole. Whether it opens the entry's commitment is for whoever shows it to see.
    """
    wanted = unicodedata.normalize("NFC", person).strip()
    return select(PERSONAL.c.leaf_index).where(PERSONAL.c.name == name, PERSONAL.c.value == wanted)


def entries_of_subject(person: str) -> Select[Any]:
    """Return the query of the indexes of entries that hold a value of `person` under any name."""
    wanted = unicodedata.normalize("NFC", person).strip()
    return select(PERSONAL.c.leaf_index).where(PERSONAL.c.value == wanted)
