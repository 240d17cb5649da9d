"""Restores: what a ledger that was put back from a copy says of it. How verification takes it, `epochs` says.

A ledger does not notice that it is an older copy of itself: whatever knew better is gone. Whoever restored it says so,
by an entry that begins a new epoch and names the checkpoints that were kept elsewhere and are lost.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from policy_audit.changing import sealable
from policy_audit.checkpoint import Checkpoint, open_checkpoint
from policy_audit.entry import Draft, EntryType
from policy_audit.epochs import MAX_KEYS
from policy_audit.errors import LedgerError, VerificationError
from policy_audit.keys import parse_verifier_key
from policy_audit.words import refuse_names

if TYPE_CHECKING:
    from policy_audit.changing import By
    from policy_audit.ledger import Ledger
    from policy_audit.rotation import KeyHistory

MAX_LOST = 500
"""So many lost checkpoints are named, the largest first: more would not fit into an entry."""


def restore_draft(
    ledger: Ledger, source: str, reason: str, kept: Sequence[str], keys: Sequence[str] = (), *, by: By | None = None
) -> Draft:
    """Return the entry that says that the ledger was restored from `source`, and what of the `kept` is lost.

    `keys` are verifier keys that the ledger had rotated to after the copy was made: what is kept may be signed by them.

    Raises:
        LedgerError: there is no key to verify by, or the reason names who says it.
        VerificationError: a kept checkpoint is not this ledger's.
    """
    from policy_audit.rotating import key_history
    from policy_audit.stored_tree import StoredTree

    if ledger.origin is None or ledger.verifier_key is None:
        raise LedgerError("a restore is recorded with the signing key", code="signing-key-missing")
    if len(keys) > MAX_KEYS or any(parse_verifier_key(key).name != ledger.origin for key in keys):
        raise VerificationError(
            f"a lost key is one of the log `{ledger.origin}`, and there are at most {MAX_KEYS}", code="other-origin"
        )
    with ledger.snapshot() as connection:
        history = key_history(connection, ledger.origin, [ledger.verifier_key])
        _refuse_own(keys, {*history.keys, ledger.verifier_key})
        tree = StoredTree(connection)
        opened = (_opened(note, history, ledger.origin, keys) for note in kept)
        checkpoints = {(each.size, each.root) for each in opened}
        lost = sorted(each for each in checkpoints if each[0] > tree.size or tree.root(each[0]) != each[1])
        size, root = tree.size, tree.root(tree.size).hex()
    epoch = 2 + len(ledger.list_entries(type=EntryType.RESTORE))
    body: dict[str, Any] = {
        "epoch": epoch,
        "from": source,
        "reason": reason,
        "size": size,
        "root": root,
        "lost_checkpoints": len(lost),
    }
    if keys:
        body["keys"] = list(dict.fromkeys(keys))
    refuse_names({"reason": reason, "source": source}, by.personal if by is not None else {})
    who = sealable(ledger, by)
    body["lost"] = [_lost(size, *each) for each in lost[-MAX_LOST:]]
    return Draft(EntryType.RESTORE, body=body, context=dict(who.context), personal=dict(who.personal))


def _refuse_own(keys: Sequence[str], own: Collection[str]) -> None:
    """Refuse a key of the ledger as it is: to name it as lost would tell verifiers not to pin it any more."""
    for key in keys:
        if key in own:
            message = f"the key {parse_verifier_key(key).key_id.hex()} is this ledger's, and was not lost"
            hint = "name with `--vkey` what the ledger had rotated to after the copy was made; leave it out otherwise"
            raise VerificationError(message, code="other-origin", help=hint)


def _opened(note: str, history: KeyHistory, origin: str, keys: Sequence[str]) -> Checkpoint:
    """Return a kept checkpoint, which a key in force signed, or one that a lost rotation had led to.

    Raises:
        VerificationError: neither did.
    """
    try:
        return history.open(note)
    except VerificationError as error:
        if keys:
            return open_checkpoint(note, list(keys), origin)
        if error.code == "no-known-signature":
            error.help = "where the ledger had rotated its key after that copy was made, name the new key with `--vkey`"
        raise


def _lost(size: int, lost: int, root: bytes) -> dict[str, Any]:
    named: dict[str, Any] = {"size": lost, "root": root.hex()}
    # The entries of a smaller checkpoint were replaced by others, from an index on that nothing tells.
    return {**named, "first": size, "last": lost - 1} if lost > size else named
