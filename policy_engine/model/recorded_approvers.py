"""Who may approve by a policy on record, which holds commitments to names: keys, roles, scopes and numbers."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from msgspec import Struct

from policy_engine.model.approvers import Approver, ApproverKey, Approvers, PinnedOrigin, PinnedProbe


class _Key(Struct, forbid_unknown_fields=True):
    key: str
    valid_from: date | None = None
    valid_until: date | None = None
    revoked: date | None = None


class _Person(Struct):
    keys: tuple[_Key, ...]
    roles: tuple[str, ...]
    namespaces: tuple[str, ...]
    rules: tuple[str, ...]
    options: tuple[str, ...]
    not_for: tuple[str, ...]
    valid_from: date | None = None
    valid_until: date | None = None


class _Origin(Struct, forbid_unknown_fields=True):
    vkey: str
    not_for: tuple[str, ...]
    valid_from: date | None = None
    valid_until: date | None = None
    revoked: date | None = None


class _Probe(_Origin, forbid_unknown_fields=True, kw_only=True):
    host: str


class _Waivers(Struct):
    approvals: int
    max_days: int
    files_of: tuple[str, ...] = ()


class _Activation(Struct):
    approvals: int


class _Approvers(Struct):
    people: dict[str, _Person]
    waivers: _Waivers
    activation: _Activation
    origins: tuple[_Origin, ...] = ()
    probes: tuple[_Probe, ...] | None = None
    revoked_entries: frozenset[str] = frozenset()


def approvers_on_record(document: Any) -> Approvers:
    """Return who may approve by a policy's recorded document; identities are commitments there, and left out.

    Raises:
        ValueError: it is not what this program writes.
    """
    found = msgspec.convert(document, _Approvers)
    people = {
        name: Approver(
            name, (), "", tuple(ApproverKey(k.key, k.valid_from, k.valid_until, k.revoked) for k in p.keys), p.roles,
            p.namespaces, p.rules, p.options, p.valid_from, p.valid_until, not_for=p.not_for,
        )
        for name, p in found.people.items()
    }  # fmt: skip
    origins = (PinnedOrigin(_key(each), each.not_for) for each in found.origins)
    probes = found.probes
    return Approvers(
        people,
        found.waivers.approvals,
        found.waivers.max_days,
        found.activation.approvals,
        tuple(origins),
        None if probes is None else tuple(PinnedProbe(p.host, _key(p), p.not_for) for p in probes),
        found.revoked_entries,
        found.waivers.files_of,
    )


def _key(pinned: _Origin) -> ApproverKey:
    return ApproverKey(pinned.vkey, pinned.valid_from, pinned.valid_until, pinned.revoked)
