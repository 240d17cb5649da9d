"""Whether the verdict of any workload can change between two policies: one example for each kind, or proof of none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from policy_engine.errors import Problem, UsageError
from policy_engine.impact.kinds import KINDS, between_workloads, kind_of, met
from policy_engine.loading.policy import Policy

if TYPE_CHECKING:
    from policy_engine.proofs.difference import Change

Status = Literal["possible", "impossible", "undecided"]
MISSING = "the extra `prove` is not installed"


class VerdictChange(Struct, frozen=True):
    """A change of verdicts: `possible` with an example, `impossible` by proof, or undecided, and `why`.

    It is that of a task. `example` is a workload file that the engine decides so under both policies at the time `at`,
    without the entries of `leave_out` under either, and with what `beyond` says, which no file can: a waiver on record.
    `reasons` is what the new one says.
    """

    kind: str
    before: str
    after: str
    status: Status
    example: str | None = None
    reasons: tuple[str, ...] = ()
    why: str | None = None
    at: str | None = None
    leave_out: Mapping[str, tuple[str, ...]] = {}
    beyond: tuple[str, ...] = ()


class Verdicts(Struct, frozen=True):
    """What came out for every change; `why` says why nothing was asked, and is None where it was."""

    changes: Sequence[VerdictChange]
    why: str | None = None

    @property
    def kinds(self) -> list[str]:
        """The kinds of change that are not known to be impossible, of a task or of a workload of several.

        A workload has the worst verdict of its tasks: where one task changes from deny to allow beside one that is in
        review, the workload changes from deny to review.
        """
        changes = [(each.before, each.after) for each in self.changes if each.status != "impossible"]
        found = {kind_of(*change) for change in between_workloads(changes)}
        return [each for each in KINDS if each in found]

    def met(self, fail_on: Collection[str]) -> bool:
        """Whether a change to fail on, of a task or a workload, is possible, or not known to be impossible."""
        return met(self.kinds, fail_on)


def require_prover() -> None:
    """Refuse to pass over the proof where something is to fail on it.

    Raises:
        UsageError: the extra is not installed.
    """
    if not _provable():
        message = f"whether a verdict can change is not known: {MISSING}"
        hint = "pip install policy-engine[prove], or leave the proof out with --no-proof"
        raise UsageError(Problem("extra-missing", message, help=hint))


def _provable() -> bool:
    return find_spec("z3") is not None


def verdicts(old: Policy, new: Policy, at: datetime, timeout_s: float) -> Verdicts:
    """Ask for every change of verdicts of decisions made `at` a time, `timeout_s` seconds each at most."""
    if not _provable():
        return Verdicts([], MISSING)
    from policy_engine.proofs.difference import differences

    return Verdicts([_change(each) for each in differences(old, new, at, timeout_s).changes])


def _change(found: Change) -> VerdictChange:
    from policy_engine.decide import format_time

    kind = kind_of(found.before, found.after)
    assert kind is not None  # noqa: S101 - what changes is not the same before and after
    if found.example is not None:
        example = found.example
        return VerdictChange(
            kind,
            found.before,
            found.after,
            "possible",
            example.text(),
            example.after.reasons,
            at=None if found.at is None else format_time(found.at),
            leave_out=dict(zip(("old", "new"), example.leave_out, strict=True)),
            beyond=example.after.beyond,
        )
    status: Status = "impossible" if found.undecided is None else "undecided"
    return VerdictChange(kind, found.before, found.after, status, why=found.undecided)
