"""The two in-toto statements (v1) of a decision: a SLSA verification summary, and the decision in full.

The predicate of the decision holds

    id        the SHA-256 of the decision's RFC 8785 bytes, in hexadecimal
    decision  the decision as it was recorded; it has no personal values
    evidence  the SHA-256 of each attached file whose content was checked, by the evidence's name
    ledger    where it is on record: origin, index, leaf_hash, tree_size, recorded_at, status
    entry     the bytes of the ledger's entry, as text; null where no ledger has it yet
    receipt   the C2SP tlog-proof of that entry, as text; null as above

INVARIANT: the summary follows from the statement of the decision alone, so that whoever has both can compare them.
What changes either is another version of `DECISION_TYPE`, for statements that were signed stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from msgspec import Struct
from policy_audit.canonical import document_bytes

from policy_engine.model.decision import Decision

STATEMENT = "https://in-toto.io/Statement/v1"
SUMMARY_TYPE = "https://slsa.dev/verification_summary/v1"
#: Names of our own begin with `urn:policy-engine:`, which names no host: whoever owned it could say what they mean.
OWN_NAMES = "urn:policy-engine:"
DECISION_TYPE = "urn:policy-engine:decision:v1"
VERIFIER = "urn:policy-engine:gate"
SLSA_VERSION = "1.1"
PASSED, FAILED = "PASSED", "FAILED"
#: What a summary says was verified: no level of SLSA. A verdict that is not here has failed.
LEVELS = {"allow": "POLICY_ENGINE_ALLOW", "allow_with_conditions": "POLICY_ENGINE_ALLOW_WITH_CONDITIONS"}
DIGEST = "sha256:"


class Subject(Struct, frozen=True, order=True):
    """What a statement is about: a name, and a SHA-256 in lower-case hexadecimal."""

    name: str
    sha256: str

    def __str__(self) -> str:
        return f"{self.name}@{DIGEST}{self.sha256}"


def workload_subject(document: Mapping[str, Any]) -> Subject:
    """Return the workload of a decision as a subject: by its URI, for an image may be called as it is."""
    return Subject(resource(document), _hex(document["workload"]["digest"]))


def decision_statement(
    decision: Decision,
    ledger: Mapping[str, Any],
    entry: bytes | None,
    receipt: str | None,
    subjects: Sequence[Subject],
) -> dict[str, Any]:
    """Return the statement of a decision; its workload is a subject beside `subjects`."""
    recorded = orjson.loads(decision.content)
    predicate = {
        "id": decision.id,
        "decision": recorded,
        "evidence": _evidence(decision),
        "ledger": dict(ledger),
        "entry": entry.decode() if entry is not None else None,
        "receipt": receipt,
    }
    return _statement([*subjects, workload_subject(recorded)], DECISION_TYPE, predicate)


def summary_statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verification summary that goes with the statement of a decision."""
    predicate = statement["predicate"]
    document = predicate["decision"]
    level = LEVELS.get(document["verdict"])
    summary = {
        "verifier": {"id": VERIFIER, "version": {"policy-engine": document["engine"]["version"]}},
        "timeVerified": verified_at(predicate),
        "resourceUri": resource(document),
        "policy": _described(f"urn:policy-engine:policy:{document['policy']['digest']}", document["policy"]["digest"]),
        "inputAttestations": _inputs(predicate),
        "verificationResult": PASSED if level is not None else FAILED,
        "verifiedLevels": [level or FAILED],
        "slsaVersion": SLSA_VERSION,
    }
    return _statement([Subject(each["name"], each["digest"]["sha256"]) for each in statement["subject"]],
                      SUMMARY_TYPE, summary)  # fmt: skip


def verified_at(predicate: Mapping[str, Any]) -> str:
    """Return when it was recorded, RFC 3339 in UTC; of what is not recorded yet, when it was decided."""
    return str(predicate["ledger"].get("recorded_at") or predicate["decision"]["decided_at"])


def resource(document: Mapping[str, Any]) -> str:
    """Return the URI of the workload that a decision is about."""
    workload = document["workload"]
    return f"urn:policy-engine:workload:{quote(workload['namespace'], safe='')}/{quote(workload['name'], safe='')}"


def payload_of(statement: Mapping[str, Any]) -> bytes:
    """Return the bytes of a statement that are signed: RFC 8785, which end in no newline."""
    return document_bytes(statement)


def _statement(subjects: Sequence[Subject], kind: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "_type": STATEMENT,
        "subject": [{"name": each.name, "digest": {"sha256": each.sha256}} for each in subjects],
        "predicateType": kind,
        "predicate": dict(predicate),
    }


def _evidence(decision: Decision) -> dict[str, str]:
    """Return the digests of the files that were read and had the digest that the workload says."""
    checked = decision.document["evidence"]
    return {
        name: DIGEST + evidence.sha256
        for name, evidence in sorted((decision.workload.spec.evidence or {}).items())
        if evidence is not None
        and evidence.file is not None
        and evidence.sha256 is not None
        # what is only asserted has no file that proves it: it was not read, or does not have that digest
        and checked[name]["grade"] != "asserted"
    }


def _inputs(predicate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Describe what the decision rests on: the workload, its evidence with the proofs of that, and waivers."""
    document = predicate["decision"]
    workload = resource(document)
    inputs = [_described(workload, document["workload"]["digest"])]
    inputs += [
        _described(f"{workload}#evidence/{quote(name)}", digest)
        for name, digest in sorted(predicate["evidence"].items())
    ]
    if "evidence_proofs" in document:
        inputs.append(_described(f"{workload}#evidence-proofs", document["evidence_proofs"]))
    if "waivers" in document:
        inputs.append(_described(f"{workload}#waivers", document["waivers"]["digest"]))
    return inputs


def _described(uri: str, digest: str) -> dict[str, Any]:
    return {"uri": uri, "digest": {"sha256": _hex(digest)}}


def _hex(digest: str) -> str:
    return digest.removeprefix(DIGEST)
