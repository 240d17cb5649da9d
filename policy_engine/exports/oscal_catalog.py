"""The companion catalog: what the recorded policies ask, as OSCAL controls.

A rule stands under each control of another framework that it names (`controls`), and under each criterion of the
register that it cites; one that names neither is a control of its own. Only rules that forbid or require can be
satisfied or not, so that only they make a control that is assessed; a control that others name is listed all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policy_engine.exports.oscal_terms import (
    Object,
    control_token,
    criterion_token,
    document_identifier,
    line,
    metadata,
    prop,
    props,
    rule_token,
)
from policy_engine.exports.table import Head

Document = Mapping[str, Any]
_GROUPS = {
    "control": "Controls of other frameworks that the rules name",
    "criterion": "Criteria of the rules' own register",
    "rule": "Rules that cite neither",
}


@dataclass
class Control:
    """A control: `rules` are those under it, by id, each as the policies have it, by the policy's digest."""

    token: str
    kind: str
    name: str
    title: str
    rules: dict[str, dict[str, Document]] = field(default_factory=dict)

    def assessed_by(self, policy: str) -> list[str]:
        """Return the rules under it that forbid or require something in this policy."""
        return sorted(
            rule for rule, versions in self.rules.items() if policy in versions and enforces(versions[policy])
        )


def enforces(rule: Document) -> bool:
    """Whether a workload can be found not to be what the rule asks."""
    return bool(rule.get("forbid") or rule.get("require"))


def controls_of(policies: Mapping[str, Document]) -> dict[str, Control]:
    """Return the controls of the recorded policies, by token, in order."""
    found: dict[str, Control] = {}
    for digest, policy in policies.items():
        for rule_id, rule in policy["rules"].items():
            for token, kind, name, title in _controls(policy, rule_id, rule):
                control = found.setdefault(token, Control(token, kind, name, title))
                control.rules.setdefault(rule_id, {})[digest] = rule
    return dict(sorted(found.items()))


def _controls(policy: Document, rule_id: str, rule: Document) -> Iterator[tuple[str, str, str, str]]:
    named, cited = list(rule.get("controls") or ()), list(rule.get("criteria") or ())
    for name in named:
        yield control_token(name), "control", name, name
    if enforces(rule):
        for name in cited:
            yield criterion_token(name), "criterion", name, policy["criteria"].get(name) or name
        if not named and not cited:
            yield rule_token(rule_id), "rule", rule_id, rule.get("title") or rule_id


def catalog(head: Head, policies: Mapping[str, Document], controls: Mapping[str, Control]) -> Object:
    """Return the OSCAL catalog."""
    remarks = (
        "Derived from the policies as they are on record with the decisions, not from today's files. "
        "Where the period has several policies, each rule says which of them have it so."
    )
    about = metadata(head, "Controls that the recorded policies serve", remarks)
    about["props"] += [
        found
        for digest, policy in policies.items()
        if (found := prop("policy", digest, f"version {line(str(policy.get('version')))}"))
    ]
    groups = []
    for kind, title in _GROUPS.items():
        members = [_control(control) for control in controls.values() if control.kind == kind]
        if members:
            groups.append({"id": f"group_{kind}", "class": kind, "title": title, "controls": members})
    value = {"uuid": document_identifier(head, "catalog"), "metadata": about}
    return {"catalog": {**value, **({"groups": groups} if groups else {})}}


def statement_token(control: Control) -> str:
    """Return the id of the control's statement, which findings speak of."""
    return f"{control.token}_smt"


def _control(control: Control) -> Object:
    items: list[Object] = []
    for rule_id in sorted(control.rules):
        for rule, digests in _versions(control.rules[rule_id]):
            token = f"{statement_token(control)}.{len(items) + 1}"
            items.append(
                {"id": token, "name": "item", "props": _rule_props(rule_id, rule, digests), "prose": _prose(rule)}
            )
    criteria = sorted(
        {name for item in control.rules.values() for rule in item.values() for name in rule.get("criteria") or ()}
    )
    ours = [("rule", name) for name in sorted(control.rules)] + [("criterion", name) for name in criteria]
    return {
        "id": control.token,
        "class": control.kind,
        "title": line(control.title),
        "props": [{"name": "label", "value": _label(control.name)}, *props(ours)],
        "parts": [
            {
                "id": statement_token(control),
                "name": "statement",
                "prose": f"{line(control.title)}: what the rules under it ask.",
                "parts": items,
            }
        ],
    }


def _label(name: str) -> str:
    found = prop("label", name)
    return str(found["value"]) if found else "?"


def _versions(versions: Mapping[str, Document]) -> list[tuple[Document, list[str]]]:
    """Return each different form of a rule, with the policies that have it so."""
    found: list[tuple[Document, list[str]]] = []
    for digest, rule in versions.items():
        same = next((digests for known, digests in found if known == rule), None)
        if same is None:
            found.append((rule, [digest]))
        else:
            same.append(digest)
    return found


def _rule_props(rule_id: str, rule: Document, digests: list[str]) -> list[Object]:
    pairs: list[tuple[str, object]] = [("rule", rule_id), ("enforcement", rule.get("enforcement"))]
    pairs += [("criterion", name) for name in rule.get("criteria") or ()]
    return props([*pairs, *(("policy", digest) for digest in digests)])


def _prose(rule: Document) -> str:
    parts = [f"{line(str(rule.get('title')))}."]
    if rule.get("forbid"):
        parts.append(f"Forbids {line(', '.join(rule['forbid']))}.")
    for evidence, options in (rule.get("require") or {}).items():
        parts.append(f"Requires {line(evidence)} for {line(', '.join(options))}.")
    parts.append(f"Applies where: {line(str(rule.get('when')))}")
    return " ".join(parts)
