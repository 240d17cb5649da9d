"""Spools of real decisions, each made as its runner makes it, without loading the policy for each."""

from __future__ import annotations

from pathlib import Path

from policy_engine.recorder import Context
from policy_engine.spooling import SpoolRecorder
from tests.unit.replay_case import decided, engine

NAMES = ("support-tickets", "writing-assistant", "hospital")


def spooled(folder: Path, run: str, count: int = 1, first: int = 0) -> Path:
    """Spool so many decisions of a run in one call."""
    folder.mkdir(parents=True, exist_ok=True)
    decisions = [decided(NAMES[(first + n) % len(NAMES)]) for n in range(count)]
    context = Context("deploy", "anna.actor@acme.example", "ci", {"run": run, "repository": "acme/claims"})
    SpoolRecorder(folder, engine().policy).record(decisions, context)
    return folder
