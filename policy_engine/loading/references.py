"""Check what rules name beside facts: criteria, disputes, evidence, fields of their texts, and what locks forbid."""

from __future__ import annotations

from collections.abc import Sequence
from string import Formatter

from policy_engine.errors import Problem, did_you_mean
from policy_engine.loading.registers import Registers
from policy_engine.loading.rule_file import RuleDraft
from policy_engine.model.rule import ENFORCEMENTS, Rule
from policy_engine.model.task_case import ATTESTATION_DAYS, ATTESTED
from policy_engine.model.vocabulary import Vocabulary

PARAMETER = "param."
#: What a layer does to a rule: as it was (None: it is new), and as it is after.
Change = tuple[RuleDraft | None, RuleDraft]
#: What a message may name beside facts and parameters.
OPTION = "option"


def check_references(
    rule: Rule, draft: RuleDraft, registers: Registers, vocabulary: Vocabulary, problems: list[Problem]
) -> None:
    """Report every name in `rule` that no register and no vocabulary knows, where it stands."""

    def unknown(word: str, known: Sequence[str], what: str, *path: str | int) -> None:
        if word not in known:
            message = f"rule `{rule.id}`: `{word}` is not {what}"
            span = draft.document.key_span(*path)
            problems.append(Problem("unknown-reference", message, span, did_you_mean(word, known)))

    for index, criterion in enumerate(rule.criteria):
        unknown(criterion, list(registers.criteria), "a criterion of the register", "criteria", index)
    for index, dispute in enumerate(rule.disputes):
        unknown(dispute, list(registers.disputes), "a dispute of the register", "disputes", index)
    for evidence in rule.require:
        unknown(evidence, list(vocabulary.evidence), "an evidence name of the vocabulary", "require", evidence)
    known = [*vocabulary.facts, *(PARAMETER + name for name in registers.parameters), OPTION]
    for key, text in texts(rule):
        for name in fields(text):
            if name not in known:
                what = f"`{{{name}}}`, which is no fact" if name is not None else "a brace that is not closed"
                message = f"rule `{rule.id}`: the {key} names {what}"
                span = draft.span("message" if key == "message" else "advise")
                problems.append(Problem("unknown-field", message, span, did_you_mean(name or "", known)))


def texts(rule: Rule) -> list[tuple[str, str]]:
    """Return the rule's texts by what they are called."""
    return [("message", rule.message), *([("advice", rule.advise)] if rule.advise else [])]


def fields(text: str) -> list[str | None]:
    """Return the names in braces in `text`; None stands for braces that do not match."""
    try:
        return [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        return [None]


def check_locks(rules: Sequence[Rule], registers: Registers, layers: Sequence[str], problems: list[Problem]) -> None:
    """Report what a later layer does to a locked rule: other parameters, weaker enforcement, facts redeclared."""
    order = {name: place for place, name in enumerate(layers)}
    locked = {rule.id: rule for rule in rules if rule.locked}
    for name, layer, problem in registers.reparameterised:
        if any(name in _decides_by(rule) and order[layer] > order[rule.layer] for rule in locked.values()):
            problems.append(problem)
    for name, layer, problem in registers.redeclared:
        if any(order[layer] > order[rule.layer] and name in facts_beneath(rule, rules) for rule in locked.values()):
            problems.append(problem)
    known = {rule.id for rule in rules}
    for rule_id, layer, enforcement, problem in registers.override_places:
        if rule_id not in known:
            hint = did_you_mean(rule_id, sorted(known))
            problems.append(Problem("unknown-rule", f"there is no rule `{rule_id}`", problem.span, hint))
        owner = locked.get(rule_id)
        if owner is None or order[layer] <= order[owner.layer]:
            continue
        if ENFORCEMENTS.index(enforcement) > ENFORCEMENTS.index(owner.enforcement):
            problems.append(problem)


def _decides_by(rule: Rule) -> frozenset[str]:
    """Return the parameters that `rule` decides by: those it reads, and how long what it asks for counts."""
    return rule.parameters | ({ATTESTATION_DAYS} if ATTESTED & set(rule.require) else frozenset())


def check_locked_derivations(
    rules: Sequence[Rule], changes: Sequence[Change], layers: Sequence[str], problems: list[Problem]
) -> None:
    """Report what a later layer does to the derivations that a locked rule rests on: that would weaken it, too."""
    order = {name: place for place, name in enumerate(layers)}
    for rule in rules:
        facts = facts_beneath(rule, rules) if rule.locked else frozenset()
        for before, after in changes:
            if order[after.layer] <= order[rule.layer]:
                continue
            derived = {*_derived(before), *_derived(after)}
            for fact in sorted(facts & derived):
                verb = "disabled" if after.disabled else ("replaced" if before is not None else "added")
                message = (
                    f"`{after.id}` derives `{fact}`, which the locked rule `{rule.id}` reads; it may not be {verb}"
                )
                problems.append(Problem("locked", message, after.span("id")))


def _derived(draft: RuleDraft | None) -> list[str]:
    derive = draft.value.get("derive") if draft is not None else None
    return list(derive) if isinstance(derive, dict) else []


def facts_beneath(rule: Rule, rules: Sequence[Rule]) -> frozenset[str]:
    """Return the facts that `rule` reads, and those that their derivations read, all the way down."""
    found: set[str] = set()
    waiting = set(rule.reads)
    while waiting:
        fact = waiting.pop()
        if fact in found:
            continue
        found.add(fact)
        waiting |= {name for each in rules for d in each.derive if d.fact == fact for name in each.reads}
    return frozenset(found)
