"""One decision on the rollout of each task that is asked about: what is observed, where it stands, what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from policy_audit.canonical import document_bytes
from policy_audit.entry import Draft, EntryType

from policy_engine.catalog import Catalog
from policy_engine.decide import format_time
from policy_engine.errors import InputError, Problem, Span, UsageError, did_you_mean
from policy_engine.loading.wording import quoted
from policy_engine.model.workload import Workload
from policy_engine.recorder import recordable
from policy_engine.rollout.deciding import Judged, Reason, judge
from policy_engine.rollout.figures import corners, stage_facts
from policy_engine.rollout.moved import same_candidate
from policy_engine.rollout.observations import Observation, merged
from policy_engine.rollout.on_record import OBSERVATIONS, RULES, Standing, observed
from policy_engine.rollout.register import RolloutRules
from policy_engine.rollout.risk import TaskRisk, lower
from policy_engine.rollout.stages import Plan, Stage
from policy_engine.waivers.on_record import Source

#: How far a decision's time may be off the clock, as for `policy gate`.
CLOCK_TOLERANCE_S = 300
#: Why a stage does not go on of which nothing is told.
NOTHING_NEW = Reason("nothing-observed", "nothing new was observed: without that it is held, or rolled back")
_LONGEST = 1000
_MOST_REASONS = 25
_MOST_PROBLEMS = 50


class Given(Struct, frozen=True):
    """What every task's decision is made on: the workload's own decision, its tasks' facts and risks, and when.

    `candidates` say for each task what it would move to, by that decision: deployment, model and provider.
    """

    workload: Workload
    verdict: str
    facts: Mapping[str, Mapping[str, Any]]
    candidates: Mapping[str, Mapping[str, str | None]]
    risks: Sequence[TaskRisk]
    plan: Plan
    rules: RolloutRules
    at: datetime
    catalog: Catalog

    def is_done(self, task: str, standing: Standing) -> bool:
        """Whether all of a task's traffic has moved to what it moves to now."""
        return standing.is_complete and self.is_same(task, standing) is True

    def is_same(self, task: str, standing: Standing) -> bool | None:
        """Whether a task moves to what its rollout was begun with; None where the workload says nothing of it.

        One that replaces nothing by now moves nowhere, and so to something else.
        """
        begun, migration = standing.candidate, self.workload.spec.migration
        if migration is None:
            return None
        return migration != "none" and begun is not None and same_candidate(begun, self.candidates[task], self.catalog)


class Move(Struct, frozen=True):
    """The next step of one task, not yet on record: where it stood, what was seen, what comes next."""

    task: str
    standing: Standing
    judged: Judged
    next: Stage | None
    seen: tuple[Observation, ...]
    facts: Mapping[str, Any]
    hours_min: float


def check_stage(
    task: str, rows: Sequence[Observation], standings: Mapping[str, Standing], at: datetime
) -> list[Problem]:
    """Return what is wrong with observations of a task: of another stage than is on, or of a time when it was not."""
    problems: dict[str, Problem] = {}
    for row in rows:
        problem = _misplaced(row, standings.get(task, Standing()), at) if row.task == task else None
        if problem is not None:  # what is wrong with every line alike is told once, of the first
            problems.setdefault(problem.message, problem)
    return [*problems.values()][:_MOST_PROBLEMS]


def _misplaced(row: Observation, standing: Standing, at: datetime) -> Problem | None:
    task, stage = quoted(row.task), standing.stage
    if not standing.has_begun:
        return not_begun(row.task, standing, row.span)
    fits = row.stage == stage.name if isinstance(row.stage, str) else row.stage == stage.percent
    if not fits:
        message = f"{quoted(row.stage)} is not the stage that is on for {task}: that is `{stage.name}`"
        last = standing.last["index"] if standing.last is not None else None
        return Problem("another-stage", message, row.span, f"by the entry {last}; give what was observed of that stage")
    if standing.since is not None and row.at <= standing.since:
        message = (
            f"the observation is of {format_time(row.at)}, and the stage is on since {format_time(standing.since)}"
        )
        return Problem("observation-too-early", message, row.span, "leave out what was seen before the stage was on")
    if row.at > at:
        message = f"the observation is of {format_time(row.at)}, after the decision's time {format_time(at)}"
        return Problem("observation-to-come", message, row.span, "a clock is wrong, or --at is")
    return None


def not_begun(task: str, standing: Standing, span: Span | None = None) -> Problem:
    """Return the problem with what is asked about a task that no stage is on of."""
    rolled = standing.roll_backs[-1] if standing.roll_backs else None
    why = "has not begun" if rolled is None else f"was rolled back by the entry {rolled.entry}"
    hint = f"`policy rollout FILE --begin --task {task}` records whether its first stage may begin"
    return Problem("rollout-not-begun", f"the rollout of {quoted(task)} {why}", span, hint)


def begin(given: Given, task: str, standings: Mapping[str, Standing]) -> Move:
    """Decide whether the first stage of a task may begin.

    Raises:
        InputError: it has begun.
    """
    standing = standings.get(task, Standing())
    if standing.has_begun:
        message = f"the rollout of {quoted(task)} has begun: `{standing.stage.name}` is on"
        hint = "give what was observed of it with --observations"
        raise InputError(Problem("rollout-begun", message, help=hint))
    return _move(given, task, standings, (), {}, ())


def go_on(
    given: Given, task: str, standings: Mapping[str, Standing], rows: Sequence[Observation], ledger: Source
) -> Move:
    """Decide what becomes of the stage that is on, by what was observed of it: now, and before as far as recorded.

    Where nothing is observed now, it is held or rolled back.

    Raises:
        InputError: an observation is another one than was recorded of that time.
    """
    standing = standings[task]
    seen = {row.key: row for row in observed(ledger, standing.seen)}
    problems = []
    for row in rows:
        both = merged(seen.get(row.key, row), row)
        if both is None:
            message = f"another observation of {format_time(row.at)} is on record with the decision before"
            hint = "what was decided on stays; what was left out then may be added"
            problems.append(Problem("observation-changed", message, row.span, hint))
        else:
            seen[row.key] = both
    if problems:
        raise InputError(problems[:_MOST_PROBLEMS])
    own = tuple(sorted(seen.values(), key=lambda row: (row.at, row.model)))
    assert standing.since is not None  # noqa: S101 - a stage that is on began
    before, times = observed(ledger, standing.before), (standing.stage, standing.since, given.at)
    bounds = [stage_facts(own_at, before_at, *times) for own_at, before_at in corners(own, before)]
    found = _move(given, task, standings, own, stage_facts(own, before, *times), bounds)
    if rows or found.judged.step in ("hold", "roll_back"):
        return found
    return replace(found, judged=Judged("hold", (NOTHING_NEW,)), next=None)


def _move(
    given: Given,
    task: str,
    standings: Mapping[str, Standing],
    seen: tuple[Observation, ...],
    observations: Mapping[str, Any],
    bounds: Sequence[Mapping[str, Any]],
) -> Move:
    standing, plan = standings.get(task, Standing()), given.plan
    risk = next(each for each in given.risks if each.task == task)
    waits_for = [
        each for each in lower(risk, given.risks) if not given.is_done(each.task, standings.get(each.task, Standing()))
    ]
    hours_min = plan.hours_min(standing.stage)
    known = {
        "decision.verdict": given.verdict,
        "rollout.lower_risk_open": len(waits_for),
        "rollout.roll_backs": len(standing.roll_backs),
        "rollout.start_percent": plan.stages[0].percent,
        "rollout.same_candidate": not standing.has_begun or given.is_same(task, standing),
        "stage.percent": standing.stage.percent,
        "stage.hours_min": hours_min,
    }
    facts, *extremes = ({**given.facts[task], **each, **known} for each in (observations, *bounds))
    judged = judge(given.rules, facts, standing.stage, extremes)
    following = plan.after(standing.stage) if judged.step == "advance" else None
    return Move(task, standing, judged, following, seen, facts, hours_min)


def check_clock(at: datetime, clock: datetime) -> None:
    """Refuse a decision of another time than now: of an earlier day another verdict may hold, or fewer hours be over.

    Raises:
        UsageError: it is more than five minutes off, either way.
    """
    off = (at - clock).total_seconds()
    if abs(off) > CLOCK_TOLERANCE_S:
        where = "has not come yet" if off > 0 else "is over"
        message = f"the decision's time {format_time(at)} {where}: it is {format_time(clock)}"
        hint = f"leave --at out; {CLOCK_TOLERANCE_S} seconds off the clock are the most"
        raise UsageError(Problem("clock", message, help=hint))


def check_time(task: str, standings: Mapping[str, Standing], at: datetime) -> list[Problem]:
    """Return what is wrong with a decision on a task that is made before the last one."""
    standing = standings.get(task, Standing())
    if standing.at is None or standing.last is None or at >= standing.at:
        return []
    message = f"{format_time(at)} is before the last decision on {quoted(task)}, of {format_time(standing.at)}"
    hint = f"that is the entry {standing.last['index']}; leave --at out, or mend the clock"
    return [Problem("out-of-order", message, help=hint)]


def check_tasks(chosen: Sequence[str], tasks: Sequence[str]) -> None:
    """Refuse the name of a task that the workload does not have.

    Raises:
        InputError: with each of them.
    """
    problems = [
        Problem("unknown-task", f"the workload has no task {quoted(name)}", help=hint)
        for name in chosen
        if name not in tasks
        for hint in (did_you_mean(name, tasks) or f"it has {', '.join(tasks)}",)
    ]
    if problems:
        raise InputError(problems)


def body_of(move: Move, given: Given, decided: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of the entry; `decided` says which decision on the workload it rests on."""
    rows, content = move.seen, _content(move)
    observations = {
        "sha256": sha256(content).hexdigest() if content is not None else None,
        "count": len(rows),
        "first": format_time(min(row.at for row in rows)) if rows else None,
        "last": format_time(max(row.at for row in rows)) if rows else None,
    }
    reasons = move.judged.reasons[:_MOST_REASONS]
    return {
        "workload": given.workload.identity,
        "task": move.task,
        "candidate": dict(given.candidates[move.task]),
        "stage": move.standing.stage.document(),
        "decision": move.judged.step,
        "next": move.next.document() if move.next is not None else None,
        "reasons": [
            {"rule": each.rule, "says": recordable(each.says[:_LONGEST]), "missing": list(each.missing)}
            for each in reasons
        ],
        "observations": observations,
        "rules": given.rules.digest,
        "decided_at": format_time(given.at),
        "workload_decision": dict(decided),
        "follows": dict(move.standing.last) if move.standing.last is not None else None,
    }


def draft_of(
    move: Move, given: Given, body: Mapping[str, Any], personal: Mapping[str, str], context: Mapping[str, str]
) -> Draft:
    """Return the entry of a step; the rules, and what was observed, go with it."""
    content = _content(move)
    workload = given.workload
    about = {"namespace": workload.namespace, "workload": workload.metadata.name}
    told = {"task": move.task, "stage": move.standing.stage.name, "decision": move.judged.step}
    if move.next is not None:
        told["next"] = move.next.name
    return Draft(
        type=EntryType.ROLLOUT_DECIDED,
        body=body,
        context={**context, **about, **told},
        personal=personal,
        blobs={RULES: given.rules.content} | ({OBSERVATIONS: content} if content is not None else {}),
    )


def _content(move: Move) -> bytes | None:
    """Return what was observed, as it is recorded."""
    return document_bytes({"observations": [row.document() for row in move.seen]}) if move.seen else None
