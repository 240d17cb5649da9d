"""The workload files that changed since a revision, and what became of those that are gone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from policy_engine.errors import InputError, Problem, Span, UsageError
from policy_engine.loading.yaml_source import LARGEST_FILE, read_bytes
from policy_engine.sources.contents import Contents, contents_of
from policy_engine.sources.gone import Gone, gone_since
from policy_engine.sources.kinds import Kind, is_judged, kinds_of, may_hold_workload, passed_over
from policy_engine.sources.named import Named, named_in
from policy_engine.sources.rules_changed import changed_rules
from policy_engine.sources.selecting import linked_folder, no_workload, skipped_in
from policy_engine.sources.selection import Chosen, Held, Selection, Since, Skipped, Was
from policy_engine.sources.trees import LINK, SUBMODULE, Blob, Trees, folders_above, read_trees
from policy_engine.sources.words import STANDARD_INPUT, check_found, is_regular, lies_in, look_at

CHANGED, NEW, EVIDENCE, RULES = "changed", "new", "its evidence changed", "the rules changed"
_UNREAD = Contents((), (), False)


def select_changed(
    names: Sequence[str], revision: str, rules: Sequence[Path] = (), if_any: bool = False, folder: Path | None = None
) -> Selection:
    """Return the workload files, of those that `names` says, that are not as they were.

    Compared is the work tree, with files that are not ignored, with the last commit that `revision` and HEAD have in
    common; `folder` lies in the repository, and is the working directory where it is left out. Without names, all of
    the repository counts. `rules` are files and folders of which a change makes every workload due.

    Raises:
        InputError: there is no such revision or repository, or a name lies outside of it.
        UsageError: standard input is named, which has no revision.
    """
    if STANDARD_INPUT in names:
        raise UsageError(Problem("usage", "standard input has no revision", help="name files, or leave --since out"))
    trees = read_trees(folder or Path.cwd(), revision)
    whole = [Named(".", "the repository", "", trees.top, False)]
    named = [each for name in names for each in named_in(trees, name)] or whole
    changes = _Changes(trees, named, changed_rules(trees, rules))
    changes.find()
    return changes.selection(Since(revision, trees.commit), if_any)


class _Changes:
    """Goes once through the files of a repository that were named."""

    def __init__(self, trees: Trees, named: Sequence[Named], all_because: str | None) -> None:
        self._trees, self._named, self._all_because = trees, named, all_because
        self._chosen: dict[str, Chosen] = {}
        self._held: dict[str, Contents] = {}
        self._unchanged: dict[str, Held] = {}
        self._skipped: list[Skipped] = []
        self._problems: list[Problem] = []
        self._matched: set[Named] = set()
        self._same: set[str] = set()

    def find(self) -> None:
        """Look at every path that is there, and at what is committed and is not."""
        seen: set[str] = set()
        for name, named in self._paths():
            if name not in seen:
                seen.add(name)
                self._take(name, named)
            elif name in self._held:
                self._matched.add(named)
        self._judge_once()
        for name in self._trees.head:
            self._check_there(name)

    def _paths(self) -> Iterator[tuple[str, Named]]:
        """Yield each path of the work tree that was named, once for each word: those of files, judged whole, first."""
        trees = self._trees
        known = sorted({*trees.base, *trees.head, *trees.listed})
        inner = [name for name in known if self._is_inner(name)]
        links = sorted({name for name in (*known, *folders_above(known)) if name and self._leads_to_folder(name)})
        for named in sorted(self._named, key=lambda each: not each.is_file):
            for name in named.paths(trees, known, inner, self._problems):
                if trees.is_there(name) and not os.path.isdir(trees.path(name)):
                    yield name, named
            self._problems += [_unseen(named.shown(trees, name)) for name in trees.unreadable if named.reaches(name)]
            for name in () if named.is_file else links:
                if named.reaches(name) and not self._is_looked_into(name):
                    self._problems.append(linked_folder(Path(named.shown(trees, name))))

    def _is_inner(self, name: str) -> bool:
        """Whether a path is another repository in this one: a submodule, or one that is not part of it."""
        sides = [tree[name] for tree in (self._trees.base, self._trees.head) if name in tree]
        return name.endswith("/") or any(side.mode == SUBMODULE for side in sides)

    def _leads_to_folder(self, name: str) -> bool:
        """Whether a path is a link to a folder; what is committed as a file was not, and its links are found there."""
        blob = self._trees.head.get(name)
        path = self._trees.path(name)
        return (blob is None or blob.mode == LINK) and os.path.islink(path) and os.path.isdir(path)

    def _is_looked_into(self, link: str) -> bool:
        """Whether what a link leads to was named by its own name."""
        return any(lies_in(self._trees.path(link), each.place) for each in self._named if not each.is_file)

    def _take(self, name: str, named: Named) -> None:
        path, shown = self._trees.path(name), named.shown(self._trees, name)
        problem = None if named.is_file else check_found(path, named.place, shown)
        if problem is not None:
            self._problems.append(problem)
            return
        content = _content(path)
        same = self._trees.is_same(name, is_text=True)
        if same and content is not None and not may_hold_workload(content):
            self._same.add(name)
            return
        kinds = kinds_of(content) if content is not None else look_at(path)
        held = contents_of(content, kinds) if content is not None else _UNREAD
        if not is_judged(kinds) and not named.is_file:
            self._skipped += [] if same else skipped_in(shown, kinds)
            self._same.update([name] if same else [])
            return
        self._matched.add(named)
        self._held[name] = held
        why = self._why(name, same, held)
        if why is None:
            self._same.add(name)
            if Kind.WORKLOAD in kinds or named.is_file:
                self._unchanged[name] = Held(shown, held.workloads)
            return
        if named.is_file:
            self._chosen[name] = Chosen(shown, why)
            return
        self._skipped += skipped_in(shown, kinds)
        self._chosen[name] = Chosen(shown, why, (), passed_over(kinds), len(kinds))

    def _why(self, name: str, same: bool, held: Contents) -> str | None:
        """Return why a workload file is due, or None."""
        if not same:
            return CHANGED if name in self._trees.base else NEW
        for file in held.evidence:
            place = os.path.normpath(PurePosixPath(name).parent / file)
            inside = not os.path.isabs(place) and place.split("/")[0] != ".."
            if inside and not self._trees.is_same(place):
                return EVIDENCE
        return RULES if self._all_because is not None and (held.workloads or not held.is_whole) else None

    def _judge_once(self) -> None:
        """Leave a file that has several names the best: that by which it is judged, was named, or which is no link."""
        names = [*self._chosen, *self._unchanged]
        real = {name: os.path.realpath(path) for name in names if os.path.islink(path := self._trees.path(name))}
        by_real: dict[str, list[str]] = {}
        for name in names if real else ():
            by_real.setdefault(real.get(name, str(self._trees.path(name))), []).append(name)
        for same in by_real.values():
            best = min(same, key=lambda name: (name not in self._chosen, not self._is_whole(name), name in real))
            for name in (each for each in same if each != best):
                self._chosen.pop(name, None)
                self._unchanged.pop(name, None)

    def _is_whole(self, name: str) -> bool:
        return name in self._chosen and self._chosen[name].documents is None

    def _check_there(self, name: str) -> None:
        """Find what is committed, changed, and not there to be judged: left out of the checkout, or lost."""
        trees, blob = self._trees, self._trees.head[name]
        if trees.base.get(name) == blob:
            return
        if blob.mode == SUBMODULE:
            named = next((each for each in self._named if each.reaches(name)), None)
            if named is not None and not os.path.lexists(trees.path(name) / ".git"):
                shown = named.shown(trees, name)
                message = f"the submodule `{shown}` changed, and is not checked out"
                hint = "check it out (`submodules: recursive`), or name the folders to be judged"
                self._problems.append(Problem("submodule-absent", message, Span(shown, 1, 1), hint))
            return
        named = next((each for each in self._named if each.covers(name)), None)
        if named is None or trees.is_there(name) or not trees.listed.get(name) or not blob.mode.startswith("100"):
            return
        if is_judged(kinds_of(trees.contents([blob])[blob.name])):
            shown = named.shown(trees, name)
            message = f"`{shown}` changed, and is not in the work tree"
            hint = "check it out, for what is committed has to be there to be judged; or commit that it is gone"
            self._problems.append(Problem("file-unreadable", message, Span(shown, 1, 1), hint))

    def selection(self, since: Since, if_any: bool) -> Selection:
        """Return what was found, with what became of the workloads that are gone."""
        trees = self._trees
        differing = {name for name in trees.base if self._covering(name) and name not in self._same}
        gone = gone_since(trees, differing - trees.sparse, self._held, self._same, self._shown)
        was_there = [*(old for origins in gone.origins.values() for old in origins), *gone.lost]
        self._matched.update(named for named in self._named if any(map(named.covers, was_there)))
        none = [] if self._problems else self._unmatched()
        wrong = [no_workload(f"{named.said} {'matches' if named.glob else 'holds'}", 0) for named in none]
        return Selection(
            files=tuple(self._with_before(gone)),
            skipped=tuple(self._skipped),
            deleted=gone.deleted,
            renamed=gone.moved,
            unchanged=tuple(self._unchanged.values()),
            since=since,
            all_because=self._all_because,
            none=tuple(named.text for named in none) if if_any else (),
            problems=(*self._problems, *(() if if_any else wrong)),
            listed=True,
        )

    def _unmatched(self) -> list[Named]:
        """Return the words that no workload was found by, each as the first thing that it names."""
        found = {named.text for named in self._matched}
        return list({named.text: named for named in reversed(self._named) if named.text not in found}.values())[::-1]

    def _covering(self, name: str) -> Named | None:
        return next((named for named in self._named if named.covers(name)), None)

    def _shown(self, name: str) -> str:
        named = self._covering(name)
        return (named or self._named[0]).shown(self._trees, name)

    def _with_before(self, gone: Gone) -> Iterator[Chosen]:
        """Yield what is judged, with what its workloads stood in."""
        base = self._trees.base
        stood: dict[str, list[tuple[Blob, tuple[str, ...] | None]]] = {}
        for name in self._chosen:
            same = base.get(self._trees.resolved(name) or name)
            own = [(same, None)] if same is not None and same.mode.startswith("100") else []
            stood[name] = [*own, *((base[old], names) for old, names in gone.origins.get(name, {}).items())]
        found = self._trees.contents(blob for blobs in stood.values() for blob, _ in blobs)
        for name, chosen in self._chosen.items():
            yield replace(chosen, before=tuple(Was(found[blob.name], names) for blob, names in stood[name]))


def _unseen(folder: str) -> Problem:
    message = f"the folder `{folder}` cannot be read"
    hint = "make it readable, or name the folders to be judged"
    return Problem("file-unreadable", message, Span(folder, 1, 1), hint)


def _content(path: Path) -> bytes | None:
    """Return a file's bytes where they are few enough for a workload file and can be read; else None."""
    try:
        content = read_bytes(path) if is_regular(path) else None
    except InputError:
        return None
    return content if content is not None and len(content) <= LARGEST_FILE else None
