"""A model of Z3 as a workload file, with what a file alone cannot say: better evidence, waivers, a measurement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy_engine.lowering.to_z3 import Items, Number, Other, Text, Truth, Value
from policy_engine.lowering.to_z3.formulas import Formula
from policy_engine.model.fields import MOST_ITEMS
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.vocabulary import CUSTOM, Fact
from policy_engine.model.workload import ANYWHERE
from policy_engine.proofs.computed import MEASURED
from policy_engine.proofs.encoding import Shared
from policy_engine.proofs.knowledge import FLOOR
from policy_engine.proofs.solving import Model
from policy_engine.proofs.texts import NAME, TASK, Texts

_SECTIONS = ("data", "volume", "budget", "team", "needs")
_DEFAULTS = {"task.modalities", "proposal.quantization", FLOOR}


@dataclass(frozen=True)
class Found:
    """A workload, and what its file cannot say: better evidence, waivers (rule, option, fallback), a measurement."""

    workload: dict[str, Any]
    grades: Mapping[str, str] = field(default_factory=dict)
    waivers: tuple[tuple[str, str, bool], ...] = ()
    measured: str = "none"
    claims_hardware: bool = False

    def beyond_the_file(self) -> list[str]:
        """Say what the workload's file cannot."""
        lines = [f"evidence {name} is {grade}" for name, grade in sorted(self.grades.items())]
        lines += [
            f"a waiver of {rule} for {option}{', granted for the fallback' if fallback else ''} counts"
            for rule, option, fallback in self.waivers
        ]
        if self.measured != "none" and self.workload["spec"].get("hardware") is not None:
            lines.append(f"what a probe measured of the hardware is {self.measured}")
        return lines


def concrete(
    model: Model, shared: Shared, facts: Mapping[str, Fact], left_out: Mapping[str, Formula] | None = None
) -> Found:
    """Return the workload that `model` describes; hardware is put in by whoever confirms it.

    `left_out` says of the facts that have several defaults when none is stated.
    """
    return _Reading(model, shared, facts, left_out or {}).found()


class _Reading:
    def __init__(
        self, model: Model, shared: Shared, facts: Mapping[str, Fact], left_out: Mapping[str, Formula]
    ) -> None:
        self.model, self.shared, self.facts, self.left_out = model, shared, facts, left_out
        self.made = set(shared.symbols.made)
        self.texts = Texts(model, shared.symbols)

    def found(self) -> Found:
        spec: dict[str, Any] = {"stage": self.get("workload.stage", "pilot")}
        self._put(spec, "workload", ("organisation", "deploy_within_days"))
        spec["tasks"] = self._tasks()
        for section in _SECTIONS:
            part: dict[str, Any] = {}
            self._put(part, section, [n.split(".")[1] for n in self.facts if n.startswith(f"{section}.")])
            if part:
                spec[section] = part
        if self.is_("hardware.present"):
            spec["hardware"] = self._hardware()
        migration = self._migration()
        if migration is not None:
            spec["migration"] = migration
        evidence, grades = self._evidence()
        if evidence:
            spec["evidence"] = {name: {"reference": "REF-1"} for name in evidence}
        custom: dict[str, Any] = {}
        self._put(custom, CUSTOM.rstrip("."), [n.removeprefix(CUSTOM) for n in self.facts if n.startswith(CUSTOM)])
        if custom:
            spec["custom"] = custom
        metadata = {"name": self.get("workload.name", NAME), "owner": "nobody@example.org"}
        namespace = self.get("workload.namespace", "default")
        if namespace != "default":
            metadata["namespace"] = namespace
        workload = {"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec}
        measured = self.get(MEASURED, "none") if MEASURED in self.made else "none"
        waivers = tuple(key for key, fits in sorted(self.shared.waivers.given.items()) if self.model.holds(fits))
        return Found(workload, grades, waivers, measured, "hardware" in spec)

    # ---- values

    def is_(self, name: str) -> bool:
        return name in self.made and self.get(name) is True

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a fact that is known in the model, else `default`."""
        if name not in self.made or not self.model.holds(self.shared.knowledge.known(name)):
            return default
        return self.value(name)

    def value(self, name: str) -> Any:
        symbol: Value = self.shared.symbols.value(name, True)
        if isinstance(symbol, Truth):
            return self.model.holds(symbol.true)
        if isinstance(symbol, Number):
            return self.model.number(symbol.value, self.facts[name].type == "int")
        if isinstance(symbol, Text):
            atom = next(atom for guard, atom in symbol.cases if self.model.holds(guard))
            return self.texts.another(name) if isinstance(atom, Other) else atom
        return self._items(name, symbol)

    def _items(self, name: str, symbol: Items) -> list[str]:
        found = [each for each, guard in symbol.members.items() if self.model.holds(guard)]
        if self.model.holds(symbol.other):
            found.append(self.texts.another(name, found))
        size = min(int(self.model.number(symbol.size, True)), MOST_ITEMS)
        while found and len(found) < size and found != [ANYWHERE]:
            found.append(found[-1])
        return found

    # ---- parts of the file

    def _put(self, part: dict[str, Any], section: str, names: Iterable[str]) -> None:
        """State what is known, and null for what would have a default."""
        for name in names:
            fact = f"{section}.{name}"
            if fact not in self.made or self.model.holds(self.left_out.get(fact, False)):
                continue
            value = self.get(fact)
            if value is not None:
                part[name] = value
            elif self.facts[fact].default is not None or fact in self.left_out:
                part[name] = None

    def _tasks(self) -> list[dict[str, Any]]:
        task: dict[str, Any] = {"name": self.get("task.name", TASK), "kind": self.get("task.kind", "other")}
        names = [n.split(".")[1] for n in self.facts if n.startswith("task.") and self.facts[n].source == "declared"]
        self._put(task, "task", [n for n in names if n not in ("name", "kind", "share")])
        if not self.model.holds(self.shared.floors.known):
            task["min_scores"] = None
        else:
            floors = {
                name: self.model.number(floor.value, False) if self.model.holds(floor.known) else None
                for name, floor in self.shared.floors.floors.items()
                if self.model.holds(self.shared.floors.asked[name])
            }
            if floors:
                task["min_scores"] = floors
        if self.is_("proposal.present"):
            task["proposal"] = self._proposal()
        count = self.get("workload.task_count", 1)
        if count == 1:
            share = self.get("task.share", 1.0)
            return [task if share == 1.0 else {**task, "share": share}]
        task["share"] = min(max(float(self.get("task.share", 1 / count)), 0.0), 1.0)
        rest = (1.0 - task["share"]) / (count - 1)
        return [task, *({"name": f"other-{n}", "kind": "other", "share": rest} for n in range(1, count))]

    def _proposal(self) -> dict[str, Any]:
        found: dict[str, Any] = {"deployment": self.get("proposal.deployment", "open_api")}
        self._put(found, "proposal", ("model", "provider", "region", "quantization"))
        if self.is_("proposal.fallback.present"):
            other: dict[str, Any] = {"deployment": self.get("proposal.fallback.deployment", "open_api")}
            self._put(other, "proposal.fallback", ("model", "provider", "region"))
            found["fallback"] = other
        return found

    def _hardware(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        self._put(found, "hardware", ("host", "usd_per_hour", "region"))
        serves: dict[str, Any] = {}
        self._put(serves, "hardware.serves", [n.split(".")[2] for n in self.facts if n.startswith("hardware.serves.")])
        return {**found, "serves": serves} if serves else found

    def _migration(self) -> Any:
        present = self.get("migration.present")
        if present is None:
            return None
        if present is False:
            return "none"
        found: dict[str, Any] = {}
        self._put(found, "migration", ("rollout_start_percent", "weeks_planned"))
        replaced: dict[str, Any] = {}
        self._put(replaced, "migration.from", ("deployment", "model", "provider"))
        if replaced:
            found["from"] = replaced
        if self.is_("migration.champion_present"):
            found["champion"] = "nobody@example.org"
        return found

    def _evidence(self) -> tuple[list[str], dict[str, str]]:
        names, grades = [], {}
        for name, levels in self.shared.evidence.at_least.items():
            held = [grade for grade, level in zip(EVIDENCE_GRADES, levels, strict=True) if self.model.holds(level)]
            if held:
                names.append(name)
                if held[-1] != EVIDENCE_GRADES[0]:
                    grades[name] = held[-1]
        return names, grades
