"""Assessment results: one OSCAL result for each effective policy of the period, since each asked something else.

Observations are written out as they come; what is kept of each workload is its latest decision under the policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from policy_engine.exports.oscal_catalog import Control, statement_token
from policy_engine.exports.oscal_decision import FAIL, open_rules
from policy_engine.exports.oscal_plan import METHOD, reviewed
from policy_engine.exports.oscal_terms import Object, identifier, line, prop, props, tool
from policy_engine.exports.table import Head
from policy_engine.wording import number

if TYPE_CHECKING:
    from policy_audit.entry import Entry

Workload = tuple[str, str]
_STATES = {"production": "operational", "pilot": "under-development", "prototype": "under-development"}


@dataclass(frozen=True)
class Seen:
    """A decision on record; `receipt` is the UUID of the resource with its bytes and proof, where they are exported."""

    index: int
    leaf_hash: str
    entry: Entry
    document: Mapping[str, Any]
    receipt: str | None


@dataclass(frozen=True)
class Latest:
    """The latest decision on a workload: its observation, the rules that acted, and those open."""

    observation: str
    stage: str | None
    acted: frozenset[str]
    open: Mapping[str, str]


@dataclass
class PolicyResult:
    """The observations under one policy, and the latest decision on each workload."""

    digest: str
    policy: Mapping[str, Any]
    observations: list[bytes] = field(default_factory=list)
    latest: dict[Workload, Latest] = field(default_factory=dict)
    first: str = ""
    last: str = ""

    def add(self, head: Head, seen: Seen) -> None:
        """Add a decision: the later one counts where a workload has several."""
        import orjson

        found = open_rules(seen.index, seen.document)
        view = seen.entry.view
        workload = view["namespace"], view["workload"]
        observation = _observation(head, seen, found)
        self.observations.append(orjson.dumps(observation))
        acted = frozenset(seen.entry.tags.get("rule", ()))
        self.latest[workload] = Latest(observation["uuid"], view.get("stage"), acted, found)
        self.first, self.last = self.first or seen.entry.recorded_at, seen.entry.recorded_at

    def result(self, head: Head, controls: Mapping[str, Control]) -> Object:
        """Return the OSCAL result."""
        import orjson

        assessed = {token: rules for token, control in controls.items() if (rules := control.assessed_by(self.digest))}
        version = line(str(self.policy.get("version")))
        return {
            "uuid": identifier(head, "result", self.digest, head.checkpoint.size, dict(head.arguments or {})),
            "title": f"Decisions under the policy {self.digest}",
            "description": f"{number(len(self.observations))} decisions on {number(len(self.latest))} workloads under "
            f"the policy version {version}. {METHOD}",
            "start": self.first,
            "end": self.last,
            "props": props([("policy", self.digest), ("policy-version", self.policy.get("version"))]),
            "local-definitions": {"components": [tool(head), *self._components(head)]},
            "reviewed-controls": reviewed(assessed),
            "observations": [orjson.Fragment(data) for data in self.observations],
            **_some("findings", [self._finding(head, controls[token], rules) for token, rules in assessed.items()]),
        }

    def _components(self, head: Head) -> list[Object]:
        return [
            {
                "uuid": component(head, workload),
                "type": "service",
                "title": line("/".join(workload)),
                "description": "An AI workload as it was declared to the engine.",
                "props": props([("namespace", workload[0]), ("workload", workload[1]), ("stage", latest.stage)]),
                "status": {"state": _STATES.get(latest.stage or "", "other")},
            }
            for workload, latest in sorted(self.latest.items())
        ]

    def _finding(self, head: Head, control: Control, rules: Sequence[str]) -> Object:
        """Return what the latest decisions on all workloads say of a control."""
        under = set(rules)
        reasons = {
            name: {why for rule, why in kept.open.items() if rule in under} for name, kept in self.latest.items()
        }
        failed = [name for name, why in reasons.items() if FAIL in why]
        unknown = [name for name, why in reasons.items() if why and FAIL not in why]
        bad = failed or unknown
        state = {"state": "not-satisfied" if bad else "satisfied"}
        reason = FAIL if failed else "other" if unknown else "pass"
        counted = f"{number(len(self.latest))} workloads: {number(len(failed))} not satisfied, "
        acted = [kept for kept in self.latest.values() if under & kept.acted]
        related = [self.latest[name] for name in (*failed, *unknown)] or acted
        return {
            "uuid": identifier(
                head, "finding", self.digest, control.token, head.checkpoint.size, dict(head.arguments or {})
            ),
            "title": line(control.title),
            "description": f"{counted}{number(len(unknown))} undetermined, in the latest decision on each."
            + ("" if acted or bad else " No rule under the control acted."),
            "props": props([("policy", self.digest), *(("rule", rule) for rule in rules)]),
            "origins": _origins(head),
            "target": {
                "type": "statement-id",
                "target-id": statement_token(control),
                "status": {**state, "reason": reason},
            },
            **_some("related-observations", [{"observation-uuid": kept.observation} for kept in related]),
        }


def component(head: Head, workload: Workload) -> str:
    """Return the UUID of a workload's component."""
    return identifier(head, "workload", *workload)


def _observation(head: Head, seen: Seen, found: Mapping[str, str]) -> Object:
    view, context = seen.entry.view, seen.entry.context
    name = f"{view['namespace']}/{view['workload']}"
    told = [
        ("entry-index", seen.index),
        ("leaf-hash", seen.leaf_hash),
        *((key.replace("_", "-"), view.get(key)) for key in ("decision_id", "verdict", "purpose", "stage", "run")),
        *((key.replace("_", "-"), view.get(key)) for key in ("policy_digest", "catalog_digest", "workload_digest")),
        ("repository", context.get("repository")),
        ("commit", context.get("commit")),
    ]
    rules = [
        prop("rule-not-satisfied" if why == FAIL else "rule-undetermined", rule) for rule, why in sorted(found.items())
    ]
    against = f" Open: {line(', '.join(sorted(found)))}." if found else " No rule is open against what was judged."
    purpose = f" for the purpose {line(view['purpose'])}" if view.get("purpose") else ""
    return {
        "uuid": identifier(head, "observation", seen.index),
        "title": f"Decision {seen.index}: {line(name)}",
        "description": f"{line(name)} was decided {line(view['verdict'])}{purpose}.{against}",
        "props": [*props(told), *(rule for rule in rules if rule)],
        "methods": ["TEST"],
        "types": ["control-objective"],
        "origins": _origins(head),
        "subjects": [{"subject-uuid": component(head, (view["namespace"], view["workload"])), "type": "component"}],
        **_some("relevant-evidence", _evidence(seen)),
        "collected": seen.entry.recorded_at,
        **({"expires": view["valid_until"]} if view.get("valid_until") else {}),
    }


def _evidence(seen: Seen) -> list[Object]:
    if seen.receipt is None:
        return []
    return [{"href": f"#{seen.receipt}", "description": "The entry's bytes, and the proof that the ledger holds them."}]


def _origins(head: Head) -> list[Object]:
    return [{"actors": [{"type": "tool", "actor-uuid": identifier(head, "tool")}]}]


def _some(name: str, values: Sequence[Any]) -> Object:
    """Return a member that OSCAL does not have empty."""
    return {name: values} if values else {}
