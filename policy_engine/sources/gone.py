"""Workloads that stood in a file at a revision and do not any more: they are in another one, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set

from msgspec import Struct

from policy_engine.sources.contents import Contents, contents_of
from policy_engine.sources.kinds import may_hold_workload
from policy_engine.sources.selection import Held, Moved
from policy_engine.sources.trees import Trees


class Gone(Struct, frozen=True):
    """What is gone: nowhere any more, or in another file.

    `lost` are the paths that held what is nowhere. By where the rest stands now, `origins` has the paths that it stood
    in, with the workloads that came from each.
    """

    deleted: tuple[Held, ...]
    lost: tuple[str, ...]
    moved: tuple[Moved, ...]
    origins: Mapping[str, Mapping[str, tuple[str, ...]]]


def gone_since(
    trees: Trees,
    paths: Set[str],
    held: Mapping[str, Contents],
    unchanged: Set[str],
    shown: Callable[[str], str],
) -> Gone:
    """Return what became of the workloads that stood in the files at `paths`, which changed or are not there.

    `held` has what is there now, by path. A workload is known by namespace and name. One that stands in a file that
    did not change is where it was.
    """
    blobs = {path: trees.base[path] for path in sorted(paths) if trees.base[path].mode.startswith("100")}
    bytes_of = trees.contents(blobs.values())
    place = {workload: path for path, contents in held.items() for workload in contents.workloads}
    deleted: dict[str, Held] = {}
    moved: dict[tuple[str, str], list[str]] = {}
    for path, blob in blobs.items():
        content = bytes_of[blob.name]
        now = held.get(path)
        if not may_hold_workload(content) or (now is not None and not now.is_whole):
            continue
        lost: list[str] = []
        was = contents_of(content)
        for workload in was.workloads:
            at = place.get(workload)
            if at is None:
                lost.append(workload)
            elif (now is None or workload not in now.workloads) and at not in unchanged:
                moved.setdefault((path, at), []).append(workload)
        if lost or (now is None and not was.workloads and not was.is_whole and not trees.is_there(path)):
            deleted[path] = Held(shown(path), tuple(lost))
    origins: dict[str, dict[str, tuple[str, ...]]] = {}
    for (old, new), names in moved.items():
        origins.setdefault(new, {})[old] = tuple(names)
    return Gone(
        tuple(deleted.values()),
        tuple(deleted),
        tuple(Moved(shown(old), shown(new), tuple(names)) for (old, new), names in moved.items()),
        origins,
    )
