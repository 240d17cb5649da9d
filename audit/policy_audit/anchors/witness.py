"""C2SP witnesses (tlog-witness): ask one to cosign a checkpoint, with the proof that it continues the last one.

A witness remembers the largest tree of this log that it cosigned, and cosigns nothing that does not continue it: a
ledger that was rolled back or rewritten is refused. That refusal is an alarm.
"""

from __future__ import annotations

import base64
from typing import Any

from policy_audit.anchors.place import Place, Receipt, Submission
from policy_audit.anchors.web import Answer, post
from policy_audit.checkpoint import parse_decimal
from policy_audit.cosignature import verify_answer, with_cosignatures
from policy_audit.errors import AnchorAlarmError, AnchorError, LedgerError, VerificationError
from policy_audit.note import split_note

SIZE_TYPE = "text/x.tlog.size"
MAX_PROOF_LINES = 63
_REFUSALS = {
    400: "does not understand the request",
    403: "does not know the key that signed the checkpoint",
    404: "does not know this log",
}
_TELL = "tell whoever runs it this ledger's origin and verifier key"


class WitnessAnchor:
    """A witness, by its submission prefix and its pinned key."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def put(self, submission: Submission) -> Receipt:
        old = self._remembered(submission)
        answer = self._ask(submission, old)
        if answer.status == 409:
            told = self._told(answer)
            submission.check_size(told, self.place.where)
            if told > submission.checkpoint.size:
                raise AnchorError(
                    f"`{self.place.where}` cosigned a later checkpoint, of {told:,} entries", code="anchor-later"
                )
            if told == old == submission.checkpoint.size:
                # The size that it names is the one that it was asked with: it is the root that differs.
                raise self._two_histories(told, submission)
            old = told
            answer = self._ask(submission, old)
            if answer.status == 409 and self._told(answer) == old == submission.checkpoint.size:
                raise self._two_histories(old, submission)
        if answer.status == 422 and old:
            # The proof was verified against the ledger's own roots before it was sent.
            raise self._two_histories(old, submission)
        if answer.status != 200:
            raise self._refused(answer)
        return self._receipt(submission, answer, old)

    def held(self, origin: str) -> list[str]:
        raise AnchorError(
            f"`{self.place.where}` gives nothing back: a witness is asked by `policy audit anchor`",
            code="anchor-place",
            help="keep the cosigned checkpoints in a file: or git: anchor beside it",
        )

    def _remembered(self, submission: Submission) -> int:
        """Return the size that the witness cosigned last, as far as the ledger knows."""
        size = submission.known.get("size")
        known = type(size) is int and 0 <= size <= submission.checkpoint.size
        return int(str(size)) if known else 0

    def _ask(self, submission: Submission, old: int) -> Answer:
        try:
            proof = submission.proof(old) if 0 < old < submission.checkpoint.size else []
        except (LedgerError, VerificationError) as error:
            message = f"the ledger has no proof from {old:,} entries for `{self.place.where}`: {error.message}"
            raise AnchorError(message, help=error.help) from error
        if len(proof) > MAX_PROOF_LINES:
            raise AnchorError(f"the proof from {old:,} entries has more than {MAX_PROOF_LINES} hashes")
        lines = "".join(f"{base64.b64encode(each).decode()}\n" for each in proof)
        body = f"old {old}\n{lines}\n{submission.note}"
        return post(f"{self.place.target}/add-checkpoint", body.encode(), "text/plain")

    def _told(self, answer: Answer) -> int:
        text = answer.body.decode("ascii", "replace")
        if answer.kind != SIZE_TYPE or not text.endswith("\n"):
            raise AnchorError(f"`{self.place.where}` answered 409, and not with a size")
        try:
            return parse_decimal(text[:-1])
        except VerificationError as error:
            raise AnchorError(f"`{self.place.where}` answered 409, and not with a size") from error

    def _receipt(self, submission: Submission, answer: Answer, old: int) -> Receipt:
        text, _ = split_note(submission.note)
        try:
            found = verify_answer(text, answer.body.decode(), [self.place.pin])
        except (VerificationError, UnicodeDecodeError) as error:
            reason = error.message if isinstance(error, VerificationError) else "it is not UTF-8"
            raise AnchorError(f"the answer of `{self.place.where}` does not verify: {reason}") from error
        if not found:
            raise AnchorError(f"`{self.place.where}` answered without a cosignature by the pinned key")
        details: dict[str, Any] = {"witness": found[0].witness, "timestamp": found[0].timestamp}
        cosigned = with_cosignatures(submission.note, found)
        fresh = old != submission.checkpoint.size
        return Receipt(fresh, details, {"cosigned": cosigned.encode()}, tuple(found))

    def _two_histories(self, size: int, submission: Submission) -> AnchorAlarmError:
        restore = submission.restored(size)
        if restore is not None:
            return AnchorAlarmError(
                f"`{self.place.where}` cosigned a tree of {size:,} entries that this ledger does not continue; "
                f"{restore.named} may say why",
                help="a witness never goes back: ask its operator to begin anew for this log, or take another one, "
                "and keep what it cosigned",
            )
        return AnchorAlarmError(
            f"`{self.place.where}` cosigned a tree of {size:,} entries that this ledger does not continue",
            help="these are two histories: ask for the checkpoint that it cosigned, and verify the ledger",
        )

    def _refused(self, answer: Answer) -> AnchorError:
        reason = _REFUSALS.get(answer.status, f"answered with the status {answer.status}")
        return AnchorError(f"`{self.place.where}` {reason}", help=_TELL if answer.status in (403, 404) else None)
