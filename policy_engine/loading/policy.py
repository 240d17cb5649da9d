"""The whole policy in force: rules, vocabulary, catalog and compiled networks, read once and cached by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from policy_engine import SEMANTICS_VERSION
from policy_engine.errors import CatalogError, Problem, RulesError, Span
from policy_engine.loading import cache
from policy_engine.loading.layers import LayerFiles, read_layers
from policy_engine.loading.locked_catalog import locked_catalog_problems
from policy_engine.loading.rule_document import layers_document, policy_document
from policy_engine.lowering.network import Alternatives, Stratum, compile_networks
from policy_engine.model.approvers import NOBODY, Approvers
from policy_engine.model.rule import Rule, RuleSet
from policy_engine.model.vocabulary import Vocabulary

if TYPE_CHECKING:
    from policy_engine.catalog import Catalog


class Policy(Struct, frozen=True, dict=True):
    """What decisions are made under.

    `digest` covers rules, parameters, vocabulary, enforcement, approvers and the catalog entries of layers; the
    shipped catalog comes with the engine's version, and a decision names the digest of all entries beside this one.
    """

    rules: RuleSet
    vocabulary: Vocabulary
    strata: tuple[Stratum, ...]
    alternatives: Alternatives
    catalog_documents: tuple[tuple[str, Mapping[str, Any]], ...]
    approvers: Approvers = NOBODY

    @property
    def digest(self) -> str:
        return self.rules.digest

    @cached_property
    def catalog(self) -> Catalog:
        from policy_engine.catalog import build_catalog

        return build_catalog(self.catalog_documents, self.rules.values)

    @cached_property
    def document(self) -> bytes:
        """The canonical bytes that `digest` is the SHA-256 of."""
        return policy_document(self.rules, self.vocabulary, self.catalog_documents, self.approvers)

    @cached_property
    def layers_document(self) -> bytes:
        """What a replay needs beside `document` and the catalog's: see `rule_document.layers_document`."""
        return layers_document(self.rules, self.catalog_documents)


def load_policy(
    paths: Sequence[Path] = (),
    expected_digest: str | None = None,
    use_cache: bool = True,
    shipped: Path | None = None,
) -> Policy:
    """Load the shipped rules, or those at `shipped` in their place, with the layers at `paths` over them.

    With an expected digest everything is read afresh: the digest of a cached policy is what the cache says it is.

    Raises:
        RulesError: something is invalid, or the effective policy is not the expected one.
    """
    return policy_of(read_layers(paths, shipped), expected_digest, use_cache)


def policy_of(layers: Sequence[LayerFiles], expected_digest: str | None = None, use_cache: bool = True) -> Policy:
    """Return the policy that layers make which were read already: the same as `load_policy` of their folders then.

    Raises:
        RulesError: something is invalid, or the effective policy is not the expected one.
    """
    use_cache = use_cache and expected_digest is None
    key = _cache_key(layers)
    policy = cache.load(key, layers) if use_cache else None
    if policy is None:
        policy = _build(layers)
        if use_cache:
            cache.store(key, policy)
    if expected_digest is not None and expected_digest != policy.digest:
        message = f"the effective policy is {policy.digest}, and {expected_digest} is asked for"
        raise RulesError(Problem("policy-digest", message, help="check the --policy layers and their order"))
    return policy


def _cache_key(layers: Sequence[LayerFiles]) -> str:
    whole = hashlib.sha256(f"{cache.FORMAT}\0{SEMANTICS_VERSION}\0{cache.program_digest()}\0".encode())
    for layer in layers:
        whole.update(f"{layer.layer.name}\0{layer.root}\0{layer.layer.digest}\0".encode())
    return whole.hexdigest()


def _build(layers: Sequence[LayerFiles]) -> Policy:
    from policy_engine.loading.approvers_file import read_approvers
    from policy_engine.loading.rules import build_rules

    rules, vocabulary = build_rules(layers)
    documents = tuple((each.layer.name, _catalog_documents(each)) for each in layers)
    documents[0][1].update(_registers(rules))
    approvers = read_approvers(layers, rules)
    policy = sealed(Policy(rules, vocabulary, *compile_rules(rules, vocabulary), documents, approvers))
    _check_catalog(policy, layers)
    return policy


def sealed(policy: Policy) -> Policy:
    """Return the policy with the digest that its document has."""
    digest = f"sha256:{hashlib.sha256(policy.document).hexdigest()}"
    found = replace(policy, rules=replace(policy.rules, digest=digest))
    found.__dict__["document"] = policy.document
    return found


def _catalog_documents(layer: LayerFiles) -> dict[str, Any]:
    return {name: layer.document(name).value for name in layer.catalog_files()}


def _registers(rules: RuleSet) -> dict[str, Any]:
    """Return the sources and disputes of all layers, read and checked already, as the catalog's sections of them."""
    disputes = {each.id: {"about": each.about, "sides": each.sides} for each in rules.disputes.values()}
    return {"sources.yaml": {"sources": rules.sources}, "disputes.yaml": {"disputes": disputes}}


def _check_catalog(policy: Policy, layers: Sequence[LayerFiles]) -> None:
    """Build the catalog once with places at hand, so that a wrong entry is named with file and line."""
    from policy_engine.catalog import build_catalog

    by_name = {each.layer.name: each for each in layers}

    def span(layer: str, name: str, path: tuple[str | int, ...]) -> Span | None:
        files = by_name[layer]
        return files.document(name).span(*path) if name in files.files else None

    try:
        policy.__dict__["catalog"] = build_catalog(policy.catalog_documents, policy.rules.values, span=span)
    except KeyError as error:
        raise CatalogError(Problem("catalog-parameter", f"the catalog needs the parameter `{error.args[0]}`")) from None
    if locked := list(locked_catalog_problems(policy.rules, policy.catalog_documents, span)):
        raise CatalogError(locked)


def compile_rules(rules: RuleSet, vocabulary: Vocabulary) -> tuple[tuple[Stratum, ...], Alternatives]:
    """Compile the conditions of each stratum with parameters put in, and once more under each disputed value."""
    from policy_engine.language.tree import replace_facts
    from policy_engine.lowering.conditions import with_parameters

    ready = with_parameters(rules)
    constants = ready.constants
    types: dict[str, str] = {name: fact.type for name, fact in vocabulary.facts.items()}
    numbers: dict[int, list[int]] = {}
    for index, rule in enumerate(rules.rules):
        numbers.setdefault(rule.stratum, []).append(index)
    strata = []
    for number in sorted(numbers):
        conditions = [replace_facts(rules.rules[i].condition, constants) for i in numbers[number]]
        strata.append(Stratum(tuple(numbers[number]), tuple(compile_networks(conditions, types))))
    keys, others = [], []
    for index, rule in enumerate(rules.rules):
        for name in sorted(rule.parameters):
            for number, other in enumerate(rules.parameters[name].alternatives):
                keys.append((name, number, index))
                others.append(ready.under(index, name, other.value))
    return tuple(strata), Alternatives(tuple(keys), tuple(compile_networks(others, types)))


def with_rules(policy: Policy, rules: Sequence[Rule]) -> Policy:
    """Return the policy with other rules, compiled and digested anew (for tests and comparisons)."""
    changed = replace(policy.rules, rules=tuple(sorted(rules, key=lambda rule: (rule.topic, rule.id))))
    compiled = compile_rules(changed, policy.vocabulary)
    return sealed(Policy(changed, policy.vocabulary, *compiled, policy.catalog_documents, policy.approvers))
