"""Check the waivers of a recorded decision again, on what was recorded with it, under the policy recorded with it.

Names are not there any more: which approvers had asked is taken as recorded. Whoever approved, by which key, with which
role, scope, number and days, comes out of the signed notes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from policy_engine.model.approvers import Approvers, RecordedApprovers
from policy_engine.model.recorded_approvers import approvers_on_record
from policy_engine.model.waiver import Waiver
from policy_engine.waivers.checking import LONGEST, Candidate, active_waivers

#: Says why the ledger does not bear out that a waiver counted.
OnRecord = Callable[[Waiver], str | None]


def waivers_again(
    recorded: Sequence[Waiver],
    workload: tuple[str, str],
    approvers: Approvers,
    at: datetime,
    recorded_at: datetime,
    on_record: OnRecord | None = None,
) -> tuple[Waiver, ...]:
    """Return what the `recorded` waivers on `workload` come to again, for the decision of `at` and `recorded_at`.

    Raises:
        ValueError: the recorded approvers are not what this program writes.
    """
    if recorded and isinstance(approvers, RecordedApprovers):
        approvers = approvers_on_record(approvers.document())
    return tuple(_again(each, workload, approvers, at, recorded_at, on_record) for each in recorded)


def _again(
    recorded: Waiver,
    workload: tuple[str, str],
    approvers: Approvers,
    at: datetime,
    recorded_at: datetime,
    on_record: OnRecord | None,
) -> Waiver:
    grounds = recorded.grounds
    if grounds is None:
        return replace(recorded, problem="no signed note of it is on record")
    given = grounds.note, grounds.granted_at, grounds.revoked
    # that this is the ledger which it was asked for in is for `on_record` to say
    own = recorded.statement.origin
    entry, leaf, source = grounds.entry, grounds.leaf, grounds.source
    candidate = Candidate(*given, origin=own, asked=grounds.asked, entry=entry, leaf=leaf, source=source)
    found = active_waivers([candidate], workload, at, approvers, grounds.made_at)
    if not found:
        return replace(recorded, problem="its note is no waiver on this workload")
    (waiver,) = found
    if waiver.problem is not None:
        return waiver
    problem = None
    if abs(recorded_at - grounds.made_at) > LONGEST:
        made, kept = (each.astimezone(UTC).isoformat() for each in (grounds.made_at, recorded_at))
        problem = f"it was checked at {made}, and the decision recorded at {kept}"
    if problem is None and on_record is not None:
        problem = on_record(waiver)
    return replace(waiver, problem=problem)
