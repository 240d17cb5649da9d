"""Whether the verdict of any workload can change between two policies: one example for each kind, or proof of none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import Literal

from msgspec import Struct

from policy_engine.errors import Problem, UsageError
from policy_engine.impact.kinds import KINDS, met
from policy_engine.loading.policy import Policy

Status = Literal["possible", "impossible", "undecided"]
MISSING = "the extra `prove` is not installed"


class KindFound(Struct, frozen=True):
    """Of one kind of change: `possible` with an example that both engines confirm, `impossible` by proof, or undecided.

    `example` is a workload file, `beyond` what no file can say of it; `before` and `after` are the verdicts on it.
    `why` says what kept it undecided.
    """

    kind: str
    status: Status
    example: str | None = None
    before: str | None = None
    after: str | None = None
    beyond: tuple[str, ...] = ()
    why: str | None = None


class Verdicts(Struct, frozen=True):
    """What came out for every kind; `why` says why nothing was asked, and is None where it was."""

    kinds: Sequence[KindFound]
    why: str | None = None

    def met(self, fail_on: Collection[str]) -> bool:
        """Whether a change to fail on is possible, or not known to be impossible."""
        return met((each.kind for each in self.kinds if each.status != "impossible"), fail_on)


def provable() -> bool:
    """Whether what proves is installed."""
    return find_spec("z3") is not None


def require_prover() -> None:
    """Refuse to pass over the proof where something is to fail on it.

    Raises:
        UsageError: the extra is not installed.
    """
    if not provable():
        message = f"whether a verdict can change is not known: {MISSING}"
        hint = "pip install policy-engine[prove], or leave the proof out with --no-proof"
        raise UsageError(Problem("extra-missing", message, help=hint))


def verdicts(old: Policy, new: Policy, at: datetime, timeout_s: float) -> Verdicts:
    """Ask for every kind of change, `timeout_s` seconds each at most."""
    if old.document == new.document and old.catalog.document == new.catalog.document:
        return Verdicts([KindFound(kind, "impossible") for kind in KINDS])
    if not provable():
        return Verdicts([], MISSING)
    raise NotImplementedError
