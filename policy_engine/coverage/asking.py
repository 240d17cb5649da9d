"""Ask Z3 for facts that exercise an outcome, or a side of an atom, of a rule's condition."""

from __future__ import annotations

from typing import Any

from policy_engine.case_files import FIRED, NOT_FIRED
from policy_engine.coverage.rule_parts import OUTCOME, WHEN, Expressions, Key
from policy_engine.language.paths import places, put
from policy_engine.language.tree import Const
from policy_engine.lowering.to_z3 import find
from policy_engine.lowering.to_z3.formulas import Formula, both, either, neg
from policy_engine.model.vocabulary import Vocabulary


def ask(key: Key, expressions: Expressions, vocabulary: Vocabulary) -> dict[str, Any] | bool | None:
    """Return facts that exercise the part; False where it is proved that none do, None where that is not known."""
    root, stated = expressions.condition, list(expressions.derivations)

    def confirms(facts: dict[str, Any]) -> bool:
        return key in expressions.keys(facts, stated)

    if key[0] == OUTCOME:

        def comes_to(truths: Any) -> Formula:
            (truth,) = truths
            return truth.true if key[1] == FIRED else truth.false if key[1] == NOT_FIRED else truth.open

        return find([root], comes_to, vocabulary.facts, expressions.matches, confirms)
    # what stands within a loop is laid out item by item
    if key[0] != WHEN or key[2] not in ("true", "false") or "body" in key[1]:
        return None
    _, path, side, _ = key
    atom = dict(places(root))[path]

    def decides(truths: Any) -> Formula:
        whole, held, otherwise = truths
        changed = either(both(whole.true, neg(otherwise.true)), both(whole.false, neg(otherwise.false)))
        return both(held.true if side == "true" else held.false, changed)

    turned = put(root, path, Const(side == "false", "bool"))
    return find([root, atom, turned], decides, vocabulary.facts, expressions.matches, confirms)
