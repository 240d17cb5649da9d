"""Which entries hold a value of a person, by what stands for the person in the database (`Vault.subject`)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select

from policy_audit.tables import PERSONAL


def decisions_of_subject(subject: str, name: str = "owner") -> Select[Any]:
    """Return the query of the indexes of entries that hold a value of the person as their `name`.

    Whether it opens the entry's commitment is for whoever shows it to see.
    """
    return select(PERSONAL.c.leaf_index).where(PERSONAL.c.subject == subject, PERSONAL.c.name == name)
