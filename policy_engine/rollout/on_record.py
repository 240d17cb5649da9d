"""Where the rollout of each task stands, by what is on record: the entries of its decisions, in their order.

Each entry names the one that it follows. One that follows another than the last that counts was decided without having
seen that, and does not count: of two that were made at once, the second is told. A roll back counts all the same:
whatever else came between, a model that fails is taken back.

INVARIANT: what counts is an entry's bytes. One that cannot be read may be a roll back, and counts as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from policy_audit.entry import EntryType
from policy_audit.errors import VerificationError

from policy_engine.decide import parse_time
from policy_engine.rollout.deciding import STEPS
from policy_engine.rollout.observations import Observation, observation_of
from policy_engine.rollout.stages import NOT_BEGUN, Stage
from policy_engine.waivers.on_record import Record, Source, records

#: The roles of the documents that an entry names.
OBSERVATIONS, RULES = "observations", "rollout_rules"


class RolledBack(Struct, frozen=True):
    """A roll back on record."""

    entry: int
    decided_at: datetime
    percent: float


class Standing(Struct, frozen=True):
    """Where a task's rollout stands.

    `stage` is on for the `candidate` `since` then, the later of the decision's own time and that of recording: no hour
    before it was on record counts. `stage` is NOT_BEGUN before the first decision and after a roll back. `last` is
    the last entry that counts, decided `at` then, under rollout rules of the digest `rules`. `seen` is the digest of
    what was observed of the stage by then, `before` that of the stage before it. `overtaken` are entries that do not
    count, `unread` those that cannot be read.
    """

    stage: Stage = NOT_BEGUN
    candidate: Mapping[str, str | None] | None = None
    since: datetime | None = None
    is_complete: bool = False
    last: Mapping[str, Any] | None = None
    step: str | None = None
    at: datetime | None = None
    rules: str | None = None
    seen: str | None = None
    before: str | None = None
    roll_backs: tuple[RolledBack, ...] = ()
    overtaken: tuple[int, ...] = ()
    unread: tuple[int, ...] = ()

    @property
    def has_begun(self) -> bool:
        return self.stage != NOT_BEGUN


def standings(ledger: Source, workload: str) -> dict[str, Standing]:
    """Return where the tasks of a workload stand of which a decision is on record, by name.

    Raises:
        VerificationError: an entry was changed.
    """
    return standings_by(records(ledger, EntryType.ROLLOUT_DECIDED), workload)


def standings_by(entries: Iterable[Record], workload: str) -> dict[str, Standing]:
    """Return the same by the entries of rollouts, the oldest first."""
    found: dict[str, Standing] = {}
    for record in entries:
        if record.body.get("workload") != workload:
            continue
        task = record.body.get("task")
        try:
            if not isinstance(task, str):
                raise TypeError(task)
            found[task] = _after(found.get(task, Standing()), record)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
            for name in [task] if isinstance(task, str) else list(found):
                found[name] = _taken_back(found.get(name, Standing()), record)
    return found


def _taken_back(standing: Standing, record: Record) -> Standing:
    """Return where a task stands after an entry that cannot be read."""
    unread = (*standing.unread, record.index)
    last = {"index": record.index, "leaf": record.leaf_hash}
    return Standing(
        last=last, at=standing.at, roll_backs=standing.roll_backs, overtaken=standing.overtaken, unread=unread
    )


def observed(ledger: Source, digest: str | None) -> list[Observation]:
    """Return the observations of a recorded document; none where there is no digest.

    Raises:
        VerificationError: it is not what this program writes.
    """
    import json

    if digest is None:
        return []
    content = ledger.blob(digest)
    try:
        return [observation_of(value) for value in json.loads(content)["observations"]]
    except (LookupError, TypeError, ValueError, RecursionError):
        message = "recorded observations are not what this program writes"
        raise VerificationError(message, code="malformed", help="run `policy audit verify`") from None


def _after(standing: Standing, record: Record) -> Standing:
    body = record.body
    step, stage, at = body["decision"], _stage(body["stage"]), parse_time(body["decided_at"])
    if step not in STEPS:
        raise ValueError(step)
    in_turn = body["follows"] == standing.last
    if not in_turn and not (step == "roll_back" and standing.has_begun):
        return replace(standing, overtaken=(*standing.overtaken, record.index))
    if in_turn and stage != standing.stage:
        raise ValueError(stage)
    last = {"index": record.index, "leaf": record.leaf_hash}
    since = max(at, record.recorded_at)
    found = replace(standing, last=last, step=step, at=at, rules=body["rules"], is_complete=False)
    seen = record.blobs.get(OBSERVATIONS)
    if step == "hold":
        return replace(found, seen=seen, is_complete=standing.is_complete)
    if step == "roll_back":
        back = RolledBack(record.index, at, standing.stage.percent)
        nothing = {"stage": NOT_BEGUN, "candidate": None, "since": None, "seen": None, "before": None}
        return replace(found, **nothing, roll_backs=(*standing.roll_backs, back))
    if step == "complete":  # what is watched from now on is counted anew; the last baseline stays
        return replace(found, is_complete=True, since=since, seen=None)
    candidate = dict(body["candidate"])
    return replace(found, stage=_stage(body["next"]), candidate=candidate, since=since, seen=None, before=seen)


def _stage(value: Mapping[str, Any]) -> Stage:
    return Stage(float(value["percent"]))
