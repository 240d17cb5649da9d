"""Findings about what stands beside the rules: parameters, criteria, facts, and how layers lie over one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from policy_engine.errors import Problem, RulesError, Span, did_you_mean
from policy_engine.loading.assumptions import read_assumptions
from policy_engine.loading.layers import REFRESHED, LayerFiles, place_of, read_layers
from policy_engine.loading.policy import Policy
from policy_engine.loading.references import PARAMETER, fields, texts
from policy_engine.loading.retention import read_retention
from policy_engine.model.rule import RuleSet

#: Parameters that the catalog, sizing and model choice, or a command, read by name.
READ_BY_ENGINE = frozenset(
    {
        "high_quality_score",
        "catalog_stale_days",
        "edge_latency_ms",
        "edge_max_parameters_billions",
        "reference_model",
        "memory_utilisation",
        "memory_overhead_gib",
        "collective_overhead_gib",
        "card_gib_per_gb",
        "decode_reached_low",
        "decode_reached_high",
        "engineer_usd_per_month",
        "self_hosting_engineers",
        "attestation_days",
        "parity_margin",
        "parity_confidence",
    }
)
NO_PERIOD = "regulation-without-period"
Graded = tuple[Literal["error", "warning", "info"], Problem]


def register_findings(policy: Policy, paths: Sequence[Path]) -> Iterator[Graded]:
    """Yield what is found in the registers of `policy`, which was loaded with the layers at `paths`."""
    layers = read_layers(paths)
    named = {name for rule in policy.rules.rules for _, text in texts(rule) for name in fields(text) if name}
    yield from _parameters(policy.rules, named, layers)
    yield from _criteria(policy, layers)
    yield from _facts(policy, named, layers)
    yield from _replacements(layers)
    yield from _sources(policy, layers)
    yield from _retention(policy, paths)
    yield from _assumptions(policy, paths)


def _assumptions(policy: Policy, paths: Sequence[Path]) -> Iterator[Graded]:
    """Yield what is wrong with the assumptions of costs, which no decision reads."""
    try:
        read_assumptions(paths, policy)
    except RulesError as error:
        yield from (("error", problem) for problem in error.problems)


def _retention(policy: Policy, paths: Sequence[Path]) -> Iterator[Graded]:
    """Yield what is wrong with the retention periods, and regulations that the vocabulary does not have."""
    try:
        retention = read_retention(paths)
    except RulesError as error:
        yield from (("error", problem) for problem in error.problems)
        return
    known = policy.vocabulary.regulations
    named = {name for period in retention.periods for name in period.regulations or ()}
    for name in sorted(named - known.keys()):
        message = f"a retention period is for `{name}`, which is not a regulation of the vocabulary"
        yield "warning", Problem("unknown-regulation", message, help=did_you_mean(name, list(known)))
    without = retention.unknown(sorted(known))
    if without:
        names = ", ".join(f"`{name}`" for name in without)
        message = f"no retention period is for {names}: what the ledger keeps on such data is kept without end"
        help_ = "set a period in retention.yaml of a layer: id, years or months, regulations, source"
        yield "info", Problem(NO_PERIOD, message, help=help_)


def _parameters(rules: RuleSet, named: set[str], layers: Sequence[LayerFiles]) -> Iterator[Graded]:
    read = {name for rule in rules.rules for name in rule.parameters} | READ_BY_ENGINE
    read |= {name.removeprefix(PARAMETER) for name in named if name.startswith(PARAMETER)}
    for name in rules.parameters:
        if name not in read:
            place = place_of(layers, "parameters.yaml", "parameters", name)
            problem = Problem(
                "parameter-unread", f"nothing reads `param.{name}`", place, "remove it, or read it in a rule"
            )
            yield "warning", problem


def _criteria(policy: Policy, layers: Sequence[LayerFiles]) -> Iterator[Graded]:
    rules = policy.rules
    cited = {criterion for rule in rules.rules for criterion in rule.criteria} | set(rules.mechanisms)
    for _, documents in policy.catalog_documents:
        cited |= set(_cited(documents))
    for criterion in rules.criteria:
        if criterion not in cited:
            place = place_of(layers, "criteria.yaml", "criteria", criterion)
            message = f"no rule, mechanism or catalog entry cites `{criterion}`"
            help_ = "cite it in a rule's criteria, or name its mechanism in policy-set.yaml"
            yield "warning", Problem("criterion-uncited", message, place, help_)


def _sources(policy: Policy, layers: Sequence[LayerFiles]) -> Iterator[Graded]:
    """Yield the figures whose source no register describes: nobody could look them up."""
    known = policy.rules.sources
    for layer, (_, documents) in zip(layers, policy.catalog_documents, strict=True):
        written = [name for name in documents if not layer.files.get(name, b"").startswith(REFRESHED.encode())]
        for file in [name for name in written if name in layer.files]:
            for section, entries in documents[file].items():
                for name, entry in entries.items() if isinstance(entries, Mapping) else ():
                    source = entry.get("source") if isinstance(entry, Mapping) else None
                    if source is None or source in known:
                        continue
                    place = layer.document(file).span(section, name, "source")
                    message = f"no register describes the source `{source}` of `{section}.{name}`"
                    help_ = "add it to sources.yaml at the root of the layer, with description and as_of"
                    yield "warning", Problem("unknown-source", message, place, help_)


def _cited(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            if key == "criteria" and isinstance(child, list):
                yield from map(str, child)
            else:
                yield from _cited(child)
    elif isinstance(value, list):
        for child in value:
            yield from _cited(child)


def _facts(policy: Policy, named: set[str], layers: Sequence[LayerFiles]) -> Iterator[Graded]:
    read = {name for rule in policy.rules.rules for name in rule.reads} | named
    for name in policy.vocabulary.facts:
        if name not in read:
            place = place_of(layers, "vocabulary.yaml", "facts", name)
            yield "info", Problem("fact-unread", f"no rule reads `{name}`", place)


def _replacements(layers: Sequence[LayerFiles]) -> Iterator[Graded]:
    before: dict[str, tuple[str, str]] = {}
    for layer in layers:
        for file in layer.rule_files():
            topic, _, name = file.partition("/")
            rule = name.removesuffix(".yaml")
            if rule in before:
                where, other = before[rule]
                span = Span(str(layer.root / file), 1, 1)
                yield "info", Problem("replaces", f"`{rule}` lies over the rule of layer {where}", span)
                if other != topic:
                    message = f"`{rule}` stands in {topic}, and the rule that it lies over in {other}"
                    help_ = f"move it to {other}/, or give it an id of its own"
                    yield "warning", Problem("replaces-in-other-topic", message, span, help_)
            before[rule] = (layer.layer.name, topic)
