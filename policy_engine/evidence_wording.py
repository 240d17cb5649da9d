"""What a team is told of evidence that is not of the grade asked for: the command that makes it so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.model.task_case import ATTESTED

_STDIN = (None, "-", "<stdin>")


def graded_by(duty: Mapping[str, Any], file: str | None = None) -> str:
    """Name the command that gives evidence the grade that is asked for; empty where no command does."""
    given = "FILE" if file in _STDIN else file
    if duty["grade"] == "approved":
        return f" (`policy evidence approve {given} {duty['evidence']} --key KEYFILE` signs it)"
    if duty["grade"] == "recorded" and duty["evidence"] in ATTESTED:
        return (
            " (`policy audit prove INDEX --to RECEIPT --entry ENTRY` writes the two files of an attestation on record)"
        )
    if duty["grade"] == "recorded":
        return f" (`policy evidence record {given} {duty['evidence']}` records its file)"
    return ""
