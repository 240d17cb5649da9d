"""What judged workloads were at a revision: decided again for a comparison, and never recorded or handed out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from policy_engine.ci.judged import Compared, JudgedWorkload
from policy_engine.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from policy_engine.cli.run_options import Run
    from policy_engine.loading.policy import Policy
    from policy_engine.loading.workload_file import LoadedWorkload

#: The reports that compare.
_COMPARING = ("markdown", "github")


def compare(run: Run, policy: Policy, decide: Callable[[LoadedWorkload, str, Path], JudgedWorkload]) -> Compared | None:
    """Return how the run's workloads stood at its revision; None where none is named, or no report says it.

    `decide` takes a workload, the name of its file and the folder that its evidence lies beside, which is that of now.
    """
    from policy_engine.loading.workload_file import load_workload_documents

    if run.revision is None or not any(target.format in _COMPARING for target in run.for_ci):
        return None
    before: dict[str, JudgedWorkload] = {}
    unreadable: list[str] = []
    for file, content in run.earlier.items():
        for loaded in load_workload_documents(content, file, policy.vocabulary) if content is not None else ():
            try:
                if isinstance(loaded, InputError):
                    raise loaded
                judged = decide(loaded, file, Path(file).parent)
                before.setdefault(judged.name, judged)
            except InputError:
                unreadable.append(file)
    return Compared(run.revision, before, tuple(dict.fromkeys(unreadable)))
