"""The report of a verification: numbered steps, what each checked, and the first problem it met."""

from __future__ import annotations

from dataclasses import dataclass, field

STEPS = (
    ("schema", "the tables, columns, indexes and triggers are the ledger's, and no others are there"),
    ("checkpoints", "every checkpoint is signed by a pinned key for the pinned origin, from size 0 on"),
    ("entries", "indexes run from 0 without a gap; each entry is canonical, and its leaf hash and columns follow"),
    (
        "tree",
        "the entries give the root of every checkpoint, one stands wherever the time changes, the last covers all",
    ),
    ("blobs", "every document has its digest, every named one is there or was disposed of, and no other"),
    (
        "personal",
        "every personal value opens its commitment under its person's key, and what is missing was destroyed on record",
    ),
    ("view", "the query columns are those that follow from the entries, and there are no other rows"),
    ("kept", "the tree continues every kept checkpoint"),
)


@dataclass
class Step:
    """One numbered step: how much was checked, how many problems, the first of them, the lowest index they name.

    `note` says what the step did not do, though it ran. Where all that is known is a range, `first_index` is its start
    and `last_index` its end; else the two are the same. `apart` counts what was neither found right nor wrong, by kind.
    """

    number: int
    name: str
    title: str
    checked: int = 0
    problems: int = 0
    first_problem: str | None = None
    first_index: int | None = None
    last_index: int | None = None
    done: bool = False
    restored: int = 0
    """How many of the problems a restore on record names; they are problems all the same."""
    note: str | None = None
    apart: dict[str, int] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """`ok`, `failed`, `skipped`, or `restored`: it failed, and entries of restores say what was lost."""
        if self.problems:
            return "restored" if self.restored == self.problems else "failed"
        return "ok" if self.done else "skipped"

    def fail(self, problem: str, index: int | None = None, last: int | None = None) -> None:
        """Count a problem; `index` is the entry's, where there is one, and `last` where it may be any up to that."""
        self.problems += 1
        if self.first_problem is None:
            self.first_problem = problem
        if index is not None and (self.first_index is None or index < self.first_index):
            self.first_index = index
            self.last_index = index if last is None else max(index, last)


@dataclass
class VerificationReport:
    """What was verified, against what, and each step's result."""

    origin: str
    entries: int = 0
    size: int = 0
    root: str = ""
    findings: list[str] = field(default_factory=list)
    """Restores and key rotations on record: to be read by whoever reads the result, and no problems by themselves."""
    steps: list[Step] = field(default_factory=lambda: [Step(n, *step) for n, step in enumerate(STEPS, start=1)])

    @property
    def ok(self) -> bool:
        """True where no step failed and none that had to run was skipped."""
        return all(step.status == "ok" or (step.name == "kept" and not step.problems) for step in self.steps)

    @property
    def first_failing_index(self) -> int | None:
        """The lowest entry index that a step names; where only a root is wrong, the first that it newly covers.

        The root is that of a checkpoint of the ledger, or of one that someone kept: after the last one that agrees.
        """
        return self._first_failing[0]

    @property
    def last_failing_index(self) -> int | None:
        """The highest index that the first failing entry can have: the same, but where only a root is wrong.

        A root says that one of the entries which it newly covers is not what was signed, and not which.
        """
        return self._first_failing[1]

    @property
    def _first_failing(self) -> tuple[int | None, int | None]:
        exact = [
            step.first_index
            for step in self.steps
            if step.first_index is not None and step.first_index == step.last_index and step.name != "tree"
        ]
        if exact:
            return min(exact), min(exact)
        # The ledger's own checkpoints lie closer to each other than those that someone kept.
        tree, kept = self.step("tree"), self.step("kept")
        step = kept if tree.first_index is None else tree
        return step.first_index, step.last_index

    @property
    def problems(self) -> list[str]:
        """The first problem of each failed step, in the order of the steps."""
        return [step.first_problem for step in self.steps if step.first_problem is not None]

    def step(self, name: str) -> Step:
        """Return the step of this name (`STEPS`)."""
        return next(step for step in self.steps if step.name == name)
