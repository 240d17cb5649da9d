"""Refuse catalog entries of a later layer that would change what a locked rule decides by.

A locked rule may read facts that the catalog gives: where a region lies, what a licence allows. To move a region is to
weaken the rule as surely as to change its condition. Prices, models and providers are left alone: they change with the
market, and a locked rule that reads a cost wants today's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from policy_engine.errors import Problem, Span
from policy_engine.loading.references import facts_beneath
from policy_engine.model.rule import RuleSet

#: Where an entry stands: layer, file, path in it.
Locate = Callable[[str, str, tuple[str | int, ...]], Span | None]
Documents = Sequence[tuple[str, Mapping[str, Any]]]

#: The sections that give a fact (or the facts below a prefix), with the fields that count there.
_FEEDS: dict[str, tuple[tuple[str, str], ...]] = {
    "proposal.region_allowed": (("regions", "parent"),),
    "proposal.licence": (("licences", "commercial"), ("models", "licence"), ("models", "weights")),
    "licence.": (("licences", "commercial"), ("models", "licence"), ("models", "weights")),
}


def locked_catalog_problems(rules: RuleSet, documents: Documents, locate: Locate) -> Iterator[Problem]:
    """Yield each entry of a later layer that changes a field by which a locked rule decides."""
    order = [name for name, _ in documents]
    for rule in rules.rules:
        if not rule.locked:
            continue
        feeds = _feeds_of(facts_beneath(rule, rules.rules))
        if not feeds:
            continue
        held = order.index(rule.layer) + 1
        known: dict[tuple[str, str], dict[str, Any]] = {}
        for _, files in documents[:held]:
            for _, section, name, entry in _entries(files):
                known.setdefault((section, name), {}).update(entry)
        for layer, files in documents[held:]:
            for file, section, name, entry in _entries(files):
                before = known.get((section, name))
                if before is None:
                    continue  # new: nothing rested on it
                for field in [field for where, field in feeds if where == section]:
                    if entry.get(field) != before.get(field):
                        message = f"the locked rule `{rule.id}` decides by the {field} of `{section}.{name}`"
                        hint = f"a later layer may add {section}, and may not change the {field} of this one"
                        yield Problem("locked", message, locate(layer, file, (section, name)), hint)


def _feeds_of(facts: frozenset[str]) -> list[tuple[str, str]]:
    found: dict[tuple[str, str], None] = {}
    for source, feeds in _FEEDS.items():
        if any(fact == source or (source.endswith(".") and fact.startswith(source)) for fact in facts):
            found.update(dict.fromkeys(feeds))
    return list(found)


def _entries(files: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    """Yield file, section, name and fields of every entry that is a mapping by name."""
    for file, document in files.items():
        for section, entries in document.items() if isinstance(document, dict) else ():
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                if isinstance(entry, dict):
                    yield file, section, name, entry
