"""What `evaluate` and `gate` share: read files, decide, record everything in one commit, then answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.cli.options import LedgerChoice, load, opened
from policy_engine.decide import Decider, Decision
from policy_engine.errors import InputError, Problem
from policy_engine.loading.evidence import check_evidence
from policy_engine.recorder import Recorder, context_from_environment, shown
from policy_engine.telemetry import count, listening

if TYPE_CHECKING:
    from policy_engine.loading.policy import Policy


@dataclass
class Judged:
    """The outcome of a run: shown decisions in the order given with their files, and what could not be read."""

    decisions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)
    documents: int = 0

    @property
    def verdicts(self) -> list[str]:
        return [document["verdict"] for _, document in self.decisions]

    def value(self) -> Any:
        """The JSON value: one document, or an array where several workloads were given."""
        documents = [document for _, document in self.decisions]
        return documents[0] if self.documents == 1 and documents else documents


def decide_files(
    files: Sequence[str], layers: Sequence[Path], digest: str | None, choice: LedgerChoice, at: datetime, purpose: str
) -> Judged:
    """Decide every valid workload of `files`, record all, and return what may be shown.

    An invalid file keeps no other from being decided. Raises PolicyError where nothing may be handed out.
    """
    policy = load(layers, digest)
    judged = Judged()
    made = _decide(files, policy, at, judged)
    if not made:
        return judged
    with opened(choice) as ledger:
        recorded = Recorder(ledger, policy).record([d for _, d, _ in made], context_from_environment(purpose))
    for (file, decision, started), part in zip(made, recorded, strict=True):
        judged.decisions.append((file, shown(decision, part)))
        if listening():
            count(decision.verdict, _fired(decision), started)
    return judged


def _fired(decision: Decision) -> list[str]:
    return [row["id"] for task in decision.document["tasks"] for row in task["rules"] if row["outcome"] == "fired"]


def _decide(files: Sequence[str], policy: Policy, at: datetime, judged: Judged) -> list[tuple[str, Decision, float]]:
    from policy_engine.loading.workload_file import load_workload_documents

    decider: Decider | None = None
    made: list[tuple[str, Decision, float]] = []
    for file in files:
        try:
            text, name, folder = read_source(file)
        except InputError as error:
            judged.problems.append(error)
            judged.documents += 1
            continue
        for loaded in load_workload_documents(text, name, policy.vocabulary):
            judged.documents += 1
            if isinstance(loaded, InputError):
                judged.problems.append(loaded)
                continue
            decider = decider or Decider(policy)
            started = time.perf_counter()
            try:
                evidence = check_evidence(loaded.workload, at.date(), folder)
                made.append((name, decider.decide(loaded.workload, evidence, at), started))
            except InputError as error:
                judged.problems.append(placed(error, loaded))
    return made


def placed(error: InputError, loaded: Any) -> InputError:
    """Give problems that were found while deciding the place of the document that they stand in."""
    return InputError(
        Problem(p.code, p.message, p.span or loaded.document.span("spec", "tasks"), p.help) for p in error.problems
    )


def read_source(file: str) -> tuple[bytes, str, Path]:
    """Return the bytes of `file` (`-`: standard input), its name in messages, and the folder evidence is relative to."""
    from policy_engine.loading.yaml_source import LARGEST_FILE, read_bytes

    if file == "-":
        return sys.stdin.buffer.read(LARGEST_FILE + 1), "<stdin>", Path.cwd()
    path = Path(file)
    if path.is_dir():
        message = f"`{file}` is a directory"
        raise InputError(Problem("file-unreadable", message, help="name the workload files, for example with a glob"))
    return read_bytes(path), str(path), path.parent
