"""The entry of a grant: written when a waiver is approved, and when a run honours a signed file that has none here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policy_audit.entry import Draft
from policy_audit.keys import parse_verifier_key

from policy_engine.model.approvers import Approver, Approvers
from policy_engine.model.identity import same_person
from policy_engine.model.waiver import Waiver
from policy_engine.waivers.files import WaiverFile
from policy_engine.waivers.on_record import granted_draft


def grant_draft(
    file: WaiverFile,
    note: str,
    by: Sequence[tuple[Approver, str]],
    policy_digest: str,
    actor: str | None,
    context: Mapping[str, str],
    more: Mapping[str, Any] | None = None,
) -> Draft:
    """Return the entry of a grant.

    `by` are those whose signatures count, with their key ids, and `actor` who runs this.
    """
    personal = {"requester": file.requester}
    for place, (person, _) in enumerate(by, 1):
        personal["approver" if place == 1 else f"approver_{place}"] = person.identities[0]
    if actor is not None:
        personal["actor"] = actor
    body = {
        "approvals": [{"by": person.id, "key": key_id} for person, key_id in by],
        "policy": policy_digest,
        # a name that is only asserted proves nothing; that it is the same one is told all the same
        "actor_is_requester": actor is not None and same_person(actor, file.requester),
        **(more or {}),
    }
    return granted_draft(file.statement, note, body, personal, context)


def signers(waiver: Waiver, approvers: Approvers) -> list[tuple[Approver, str]]:
    """Return whose signatures counted, with their key ids."""
    keys = {
        parse_verifier_key(k.text).key_id.hex(): person for person in approvers.people.values() for k in person.keys
    }
    return [(keys[key_id], key_id) for key_id in waiver.keys]
