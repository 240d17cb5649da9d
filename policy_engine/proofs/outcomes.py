"""What a property may speak of besides facts: outcomes by name, in Z3 and of a decision that was made.

A rule's name in CEL has underscores for hyphens, since a hyphen subtracts there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.loading.properties import NONE, OBLIGATIONS, OUTCOMES, RULINGS, cel_name
from policy_engine.lowering.to_z3 import Text, Truth, Value
from policy_engine.lowering.to_z3.formulas import Formula, both, either, neg, some
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.ways_out import collides

if TYPE_CHECKING:
    from policy_engine.judging import Judge
    from policy_engine.proofs.encoding import Encoding

_WORDS = {True: "fired", False: "not_fired", None: "indeterminate"}
__all__ = ["OUTCOMES", "outcome", "outcomes_of"]


def outcome(encoding: Encoding, name: str) -> Value:
    """Return the outcome `name` in Z3."""
    kind, _, rest = name.partition(".")
    match kind:
        case "verdict":
            return Text(True, tuple((formula, word) for word, formula in encoding.verdict.items()))
        case "judged":
            return _option(encoding.on)
        case "recommendation":
            return _option(encoding.scores.recommended)
        case "fallback_verdict":
            there = encoding.has_fallback
            words = [(both(there, formula), word) for word, formula in encoding.of_fallback.items()]
            return Text(True, ((neg(there), NONE), *words))
        case "ruling":
            there, found = encoding.proposed, encoding.ruling
            cases = zip((found.true, found.false, found.open), RULINGS[1:], strict=True)
            return Text(True, ((neg(there), NONE), *((both(there, formula), word) for formula, word in cases)))
        case "firm":
            return _truth(encoding.firm)
        case "waived":
            return _truth(some(both(on, encoding.judged.waived(o)) for o, on in encoding.on.items()))
        case "collision":
            status = [encoding.judged.status(o) for o in OPTIONS]
            return _truth(both(*[either(each.forbidden, each.unavailable) for each in status]))
        case "status":
            return Text(True, encoding.judged.status(rest).words)
        case "obligation":
            names = encoding.policy.vocabulary.evidence
            return _obligation(encoding, next(each for each in names if cel_name(each) == rest))
    rules = encoding.policy.rules.rules
    index = next((i for i, rule in enumerate(rules) if cel_name(rule.id) == rest), None)
    if index is None:  # a layer took it away
        return _truth(False) if kind == "lifted" else Text(True, ((True, "not_fired"),))
    if kind == "lifted":
        return _truth(some(both(on, encoding.judged.lifted(index, o)) for o, on in encoding.on.items()))
    found = encoding.judged.outcome(index)
    return Text(True, ((found.true, "fired"), (found.false, "not_fired"), (found.open, "indeterminate")))


def _truth(formula: Formula) -> Truth:
    return Truth(formula, neg(formula))


def _option(on: Mapping[str, Formula]) -> Text:
    return Text(True, ((neg(some(on.values())), NONE), *((formula, option) for option, formula in on.items())))


def _obligation(encoding: Encoding, name: str) -> Text:
    words: dict[str, list[Formula]] = {word: [] for word in OBLIGATIONS}
    words[NONE].append(neg(some(encoding.on.values())))
    for option, on in encoding.on.items():
        for formula, word in encoding.judged.obligation(name, option).cases:
            words[str(word)].append(both(on, formula))
    return Text(True, tuple((some(each), word) for word, each in words.items()))


def outcomes_of(result: TaskResult, judge: Judge, names: Iterable[str] = ()) -> dict[str, Any]:
    """Return every outcome of a decision on one task, by the names that properties use.

    Of `names` those of rules that a layer took away are in it, too.
    """
    found: dict[str, Any] = {name: "not_fired" for name in names if name.startswith("rule.")}
    found |= {name: False for name in names if name.startswith("lifted.")}
    found |= {
        "verdict": result.verdict,
        "judged": result.judged or NONE,
        "recommendation": result.ranking.recommended or NONE,
        "fallback_verdict": result.fallback_verdict or NONE,
        "firm": result.ranking.firm,
        "collision": collides(result),
        "waived": any(option == result.judged for _, option in result.lifting.pairs),
        "ruling": NONE,
    }
    if result.proposal is not None:
        found["ruling"] = {True: RULINGS[1], False: RULINGS[2], None: RULINGS[3]}[result.proposal.holds]
    found |= {f"status.{option}": result.standings[option].status for option in OPTIONS}
    duties = {duty.evidence: "waived" if duty.waived else duty.status for duty in result.obligations}
    found |= {f"obligation.{cel_name(name)}": duties.get(name, NONE) for name in judge.policy.vocabulary.evidence}
    for index, rule in enumerate(judge.rules):
        found[f"rule.{cel_name(rule.id)}"] = _WORDS[result.outcomes[index]]
        found[f"lifted.{cel_name(rule.id)}"] = (index, result.judged) in result.lifting.pairs
    return found
