"""The policy as canonical bytes: what its digest covers, and what the ledger keeps for a replay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from policy_audit.canonical import document_bytes

from policy_engine import SEMANTICS_VERSION
from policy_engine.model.approvers import NOBODY, Approvers
from policy_engine.model.rule import SHIPPED, STRENGTHS, Parameter, Rule, RuleSet
from policy_engine.model.vocabulary import Fact, Vocabulary

_PARAMETER = re.compile(r"\bparam\.([a-z][a-z0-9_]*)")
_NAMES = {points: name for name, points in STRENGTHS.items()}


def policy_document(
    rules: RuleSet,
    vocabulary: Vocabulary,
    catalog: Sequence[tuple[str, Mapping[str, Any]]] = (),
    approvers: Approvers = NOBODY,
) -> bytes:
    """Return RFC 8785 bytes of everything that decides, without comments, places and layer names.

    Of `catalog`, the documents by layer with the shipped ones first, those of the layers count, by digest: whoever
    agreed to a policy agreed to the entries that it adds. The shipped ones come with the engine. Who may approve is
    part of the policy where anybody may.
    """
    added = [document_bytes(catalog_entries(documents)) for _, documents in catalog[1:] if documents]
    return document_bytes(
        {
            **({"catalog": [f"sha256:{sha256(content).hexdigest()}" for content in added]} if added else {}),
            **({"approvers": approvers.document()} if approvers != NOBODY else {}),
            "kind": "Policy",
            "semantics": SEMANTICS_VERSION,
            "version": rules.version,
            "rules": {rule.id: rule_document(rule) for rule in rules.rules},
            "parameters": {name: parameter_document(p) for name, p in rules.parameters.items()},
            "enforcement": [
                {"rule": rule, "namespace": namespace, "enforcement": enforcement}
                for (rule, namespace), enforcement in sorted(rules.overrides.items())
            ],
            "vocabulary": {
                "facts": {name: _fact_document(fact) for name, fact in vocabulary.facts.items()},
                "evidence": dict(vocabulary.evidence),
                "regulations": dict(vocabulary.regulations),
            },
            "disputes": {d.id: {"about": d.about, "sides": d.sides, "kind": d.kind} for d in rules.disputes.values()},
            "criteria": dict(rules.criteria),
        }
    )


def layers_document(rules: RuleSet, catalog: Sequence[tuple[str, Mapping[str, Any]]]) -> bytes:
    """Return RFC 8785 bytes of what a decision says or rests on beyond `policy_document` and the catalog in force.

    These are the layers by name and digest, which of them each rule is of, and what each adds to the catalog, whose
    order decides between figures. They stand beside the policy's digest, and not under it: two layers that say the same
    are one policy, whatever their folders are called and their comments say.
    """
    entries = {name: catalog_entries(documents) if documents else None for name, documents in catalog}
    return document_bytes(
        {
            "kind": "PolicyLayers",
            "layers": [
                {"name": layer.name, "digest": layer.digest, "catalog": entries.get(layer.name)}
                for layer in rules.layers
            ],
            "rules": {rule.id: rule.layer for rule in rules.rules if rule.layer != SHIPPED},
        }
    )


def catalog_entries(documents: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a layer by section, whatever files they stand in; a layer names each once."""
    found: dict[str, Any] = {}
    for document in documents.values():
        for section, entries in document.items() if isinstance(document, dict) else ():
            if isinstance(entries, dict):
                found.setdefault(section, {}).update(entries)
            elif entries is not None:
                found[section] = entries
    return found


def rule_document(rule: Rule) -> dict[str, Any]:
    """Return the rule as its file says it, defaults left out."""
    document: dict[str, Any] = {
        "id": rule.id,
        "topic": rule.topic,
        "title": rule.title,
        "criteria": list(rule.criteria),
        "origin": rule.origin,
        "when": rule.when,
        "forbid": list(rule.forbid),
        "prefer": {option: _NAMES[points] for option, points in rule.prefer.items()},
        "disfavour": {option: _NAMES[points] for option, points in rule.disfavour.items()},
        "require": {evidence: list(options) for evidence, options in rule.require.items()},
        "derive": {derivation.fact: derivation.text for derivation in rule.derive},
        "advise": rule.advise,
        "enforcement": rule.enforcement if rule.forbid or rule.require else None,
        "grade": rule.grade if rule.grade != "asserted" else None,
        "message": rule.message,
        "disputes": list(rule.disputes),
        "owner": rule.owner,
        "review_by": rule.review_by.isoformat() if rule.review_by else None,
        "controls": list(rule.controls),
        "enforce_from": rule.enforce_from.isoformat() if rule.enforce_from else None,
        "locked": rule.locked or None,
    }
    return {key: value for key, value in document.items() if value not in (None, [], {})}


def waivable_digest(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """Return the digest of what a waiver of a rule waives: when it acts and how, with the values that it is held to.

    `document` is `rule_document`'s, also out of a policy on record; `parameters` are values by name. Texts, owners and
    enforcement are left out: they may change under a waiver, and enforcement is looked at each time.
    """
    kept = {key: document[key] for key in ("id", "when", "forbid", "require", "grade") if key in document}
    names = sorted(set(_PARAMETER.findall(document["when"])))
    values = {name: parameters[name] for name in names if name in parameters}
    return f"sha256:{sha256(document_bytes({**kept, 'parameters': values})).hexdigest()}"


def parameter_document(parameter: Parameter) -> dict[str, Any]:
    """Return the parameter as its file says it."""
    return {
        "value": parameter.value,
        "type": parameter.type,
        "unit": parameter.unit,
        "meaning": parameter.meaning,
        "criterion": parameter.criterion,
        "source": parameter.source,
        "disputes": [
            {"id": a.dispute, "source": a.source, "value": a.value, "says": a.says} for a in parameter.alternatives
        ],
        "locked": parameter.locked,
    }


def _fact_document(fact: Fact) -> dict[str, Any]:
    return {
        "type": fact.type,
        "unit": fact.unit,
        "values": list(fact.values) if fact.values else None,
        "source": fact.source,
        "required": fact.required,
        "default": fact.default,
        "min": fact.minimum,
        "max": fact.maximum,
        "meaning": fact.meaning,
    }
