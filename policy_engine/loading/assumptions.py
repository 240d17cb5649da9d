"""Read what a cost is reckoned with: `assumptions.yaml` of the shipped rules, of the layers over them, and of a file.

It is no part of a policy: no decision depends on it. A later file replaces the range of an assumption by its name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from policy_audit.canonical import document_bytes

from policy_engine.errors import InputError, PolicyError, Problem, RulesError, Span, did_you_mean
from policy_engine.loading.layers import ASSUMPTIONS, read_layers
from policy_engine.loading.reader import Reader
from policy_engine.loading.yaml_source import load_yaml, read_bytes
from policy_engine.model.assumption import Assumption, wrong_range
from policy_engine.model.ranges import Range, between

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

PROJECT = "project"
_RANGE = ("low", "central", "high")
_KEYS = (*_RANGE, "value", "parameters", "unit", "meaning", "source", "criterion", "lowers_cost", "replaced_by")


def read_assumptions(paths: Sequence[Path], policy: Policy, extra: Path | None = None) -> dict[str, Assumption]:
    """Return the assumptions under `policy`, which was loaded with the layers at `paths`; `extra` comes last.

    Raises:
        RulesError: a layer's file is invalid.
        InputError: `extra` is.
    """
    reading = _Reading(policy)
    for layer in read_layers(paths):
        path = layer.root / ASSUMPTIONS
        if path.is_file():
            reading.file(path, RulesError, layer.layer.name)
    if reading.problems:
        raise RulesError(reading.problems)
    reading.by_parameters()
    if extra is not None:
        reading.file(extra, InputError, str(extra), named=False)
        if reading.problems:
            raise InputError(reading.problems)
    return reading.found


def assumptions_digest(assumptions: Mapping[str, Assumption]) -> str:
    """Return the digest of all ranges with units and sources."""
    rows = [assumptions[name].document() for name in sorted(assumptions)]
    return f"sha256:{hashlib.sha256(document_bytes({'assumptions': rows})).hexdigest()}"


class _Reading:
    def __init__(self, policy: Policy) -> None:
        self.problems: list[Problem] = []
        self.found: dict[str, Assumption] = {}
        self._values = policy.rules.values
        self._criteria = policy.rules.criteria
        self._sources = policy.rules.sources
        self._shipped = True

    def file(self, path: Path, error: type[PolicyError], who: str, named: bool = True) -> None:
        """Read one file; with `named` its sources are those of the register, else free text, `who` without any."""
        documents = load_yaml(read_bytes(path, error), str(path), error)
        if len(documents) != 1:
            self.problems.append(Problem("several-documents", "one document is needed here", Span(str(path), 1, 1)))
            return
        reader = Reader(documents[0], self.problems)
        reader.only(("assumptions",))
        if "assumptions" not in reader.value:
            reader.problem("missing-key", "`assumptions` is missing")
        reader.each("assumptions", lambda item, name: self._entry(item, name, who, named))
        self._shipped = False

    def _entry(self, item: Reader, name: str, who: str, named: bool) -> None:
        item.only(_KEYS)
        before = self.found.get(name)
        if before is None and not self._shipped:
            hint = did_you_mean(name, list(self.found)) or "`policy cost FILE -o json` lists them"
            item.problem("unknown-assumption", f"nothing is reckoned with `{name}`", key=True, help_=hint)
            return
        source = item.text("source") or who
        if named:
            item.known(source, (*self._sources, PROJECT, who), "source", what="source")
        unit = item.text("unit", required=before is None) or (before.unit if before else "")
        if before is not None and unit != before.unit:
            message = f"`{name}` is in {before.unit}, and not in {unit}"
            item.problem("wrong-unit", message, "unit", help_="give it in that unit")
            return
        criterion = item.text("criterion", required=before is None) or (before.criterion if before else "")
        if criterion and criterion not in self._criteria:
            item.problem("unknown-value", f"`{criterion}` is not a criterion", "criterion")
        meaning = item.text("meaning", required=before is None) or (before.meaning if before else "")
        found = self._range(item, name, unit)
        if found is None:
            return
        if before is not None:
            self.found[name] = replace(
                before, range=found, meaning=meaning, source=source, criterion=criterion, replaced_by=None
            )
            return
        self.found[name] = Assumption(
            name, found, unit, meaning, source, criterion, item.flag("lowers_cost"), item.text("replaced_by")
        )

    def _range(self, item: Reader, name: str, unit: str) -> Range | None:
        names = item.texts("parameters")
        if names:
            return self._of_parameters(item, names)
        keys = ("value",) if "value" in item.value else _RANGE
        numbers = [item.number(key) for key in keys]
        if None in numbers:
            for key in keys:
                if key not in item.value:
                    item.problem(
                        "missing-key", f"`{key}` is missing", help_="give `value`, or `low`, `central`, `high`"
                    )
                    break
            return None
        low, central, high = (float(number or 0) for number in (numbers * 3 if len(keys) == 1 else numbers))
        wrong = wrong_range(name, unit, low, central, high)
        if wrong is not None:
            item.problem("bad-range", wrong, keys[0], help_="see `meaning` in rules/assumptions.yaml")
            return None
        return Range(low, central, high)

    def _of_parameters(self, item: Reader, names: Sequence[str]) -> Range | None:
        values: list[Any] = [self._values.get(each) for each in names]
        if len(values) != 2 or not all(isinstance(each, int | float) for each in values):
            item.problem("unknown-parameter", "`parameters` names two parameters that are numbers", "parameters")
            return None
        low, high = float(values[0]), float(values[1])
        if low > high:
            item.problem("bad-range", f"`{names[0]}` is above `{names[1]}`", "parameters", help_="put them in order")
            return None
        return between(low, high)

    def by_parameters(self) -> None:
        """Let a parameter of the policy that is above zero take the place of the range that names it."""
        for name, each in self.found.items():
            value = self._values.get(each.replaced_by) if each.replaced_by else None
            if isinstance(value, int | float) and value > 0:
                known = Range(float(value), float(value), float(value))
                self.found[name] = replace(each, range=known, source=f"parameter {each.replaced_by}")
