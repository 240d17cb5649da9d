"""An entry of a baseline: one finding, bound to the rules as they stood and to what decided, accepted until a day."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from policy_audit.canonical import document_bytes

from policy_engine.findings import Finding
from policy_engine.findings.finding import Kind
from policy_engine.loading.policy import Policy
from policy_engine.loading.rule_document import rule_document, waivable_digest

Text = Annotated[str, Meta(min_length=1, max_length=4000)]
#: Only these keep a gate from being green, and nothing else is accepted.
Accepted = Literal["deny", "review"]


class Entry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One accepted finding.

    `rules` are the rules behind it, each with the digest of what it was (`waivable_digest`). It is accepted from the
    day `added` through the day `expires`, UTC, which hands may move ahead of the day `latest` that it was written with.
    """

    code: Text
    kind: Kind
    effect: Accepted
    namespace: Text
    workload: Text
    task: Text
    option: Text | None = None
    evidence: Text | None = None
    enforcement: Text | None = None
    rules: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    grounds: tuple[str, ...] = ()
    fingerprint: str
    reason: Annotated[str, Meta(min_length=1, max_length=1000)]
    added: date
    latest: date
    expires: date

    @property
    def place(self) -> tuple[str, str]:
        """Namespace and name of the workload."""
        return self.namespace, self.workload

    @property
    def about(self) -> tuple[str | None, ...]:
        """What it is about, whatever decided."""
        return (self.namespace, self.workload, self.task, self.code, self.kind, self.option, self.evidence)

    def accepts(self) -> str:
        """Return the digest of what it accepts, whenever: SHA-256, in hexadecimal.

        Raises:
            CanonicalError: a fact is nothing that JSON holds.
        """
        return hashlib.sha256(document_bytes(self._decided())).hexdigest()

    def digest(self) -> str:
        """Return the fingerprint that its content comes to, with its days, as `accepts` does."""
        days = {"added": self.added.isoformat(), "latest": self.latest.isoformat()}
        return hashlib.sha256(document_bytes(self._decided() | days)).hexdigest()

    def _decided(self) -> dict[str, Any]:
        decided = {name: getattr(self, name) for name in _DECIDED}
        return decided | {"missing": list(self.missing), "grounds": list(self.grounds)}


_DECIDED = ("code", "kind", "effect", "namespace", "workload", "task", "option", "evidence", "enforcement", "rules",
            "facts", "missing", "grounds")  # fmt: skip


class Entries:
    """Makes entries of findings under one policy."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._digests: dict[str, str] = {}

    def of(self, finding: Finding, reason: str, added: date, expires: date) -> Entry:
        """Return the entry that accepts `finding`, whose effect is deny or review."""
        effect: Accepted = "deny" if finding.effect == "deny" else "review"
        found = Entry(
            code=finding.code,
            kind=finding.kind,
            effect=effect,
            namespace=finding.namespace,
            workload=finding.workload,
            task=finding.task,
            option=finding.option,
            evidence=finding.evidence,
            enforcement=finding.enforcement,
            rules={rule: self._digest(rule) for rule in sorted(finding.rules)},
            facts=_plain(finding.facts),
            missing=finding.missing,
            grounds=finding.grounds,
            fingerprint="",
            reason=reason,
            added=added,
            latest=expires,
            expires=expires,
        )
        return replace_fingerprint(found)

    def may_accept(self, finding: Finding) -> bool:
        """Whether the policy lets a baseline accept it: of everything, of what can be waived, or of nothing."""
        accepts = self._policy.approvers.baseline
        return accepts == "all" or (accepts == "waivable" and finding.enforcement in ("waivable", "advisory"))

    def _digest(self, rule_id: str) -> str:
        if rule_id not in self._digests:
            rule = self._policy.rules.rule(rule_id)
            document = rule_document(rule) if rule is not None else {"id": rule_id, "when": ""}
            self._digests[rule_id] = waivable_digest(document, self._policy.rules.values)
        return self._digests[rule_id]


def replace_fingerprint(entry: Entry) -> Entry:
    """Return the entry with the fingerprint of its content."""
    from msgspec.structs import replace

    return replace(entry, fingerprint=entry.digest())


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return facts as a file gives them back."""
    found: dict[str, Any] = json.loads(document_bytes(dict(facts)))
    return found
