"""A policy out of what a ledger keeps of it, without any file: the rules, the layers and the catalog of a decision.

1. read the documents by their types        (recorded_document)
2. type-check the conditions, order the derivations, compile, as for rules that come from files
3. write the documents again: what was read must give the recorded bytes

INVARIANT: step 3 is what makes the rest trustworthy. A key that is not read, a value that means something else here, or
a digest of a catalog that is not the layers' gives other bytes, and no policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.errors import PolicyError, RulesError
from policy_engine.language.tree import facts_read
from policy_engine.loading.fact_declaration import SCALARS
from policy_engine.loading.policy import Policy, compile_rules, sealed
from policy_engine.loading.recorded_document import (
    AlternativeDocument,
    FactDocument,
    LayersDocument,
    ParameterDocument,
    PolicyDocument,
    RuleDocument,
    read_document,
    refused,
)
from policy_engine.loading.strata import stratify
from policy_engine.model.approvers import NOBODY, RecordedApprovers
from policy_engine.model.rule import STRENGTHS, Alternative, Derivation, Dispute, Layer, Parameter, Rule, RuleSet
from policy_engine.model.vocabulary import Fact, Vocabulary

REGISTERS = {"sources": "sources.yaml", "disputes": "disputes.yaml"}
#: Conditions under other sides' values: each is compiled.
MOST_ALTERNATIVES = 20_000
_PARAMETER = "param."


def recorded_policy(rules: bytes, layers: bytes, catalog: bytes) -> Policy:
    """Return the policy that a decision was made under.

    Raises:
        RulesError: a document is not what this program writes, or they do not belong together.
    """
    document = read_document(rules, PolicyDocument, "rules")
    laid = read_document(layers, LayersDocument, "layers")
    try:
        policy = _policy(document, laid)
        same = (policy.document == rules, policy.layers_document == layers, policy.catalog.document == catalog)
    except PolicyError as error:
        raise refused(f"the recorded policy is invalid: {error.problems[0].message}") from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise refused(f"the recorded policy cannot be read: {type(error).__name__}") from error
    for what, is_same in zip(("rules", "layers", "catalog"), same, strict=True):
        if not is_same:
            raise refused(f"the recorded {what} do not follow from the rules and layers that were recorded")
    return policy


def _policy(document: PolicyDocument, laid: LayersDocument) -> Policy:
    vocabulary = Vocabulary(
        {name: _fact(name, each) for name, each in document.vocabulary.facts.items()},
        document.vocabulary.evidence,
        document.vocabulary.regulations,
    )
    parameters = {name: _parameter(name, each) for name, each in document.parameters.items()}
    catalogs = tuple((layer.name, _catalog(layer.catalog)) for layer in laid.layers)
    rules = RuleSet(
        rules=tuple(_rules(document, laid, vocabulary, parameters)),
        parameters=parameters,
        overrides={(each.rule, each.namespace): each.enforcement for each in document.enforcement},
        disputes={name: Dispute(name, each.about, each.sides, each.kind) for name, each in document.disputes.items()},
        criteria=document.criteria,
        sources=catalogs[0][1].get("sources.yaml", {}).get("sources", {}),
        mechanisms={},
        layers=tuple(Layer(layer.name, "", layer.digest) for layer in laid.layers),
        version=document.version,
        digest="",
    )
    _bound(rules)
    approvers = RecordedApprovers(recorded=document.approvers) if document.approvers is not None else NOBODY
    return sealed(Policy(rules, vocabulary, *compile_rules(rules, vocabulary), catalogs, approvers))


def _rules(
    document: PolicyDocument, laid: LayersDocument, vocabulary: Vocabulary, parameters: Mapping[str, Parameter]
) -> list[Rule]:
    from policy_engine.language.cel import Checker

    types = {name: fact.type for name, fact in vocabulary.facts.items()}
    checker = Checker(types | {_PARAMETER + name: parameter.type for name, parameter in parameters.items()})
    found = []
    for name, each in document.rules.items():
        if each.id != name:
            raise refused(f"the recorded rule `{name}` says that it is `{each.id}`")
        found.append(_rule(each, laid.layer_of(name), checker, types))
    problems: list[Any] = []
    ordered = stratify(sorted(found, key=lambda rule: (rule.topic, rule.id)), problems)
    if problems:
        raise RulesError(problems)
    return ordered


def _rule(document: RuleDocument, layer: str, checker: Any, types: Mapping[str, str]) -> Rule:
    condition = _checked(checker, document.id, document.when, "bool")
    derive = tuple(
        Derivation(fact, text, _checked(checker, document.id, text, types[fact]))
        for fact, text in document.derive.items()
    )
    names = facts_read(condition).union(*(facts_read(each.expression) for each in derive))
    return Rule(
        id=document.id,
        title=document.title,
        topic=document.topic,
        when=document.when,
        condition=condition,
        reads=frozenset(name for name in names if not name.startswith(_PARAMETER)),
        parameters=frozenset(name.removeprefix(_PARAMETER) for name in names if name.startswith(_PARAMETER)),
        criteria=document.criteria,
        origin=document.origin,
        forbid=document.forbid,
        prefer={option: STRENGTHS[strength] for option, strength in document.prefer.items()},
        disfavour={option: STRENGTHS[strength] for option, strength in document.disfavour.items()},
        require=document.require,
        derive=derive,
        advise=document.advise,
        message=document.message,
        enforcement=document.enforcement,
        grade=document.grade,
        disputes=document.disputes,
        owner=document.owner,
        review_by=document.review_by,
        controls=document.controls,
        enforce_from=document.enforce_from,
        locked=document.locked,
        layer=layer,
    )


def _checked(checker: Any, rule_id: str, text: str, type_: str) -> Any:
    from policy_engine.language.cel import ConditionError

    try:
        return checker.check(text, type_)
    except ConditionError as error:
        raise refused(f"the recorded rule `{rule_id}` has a condition that does not hold: {error}") from None


def _fact(name: str, document: FactDocument) -> Fact:
    default = document.default
    if document.type == "double" and type(default) is int:
        default = float(default)  # RFC 8785 writes 10.0 as 10
    return Fact(
        name=name,
        type=document.type,
        meaning=document.meaning,
        unit=document.unit,
        values=document.values,
        default=default,
        required=document.required,
        source=document.source,
        minimum=document.min,
        maximum=document.max,
    )


def _parameter(name: str, document: ParameterDocument) -> Parameter:
    return Parameter(
        name=name,
        value=_scalar(name, document.value, document.type),
        type=document.type,
        unit=document.unit,
        meaning=document.meaning,
        criterion=document.criterion,
        source=document.source,
        alternatives=tuple(_alternative(name, each, document.type) for each in document.disputes),
        locked=document.locked,
    )


def _alternative(name: str, document: AlternativeDocument, type_: str) -> Alternative:
    return Alternative(document.id, document.source, _scalar(name, document.value, type_), document.says)


def _scalar(name: str, value: Any, type_: str) -> Any:
    if type_ == "double" and type(value) is int:
        value = float(value)
    if type(value) is not SCALARS[type_]:
        raise refused(f"the recorded parameter `{name}` is not a {type_}")
    return value


def _catalog(entries: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a layer's entries as the files that they could stand in: registers have a file of their own."""
    if entries is None:
        return {}
    files: dict[str, Any] = {"catalog": {name: each for name, each in entries.items() if name not in REGISTERS}}
    return files | {file: {name: entries[name]} for name, file in REGISTERS.items() if name in entries}


def _bound(rules: RuleSet) -> None:
    readers: dict[str, int] = {}
    for rule in rules.rules:
        for name in rule.parameters:
            readers[name] = readers.get(name, 0) + 1
    count = sum(len(p.alternatives) * readers.get(name, 0) for name, p in rules.parameters.items())
    if count > MOST_ALTERNATIVES:
        raise refused(f"the recorded rules have {count:,} disputed conditions, more than {MOST_ALTERNATIVES:,}")
