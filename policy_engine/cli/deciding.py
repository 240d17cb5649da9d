"""What `evaluate` and `gate` share: read files, decide, record everything in one commit, then answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.cli.door import Door
from policy_engine.cli.options import load
from policy_engine.decide import Decider
from policy_engine.errors import FieldError, InputError, Problem
from policy_engine.loading.evidence import check_evidence
from policy_engine.model.decision import Decision
from policy_engine.recorder import context_from_environment, shown
from policy_engine.telemetry import count, listening, span
from policy_engine.vouching.voucher import Voucher

if TYPE_CHECKING:
    from policy_engine.cli.run_options import Run
    from policy_engine.loading.policy import Policy
    from policy_engine.loading.workload_file import LoadedWorkload


@dataclass
class Judged:
    """The outcome of a run: shown decisions in the order given with their files, and whether a document was invalid."""

    decisions: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    invalid: bool = False
    documents: int = 0

    @property
    def verdicts(self) -> list[str]:
        return [document["verdict"] for _, document in self.decisions]

    def value(self) -> Any:
        """The JSON value: one document, or an array where several workloads were given."""
        documents = [document for _, document in self.decisions]
        return documents[0] if self.documents == 1 and documents else documents


@dataclass(frozen=True)
class _Made:
    """A decision that is not recorded yet, the file it is about, and how long it took."""

    file: str
    decision: Decision
    seconds: float


def decide_files(run: Run, on_invalid: Callable[[InputError], None], use_cache: bool = True) -> Judged:
    """Decide every valid workload of the run's files, record all, and return what may be shown.

    An invalid file keeps no other from being decided: `on_invalid` hears of it at once. Raises PolicyError where
    nothing may be handed out.
    """
    judged = Judged()
    with span("run", files=len(run.files), purpose=run.purpose):
        policy = load(run.layers, run.policy_digest, use_cache)

        def refuse(error: InputError) -> None:
            judged.invalid = True
            on_invalid(error)

        with ExitStack() as stack:
            door = Door(run.ledger, policy, stack)
            made = _decide(run.files, policy, run.at, judged, refuse, door)
            if not made:
                return judged
            if run.cross_check:
                _cross_check(policy, made)
            started = time.perf_counter()
            context = context_from_environment(run.purpose)
            recorded = door.record([each.decision for each in made], context)
        seconds = time.perf_counter() - started
        for each, part in zip(made, recorded, strict=True):
            judged.decisions.append((each.file, shown(each.decision, part)))
            if listening():
                count(each.decision.verdict, _fired(each.decision), each.seconds + seconds)
    return judged


def _cross_check(policy: Policy, made: Sequence[_Made]) -> None:
    """Ask the CEL runtime the same conditions; where the engines differ, nothing is recorded or handed out."""
    from policy_engine.crosscheck import CrossCheck

    oracle = CrossCheck(policy)
    for each in made:
        oracle.check(each.decision.results)


def _fired(decision: Decision) -> list[str]:
    return [row["id"] for task in decision.document["tasks"] for row in task["rules"] if row["outcome"] == "fired"]


def _decide(
    files: Sequence[str],
    policy: Policy,
    at: datetime,
    judged: Judged,
    refuse: Callable[[InputError], None],
    door: Door,
) -> list[_Made]:
    from policy_engine.loading.workload_file import load_workload_documents

    decider: Decider | None = None
    voucher = Voucher(policy, door.asked_for_evidence)
    made: list[_Made] = []
    for file in files:
        try:
            text, name, folder = read_source(file)
        except InputError as error:
            judged.documents += 1
            refuse(error)
            continue
        for loaded in load_workload_documents(text, name, policy.vocabulary):
            judged.documents += 1
            if isinstance(loaded, InputError):
                refuse(loaded)
                continue
            decider = decider or Decider(policy)
            started = time.perf_counter()
            try:
                vouch = voucher.of(loaded.workload, at, folder)
                evidence = check_evidence(loaded.workload, at.date(), folder, vouch)
                decision = decider.decide(loaded.workload, evidence, at, door.waivers(loaded.workload, at))
            except InputError as error:
                refuse(placed(error, loaded))
            else:
                made.append(_Made(name, decision, time.perf_counter() - started))
    return made


def placed(error: InputError, loaded: LoadedWorkload) -> InputError:
    """Give problems that were found while deciding the place of the document that they stand in."""
    document = loaded.document
    place = document.key_span(*error.path) if isinstance(error, FieldError) else document.span("spec", "tasks")
    return InputError(Problem(p.code, p.message, p.span or place, p.help) for p in error.problems)


def read_source(file: str) -> tuple[bytes, str, Path]:
    """Return the bytes of `file` (`-`: standard input), its name in messages, and what evidence is relative to.

    Raises:
        InputError: it cannot be read.
    """
    from policy_engine.loading.yaml_source import LARGEST_FILE, read_bytes

    if file == "-":
        if sys.stdin is None:
            raise InputError(Problem("file-unreadable", "standard input is closed"))
        return sys.stdin.buffer.read(LARGEST_FILE + 1), "<stdin>", Path.cwd()
    path = Path(file)
    if os.path.isdir(path):
        message = f"`{file}` is a directory"
        raise InputError(Problem("file-unreadable", message, help="name the workload files, for example with a glob"))
    return read_bytes(path), str(path), path.parent
