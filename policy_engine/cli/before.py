"""What judged workloads were at a revision: decided again for a comparison, and never recorded or handed out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from policy_engine.ci.judged import Compared, JudgedWorkload
from policy_engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from policy_engine.cli.run_options import Run
    from policy_engine.loading.policy import Policy
    from policy_engine.loading.workload_file import LoadedWorkload
    from policy_engine.sources.selection import Was

#: The reports that compare.
_COMPARING = ("markdown", "github")


def compare(run: Run, policy: Policy, decide: Callable[[LoadedWorkload, str, Path], JudgedWorkload]) -> Compared | None:
    """Return how the run's workloads stood at its revision; None where none is named, or no report says it.

    `decide` takes a workload, the name of its file and the folder that its evidence lies beside, which is that of now.
    """
    if run.selection.since is None or not any(target.format in _COMPARING for target in run.for_ci):
        return None
    before: dict[tuple[str, str], list[JudgedWorkload]] = {}
    unreadable: list[str] = []
    held: dict[bytes, list[LoadedWorkload | InputError]] = {}
    for file, was in ((Path(chosen.file), was) for chosen in run.selection.files for was in chosen.before):
        if was.content not in held:
            held[was.content] = _workloads(was.content, str(file), policy)
        due, is_whole = _due(was, held[was.content])
        for loaded in due:
            try:
                judged = decide(loaded, str(file), file.parent)
                known = before.setdefault((judged.file, judged.name), [])
                if not known or was.workloads is None:  # what stood in the file itself, first, is what it was
                    known.append(judged)
            except InputError:
                is_whole = False
        if not is_whole:
            unreadable.append(str(file))
    return Compared(before, tuple(dict.fromkeys(unreadable)))


def _due(was: Was, held: Sequence[LoadedWorkload | InputError]) -> tuple[list[LoadedWorkload], bool]:
    """Return the workloads of a file that are compared, and whether these are all."""
    valid = [each for each in held if not isinstance(each, InputError)]
    if was.workloads is None:
        return valid, len(valid) == len(held)
    by_name = {f"{each.workload.metadata.namespace}/{each.workload.metadata.name}": each for each in reversed(valid)}
    due = [by_name[name] for name in was.workloads if name in by_name]
    return due, len(due) == len(was.workloads)


def _workloads(content: bytes, file: str, policy: Policy) -> list[LoadedWorkload | InputError]:
    """Return the workloads that a file held; its other documents are none of this."""
    from policy_engine.loading.workload_file import load_workload_documents
    from policy_engine.sources.kinds import kinds_of, passed_over

    loaded = load_workload_documents(content, file, policy.vocabulary)
    kinds = kinds_of(content)
    others = passed_over(kinds) if len(kinds) == len(loaded) else ()
    return [each for at, each in enumerate(loaded) if at not in others]
