"""Read how a rollout goes on: `rollout.yaml` of the shipped rules, and of the layers over them.

It is no part of a policy: no verdict on a workload depends on it. Conditions are those of the rule language, checked
against the policy's vocabulary, its parameters, and what a rollout adds to both.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from msgspec import Struct

from policy_engine.errors import Problem, RulesError, Span, did_you_mean
from policy_engine.language.tree import Const, Node, Scalar
from policy_engine.loading.fact_declaration import RESERVED, SCALARS, read_scalar
from policy_engine.loading.layers import ROLLOUT, read_layers
from policy_engine.loading.reader import Reader
from policy_engine.loading.rule_file import ID_PATTERN
from policy_engine.loading.yaml_source import load_yaml, read_bytes
from policy_engine.rollout.conditions import PARAMETER, ConditionChecker

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy

Effect = Literal["roll_back", "hold", "advance"]
#: In the order in which they count.
EFFECTS: tuple[Effect, ...] = ("roll_back", "hold", "advance")
#: The longest that a stage may be told to take.
_MOST_HOURS = 8760
_SECTIONS = ("parameters", "stages", "risks", "rules")
_PARAMETER_KEYS = ("value", "type", "unit", "meaning", "source", "locked")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_RISK_KEYS = ("id", "when", "says", "locked", "disabled")
_RULE_KEYS = ("id", "title", "when", "effect", "message", "locked", "disabled")


class Step(Struct, frozen=True):
    """A stage as it is written: its percent of traffic, and its shortest time in hours."""

    percent: float
    hours_min: float


class Setting(Struct, frozen=True):
    """A parameter."""

    value: Scalar
    type: str
    unit: str | None
    meaning: str
    source: str
    locked: bool
    layer: str


class Risk(Struct, frozen=True):
    """What makes a task riskier, where the condition is true or cannot be answered."""

    id: str
    text: str
    condition: Node
    says: str
    layer: str
    locked: bool


class RolloutRule(Struct, frozen=True):
    """A rule: what it says of the next step where its condition is true."""

    id: str
    title: str
    text: str
    condition: Node
    effect: Effect
    message: str
    layer: str
    locked: bool


class RolloutRules(Struct, frozen=True, dict=True):
    """All that is in force; conditions have their parameters put in. `matches` is RE2, for conditions that ask it."""

    parameters: Mapping[str, Setting]
    values: Mapping[str, Scalar]
    steps: tuple[Step, ...]
    risks: tuple[Risk, ...]
    rules: tuple[RolloutRule, ...]
    matches: Callable[[str, str], bool]

    @cached_property
    def content(self) -> bytes:
        """The canonical bytes that `digest` is the SHA-256 of."""
        from policy_audit.canonical import document_bytes

        named = {
            name: {"value": each.value, "unit": each.unit, "source": each.source, "layer": each.layer}
            for name, each in self.parameters.items()
        }
        risks = [{"id": each.id, "when": each.text, "says": each.says, "layer": each.layer} for each in self.risks]
        rules = [
            {"id": each.id, "when": each.text, "effect": each.effect, "message": each.message, "layer": each.layer}
            for each in self.rules
        ]
        steps = [{"percent": each.percent, "hours_min": each.hours_min} for each in self.steps]
        head = {"apiVersion": "policy-engine/v1", "kind": "RolloutRules"}
        return document_bytes({**head, "parameters": named, "stages": steps, "risks": risks, "rules": rules})

    @cached_property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"


def read_rollout(paths: Sequence[Path], policy: Policy) -> RolloutRules:
    """Return the rules of rollouts under `policy`, which was loaded with the layers at `paths`.

    Raises:
        RulesError: a file is invalid, or a condition does not type-check.
    """
    reading = _Reading(policy)
    for layer in read_layers(paths):
        path = layer.root / ROLLOUT
        if path.is_file():
            reading.file(path, layer.layer.name)
    return reading.finished()


class _Reading:
    def __init__(self, policy: Policy) -> None:
        self.problems: list[Problem] = []
        self._policy = policy
        self._parameters: dict[str, Setting] = {}
        self._steps: tuple[Step, ...] = ()
        self._drafts: dict[str, dict[str, tuple[Reader, str]]] = {"risks": {}, "rules": {}}

    def file(self, path: Path, layer: str) -> None:
        documents = load_yaml(read_bytes(path, RulesError), str(path), RulesError)
        if len(documents) != 1:
            self.problems.append(Problem("several-documents", "one document is needed here", Span(str(path), 1, 1)))
            return
        reader = Reader(documents[0], self.problems)
        reader.only(_SECTIONS)
        reader.each("parameters", lambda entry, name: self._parameter(entry, name, layer))
        if "stages" in reader.value:
            self._steps = self._stages(reader)
        for section, keys in (("risks", _RISK_KEYS), ("rules", _RULE_KEYS)):
            self._lay(reader, section, keys, layer)

    def _parameter(self, entry: Reader, name: str, layer: str) -> None:
        entry.only(_PARAMETER_KEYS)
        if not _PARAMETER_NAME.match(name) or name in RESERVED or name in self._policy.rules.parameters:
            why = "is one of parameters.yaml" if name in self._policy.rules.parameters else "cannot be a name"
            entry.problem("bad-parameter-name", f"`{name}` {why}", help_="choose another", key=True)
            return
        before = self._parameters.get(name)
        type_ = entry.choice("type", tuple(SCALARS), required=before is None) or (before.type if before else None)
        if type_ is None:
            return
        if before is not None and (before.locked or type_ != before.type):
            what = "is locked" if before.locked else f"is a {before.type}"
            entry.problem("locked" if before.locked else "wrong-type", f"`param.{name}` {what}", key=True)
            return
        value = read_scalar(entry, "value", type_)
        if value is None:
            return
        self._parameters[name] = Setting(
            value,
            type_,
            entry.text("unit") or (before.unit if before else None),
            entry.text("meaning", required=before is None) or (before.meaning if before else ""),
            entry.text("source", required=before is None) or layer,
            entry.flag("locked"),
            layer,
        )

    def _stages(self, reader: Reader) -> tuple[Step, ...]:
        found: list[Step] = []
        items = reader.items("stages")
        for item in items:
            item.only(("percent", "hours_min"))
            percent, hours = (self._number(item, key) for key in ("percent", "hours_min"))
            if percent is None or hours is None:
                continue
            if not 0 < percent <= 100 or (found and percent <= found[-1].percent):
                item.problem("bad-stage", "percent rises from stage to stage, above 0 and up to 100", "percent")
            if not 0 <= hours <= _MOST_HOURS:
                item.problem("bad-stage", f"`hours_min` is not from 0 to {_MOST_HOURS:,} (a year)", "hours_min")
            found.append(Step(percent, hours))
        if len(found) == len(items) and (not found or found[-1].percent != 100):
            reader.problem("bad-stage", "the last stage is not of 100 percent", "stages", help_="end with all traffic")
        return tuple(found)

    @staticmethod
    def _number(item: Reader, key: str) -> float | None:
        value = item.number(key)
        if value is None and key not in item.value:
            item.problem("missing-key", f"`{key}` is missing")
        return None if value is None else float(value)

    def _lay(self, reader: Reader, section: str, keys: Sequence[str], layer: str) -> None:
        """Lay the layer's risks or rules over those before: the same id replaces, unless it is locked."""
        drafts, own = self._drafts[section], set[str]()
        for item in reader.items(section):
            item.only(keys)
            name = item.text("id", required=True)
            if name is None:
                continue
            before = drafts.get(name)
            if not re.fullmatch(ID_PATTERN, name):
                item.problem("bad-id", f"`{name}` cannot be an id", "id", help_="lower-case words and hyphens")
            elif name in own:
                item.problem("duplicate-id", f"`{name}` stands here twice", "id", help_="keep one of them")
            elif before is not None and before[0].value.get("locked") is True:
                item.problem("locked", f"`{name}` is locked by layer {before[1]} and stays as it is", "id")
            elif not item.flag("disabled"):
                drafts[name] = (item, layer)
            elif before is None:
                hint = did_you_mean(name, list(drafts))
                item.problem("unknown-rule", f"there is no `{name}` to disable", "id", help_=hint)
            else:
                del drafts[name]
            own.add(name)

    def finished(self) -> RolloutRules:
        values = {**self._policy.rules.values, **{name: each.value for name, each in self._parameters.items()}}
        constants = {f"{PARAMETER}{name}": Const(each.value, each.type) for name, each in self._parameters.items()}
        checker = ConditionChecker(self._policy, constants, self.problems)
        risks = [self._risk(item, layer, checker) for item, layer in self._drafts["risks"].values()]
        rules = [self._rule(item, layer, checker) for item, layer in self._drafts["rules"].values()]
        if not self._steps and not self.problems:
            self.problems.append(Problem("no-stages", "no stages of a rollout are in force"))
        if self.problems:
            raise RulesError(self.problems)
        kept = tuple(each for each in rules if each is not None)
        known = tuple(each for each in risks if each is not None)
        return RolloutRules(self._parameters, values, self._steps, known, kept, checker.matches)

    @staticmethod
    def _risk(item: Reader, layer: str, checker: ConditionChecker) -> Risk | None:
        condition, says = checker.check(item, "when"), item.text("says", required=True)
        if condition is None or says is None:
            return None
        text = str(item.value["when"]).strip()
        return Risk(item.value["id"], text, condition, says, layer, item.flag("locked"))

    @staticmethod
    def _rule(item: Reader, layer: str, checker: ConditionChecker) -> RolloutRule | None:
        condition, title = checker.check(item, "when"), item.text("title", required=True)
        effect = item.choice("effect", EFFECTS, required=True)
        message = item.text("message", required=True)
        if message is not None:
            checker.check_fields(item, message)
        if condition is None or title is None or effect is None or message is None:
            return None
        text, kind = str(item.value["when"]).strip(), cast(Effect, effect)
        locked: Any = item.flag("locked")
        return RolloutRule(item.value["id"], title, text, condition, kind, message.strip(), layer, locked)
