"""Whether what workloads are judged by changed in the repository that they stand in: then all of them are due."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from policy_engine.sources.trees import SUBMODULE, Trees


def changed_rules(trees: Trees, rules: Iterable[Path]) -> str | None:
    """Return why all workloads are due, or None: a layer, or another file that verdicts rest on, changed.

    What lies outside the repository, in another one, or is ignored, is not compared: nobody knows what it was.
    """
    for place in rules:
        name = trees.link_name(place)
        if name is not None and _changed(trees, name):
            return f"`{place}` changed"
    return None


def _changed(trees: Trees, linked: str) -> bool:
    name = trees.resolved(linked)
    if name is None:
        return True
    above = [str(each) for each in (PurePosixPath(name), *PurePosixPath(name).parents)]
    for path in above:
        sides = (trees.base.get(path), trees.head.get(path))
        if any(side is not None and side.mode == SUBMODULE for side in sides):
            return sides[0] != sides[1]
    known = {*trees.base, *trees.head, *(path for path in trees.listed if not path.endswith("/"))}
    inside = [path for path in known if path == name or PurePosixPath(path).is_relative_to(name)]
    return any(not trees.is_same(path) for path in inside)
