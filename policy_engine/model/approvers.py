"""Who may approve under a policy, and what approvals it asks for. Pure: no clock, no files.

Who a person is stands in the layer's file; what of it counts in the policy's digest are salted commitments to their
identities, because the policy's document is kept for good and names must be erasable.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Literal, get_args

from msgspec import Struct, field

from policy_engine.model.identity import same_person

WAIVERS, EVIDENCE, ACTIVATION = "waiver-approver", "evidence-approver", "policy-activator"
ROLES = (WAIVERS, EVIDENCE, ACTIVATION)
DEFAULT_MAX_DAYS = 90
#: Which findings a baseline may accept, with nobody's signature; from the strictest on.
Accepts = Literal["none", "waivable", "all"]
ACCEPTS: tuple[Accepts, ...] = get_args(Accepts)


class ApproverKey(Struct, frozen=True):
    """A verifier key (`name+hex(key id)+base64(0x01 || key)`); from the day `revoked` on its signatures are nothing."""

    text: str
    valid_from: date | None = None
    valid_until: date | None = None
    revoked: date | None = None

    def problem(self, day: date) -> str | None:
        """Say why the key counts for nothing on `day`; None where it counts."""
        if self.revoked is not None and day >= self.revoked:
            return f"the key was revoked on {self.revoked}"
        if self.valid_from is not None and day < self.valid_from:
            return f"the key is valid from {self.valid_from} on"
        if self.valid_until is not None and day > self.valid_until:
            return f"the key was valid until {self.valid_until}"
        return None

    @property
    def ends(self) -> date | None:
        """The last day on which its signatures count, as far as that is known."""
        revoked = self.revoked - timedelta(days=1) if self.revoked is not None else None
        return min((day for day in (self.valid_until, revoked) if day is not None), default=None)


class PinnedOrigin(Struct, frozen=True):
    """A key of a log whose receipts count, by the log's name; `not_for` are locked rules of layers below its own."""

    key: ApproverKey
    not_for: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        return self.key.text.partition("+")[0]

    def document(self) -> dict[str, Any]:
        key = self.key
        days = _given(vkey=key.text, valid_from=key.valid_from, valid_until=key.valid_until, revoked=key.revoked)
        return {**days, "not_for": list(self.not_for)}


class PinnedProbe(Struct, frozen=True):
    """The key that the probe of a host signs attestations by; `not_for` as with origins."""

    host: str
    key: ApproverKey
    not_for: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        key = self.key
        days = _given(vkey=key.text, valid_from=key.valid_from, valid_until=key.valid_until, revoked=key.revoked)
        return {"host": self.host, **days, "not_for": list(self.not_for)}


class Approver(Struct, frozen=True):
    """One person. An empty scope is no restriction; `not_for` are locked rules of layers below the person's own."""

    id: str
    identities: tuple[str, ...]
    salt: str
    keys: tuple[ApproverKey, ...]
    roles: tuple[str, ...]
    namespaces: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None
    layer: str = ""
    not_for: tuple[str, ...] = ()

    def problem(self, role: str, day: date) -> str | None:
        """Say why the person may not act in `role` on `day`; None where they may."""
        if role not in self.roles:
            return f"`{self.id}` has not the role {role}"
        if self.valid_from is not None and day < self.valid_from:
            return f"`{self.id}` approves from {self.valid_from} on"
        if self.valid_until is not None and day > self.valid_until:
            return f"`{self.id}` approved until {self.valid_until}"
        return None

    def is_called(self, name: str) -> bool:
        """Whether `name` is one of the person's, in whatever spelling."""
        return any(same_person(name, identity) for identity in self.identities)

    def out_of_scope(self, rule: str, namespace: str, option: str) -> str | None:
        """Say why the person may not waive `rule` for `option` in `namespace`; None where they may."""
        if rule in self.not_for:
            return f"`{self.id}` is named by a later layer than the one that locks {rule}"
        for what, wanted, allowed in (
            ("namespace", namespace, self.namespaces),
            ("rule", rule, self.rules),
            ("option", option, self.options),
        ):
            if allowed and wanted not in allowed:
                return f"the {what} {wanted} is not in the scope of `{self.id}`"
        return None

    def ends(self, key: ApproverKey) -> date | None:
        """Return the last day on which the person's signature by `key` counts, as far as that is known."""
        return min((day for day in (self.valid_until, key.ends) if day is not None), default=None)


class Approvers(Struct, frozen=True):
    """Everybody who may approve, by id, and how many of them it takes. A waiver runs `max_days` at most.

    `origins` are the keys of the logs whose receipts count. `probes` are the keys that attestations have to be signed
    by, None where no signature is asked for. `revoked_entries` are leaf hashes of entries that are no evidence any more
    and ids of waivers that lift nothing. `files_of` are the ledgers of which a waiver's file counts where these cannot
    be asked whether it was revoked, and `baseline` says of which rules a baseline may accept findings.
    """

    people: Mapping[str, Approver] = field(default_factory=dict)
    waiver_approvals: int = 1
    max_days: int = DEFAULT_MAX_DAYS
    activation_approvals: int = 1
    origins: tuple[PinnedOrigin, ...] = ()
    probes: tuple[PinnedProbe, ...] | None = None
    revoked_entries: frozenset[str] = frozenset()
    files_of: tuple[str, ...] = ()
    baseline: Accepts = "all"

    def acting(self, role: str) -> list[Approver]:
        """Return those who have `role`."""
        return [person for person in self.people.values() if role in person.roles]

    def document(self) -> dict[str, Any]:
        """Return what counts in the policy's digest: identities as salted commitments, no layer names."""
        files = {"files_of": list(self.files_of)} if self.files_of else {}
        return {
            "waivers": {"approvals": self.waiver_approvals, "max_days": self.max_days, **files},
            "activation": {"approvals": self.activation_approvals},
            "people": {name: _person_document(person) for name, person in sorted(self.people.items())},
            **({"origins": [origin.document() for origin in self.origins]} if self.origins else {}),
            **({"probes": [probe.document() for probe in self.probes]} if self.probes is not None else {}),
            **({"revoked_entries": sorted(self.revoked_entries)} if self.revoked_entries else {}),
            **({"baseline": {"accepts": self.baseline}} if self.baseline != "all" else {}),
        }


class RecordedApprovers(Approvers, frozen=True):
    """Those of a policy on record, which holds commitments to their names: a document, by which nobody can approve."""

    recorded: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return it as it was recorded."""
        return dict(self.recorded)


NOBODY = Approvers()


def _person_document(person: Approver) -> dict[str, Any]:
    from policy_audit.commitment import Disclosure

    document: dict[str, Any] = {
        "identities": [Disclosure(person.salt, "approver", name).digest for name in person.identities],
        "keys": [
            _given(key=key.text, valid_from=key.valid_from, valid_until=key.valid_until, revoked=key.revoked)
            for key in person.keys
        ],
        "roles": list(person.roles),
        "namespaces": list(person.namespaces),
        "rules": list(person.rules),
        "options": list(person.options),
        "not_for": list(person.not_for),
    }
    return document | _given(valid_from=person.valid_from, valid_until=person.valid_until)


def _given(**values: str | date | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}
