"""The shape of a workload file as paths: which keys stand where, and which fact each of them states.

A path here has no indexes, and `*` stands for a name that the file chooses (`spec.evidence.*.reference`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, get_args

from pydantic.fields import FieldInfo

from policy_engine.model.fields import Strict
from policy_engine.model.workload import Workload

KeyPath = tuple[str, ...]


@cache
def fields_by_path() -> dict[KeyPath, FieldInfo]:
    """Return every field of the workload file, parents before their children."""
    return dict(_fields(Workload, ()))


def keys_at(parent: KeyPath) -> list[str]:
    """Return the keys that may stand in the mapping at `parent`."""
    depth = len(parent)
    return [path[-1] for path in fields_by_path() if len(path) == depth + 1 and path[:-1] == parent]


def places_of(key: str) -> list[KeyPath]:
    """Return the mappings in which `key` may stand."""
    return [path[:-1] for path in fields_by_path() if path[-1] == key]


def pattern_of(path: tuple[str | int, ...]) -> KeyPath:
    """Return the path of a value in a file as a path of the shape: without indexes, with `*` for chosen names."""
    steps = [step for step in path if isinstance(step, str)]
    for free in (("spec", "evidence"), ("spec", "custom"), ("metadata", "labels"), ("spec", "tasks", "min_scores")):
        if tuple(steps[: len(free)]) == free and len(steps) > len(free):
            steps[len(free)] = "*"
    return tuple(steps)


def fact_name(path: KeyPath) -> str:
    """Return the name that the fact stated at `path` has, or would have: not each field is a fact."""
    match path:
        case ("metadata", *rest) | ("spec", *rest) if len(rest) == 1:
            return f"workload.{rest[0]}"
        case ("spec", "tasks", "proposal", *rest):
            return ".".join(["proposal", *rest])
        case ("spec", "tasks", *rest):
            return ".".join(["task", *rest])
        case ("spec", *rest):
            return ".".join(rest)
    return ".".join(path)


def shown(pattern: KeyPath) -> str:
    """Return a path of the shape as a user reads it: `spec.tasks[].proposal`."""
    lists = {"tasks", "gpus"}
    return ".".join(f"{step}[]" if step in lists else step for step in pattern)


def _fields(model: type[Strict], parent: KeyPath) -> Iterator[tuple[KeyPath, FieldInfo]]:
    for name, info in model.model_fields.items():
        path = (*parent, info.alias or name)
        yield path, info
        if nested := _model_in(info.annotation):
            chosen = ("*",) if path == ("spec", "evidence") else ()
            yield from _fields(nested, path + chosen)


def _model_in(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each))), None)
