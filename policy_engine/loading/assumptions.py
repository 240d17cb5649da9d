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
from policy_engine.loading.layers import ASSUMPTIONS, LayerFiles, place_of, read_layers
from policy_engine.loading.reader import Reader
from policy_engine.loading.yaml_source import load_yaml, read_bytes
from policy_engine.model.assumption import Assumption, wrong_range
from policy_engine.model.ranges import Range, between

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

PROJECT = "project"
_PARAMETERS = "parameters.yaml"
#: What a later file does not say again: it belongs to the assumption, and not to its range.
_FIXED = ("lowers_cost", "replaced_by")
_RANGE = ("low", "central", "high")
_KEYS = (*_RANGE, "value", "parameters", "unit", "meaning", "source", "criterion", "lowers_cost", "replaced_by")


def read_assumptions(paths: Sequence[Path], policy: Policy, extra: Path | None = None) -> dict[str, Assumption]:
    """Return the assumptions under `policy`, which was loaded with the layers at `paths`; `extra` comes last.

    Raises:
        RulesError: a layer's file is invalid.
        InputError: `extra` is.
    """
    layers = read_layers(paths)
    reading = _Reading(policy, layers)
    for layer in layers:
        path = layer.root / ASSUMPTIONS
        replaced = reading.file(path, RulesError, layer.layer.name) if path.is_file() else ()
        reading.parameters_of(layer, replaced)
    reading.by_parameters()
    if reading.problems:
        raise RulesError(reading.problems)
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
    def __init__(self, policy: Policy, layers: Sequence[LayerFiles]) -> None:
        self.problems: list[Problem] = []
        self.found: dict[str, Assumption] = {}
        self._values = policy.rules.values
        self._criteria = policy.rules.criteria
        self._sources = policy.rules.sources
        self._layers = layers
        self._shipped = True
        #: The assumptions whose range the parameter that they name takes the place of.
        self._priced: set[str] = set()

    def file(self, path: Path, error: type[PolicyError], who: str, named: bool = True) -> tuple[str, ...]:
        """Read one file, and return the names in it.

        With `named` its sources are those of the register, else free text, `who` without any.
        """
        documents = load_yaml(read_bytes(path, error), str(path), error)
        if len(documents) != 1:
            self.problems.append(Problem("several-documents", "one document is needed here", Span(str(path), 1, 1)))
            return ()
        reader = Reader(documents[0], self.problems)
        reader.only(("assumptions",))
        if "assumptions" not in reader.value:
            reader.problem("missing-key", "`assumptions` is missing")
        reader.each("assumptions", lambda item, name: self._entry(item, name, who, named))
        self._shipped = False
        return tuple(reader.mapping("assumptions"))

    def parameters_of(self, layer: LayerFiles, replaced: Sequence[str]) -> None:
        """Note which assumptions give way to a parameter: a later layer's counts, and in one layer the assumption."""
        first = layer is self._layers[0]
        self._priced -= set(replaced)
        for name, each in self.found.items():
            if each.replaced_by is not None and (first or name not in replaced):
                here = first or place_of((layer,), _PARAMETERS, "parameters", each.replaced_by) is not None
                self._priced |= {name} if here else set()

    def _entry(self, item: Reader, name: str, who: str, named: bool) -> None:
        item.only(_KEYS)
        before = self.found.get(name)
        if before is None and not self._shipped:
            hint = did_you_mean(name, list(self.found)) or "`policy cost FILE -o json` lists them"
            item.problem("unknown-assumption", f"nothing is reckoned with `{name}`", key=True, help_=hint)
            return
        for key in () if before is None else _FIXED:
            if key in item.value:
                item.problem("unknown-key", f"`{key}` is not a key here", key, help_=f"`{name}` has its own", key=True)
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
            self.found[name] = replace(before, range=found, meaning=meaning, source=source, criterion=criterion)
            return
        self.found[name] = Assumption(
            name, found, unit, meaning, source, criterion, item.flag("lowers_cost"), item.text("replaced_by")
        )

    def _range(self, item: Reader, name: str, unit: str) -> Range | None:
        forms = [form for form in (("parameters",), ("value",), _RANGE) if any(key in item.value for key in form)]
        if len(forms) > 1:
            item.problem(
                "two-ranges",
                f"`{name}` is said twice, and one would be passed over",
                forms[0][0],
                help_="give `value`, or `low`, `central`, `high`, or `parameters`",
                key=True,
            )
            return None
        if "parameters" in item.value:
            return self._of_parameters(item, name, unit)
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
            message, end = wrong
            help_ = "see `meaning` in rules/assumptions.yaml"
            item.problem("bad-range", message, end if len(keys) > 1 else "value", help_=help_)
            return None
        return Range(low, central, high)

    def _of_parameters(self, item: Reader, name: str, unit: str) -> Range | None:
        names = item.texts("parameters")
        values: list[Any] = [self._values.get(each) for each in names]
        if len(values) != 2 or not all(_is_number(each) for each in values):
            item.problem("unknown-parameter", "`parameters` names two parameters that are numbers", "parameters")
            return None
        low, high = float(values[0]), float(values[1])
        if low > high:
            message, end = f"`{names[0]}` is above `{names[1]}`", "low"
        else:
            found = between(low, high)
            wrong = wrong_range(name, unit, found.low, found.central, found.high)
            if wrong is None:
                return found
            message, end = wrong
        parameter = names[end == "high"]
        # the shipped file names parameters that a layer sets: what is wrong stands there
        span = self._set_at(parameter) if self._shipped else None
        where = span or item.document.span(*item.path, "parameters")
        help_ = f"it is read from the parameters `{names[0]}` and `{names[1]}`"
        self.problems.append(Problem("bad-range", message, where, help_))
        return None

    def _set_at(self, parameter: str) -> Span | None:
        return place_of(self._layers, _PARAMETERS, "parameters", parameter)

    def by_parameters(self) -> None:
        """Let a parameter of the policy that is above zero take the place of the range that names it."""
        for name in sorted(self._priced & self.found.keys()):
            each = self.found[name]
            value = self._values.get(each.replaced_by) if each.replaced_by else None
            if each.replaced_by is None or not isinstance(value, int | float) or value <= 0:
                continue
            known = float(value)
            wrong = wrong_range(name, each.unit, known, known, known)
            if wrong is None:
                range_ = Range(known, known, known)
                self.found[name] = replace(each, range=range_, source=f"parameter {each.replaced_by}")
            else:
                help_ = f"`{name}` is read from that parameter"
                self.problems.append(Problem("bad-range", wrong[0], self._set_at(each.replaced_by), help_))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
