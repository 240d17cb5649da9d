"""Type-check a condition that stands in a register's entry, and place every problem in its file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from policy_engine.errors import Problem
from policy_engine.language.tree import Node
from policy_engine.language.words import strays
from policy_engine.loading.places import locate, locate_node
from policy_engine.loading.reader import Reader
from policy_engine.loading.wording import among, quoted

if TYPE_CHECKING:
    from policy_engine.language.cel import Checker

Words = Callable[[str], tuple[str, ...] | None]


def read_condition(
    checker: Checker, item: Reader, key: str, words: Words, problems: list[Problem], *, required: bool
) -> Node | None:
    """Return the condition at `key`; None where it is missing or wrong, which `problems` is told."""
    from policy_engine.language.cel import ConditionError

    text = item.text(key, required=required)
    if text is None:
        return None
    path: Any = (*item.path, key)
    try:
        node = checker.check(text, "bool")
    except ConditionError as error:
        for each in error.problems:
            span = locate(item.document, path, text, each.line, each.column)
            problems.append(Problem("bad-condition", each.message, span, each.help))
        return None
    # with such a typo it would never hold, and nobody would notice
    for stray in strays(node, words):
        span = locate_node(item.document, path, text, stray.constant.at)
        message = f"{quoted(stray.constant.value)} is not among the values of `{stray.name}`"
        problems.append(Problem("unknown-value", message, span, among(str(stray.constant.value), stray.words)))
    return node
