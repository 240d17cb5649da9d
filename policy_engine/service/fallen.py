"""Which decisions that allow do not stand any more because of what was taken back; found cheaply, of many workloads.

A waiver that a decision used and evidence that it rests on are told by the register of waivers and by the revocations
on record; those decisions alone are asked the whole question. What another policy makes of the others is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from policy_audit.view import instant

from policy_engine.model.task_case import ALLOWING
from policy_engine.service.ground import now

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger
    from policy_audit.records import StoredDecision

    from policy_engine.loading.policy import Policy
    from policy_engine.service.still import Still, Stillness
    from policy_engine.waivers.on_record import Record

#: The states of a waiver that still lifts something.
_COUNTING = ("active", "file")
_SECONDS = 1.0


class Fallen(Struct, frozen=True):
    """Decisions that count for workloads, allow, have not run out, and do not stand; of `allowing` in all.

    `older` were decided under another policy, and `untold` rest on what was taken back and were not asked in time.
    """

    rows: Sequence[tuple[StoredDecision, Still]]
    allowing: int
    older: int
    untold: int


def fallen(
    ledger: Ledger,
    policy: Policy,
    stillness: Stillness,
    counting: Sequence[StoredDecision],
    waivers: Sequence[Mapping[str, Any]],
) -> Fallen:
    """Return which of the decisions that count allow, and do not stand; `waivers` is the register."""
    from policy_engine.vouching.revoked import revoked_names

    at = instant(now())
    # what has run out is told by its date, beside what will
    allowing = [row for row in counting if row.verdict in ALLOWING and (row.valid_until or at) >= at]
    used = {str(use["decision"]) for row in waivers if row["status"] not in _COUNTING for use in row["uses"]}
    revoked = list({each.index: each for each in revoked_names(ledger).values()}.values())
    asked = [row for row in allowing if row.decision_id in used or _rests_on(row, revoked)]
    found = stillness.of(ledger, policy, [row.index for row in asked], _SECONDS)
    rows = [(row, found[row.index]) for row in asked if row.index in found and not found[row.index].stands]
    older = sum(row.policy_digest != policy.digest for row in allowing)
    return Fallen(rows, len(allowing), older, len(asked) - len(found))


def _rests_on(row: StoredDecision, revoked: Collection[Record]) -> bool:
    """Whether a decision may rest on evidence that was revoked after it; what does not say of which workload, may."""
    names = (None, row.workload, f"{row.namespace}/{row.workload}")
    return any(each.index > row.index and each.body.get("workload") in names for each in revoked)
