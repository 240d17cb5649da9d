"""One call of `policy rollout`: the plan of a workload's rollout, and decisions on it that go on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.cli.deciding import placed, read_source
from policy_engine.cli.options import LedgerChoice, load, now, opened
from policy_engine.cli.rollout_ground import Ground, Refused
from policy_engine.combining import worst
from policy_engine.decide import Decider, plan
from policy_engine.errors import FieldError, InputError, Problem, RecordingError, RulesError, UsageError, did_you_mean
from policy_engine.loading.wording import quoted
from policy_engine.model.workload import Migration
from policy_engine.rollout import moving
from policy_engine.rollout.moved import candidate_text, stays
from policy_engine.rollout.moving import Given, Move
from policy_engine.rollout.observations import Observation, read_observations
from policy_engine.rollout.on_record import Standing, standings
from policy_engine.rollout.register import RolloutRules, read_rollout
from policy_engine.rollout.risk import in_order, risk_of
from policy_engine.rollout.stages import plan_of
from policy_engine.rollout.timeline import Timeline, timeline

if TYPE_CHECKING:
    from policy_audit.appending import Recorded
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy
    from policy_engine.loading.workload_file import LoadedWorkload
    from policy_engine.model.decision import Decision

#: The criteria whose rules speak of the rollout and its weeks.
CRITERIA = frozenset({"MIGRATE-04", "MIGRATE-05", "OPS-06"})
WEEKS = "migration.weeks_planned"


@dataclass(frozen=True)
class Decided:
    """A step on record: the body of its entry, and where that stands."""

    body: Mapping[str, Any]
    entry: Recorded


@dataclass(frozen=True)
class Rollout:
    """What is known of a workload's rollout, and what was decided; `standings` is None where no ledger was there.

    `given` is what decisions rest on; a plan has it without evidence and waivers.
    """

    loaded: LoadedWorkload
    given: Given
    timeline: Timeline
    tasks: Sequence[Mapping[str, Any]]
    standings: Mapping[str, Standing] | None
    decision: Mapping[str, Any] | None = None
    decided: Sequence[Decided] = ()
    notes: Sequence[str] = ()
    #: What it was before the decisions of this call.
    before: Mapping[str, Standing] | None = None
    #: What was refused of a task, while others were decided, and what was decided and does not count.
    problems: Sequence[Problem] = ()
    overtaken: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Call:
    """What one call is asked."""

    choice: LedgerChoice
    file: str
    chosen: str | None
    tasks: tuple[str, ...]
    at: datetime
    purpose: str
    layers: tuple[Path, ...]
    policy_digest: str | None
    start: date | None
    draws: bool = False
    rollout_digest: str | None = None

    def plan(self) -> Rollout:
        """Return the plan, and where the tasks stand; nothing is decided or recorded."""
        policy, rules, loaded, _ = self._read()
        decider = Decider(policy)
        try:
            cases = decider.cases(loaded.workload, {}, self.at)
        except InputError as error:
            raise placed(error, loaded) from None
        results = tuple(decider.judge.judge(case) for case in cases)
        stands, notes = self._stands(loaded)
        ground = Ground(worst([result.verdict for result in results]), results, plan(results)["routes"])
        begins = not any(each.has_begun for each in (stands or {}).values())
        given, course, still = self._laid_out(policy, rules, loaded, ground, stands or {}, begins)
        documents = [decider.as_it_is(result) for result in results]
        return Rollout(loaded, given, course, documents, stands, notes=[*notes, *still], before=stands)

    def decide(self, *, begin: bool, observations: Sequence[Path]) -> Rollout:
        """Decide the workload, then the next step of the tasks that are asked about; record all, then return it.

        What is wrong with one task keeps no other from being decided: it is told beside that.
        """
        from policy_engine.cli.door import Door
        from policy_engine.cli.waiver_common import audited

        if self.choice.scratch:
            message = "a ledger in memory ends with this command, and no next decision would know the stage"
            raise UsageError(Problem("scratch-ledger", message, help="name another with --ledger"))
        moving.check_clock(self.at, now())
        policy, rules, loaded, folder = self._read()
        names = [task.name for task in loaded.workload.spec.tasks]
        rows, wrong = read_observations(observations, names, may_be_empty=bool(self.tasks))
        refused = Refused({str(task): problems for task, problems in wrong.items()})
        if begin:
            _check_migration(loaded)
        else:  # what has begun is on record: a mistyped place makes no ledger
            with opened(self.choice, read_only=True):
                pass
        with audited(), ExitStack() as stack:
            door = Door(self.choice, policy, stack)
            stands = standings(door.ledger, loaded.workload.identity)
            asked, notes = self._asked(begin, names, rows, refused, stands)
            for task in asked:
                refused.add(task, moving.check_time(task, stands, self.at))
                refused.add(task, moving.check_stage(task, rows, stands, self.at))
            refused.check(asked)
            decision = self._decision(policy, loaded, folder, door)
            ground = Ground(decision.verdict, decision.results, decision.document["plan"]["routes"])
            given, course, still = self._laid_out(policy, rules, loaded, ground, stands, begin)
            seen = None if begin else rows
            moves = self._moves(given, refused.left(asked), stands, seen, door.ledger, refused)
            refused.check([each.task for each in moves])
            made, decided = self._record(door, decision, given, moves)
            after = standings(door.ledger, loaded.workload.identity)
        told, lost = _overtaken(decided, after)
        return Rollout(
            loaded,
            given,
            course,
            decision.document["tasks"],
            after,
            made,
            decided,
            [*notes, *still],
            before=stands,
            problems=[*refused.problems, *told],
            overtaken=lost,
        )

    def _moves(
        self,
        given: Given,
        asked: Sequence[str],
        stands: Mapping[str, Standing],
        rows: Sequence[Observation] | None,
        ledger: Ledger,
        refused: Refused,
    ) -> list[Move]:
        """Return the next step of each task that has one, in their order; of the others say why not.

        `rows` None asks whether they begin.
        """
        moves = []
        for task in (each.task for each in given.risks if each.task in asked):
            try:
                if rows is None:
                    moves.append(moving.begin(given, task, stands))
                else:
                    own = [row for row in rows if row.task == task]
                    moves.append(moving.go_on(given, task, stands, own, ledger))
            except InputError as error:
                refused.add(task, error.problems)
        for task in set(asked).intersection(self.tasks) - {each.task for each in given.risks}:
            what = f"{quoted(task)} stays where it is, with {candidate_text(given.candidates[task])}"
            refused.add(task, [Problem("nothing-moves", what, help="there is nothing to roll out")])
        return moves

    def _read(self) -> tuple[Policy, RolloutRules, LoadedWorkload, Path]:
        policy = load(self.layers, self.policy_digest)
        rules = read_rollout(self.layers, policy)
        if self.rollout_digest not in (None, rules.digest):
            message = f"the rules of rollouts are {rules.digest}, and {self.rollout_digest} is asked for"
            raise RulesError(Problem("rollout-digest", message, help="check the --policy layers and their order"))
        loaded, folder = self._loaded(policy)
        moving.check_tasks(self.tasks, [task.name for task in loaded.workload.spec.tasks])
        return policy, rules, loaded, folder

    def _loaded(self, policy: Policy) -> tuple[LoadedWorkload, Path]:
        from policy_engine.loading.workload_file import load_workloads

        text, name, folder = read_source(self.file)
        found = load_workloads(text, name, policy.vocabulary)
        named = (None, *((self.chosen,) if self.chosen else ()))
        fitting = [
            each
            for each in found
            if self.chosen is None or each.workload.identity in named or each.workload.metadata.name in named
        ]
        if len(fitting) != 1:
            names = [each.workload.identity for each in found]
            hint = (did_you_mean(self.chosen, names) if self.chosen else None) or f"--workload: {', '.join(names)}"
            what = "no workload" if not fitting else f"{len(fitting)} workloads"
            called = f" called `{self.chosen}`" if self.chosen else ""
            raise InputError(Problem("which-workload", f"`{name}` has {what}{called}", help=hint))
        return fitting[0], folder

    def _asked(
        self,
        begin: bool,
        names: Sequence[str],
        rows: Sequence[Observation],
        refused: Refused,
        stands: Mapping[str, Standing],
    ) -> tuple[list[str], list[str]]:
        """Return the tasks that are decided, and what has to be said of the others."""
        wanted = [name for name in names if not self.tasks or name in self.tasks]
        if begin:
            asked = [name for name in wanted if self.tasks or not stands.get(name, Standing()).has_begun]
            if not asked:
                message = f"every task of `{self.file}` has begun"
                raise InputError(Problem("rollout-begun", message, help="give what was observed with --observations"))
            return asked, []
        seen = {row.task for row in rows} | refused.tasks
        if not seen:  # nothing at all: what is named is held or taken back
            for name in wanted:
                standing = stands.get(name, Standing())
                refused.add(name, [] if standing.has_begun else [moving.not_begun(name, standing)])
            seen = set(wanted)
        asked = [name for name in wanted if name in seen]
        if not asked:
            message = "nothing was observed of the tasks that are asked about"
            raise InputError(Problem("no-observations", message, help=f"the files speak of {', '.join(sorted(seen))}"))
        left = [name for name in names if name not in asked and stands.get(name, Standing()).has_begun]
        return asked, [f"{name} is on, and is not decided: nothing that was given is of it" for name in left]

    def _decision(self, policy: Policy, loaded: LoadedWorkload, folder: Path, door: Any) -> Decision:
        """Decide the workload as `policy evaluate` does; nothing is recorded yet."""
        from policy_engine.loading.evidence import check_evidence
        from policy_engine.vouching.voucher import Voucher

        workload = loaded.workload
        vouch = Voucher(policy, door.asked).of(workload, self.at, folder)
        evidence = check_evidence(workload, self.at.date(), folder, vouch)
        try:
            return Decider(policy).decide(workload, evidence, self.at, door.waivers(workload, self.at))
        except InputError as error:
            raise placed(error, loaded) from None

    def _record(
        self, door: Any, decision: Decision, given: Given, moves: Sequence[Move]
    ) -> tuple[dict[str, Any], list[Decided]]:
        """Put the decision on the workload on record, then every step in one commit."""
        from policy_engine.recorder import context_from_environment
        from policy_engine.waivers.on_record import stored_context

        context = context_from_environment(self.purpose)
        (part,) = door.record([(decision, context)])
        ground = {"decision": decision.id, "verdict": decision.verdict, "entry": part["index"]}
        bodies = [moving.body_of(move, given, ground) for move in moves]
        known = {**stored_context(context), "purpose": self.purpose}
        personal = {"actor": context.actor} if context.actor else {}
        drafts = [moving.draft_of(move, given, body, personal, known) for move, body in zip(moves, bodies, strict=True)]
        entries = door.ledger.append_many(drafts)
        return ground, [Decided(body, entry) for body, entry in zip(bodies, entries, strict=True)]

    def _stands(self, loaded: LoadedWorkload) -> tuple[dict[str, Standing] | None, list[str]]:
        """Return where the tasks stand by the ledger; None where there is none yet."""
        if self.choice.scratch:
            return None, []
        try:
            with opened(self.choice, read_only=True) as ledger:
                return standings(ledger, loaded.workload.identity), []
        except RecordingError as error:
            if error.code != "ledger-missing":
                raise
            return None, [f"where the tasks stand is not known: {error.problems[0].message}"]

    def _laid_out(
        self,
        policy: Policy,
        rules: RolloutRules,
        loaded: LoadedWorkload,
        ground: Ground,
        stands: Mapping[str, Standing],
        begins: bool,
    ) -> tuple[Given, Timeline, list[str]]:
        """Return what decisions rest on, the weeks, and what stays; what is wrong is told before a decision.

        `begins` is whether tasks are to begin: what has begun can be taken back whatever the workload says by now.

        Raises:
            InputError: no task moves, or one is to begin, and the workload states no migration or a start that is none.
            UsageError: no calendar has the timeline, or it has no time and is to be drawn.
        """
        if begins:
            _check_migration(loaded)
        facts, candidates = ground.facts, ground.candidates
        common = next(iter(facts.values()))
        try:
            stages = plan_of(common, rules, begins=begins)
        except FieldError as error:
            raise placed(error, loaded) from None
        still = [
            name
            for name in facts
            if _keeps(loaded, candidates[name], policy) and not stands.get(name, Standing()).has_begun
        ]
        if len(still) == len(facts):
            message = f"no task of `{loaded.workload.identity}` moves: each keeps the deployment and model that it has"
            span = loaded.document.key_span("spec", "migration")
            raise InputError(Problem("nothing-moves", message, span, "propose what the tasks move to"))
        order = in_order([risk_of(name, facts[name], rules) for name in facts if name not in still])
        stated = common.get(WEEKS)
        weeks = float(stated if stated is not None else rules.values["migration_weeks_max"])
        course = timeline(stages, order, weeks, stated is not None, self.start or self.at.date())
        course.day(course.days)
        if self.draws and course.days <= 0:
            message = "there is nothing to draw: the migration is planned in 0 weeks"
            raise UsageError(Problem("nothing-to-draw", message, help="leave --plot out, or plan more weeks"))
        given = Given(loaded.workload, ground.verdict, facts, candidates, order, stages, rules, self.at, policy.catalog)
        moves = isinstance(loaded.workload.spec.migration, Migration)
        where = {name: f", with {candidate_text(candidates[name])}," if moves else "" for name in still}
        told = [f"{name} stays where it is{where[name]} and is left out" for name in still]
        return given, course, told


def _check_migration(loaded: LoadedWorkload) -> None:
    """Refuse a workload that replaces nothing.

    Raises:
        InputError: it says so, or does not say what it replaces.
    """
    migration = loaded.workload.spec.migration
    if migration is None or migration == "none":
        what = "says nothing of a migration" if migration is None else "replaces nothing: `migration: none`"
        hint = "state what it replaces under `migration`, as `from: {deployment: ..., model: ...}`"
        span = loaded.document.key_span("spec", "migration")
        raise InputError(Problem("no-migration", f"`{loaded.workload.identity}` {what}", span, hint))


def _keeps(loaded: LoadedWorkload, candidate: Mapping[str, str | None], policy: Policy) -> bool:
    """Whether a task that has not begun is to keep what it has."""
    migration = loaded.workload.spec.migration
    return not isinstance(migration, Migration) or stays(candidate, migration.replaces, policy.catalog)


def _overtaken(decided: Sequence[Decided], after: Mapping[str, Standing]) -> tuple[list[Problem], frozenset[int]]:
    """Return the steps between whose reading and recording another one of the same task came, and what to say.

    Raises:
        InputError: no other step is there to show.
    """
    lost = [each for each in decided if each.entry.index in after[str(each.body["task"])].overtaken]
    problems = [
        Problem("overtaken", message, help="read `policy rollout FILE`, and decide again what is then on")
        for each in lost
        for message in (
            f"another decision on `{each.body['task']}` was recorded meanwhile: the entry {each.entry.index} is on "
            "record, and does not count",
        )
    ]
    if problems and len(lost) == len(decided):
        raise InputError(problems)
    return problems, frozenset(each.entry.index for each in lost)
