"""Lay rule files over one another and check the whole: what is in force, or every problem with it."""

from __future__ import annotations

from collections.abc import Sequence

from policy_engine.errors import Problem, RulesError, did_you_mean
from policy_engine.loading.conditions import ConditionReader
from policy_engine.loading.layers import LayerFiles
from policy_engine.loading.references import Change, check_locked_derivations, check_locks, check_references
from policy_engine.loading.registers import Registers, read_registers
from policy_engine.loading.rule_file import RuleDraft, read_rule_file
from policy_engine.loading.strata import stratify
from policy_engine.model.rule import ENFORCEMENTS, Rule, RuleSet
from policy_engine.model.vocabulary import Vocabulary


def build_rules(layers: Sequence[LayerFiles]) -> tuple[RuleSet, Vocabulary]:
    """Return the rules in force over `layers`, and their vocabulary. The set's digest is left empty.

    Raises:
        RulesError: with every problem of every file.
    """
    problems: list[Problem] = []
    registers = Registers()
    drafts: dict[str, RuleDraft] = {}
    changes: list[Change] = []
    for layer in layers:
        read_registers(layer, registers, problems)
        _lay(layer, drafts, changes, problems)
    if problems:
        raise RulesError(problems)
    vocabulary = Vocabulary(registers.facts, registers.evidence, registers.regulations)
    reader = ConditionReader(vocabulary, registers.parameters)
    found = [reader.rule(draft, problems) for draft in drafts.values() if not draft.disabled]
    rules = [rule for rule in found if rule is not None]
    for rule in rules:
        check_references(rule, drafts[rule.id], registers, vocabulary, problems)
    check_locks(rules, registers, [each.layer.name for each in layers], problems)
    check_locked_derivations(rules, changes, [each.layer.name for each in layers], problems)
    if not problems:
        rules = stratify(rules, problems)
        _check_coalesced(rules, registers, vocabulary, problems)
    if problems:
        raise RulesError(problems)
    if not rules:
        raise RulesError(Problem("no-rules", "no rule is in force", help="a layer disables every rule"))
    return _rule_set(rules, registers, layers), vocabulary


def _rule_set(rules: list[Rule], registers: Registers, layers: Sequence[LayerFiles]) -> RuleSet:
    return RuleSet(
        rules=tuple(sorted(rules, key=lambda rule: (rule.topic, rule.id))),
        parameters=registers.parameters,
        overrides=registers.overrides,
        disputes=registers.disputes,
        criteria=registers.criteria,
        sources=registers.sources,
        mechanisms=registers.mechanisms,
        layers=tuple(each.layer for each in layers),
        version=registers.version,
        digest="",
    )


def _lay(layer: LayerFiles, drafts: dict[str, RuleDraft], changes: list[Change], problems: list[Problem]) -> None:
    """Lay the layer's rules over `drafts`: the same id replaces, unless it is locked. Note what changes."""
    own: dict[str, RuleDraft] = {}
    for name in layer.rule_files():
        draft = read_rule_file(layer, name, problems)
        if draft is None:
            continue
        if draft.id in own:
            message = f"two rules are called `{draft.id}`: here and at {own[draft.id].span('id')}"
            problems.append(Problem("duplicate-id", message, draft.span("id")))
            continue
        own[draft.id] = draft
    for rule_id, draft in own.items():
        before = drafts.get(rule_id)
        if before is not None and before.locked:
            verb = "disabled" if draft.disabled else "replaced"
            message = f"the rule `{rule_id}` is locked by layer {before.layer} and may not be {verb}"
            problems.append(Problem("locked", message, draft.span("id")))
        elif draft.disabled and before is None:
            hint = did_you_mean(rule_id, list(drafts))
            problems.append(Problem("unknown-rule", f"there is no rule `{rule_id}` to disable", draft.span("id"), hint))
        else:
            drafts[rule_id] = draft
            changes.append((before, draft))


def _check_coalesced(
    rules: Sequence[Rule], registers: Registers, vocabulary: Vocabulary, problems: list[Problem]
) -> None:
    """Refuse forbids and requirements on facts that are declared, else computed.

    INVARIANT: taking knowledge away must not allow, and removing such a declaration lets another value appear.
    """
    # a fact that may be declared and is derived as well is coalesced too
    derived = {derivation.fact for rule in rules for derivation in rule.derive}
    coalesced = set(vocabulary.coalesced) | {fact for fact in derived if vocabulary.facts[fact].source == "declared"}
    for rule in sorted(rules, key=lambda r: r.stratum):
        if coalesced & rule.reads:
            coalesced |= {derivation.fact for derivation in rule.derive}
    for rule in rules:
        # a policy set may make the rule mandatory for a namespace, whatever its own file says
        acts = {rule.enforcement, *(e for (rule_id, _), e in registers.overrides.items() if rule_id == rule.id)}
        strict = next((e for e in ENFORCEMENTS if e in acts and e != "advisory"), None)
        for fact in sorted(coalesced & rule.reads) if strict and (rule.forbid or rule.require) else ():
            message = f"rule `{rule.id}`: a {strict} forbid or require may not read the coalesced fact `{fact}`"
            hint = "make the rule advisory or a preference, or read the declared figure alone"
            problems.append(Problem("coalesced-fact", message, rule.span, hint))
