"""What a word of the command line names in a repository: now, and as of a revision."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from msgspec import Struct

from policy_engine.errors import InputError, Problem, Span
from policy_engine.sources.globs import Glob
from policy_engine.sources.selecting import linked_folder, unreadable_folder
from policy_engine.sources.trees import Trees
from policy_engine.sources.walking import files_below, is_yaml
from policy_engine.sources.words import Word, literal_word, read_word


class Named(Struct, frozen=True):
    """A word, and where it begins in the repository: at a file, or at a folder with or without a pattern below it."""

    text: str
    said: str
    name: str
    place: Path
    is_file: bool
    glob: Glob | None = None

    def covers(self, path: str) -> bool:
        """Whether a path of the repository is one that a workload file of this name may have."""
        if self.is_file:
            return path == self.name
        names = self._below(path)
        if not names:
            return False
        if self.glob is None:
            return is_yaml(path)
        return self.glob.matches(names) and (is_yaml(path) or path.lower().endswith(self.glob.ending or "\0"))

    def reaches(self, folder: str) -> bool:
        """Whether there may be such paths in a folder."""
        if self.is_file:
            return PurePosixPath(self.name).is_relative_to(folder)
        names = self._below(folder)
        if names is None:
            return self.lies_in(folder)
        if self.glob is None:
            return True
        matched = self.glob.start()
        for each in names:
            matched = self.glob.step(matched, each)
        return bool(matched)

    def lies_in(self, folder: str) -> bool:
        """Whether all of it lies in a folder."""
        return PurePosixPath(self.name).is_relative_to(folder)

    def _below(self, path: str) -> tuple[str, ...] | None:
        """Return the names of a path from this folder on; None where it does not lie in it."""
        parts, own = PurePosixPath(path).parts, PurePosixPath(self.name).parts
        return parts[len(own) :] if parts[: len(own)] == own else None

    def shown(self, trees: Trees, path: str) -> str:
        """Return what a path of the repository is called: from the working directory, or as the word from the root."""
        place = str(trees.path(path))
        return place if os.path.isabs(self.text) else os.path.relpath(place, os.path.realpath(os.curdir))

    def paths(
        self, trees: Trees, known: Sequence[str], folders: Sequence[str], problems: list[Problem]
    ) -> Iterator[str]:
        """Yield the paths that it names, of those that are `known`, in `folders` of other repositories, or ignored.

        What another repository holds counts where it is a submodule, or where it was named itself; a folder of which
        git knows nothing counts where it was named.
        """
        found = False
        for path in known:
            if self.covers(path):
                found = True
                yield path
        for folder in folders:
            if self.reaches(folder.rstrip("/")) and (not folder.endswith("/") or self.lies_in(folder.rstrip("/"))):
                found = True
                yield from self._walked(trees, folder.rstrip("/"), problems)
        if not found and trees.is_there(self.name):
            if self.is_file:
                yield self.name
            elif not any(PurePosixPath(path).is_relative_to(self.name) for path in known):
                yield from self._walked(trees, self.name, problems)

    def _walked(self, trees: Trees, folder: str, problems: list[Problem]) -> Iterator[str]:
        def unreadable(error: OSError) -> None:
            problems.append(unreadable_folder(error))

        def linked(link: Path) -> None:
            problems.append(linked_folder(link))

        for path in files_below(trees.path(folder), unreadable, linked):
            name = path.relative_to(trees.top).as_posix()
            if self.covers(name):
                yield name


def named_in(trees: Trees, text: str) -> list[Named]:
    """Return what a word names in a repository, which may be gone from the work tree.

    Raises:
        InputError: it lies outside of it, or is neither there nor was.
        UsageError: it is empty.
    """
    words = read_word(text)
    if len(words) == 1 and words[0].glob is not None:
        name = trees.name(Path(text))
        if name is not None and (name in trees.base or name in trees.head or trees.was_folder(name)):
            words.append(literal_word(text))
    return [named for word in words for named in _named(trees, word)]


def _named(trees: Trees, word: Word) -> list[Named]:
    now = _now(trees, word)
    found = [*([now] if now is not None else []), *(named for named in _was(trees, word) if not _is_same(named, now))]
    if not found:
        message = f"cannot read `{word.text}`: no such file or directory"
        raise InputError(Problem("file-unreadable", message, Span(word.text, 1, 1), "check the path"))
    return found


def _is_same(one: Named, other: Named | None) -> bool:
    return other is not None and (one.name, one.is_file) == (other.name, other.is_file)


def _now(trees: Trees, word: Word) -> Named | None:
    """Return what a word names now, or what that name was; None where it was not there either."""
    name = trees.name(word.place)
    if name is None:
        message = f"`{word.text}` lies outside the repository `{trees.top}`"
        raise InputError(Problem("no-repository", message, help="--since compares the files of one repository"))
    is_file = word.is_file
    if is_file and not trees.is_there(name):
        is_file = not trees.was_folder(name)
        if is_file and name not in trees.base and name not in trees.head:
            return None
    return _at(trees, word, name, is_file)


def _was(trees: Trees, word: Word) -> Iterator[Named]:
    """Yield what a word named at the base: it, or a folder above it, may have been a link, or of another kind.

    What stood there, and is gone with it, would be missed by nobody.
    """
    own = trees.own_name(word.place)
    if own is None:
        return
    if trees.was_folder(own) or (word.glob is None and trees.is_file_at_base(own)):
        yield _at(trees, word, own, not trees.was_folder(own))
    leads = trees.at_base(own)
    if leads is None or leads == own:
        return
    # a link to a file is that link, and no other file
    if trees.was_folder(leads) or (word.glob is None and own not in trees.base and trees.is_file_at_base(leads)):
        yield _at(trees, word, leads, not trees.was_folder(leads))


def _at(trees: Trees, word: Word, name: str, is_file: bool) -> Named:
    said = "the repository" if name == "" and word.glob is None else f"`{word.text}`"
    return Named(word.text, said, name, trees.path(name) if name else trees.top, is_file, word.glob)
