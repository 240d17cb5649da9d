"""People with keys, and waivers signed by them, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from msgspec.structs import replace
from policy_audit.commitment import Disclosure
from policy_audit.keys import Ed25519Signer
from policy_audit.ledger import Ledger

from policy_engine.model.approvers import ROLES, WAIVERS, Approver, ApproverKey, Approvers
from policy_engine.model.waiver import Decided, Requester, Scope, Statement, WaivedRule
from policy_engine.waivers.checking import Candidate
from policy_engine.waivers.files import WaiverFile
from policy_engine.waivers.notes import WAIVER, note_of, signature_line
from policy_engine.waivers.on_record import request_draft

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
GRANTED = datetime(2026, 11, 20, 9, tzinfo=UTC)
SALT, REQUESTER = "A" * 22, "rita@acme.example"
ORIGIN = "policy-ledger.local/00000000"
RULE, OPTION, WORKLOAD = "no-mlops-no-self-hosting", "self_hosted", ("claims", "triage")


@dataclass(frozen=True)
class Person:
    """Somebody with a key that is the same in every run."""

    name: str

    @property
    def signer(self) -> Ed25519Signer:
        return Ed25519Signer(f"key-{self.name}", sha256(self.name.encode()).digest())

    @property
    def identity(self) -> str:
        return f"{self.name}@acme.example"

    def approver(self, **more: Any) -> Approver:
        key = {name: more.pop(name) for name in ("valid_from", "valid_until", "revoked") if name in more}
        given = {"identities": (self.identity,), "salt": SALT, "roles": (WAIVERS,), "layer": "acme"} | more
        return Approver(id=self.name, keys=(ApproverKey(self.signer.verifier_key, **key),), **given)

    def entry(self, *lines: str, roles: Sequence[str] = ROLES) -> str:
        """The person's entry in approvers.yaml."""
        own = [
            f"  {self.name}:",
            f"    identities: [{self.identity}]",
            f"    salt: {SALT}",
            f"    keys: [{{key: {self.signer.verifier_key}}}]",
            f"    roles: [{', '.join(roles)}]",
        ]
        return "\n".join([*own, *(f"    {line}" for line in lines)]) + "\n"


ANN, BOB, EVE = Person("ann"), Person("bob"), Person("eve")


def approvers(*people: Approver, **settings: Any) -> Approvers:
    return Approvers({person.id: person for person in people}, **settings)


def file_of(*people: str, head: str = "") -> str:
    """The text of an approvers.yaml."""
    return f"{head}approvers:\n{''.join(people)}"


def statement(**more: Any) -> Statement:
    scope = {"namespace": "claims", "name": "triage", "option": OPTION, "task": None} | more.pop("scope", {})
    decided: dict[str, Any] = {"decision": "d" * 64, "policy": f"sha256:{'0' * 64}", "outcome": "fired"}
    decided |= {"facts": {"team.mlops": "none"}, "missing": ()} | more.pop("decided", {})
    given: dict[str, Any] = {
        "origin": ORIGIN,
        "rule": WaivedRule(more.pop("rule", RULE), more.pop("digest", f"sha256:{'1' * 64}")),
        "scope": Scope(**scope),
        "decided": Decided(**decided),
        "reason": "the team starts in March",
        "ticket": "OPS-7",
        "valid_from": date(2026, 11, 20),
        "valid_until": date(2026, 12, 31),
        "requester": Requester(Disclosure(SALT, "requester", REQUESTER).digest, "asserted"),
    }
    return Statement(**(given | more))


def signed(made: Statement, *people: Person) -> str:
    """The note of a waiver that these people signed."""
    return note_of(made, [signature_line(WAIVER, made.document(), person.signer) for person in people])


def asked_for(ledger: Ledger, made: Statement, requester: str = REQUESTER, origin: str | None = None) -> Statement:
    """Put the request of a waiver on record, as of `ledger` or of another; return what its approvers are to sign."""
    made = replace(made, origin=origin or ledger.origin)
    draft = request_draft(made.request, made.requester.known_by, {"requester": requester}, {})
    commitment = ledger.disclosures(ledger.append(draft).index)["requester"].digest
    return replace(made, requester=Requester(commitment, made.requester.known_by))


def candidate(made: Statement, *people: Person, **more: Any) -> Candidate:
    return Candidate(
        signed(made, *people), **({"granted_at": GRANTED, "origin": ORIGIN, "requester": REQUESTER} | more)
    )


def waiver_file(made: Statement, *people: Person, requester: str = REQUESTER) -> WaiverFile:
    lines = tuple(signature_line(WAIVER, made.document(), person.signer) for person in people)
    return WaiverFile(made, requester, SALT, lines)
