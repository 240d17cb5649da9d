"""Ask whether anything of a kind can be, and believe a yes only when the engine has confirmed it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from time import monotonic
from typing import TypeVar

from policy_engine.decide import Decider
from policy_engine.errors import Problem, RulesError
from policy_engine.language.tree import Node
from policy_engine.loading.policy import Policy
from policy_engine.lowering.to_z3 import NotLoweredError
from policy_engine.lowering.to_z3.formulas import Formula, both, every, implies, neg
from policy_engine.model.rule import EVIDENCE_GRADES
from policy_engine.model.task_case import TaskResult
from policy_engine.model.vocabulary import OPEN_OPTIONS
from policy_engine.proofs.concrete import Found, concrete
from policy_engine.proofs.confirming import Confirmer, Confirms, Counterexample
from policy_engine.proofs.encoding import Encoding, Shared
from policy_engine.proofs.results import Failure
from policy_engine.proofs.solving import Model, Session
from policy_engine.proofs.texts import unattained

#: How many models that the engine does not confirm are looked at before nothing is said.
TRIES = 40
T = TypeVar("T")


class Prover:
    """Proves under one policy at one time; each question has `timeout_s`."""

    def __init__(self, policy: Policy, at: datetime, timeout_s: float, more: Sequence[Node] = ()) -> None:
        self.policy, self.at, self.timeout_s = policy, at, timeout_s
        self.shared = Shared.of([policy], more)
        self.encoding = Encoding(policy, self.shared, at)
        self.decider = Decider(policy)
        self.confirmer = Confirmer(self.decider, at)
        self._lower_all()
        self.session = Session(self.shared, [self.encoding])

    def _lower_all(self) -> None:
        """Lower every condition, so that one that Z3 cannot say is named.

        Raises:
            RulesError: with each such rule.
        """
        problems = []
        for index, rule in enumerate(self.policy.rules.rules):
            try:
                self.encoding.world.outcome(index)
            except NotLoweredError as error:
                message = f"rule `{rule.id}` cannot be said to the prover: {error}"
                problems.append(Problem("not-provable", message, rule.span, "say its condition otherwise"))
        if problems:
            raise RulesError(problems)

    def search(self, question: Formula, confirms: Confirms, what: str, *, plain: bool = True) -> Failure | None:
        """Return that `what` is the case with a workload that shows it, or None where it is proved that none does.

        `plain`: a proposal, no fallback, no hardware, no waiver where it can be shown without.
        """
        last: list[Found] = []

        def confirm(model: Model) -> tuple[Counterexample, TaskResult] | None:
            last[:] = [self.concrete(model)]
            return self.confirmer.confirm(last[0], confirms)

        found = self._search(question, confirm, preferences(self.encoding, plain))
        if isinstance(found, tuple):
            return Failure(what, self.confirmer.smaller(last[0], found[0], confirms))
        return Failure(f"{found}: {what}", undecided=True) if found is not None else None

    def find(
        self,
        question: Formula,
        confirms: Confirms,
        *,
        plain: bool = True,
        prefer: Sequence[Callable[[], Formula]] = (),
    ) -> tuple[Counterexample, TaskResult] | str | None:
        """Return a workload of which the question holds; None where there is none, a text where that is not known."""
        wanted = [*prefer, *preferences(self.encoding, plain)]
        return self._search(question, lambda model: self.confirmer.confirm(self.concrete(model), confirms), wanted)

    def _search(
        self, question: Formula, confirm: Callable[[Model], T | None], prefer: Sequence[Callable[[], Formula]]
    ) -> T | str | None:
        return search(self.session, question, self.timeout_s, prefer, self.loose, confirm, wishes=wishes(self.encoding))

    def disagreement(self, question: Formula) -> Counterexample | str | None:
        """As `find`, of a workload that the engine refuses because two derivations disagree."""
        return self._search(
            question, lambda model: self.confirmer.refused(self.concrete(model), "derivation-conflict"), ()
        )

    def concrete(self, model: Model) -> Found:
        return concrete(model, self.shared, self.policy.vocabulary.facts)

    def loose(self) -> Iterator[Formula]:
        """Yield what the encoding thinks possible without knowing: what a model that was refused is blocked by."""
        return loose(self.encoding)


def wishes(*encodings: Encoding) -> list[Callable[[], Formula]]:
    """Return what is asked for once a model was refused: that the encodings compute all they say, and what they can."""
    found = [certain(each) for each in encodings]
    return [lambda: every(each[0]() for each in found), lambda: every(each[1]() for each in found)]


def certain(encoding: Encoding) -> list[Callable[[], Formula]]:
    """Return what makes a counterexample of the encoding easier to confirm: all of it, exact arithmetic, the rest."""
    world, shared = encoding.world, encoding.shared

    def chosen() -> Formula:
        """That no rule reads the licence of a model that nobody proposes: which one is chosen is not computed."""
        return every(neg(shared.knowledge.known(f"licence.{option}")) for option in OPEN_OPTIONS)

    def exact() -> Formula:
        alone = implies(world.number("workload.task_count").value == 1, world.number("task.share").value == 1)
        return every((alone, *world.exact, *shared.symbols.exact, *shared.symbols.moderate))

    def no_waiver() -> Formula:
        return every(neg(each) for each in shared.waivers.given.values())

    def no_hardware() -> Formula:
        return neg(world.stated("hardware.present").true)

    return [
        lambda: both(exact(), no_hardware(), no_waiver(), chosen()),
        exact,
        no_hardware,
        no_waiver,
        chosen,
    ]


def preferences(encoding: Encoding, plain: bool = True) -> list[Callable[[], Formula]]:
    """Return what makes a counterexample of the encoding easier to confirm, and where it is `plain` to read."""
    world, shared, sure = encoding.world, encoding.shared, certain(encoding)
    grades = range(1, len(EVIDENCE_GRADES))
    if not plain:
        return sure
    usual = [n for n, fact in encoding.policy.vocabulary.facts.items() if fact.default is not None]
    return [
        *sure,
        lambda: neg(encoding.has_fallback),
        lambda: encoding.proposed,
        lambda: every(neg(levels[grade]) for levels in shared.evidence.at_least.values() for grade in grades),
        lambda: neg(shared.knowledge.known("migration.present")),
        lambda: both(world.number("workload.task_count").value == 1, world.number("task.share").value == 1),
        lambda: both(shared.floors.known, *[neg(each) for each in shared.floors.asked.values()]),
        lambda: every(shared.knowledge.known(n) for n in usual if n in shared.symbols.made and "proposal" not in n),
    ]


def loose(encoding: Encoding) -> Iterator[Formula]:
    """Yield the formulas that stand for what is not computed."""
    yield from (formula for formula, _ in encoding.shared.symbols.open.values() if not _is_number(formula))
    if "scores" in encoding.__dict__:
        yield from encoding.scores.recommended.values()
        yield from encoding.scores.open.values()
        yield from encoding.scores.priced.values()
    for name in OPEN_OPTIONS:
        for guard, _ in encoding.world.licences[name]().cases:
            yield guard
    for name in ("hardware.verdict", "proposal.hardware_verdict"):
        for guard, _ in encoding.world.text(name).cases:
            yield guard
    yield encoding.world.stated("hardware.present").true
    yield encoding.proposed


def _is_number(formula: Formula) -> bool:
    import z3

    return not isinstance(formula, bool) and not z3.is_bool(formula)


def search(
    session: Session,
    question: Formula,
    timeout_s: float,
    prefer: Sequence[Callable[[], Formula]],
    free: Callable[[], Iterator[Formula]],
    confirm: Callable[[Model], T | None],
    limit_s: float | None = None,
    wishes: Sequence[Callable[[], Formula]] = (),
) -> T | str | None:
    """Ask until the engine confirms a model, there is none, the time is over, or too many were refused.

    `limit_s` is what is told as the limit where `timeout_s` is what is left of it. `wishes` are asked for, one after
    the other, once a model was refused: what is only preferred is passed over where a busy machine has no time for it.
    """
    until, refused = monotonic() + timeout_s, 0
    blocked: list[Formula] = []
    wished = list(wishes)
    while refused < TRIES:
        rest = until - monotonic()
        if refused and wished:
            answer, model = session.ask(both(question, wished[0](), *blocked), rest / 2, prefer)
            if model is None:
                del wished[0]
                continue
        else:
            answer, model = session.ask(both(question, *blocked), rest, prefer)
        if answer == "time-out":
            return f"undecided within {timeout_s if limit_s is None else limit_s:.3g} s"
        if model is None:
            # what was refused may have hidden what is
            return None if not refused else _undecided(refused)
        confirmed = confirm(model)
        if confirmed is not None:
            return confirmed
        refused += 1
        blocked.append(neg(every(each if model.holds(each) else neg(each) for each in free())))
        blocked += unattained(model, session.shared.symbols)
    return _undecided(refused)


def _undecided(refused: int) -> str:
    confirmed = f"confirmed none of {refused} workloads" if refused > 1 else "did not confirm the one workload"
    return f"undecided, since the engine {confirmed} that the solver thought possible"
