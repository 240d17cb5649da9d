"""What makes a server's word a fact: the decision's entry, its receipt, and a key that was pinned before.

1. The entry's bytes are at their index in the tree of a checkpoint that the pinned key signed (C2SP tlog-proof).
2. They are those of the leaf that the answer named.
3. They are the entry of this decision: its id, and the SHA-256 of its document.
4. It was recorded for the purpose that was asked for.
"""

from __future__ import annotations

from policy_audit.canonical import document_bytes
from policy_audit.entry import EntryType, parse_entry
from policy_audit.errors import AuditError
from policy_audit.keys import parse_verifier_key
from policy_audit.merkle import leaf_hash
from policy_audit.proof import parse_proof

from policy_engine.client.documents import Decided, Proved
from policy_engine.client.errors import UntrustedError, untrusted


def proved(decision: Decided, entry: bytes, receipt: str, key: str, purpose: str | None = None) -> Proved:
    """Return what the log's key proves of a decision.

    Raises:
        UntrustedError: it proves nothing of it.
    """
    try:
        origin = parse_verifier_key(key).name
        proof = parse_proof(receipt)
        checkpoint = proof.verify(entry, [key], origin)  # 1
        found = parse_entry(entry)
    except AuditError as error:
        raise unproved(error.message) from None
    if leaf_hash(entry).hex() != decision.place.leaf_hash or proof.index != decision.place.index:  # 2
        raise unproved("the entry is not the one that the answer named")
    digest = f"sha256:{decision.id}"
    stands = found.type == EntryType.DECISION and found.body.get("id") == decision.id
    if not stands or found.blobs.get("decision") != digest or found.view.get("decision_id") != decision.id:  # 3
        raise unproved("the entry is of another decision")
    if document_bytes(found.body.get("verdict")) != document_bytes(decision.verdict):
        raise unproved("the entry has another verdict")
    if purpose is not None and found.context.get("purpose") != purpose:  # 4
        raise unproved("the entry was recorded for another purpose")
    return Proved(proof.index, checkpoint.size, origin, key, entry, receipt)


def unproved(message: str) -> UntrustedError:
    """Return the error of a decision that is claimed to be on record."""
    hint = "is the pinned key that of the server's ledger? if it is, the server claims a record that is not there"
    return untrusted(f"the decision is not proved to be on record: {message}", "server-unproved", hint)
