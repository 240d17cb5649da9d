"""Resolve the names by which entries speak of one another, and report those that nothing has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policy_engine.catalog.layers import REFERENCES, Problems, Raw, RawEntry
from policy_engine.catalog.sections import REGISTERS
from policy_engine.errors import did_you_mean

Values = dict[str, Any]

_SINGLE = {**REFERENCES, "licence": "licences", "vendor": "providers"}
_SEVERAL = {"models": "models", "serves": "models", "disputes": "disputes"}


class Resolver:
    """Puts keys in the place of aliases; `names` has the key by each name, section by section."""

    def __init__(self, raw: Raw, values: Mapping[str, Mapping[str, Values]], problems: Problems) -> None:
        self._raw, self._values, self._problems = raw, values, problems
        self.names = {section: self._names_of(section) for section in raw}

    def _names_of(self, section: str) -> dict[str, str]:
        entries = self._raw[section]
        names = {key: key for key in entries}
        for key, entry in entries.items():
            for alias in self._values[section][key].get("aliases") or ():
                if names.setdefault(alias, key) != key:
                    message = f"the alias `{alias}` is a name of `{names[alias]}` already"
                    self._problems.add("catalog-duplicate", message, entry, ("aliases",))
        return names

    def resolve(self) -> None:
        """Resolve every name, in place."""
        for section, entries in self._raw.items():
            for key, entry in entries.items():
                self._resolve(entry, self._values[section][key])
        for entry in self._raw["prices"].values():
            self._check_offer(entry)
        for key, values in self._values["regions"].items():
            self._check_region(key, values)

    def _resolve(self, entry: RawEntry, values: Values) -> None:
        for name, section in _SINGLE.items():
            value = values.get(name)
            if value is None or (name == "vendor" and values.get("weights") != "closed"):
                continue
            if isinstance(value, str):
                values[name] = self._key(entry, name, value, section)
            else:
                values[name] = value._replace(value=self._key(entry, name, value.value, section))
        if entry.section == "prices" and values.get("region") is not None:
            values["region"] = self._key(entry, "region", values["region"], "regions")
        several = {**_SEVERAL, "regions": "regions"} if entry.section == "providers" else _SEVERAL
        for name, section in several.items():
            if values.get(name):
                values[name] = tuple(self._key(entry, name, each, section) for each in values[name])

    def _key(self, entry: RawEntry, name: str, value: str, section: str) -> str:
        names = self.names[section]
        if value not in names:
            home = f"the section `{section}` of a catalog layer"
            if section in REGISTERS:
                home = f"{REGISTERS[section]} at the root of a layer"
            hint = did_you_mean(value, list(names)) or f"add it to {home}"
            message = f"`{name}` names `{value}`, which the catalog does not have"
            self._problems.add("catalog-reference", message, entry, (name,), hint)
        return names.get(value, value)

    def _check_offer(self, entry: RawEntry) -> None:
        """Report a price of a provider that is not on the option."""
        values = self._values["prices"][entry.key]
        provider, option = values.get("provider"), values.get("option")
        options = self._values["providers"].get(provider, {}).get("options") if provider is not None else None
        if options is not None and option is not None and option not in options:
            hint = f"add `{option}` to the options of the provider"
            message = f"the provider `{provider}` does not serve {option}"
            self._problems.add("catalog-reference", message, entry, ("provider",), hint)

    def _check_region(self, key: str, values: Values) -> None:
        names, entry, parent = self.names["regions"], self._raw["regions"][key], values.get("parent")
        if parent is not None and parent not in names:
            message = f"`parent` names `{parent}`, which is no region"
            self._problems.add("catalog-reference", message, entry, ("parent",), did_you_mean(parent, list(names)))
        elif self._in_a_circle(key):
            self._problems.add("catalog-cycle", "lies inside itself", entry, ("parent",))
        elif parent is not None:
            values["parent"] = names[parent]

    def _in_a_circle(self, key: str) -> bool:
        regions, names = self._values["regions"], self.names["regions"]
        at = key
        for _ in regions:
            parent = regions[at].get("parent") if at in regions else None
            if parent is None or parent not in names:
                return False
            at = names[parent]
            if at == key:
                return True
        return False
