"""What `evaluate` and `gate` share: read files, decide, record everything in one commit, then answer."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.ci.judged import Judged, JudgedWorkload
from policy_engine.cli.before import compare
from policy_engine.cli.door import Door
from policy_engine.cli.options import load
from policy_engine.decide import Decider
from policy_engine.errors import FieldError, InputError, Problem, Span
from policy_engine.loading.evidence import check_evidence
from policy_engine.model.decision import Decision
from policy_engine.recorder import context_from_environment, shown
from policy_engine.telemetry import count, listening, span
from policy_engine.vouching.voucher import Voucher

if TYPE_CHECKING:
    from policy_engine.cli.run_options import Run
    from policy_engine.findings import Collector
    from policy_engine.loading.policy import Policy
    from policy_engine.loading.workload_file import LoadedWorkload
    from policy_engine.waivers.from_files import GivenFile

_STDIN = "policy_engine.standard_input"
#: Is told of the decisions that were recorded, with the `ledger` part of each.
OnRecord = Callable[[Door, Sequence[Decision], Sequence[Mapping[str, Any]]], None]


def decide_files(
    run: Run,
    on_invalid: Callable[[InputError], None],
    use_cache: bool = True,
    judged: Judged | None = None,
    collect: bool = False,
    accept: Callable[[Policy, Sequence[JudgedWorkload]], list[dict[str, str]]] | None = None,
    on_record: OnRecord | None = None,
) -> Judged:
    """Decide every valid workload of the run's files, record all, and return what may be shown.

    An invalid file keeps no other from being decided: `on_invalid` hears of it at once. The outcome gathers in
    `judged`, with its findings where these are to be collected; `accept` marks those that are accepted, and says what
    each decision's entry tells of that. `on_record` is told of what was recorded while the ledger is still open.
    Raises PolicyError where nothing may be handed out.
    """
    judged = Judged() if judged is None else judged
    judged.selection = run.selection
    with span("run", files=len(run.files), purpose=run.purpose):
        policy = judged.policy = load(run.layers, run.policy_digest, use_cache)

        def refuse(error: InputError) -> None:
            judged.problems += error.problems
            on_invalid(error)

        with ExitStack() as stack:
            door = Door(run.ledger, policy, stack, files=_waivers(run, refuse))
            for problem in run.selection.problems:
                refuse(InputError(problem))
            made = _decide(run, policy, judged, refuse, door, collect)
            if run.selection.since is not None:
                judged.compared = compare(run, policy, _Desk(policy, door, run.at, collect=True).decide)
            if not made:
                return judged
            if run.cross_check:
                _cross_check(policy, made)
            started = time.perf_counter()
            context = context_from_environment(run.purpose)
            details = accept(policy, made) if accept is not None else [{} for _ in made]
            contexts = [replace(context, details={**context.details, **each}) for each in details]
            recorded = door.record([(each.decision, one) for each, one in zip(made, contexts, strict=True)])
            if on_record is not None:
                on_record(door, [each.decision for each in made], recorded)
        seconds = time.perf_counter() - started
        for each, part in zip(made, recorded, strict=True):
            each.shown = shown(each.decision, part)
            if listening():
                count(each.decision.verdict, _fired(each.decision), each.seconds + seconds)
        judged.workloads += made
    return judged


def _waivers(run: Run, refuse: Callable[[InputError], None]) -> list[GivenFile]:
    """Read the files of waivers that were given. One that is none is refused, and the run with it; the others count."""
    if not run.waivers:
        return []
    from policy_engine.waivers.from_files import read_given

    found, problems = read_given(run.waivers)
    if problems:
        refuse(InputError(problems))
    return found


def _cross_check(policy: Policy, made: Sequence[JudgedWorkload]) -> None:
    """Ask the CEL runtime the same conditions; where the engines differ, nothing is recorded or handed out."""
    from policy_engine.crosscheck import CrossCheck

    oracle = CrossCheck(policy)
    for each in made:
        oracle.check(each.decision.results)


def _fired(decision: Decision) -> list[str]:
    return [row["id"] for task in decision.document["tasks"] for row in task["rules"] if row["outcome"] == "fired"]


def _decide(
    run: Run, policy: Policy, judged: Judged, refuse: Callable[[InputError], None], door: Door, collect: bool
) -> list[JudgedWorkload]:
    from policy_engine.loading.workload_file import load_workload_documents

    desk: _Desk | None = None
    made: list[JudgedWorkload] = []
    for file in run.files:
        try:
            text, name, folder = read_source(file)
        except InputError as error:
            judged.documents += 1
            refuse(error)
            continue
        for loaded in run.selection.due(file, load_workload_documents(text, name, policy.vocabulary)):
            judged.documents += 1
            if isinstance(loaded, InputError):
                refuse(loaded)
                continue
            desk = desk or _Desk(policy, door, run.at, collect)
            try:
                made.append(desk.decide(loaded, name, folder))
            except InputError as error:
                refuse(placed(error, loaded))
    return made


class _Desk:
    """Decides loaded workloads, with the evidence beside them and the waivers of the ledger."""

    def __init__(self, policy: Policy, door: Door, at: datetime, collect: bool) -> None:
        self._door, self._at = door, at
        self._decider = Decider(policy)
        self._voucher = Voucher(policy, door.asked)
        self._collector = _collector(self._decider) if collect else None

    def decide(self, loaded: LoadedWorkload, file: str, folder: Path) -> JudgedWorkload:
        """Decide a workload of `file`; `folder` is what evidence is relative to.

        Raises:
            InputError: a field that only deciding shows to be wrong.
        """
        started = time.perf_counter()
        workload, at = loaded.workload, self._at
        evidence = check_evidence(workload, at.date(), folder, self._voucher.of(workload, at, folder))
        decision = self._decider.decide(workload, evidence, at, self._door.waivers(workload, at))
        findings = self._collector.of(decision, loaded.document) if self._collector is not None else ()
        return JudgedWorkload(file, decision, findings, time.perf_counter() - started)


def _collector(decider: Decider) -> Collector:
    from policy_engine.findings import Collector

    return Collector(decider.judge)


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
        return _standard_input(LARGEST_FILE + 1), "<stdin>", Path.cwd()
    path = Path(file)
    if os.path.isdir(path):
        message, hint = f"`{file}` is a directory", "name the workload files, for example with a glob"
        raise InputError(Problem("file-unreadable", message, Span(str(path), 1, 1), hint))
    return read_bytes(path), str(path), path.parent


def _standard_input(most: int) -> bytes:
    """Return what it holds. It can be read once, and is kept for whoever else in this command looks at it."""
    context = click.get_current_context(silent=True)
    kept = context.meta if context is not None else {}
    if _STDIN not in kept:
        if sys.stdin is None:
            raise InputError(Problem("file-unreadable", "standard input is closed"))
        kept[_STDIN] = sys.stdin.buffer.read(most)
    content: bytes = kept[_STDIN]
    return content
