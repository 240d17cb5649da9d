"""Parts of policies that tests build again and again, kept: what came out of the same is the same, and is frozen.

A layer that names an approver makes another policy, whose conditions are nevertheless the shipped ones.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from policy_engine.errors import Problem
from policy_engine.language.tree import Node
from policy_engine.loading import policy
from policy_engine.loading.conditions import ConditionReader
from policy_engine.loading.rule_file import RuleDraft
from policy_engine.lowering.network import NetworkSpec

#: Where a name may be written with something in it: then it is not found in the text.
_PULLED_APART = re.compile(r"\s\.|\.\s|`")
_KEPT = 30


def conditions_checked_once(patch: pytest.MonkeyPatch) -> None:
    """Keep the tree of each condition that was found right, by its text and the types of the names in it."""
    check, known = ConditionReader._check, dict[Any, Node]()

    def checked(
        self: ConditionReader, draft: RuleDraft, text: str, expected: str, problems: list[Problem], *path: str
    ) -> Node | None:
        if not isinstance(text, str) or _PULLED_APART.search(text):
            return check(self, draft, text, expected, problems, *path)
        key = (text, expected, tuple(each for each in self.types.items() if each[0] in text))
        found = known.get(key)
        if found is None and (found := check(self, draft, text, expected, problems, *path)) is not None:
            known[key] = found
        return found

    patch.setattr(ConditionReader, "_check", checked)


def networks_compiled_once(patch: pytest.MonkeyPatch) -> None:
    """Keep the networks of the latest conditions that policies were made of."""
    compile_networks, kept = policy.compile_networks, OrderedDict[bytes, list[NetworkSpec]]()

    def known(conditions: Sequence[Node], types: dict[str, str]) -> list[NetworkSpec]:
        key = msgspec.msgpack.encode((conditions, types))
        if key not in kept:
            kept[key] = compile_networks(conditions, types)
        kept.move_to_end(key)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
        return list(kept[key])

    patch.setattr(policy, "compile_networks", known)
