"""Build a catalog out of layers of parsed files: read, resolve, check.

1. lay the layers over one another       (layers)
2. read each entry's fields              (fields, sections)
3. resolve names and check references
4. make frozen entries of them           (entries)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from policy_audit.canonical import document_bytes

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.construct import CONSTRUCTORS
from policy_engine.catalog.fields import WrongValueError
from policy_engine.catalog.layers import Layers, Problems, Raw, RawEntry, SpanOf, merged, plain
from policy_engine.catalog.references import Resolver
from policy_engine.catalog.rules import read_rules
from policy_engine.catalog.sections import SECTIONS
from policy_engine.errors import CatalogError, did_you_mean

Values = dict[str, Any]


def build_catalog(layers: Layers, parameters: Mapping[str, Any], span: SpanOf | None = None) -> Catalog:
    """Return the catalog that `layers` make, a later one over the earlier; `parameters` by name, without `param.`.

    A layer is its name and its parsed files by stem. `span(layer, file, path)` tells where a value stands.

    Raises:
        CatalogError: with every problem found.
    """
    problems = Problems(span)
    rules = read_rules(parameters, problems)
    raw = merged(layers, problems)
    values = {section: _read_section(entries, problems) for section, entries in raw.items()}
    resolver = Resolver(raw, values, problems)
    resolver.resolve()
    built = _construct(raw, values, problems) if not problems.found else None
    if built is None or rules is None or problems.found:
        raise CatalogError(problems.found)
    return Catalog(built, resolver.names, rules, _document(raw))


def _read_section(entries: Mapping[str, RawEntry], problems: Problems) -> dict[str, Values]:
    return {key: _read_entry(entry, problems) for key, entry in entries.items()}


def _read_entry(entry: RawEntry, problems: Problems) -> Values:
    fields = SECTIONS[entry.section]
    values: Values = {}
    for name in entry.value:
        if name not in fields and name != "disabled":
            hint = did_you_mean(str(name), list(fields))
            problems.add("catalog-unknown-key", f"`{name}` is no field of it", entry, (str(name),), hint)
    for name, spec in fields.items():
        given = entry.value.get(name)
        if given is None:
            values[name] = spec.default
            if spec.required:
                problems.add("catalog-missing", f"`{name}` is missing", entry, (), _hint_for(name))
            continue
        try:
            values[name] = spec.read(given)
        except WrongValueError as wrong:
            problems.add("catalog-type", f"`{name}` {wrong}", entry, (name,))
    return values


def _hint_for(name: str) -> str | None:
    hints = {
        "source": "every figure names the source that states it",
        "as_of": "every figure has the day on which its source stood",
        "unit": "write `unit: USD/1M tokens`",
    }
    return hints.get(name)


def _construct(raw: Raw, values: Mapping[str, Mapping[str, Values]], problems: Problems) -> dict[str, dict[str, Any]]:
    built: dict[str, dict[str, Any]] = {}
    for section, entries in raw.items():
        built[section] = {}
        for key, entry in entries.items():
            try:
                built[section][key] = CONSTRUCTORS[section](entry, dict(values[section][key]))
            except WrongValueError as wrong:
                problems.add("catalog-type", str(wrong), entry)
    return built


def _document(raw: Raw) -> bytes:
    """Return the entries in force as RFC 8785 bytes, layers and files left out."""
    entries: Iterable[tuple[str, Any]] = (
        (section, {key: plain(entry.value) for key, entry in each.items()}) for section, each in raw.items() if each
    )
    return document_bytes({"kind": "Catalog", "entries": dict(entries)})
