"""One solver that knows what holds of every workload, and is asked one question after another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Any, Literal

import z3

from policy_engine.lowering.to_z3.formulas import Formula
from policy_engine.proofs.encoding import Encoding, Shared, volume_known

Answer = Literal["yes", "no", "time-out"]
#: The part of the time that preferences for a smaller counterexample may take, and the first of two solvers.
_PART = 0.25
_AT_FIRST_S = 0.5


class Model:
    """What the solver found: a value for every symbol."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def holds(self, formula: Formula) -> bool:
        if isinstance(formula, bool):
            return formula
        return bool(z3.is_true(self._model.eval(formula, model_completion=True)))

    def number(self, term: Any, whole: bool) -> int | float:
        """Return the value of a term; a double is the nearest one."""
        if isinstance(term, int | float):
            return term
        value = self._model.eval(term, model_completion=True)
        if whole:
            return int(value.as_long())
        if z3.is_algebraic_value(value):
            value = value.approx(20)
        return float(value.as_fraction()) if hasattr(value, "as_fraction") else float(value.as_long())


class Session:
    """A solver over the decisions of some encodings.

    What the encodings come to need is added when a question is asked, so that they may still grow.
    """

    def __init__(self, shared: Shared, encodings: Sequence[Encoding], extra: Iterable[Shared] = ()) -> None:
        self._solver = z3.SimpleSolver()
        # the newer one takes seconds where prices and volumes meet, and this one does not
        self._solver.set("arith.solver", 2)
        self.shared, self._encodings = shared, encodings
        self._added: dict[int, int] = {}
        for each in (shared, *extra):
            self.add([*each.knowledge.domain(), *each.floors.domain()])
        for encoding in encodings:
            self.add(shared.evidence.domain(encoding.world))

    def add(self, formulas: Iterable[Formula]) -> None:
        """Take for granted what `formulas` say."""
        found = [each for each in formulas if each is not True]
        if found:
            self._solver.add(*found)

    def _grow(self) -> None:
        lists = [self.shared.symbols.domain]
        for each in self._encodings:
            if "scores" in each.__dict__ and id(each.scores) not in self._added:
                self._added[id(each.scores)] = 0
                self.add(each.scores.domain(volume_known(each.world)))
            lists += each.constraints()
        for formulas in lists:
            done = self._added.get(id(formulas), 0)
            self.add(formulas[done:])
            self._added[id(formulas)] = len(formulas)

    def ask(
        self, question: Formula, timeout_s: float, prefer: Sequence[Callable[[], Formula]] = ()
    ) -> tuple[Answer, Model | None]:
        """Say whether `question` can hold, with a model of it in which as much as may be of `prefer` holds."""
        self._grow()
        if question is False:
            return "no", None
        self._solver.push()
        try:
            self.add([question])
            answer, model = self._check(timeout_s)
            if answer != "yes":
                return answer, None
            until = monotonic() + timeout_s * _PART
            for make in prefer:
                formula = make()
                if formula is False or monotonic() > until or (model is not None and model.holds(formula)):
                    if model is not None and formula is not False:
                        self.add([formula] if model.holds(formula) else [])
                    continue
                self._solver.push()
                self.add([formula])
                better, found = self._check(until - monotonic())
                if better == "yes":
                    model = found  # the level stays: what is preferred next has to agree with it
                else:
                    self._solver.pop()
            return "yes", model
        finally:
            self._solver.pop(self._solver.num_scopes())

    def _check(self, timeout_s: float) -> tuple[Answer, Model | None]:
        """Ask the solver that remembers; where that takes long, a fresh one, which simplifies the whole question."""
        until = monotonic() + timeout_s
        answer, model = _answer(self._solver, min(timeout_s, max(timeout_s * _PART, _AT_FIRST_S)))
        if answer != "time-out" or monotonic() >= until:
            return answer, model
        fresh = z3.Solver()
        fresh.add(self._solver.assertions())
        return _answer(fresh, until - monotonic())


def _answer(solver: Any, timeout_s: float) -> tuple[Answer, Model | None]:
    if timeout_s <= 0:
        return "time-out", None
    solver.set("timeout", max(1, int(timeout_s * 1000)))
    found = solver.check()
    if found == z3.sat:
        return "yes", Model(solver.model())
    return ("no" if found == z3.unsat else "time-out"), None
