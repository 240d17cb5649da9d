"""Receipts: that a ledger whose key is pinned, or the one that the decision is recorded in, holds an entry.

1. The proof has the form of a C2SP tlog-proof.        2. Its log is one whose keys are pinned.
3. A pinned key that counts on that day signed it.     4. It proves the entry's bytes.
5. The entry is about this evidence of this workload.  6. The log's keys are not those of a layer above a lock.
7. Nobody revoked the entry, in the policy or in the ledger that the decision is recorded in.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace
from policy_audit.canonical import MAX_INTEGER
from policy_audit.checkpoint import parse_checkpoint
from policy_audit.errors import AuditError, LedgerError, VerificationError
from policy_audit.keys import parse_verifier_key
from policy_audit.merkle import leaf_hash
from policy_audit.note import split_note
from policy_audit.proof import Proof, parse_proof

from policy_engine.loading.evidence import EvidenceFileError, Vouched, read_within
from policy_engine.loading.policy import Policy
from policy_engine.model.approvers import ApproverKey, PinnedOrigin
from policy_engine.model.workload import Evidence, Workload
from policy_engine.vouching.approval import demands
from policy_engine.vouching.entries import Speaks, check_entry

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

GRADE = "recorded"
LARGEST_RECEIPT, LARGEST_ENTRY = 200_000, 65_535


def check_receipt(
    folder: Path, workload: Workload, name: str, evidence: Evidence, policy: Policy, day: date
) -> Vouched | str:
    """Return what the receipt beside the workload gives on `day`, or why it gives nothing."""
    if evidence.receipt is None:
        return "it has no receipt"
    if evidence.entry is None:
        return f"the receipt `{evidence.receipt}` comes without its entry"
    try:
        text = read_within(folder, evidence.receipt, LARGEST_RECEIPT).decode()
        entry = read_within(folder, evidence.entry, LARGEST_ENTRY)
    except EvidenceFileError as error:
        return str(error)
    except UnicodeDecodeError:
        return "its receipt is no tlog-proof"
    return check_proof(text, entry, workload, name, evidence, policy, day)


def check_proof(
    text: str, entry: bytes, workload: Workload, name: str, evidence: Evidence, policy: Policy, day: date
) -> Vouched | str:
    """Return what a receipt and its entry give on `day`, or why they give nothing. Pure."""
    try:
        proof = parse_proof(text)
        origin = parse_checkpoint(split_note(proof.checkpoint)[0]).origin
    except AuditError:
        return "its receipt is no tlog-proof"
    if proof.index > MAX_INTEGER:
        return "its receipt is of an entry that no ledger of this program has"
    if evidence.ledger_index is not None and evidence.ledger_index != proof.index:
        return f"its receipt is of the entry {proof.index}, and not of {evidence.ledger_index}"
    pinned = [each for each in policy.approvers.origins if each.origin == origin]
    if not pinned:
        return "its receipt is of a log that the policy does not pin"
    key = _signer(proof, entry, origin, pinned, demands(policy, name).rules, day)
    if isinstance(key, str):
        return key
    said = check_entry(entry, workload, name, evidence, policy, day)
    if isinstance(said, str):
        return said
    ends = min((each for each in (said.ends, key.ends) if each is not None), default=None)
    return _vouched(origin, proof.index, entry, parse_verifier_key(key.text).key_id, replace(said, ends=ends), text)


def _signer(
    proof: Proof, entry: bytes, origin: str, pinned: list[PinnedOrigin], asking: tuple[str, ...], day: date
) -> ApproverKey | str:
    """Return the pinned key under which the proof counts longest, or why it counts under none."""
    counted, why = [], []
    for each in pinned:
        try:
            proof.verify(entry, [each.key.text], origin)
        except VerificationError as error:
            if error.code == "no-known-signature":
                continue
            if error.code == "bad-signature":
                return "a signature of its receipt is bad"
            return "its receipt does not prove its entry"
        locked = [rule for rule in each.not_for if rule in asking]
        problem = each.key.problem(day)
        if locked:
            problem = f"a later layer pins its log than the one that locks {locked[0]}"
        if problem is None:
            counted.append(each.key)
        else:
            why.append(problem)
    if not counted:
        return "; ".join(dict.fromkeys(why)) or "no key that the policy pins has signed its receipt"
    return max(counted, key=lambda key: key.ends or date.max)


def check_index(
    ledger: Ledger | None, workload: Workload, name: str, evidence: Evidence, policy: Policy, day: date
) -> Vouched | str:
    """Return what a bare index of the decision's own `ledger` gives on `day`, or why it gives nothing.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    index = evidence.ledger_index
    if index is None:
        return "it names no entry"
    if ledger is None or ledger.is_scratch:
        return "a bare ledger_index counts only in the ledger that the decision is recorded in"
    try:
        raw, receipt = ledger.entry(index).raw, ledger.receipt(index)
        _verify(ledger, index, raw, receipt)
    except VerificationError:
        return f"the entry {index} of this ledger does not verify"
    except LedgerError as error:
        if error.code != "entry-missing":
            raise
        return f"this ledger has no entry {index}"
    said = check_entry(raw, workload, name, evidence, policy, day)
    if isinstance(said, str):
        return said
    key = parse_verifier_key(str(ledger.verifier_key)).key_id
    return _vouched(str(ledger.origin), index, raw, key, said, receipt)


def _verify(ledger: Ledger, index: int, raw: bytes, receipt: str) -> None:
    """Verify the entry's receipt by the ledger's own key, through its rotations.

    Raises:
        VerificationError: it does not prove the entry.
    """
    from policy_audit.entry import EntryType
    from policy_audit.merkle import verify_inclusion
    from policy_audit.rotation import KeyHistory

    if ledger.verifier_key is None or ledger.origin is None:
        raise VerificationError("the ledger was opened without its key")
    rotations = ledger.list_entries(type=EntryType.KEY_ROTATION, newest_first=False)
    history = KeyHistory.from_entries(ledger.origin, [ledger.verifier_key], ((e.index, e.raw) for e in rotations))
    proof = parse_proof(receipt)
    checkpoint = history.open(proof.checkpoint)
    if history.problems or proof.index != index or index >= checkpoint.size:
        raise VerificationError("the receipt is not of this entry")
    verify_inclusion(index, checkpoint.size, leaf_hash(raw), proof.hashes, checkpoint.root)


def _vouched(origin: str, index: int, entry: bytes, key: bytes, said: Speaks, receipt: str) -> Vouched:
    proof: dict[str, str | int] = {"origin": origin, "index": index, "leaf": leaf_hash(entry).hex(), "key": key.hex()}
    return Vouched(GRADE, proof, said.ends, {"receipt": receipt, "entry": entry.decode()}, said.against, said.shows)
