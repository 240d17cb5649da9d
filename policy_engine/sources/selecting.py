"""Files, folders and patterns to the files that are judged. What is in doubt is judged, or is an error."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from policy_engine.errors import Problem, Span
from policy_engine.sources.kinds import Kind, is_judged, passed_over
from policy_engine.sources.selection import Chosen, Selection, Skipped
from policy_engine.sources.walking import files_below
from policy_engine.sources.words import STANDARD_INPUT, Word, check_found, look_at, read_word


def select(names: Sequence[str], if_any: bool = False) -> Selection:
    """Return what the words name, each file once; with `if_any` a word may name nothing.

    Raises:
        UsageError: a word is empty.
    """
    search = _Search([read_word(text) for text in names])
    search.take_all()
    return search.selection(if_any)


def skipped_in(file: str, kinds: Sequence[Kind]) -> list[Skipped]:
    """Return what of a file is no workload: the file, or single documents; those that are empty are not told."""
    if not is_judged(kinds):
        return [Skipped(file)]
    return [Skipped(file, at + 1) for at, kind in enumerate(kinds) if kind is Kind.OTHER]


def no_workload(where: str, skipped: int) -> Problem:
    """Return the problem that a word names no workload; `where` says how it names none."""
    beside = f"; YAML that is none: {skipped:,}" if skipped else ""
    message = f"{where} no workload{beside}"
    hint = "check the path; --if-any exits with 0 where there may be none"
    return Problem("no-workload", message, help=hint)


class _Search:
    """Gathers files; a file that was named itself is judged whole, wherever else it was found."""

    def __init__(self, words: Sequence[Sequence[Word]]) -> None:
        self._words = words
        self._named = {_real(each.text) for word in words for each in word if each.is_file}
        self._listed = any(not each.is_file for word in words for each in word)
        self._chosen: dict[str, Chosen] = {}
        self._skipped: dict[str, list[Skipped]] = {}
        self._problems: list[Problem] = []
        self._folders: set[str] = set()
        self._links: dict[str, Path] = {}
        self._none: list[Problem] = []
        self._unmatched: list[str] = []

    def take_all(self) -> None:
        """Take what the words name, one after the other; one that names no workload is told."""
        for word in self._words:
            broken = len(self._problems)
            skipped = [self._take(each) for each in word]
            if None not in skipped and len(self._problems) == broken:
                where = f"`{word[0].text}` {'matches' if word[0].glob is not None else 'holds'}"
                self._none.append(no_workload(where, sum(number or 0 for number in skipped)))
                self._unmatched.append(word[0].text)

    def _take(self, word: Word) -> int | None:
        """Take a file, or all of a folder or a pattern; return how many files were skipped where none was taken."""
        if word.folder is None:
            self._chosen.setdefault(_real(word.text), Chosen(word.text))
            return None
        matched = skipped = 0
        if word.glob is None or os.path.lexists(word.folder):
            for path in files_below(word.folder, self._unreadable, self._linked, self._looked_into, word.glob):
                problem = check_found(path, word.folder, str(path))
                if problem is not None:
                    self._problems.append(problem)
                elif self._found(path):
                    matched += 1
                else:
                    skipped += 1
        return None if matched else skipped

    def _found(self, path: Path) -> bool:
        """Take a file that was found, and return whether it holds a workload."""
        real = _real(str(path))
        if real in self._chosen or real in self._named:
            return True
        kinds = look_at(path)
        self._skipped.setdefault(real, skipped_in(str(path), kinds))
        if not is_judged(kinds):
            return False
        self._chosen[real] = Chosen(str(path), passed_over=passed_over(kinds), documents=len(kinds))
        return True

    def _unreadable(self, error: OSError) -> None:
        self._problems.append(unreadable_folder(error))

    def _linked(self, link: Path) -> None:
        self._links.setdefault(os.path.realpath(link), link)

    def _looked_into(self, folder: Path) -> None:
        self._folders.add(os.path.realpath(folder))

    def selection(self, if_any: bool) -> Selection:
        """Return what was found; a link to a folder that was not looked into by its own name is a problem."""
        links = [link for real, link in self._links.items() if os.path.isdir(real) and real not in self._folders]
        problems = [*self._problems, *map(linked_folder, links), *(() if if_any else self._none)]
        return Selection(
            files=tuple(self._chosen.values()),
            skipped=tuple(each for skipped in self._skipped.values() for each in skipped),
            none=tuple(self._unmatched) if if_any else (),
            problems=tuple(problems),
            listed=self._listed,
        )


def unreadable_folder(error: OSError) -> Problem:
    """Return the problem that nobody knows what a folder holds."""
    message = f"the folder `{error.filename}` cannot be read: {(error.strerror or str(error)).lower()}"
    return Problem("file-unreadable", message, Span(str(error.filename), 1, 1), "its workloads would not be judged")


def linked_folder(link: Path) -> Problem:
    """Return the problem that a folder's link is not followed, and what it leads to was not looked into."""
    message = f"`{link}` is a link to a folder, which is not followed"
    hint = "put the folder itself there, or name what it leads to, too"
    return Problem("linked-folder", message, Span(str(link), 1, 1), hint)


def _real(file: str) -> str:
    return file if file == STANDARD_INPUT or "\0" in file else os.path.realpath(file)
