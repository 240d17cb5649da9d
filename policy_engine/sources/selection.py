"""What a run judges, and what it does not judge and why; made once, before anything is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from policy_engine.errors import Problem

T = TypeVar("T")


@dataclass(frozen=True)
class Was:
    """The bytes of a file as of a revision; of its workloads only those that are named count, if any are."""

    content: bytes
    workloads: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Chosen:
    """A file that is judged.

    `passed_over` are its documents, from 0, that are no workloads, of `documents` in all: empty where the file was
    named itself, and all of it is judged. With `--since`, `before` has what its workloads stood in as of the revision:
    the file of that name, then others that some have moved from. `why` says what made it due.
    """

    file: str
    why: str | None = None
    before: tuple[Was, ...] = ()
    passed_over: frozenset[int] = frozenset()
    documents: int | None = None


@dataclass(frozen=True)
class Held:
    """A file and its workloads, as namespace/name; without any, where they cannot be read."""

    file: str
    workloads: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moved:
    """Workloads that stood in the file `old` at the revision, and stand in the file `new` now."""

    old: str
    new: str
    workloads: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    """YAML that is no workload: a file, or one document of a file that holds a workload, too, from 1."""

    file: str
    document: int | None = None


@dataclass(frozen=True)
class Since:
    """The revision as it was named, and the commit that is compared with: what it and HEAD have in common."""

    revision: str
    commit: str


@dataclass(frozen=True)
class Selection:
    """The files of a run, in the order in which they are judged, and all that it tells of the others.

    `deleted` are workloads that are not gated any more: their file is gone, or they are out of it. `unchanged` holds
    those that were not judged because nothing of them has changed. `all_because` says why all are judged in spite of
    `since`. `none` are the names that matched no workload, where `--if-any` allows it; where nothing does, that is
    among `problems`. `listed` says that a folder, a pattern or a revision was named, so that any number can be found.
    """

    files: tuple[Chosen, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    deleted: tuple[Held, ...] = ()
    renamed: tuple[Moved, ...] = ()
    unchanged: tuple[Held, ...] = ()
    since: Since | None = None
    all_because: str | None = None
    none: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    listed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the files that are judged."""
        return tuple(each.file for each in self.files)

    @property
    def read(self) -> tuple[str, ...]:
        """The names of all files with workloads that are there, judged or not: no report may take their place."""
        return (*self.names, *(each.file for each in self.unchanged))

    @property
    def nothing_due(self) -> bool:
        """Whether no file is judged, and rightly so: nothing has changed, or there is nothing, as was allowed."""
        return self.listed and not self.files and not self.problems

    @cached_property
    def _by_file(self) -> dict[str, Chosen]:
        return {each.file: each for each in self.files}

    def due(self, file: str, documents: Sequence[T]) -> list[T]:
        """Return those of a judged file's documents that are judged; all, where it is not what was looked at."""
        chosen = self._by_file.get(file)
        if chosen is None or chosen.documents != len(documents):
            return list(documents)
        return [document for at, document in enumerate(documents) if at not in chosen.passed_over]
