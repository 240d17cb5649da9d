"""Say what an independent evaluation of a condition has against the answers of Polars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policy_engine.language import kleene
from policy_engine.language.tree import Node
from policy_engine.lowering.to_polars import answers


def disagreements(
    node: Node, records: Sequence[Mapping[str, Any]], types: Mapping[str, str], matches: Any
) -> list[str]:
    """Return where Polars says something else than Kleene's logic does of the same record."""
    found = []
    for record, answer in zip(records, answers(node, records, types), strict=True):
        expected = kleene.truth(node, record, matches)
        if answer[0] is not expected[0] or answer[1] != expected[1]:
            found.append(f"on {dict(record)}: Polars says {answer}, and it is {expected}")
    return found
