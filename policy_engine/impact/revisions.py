"""Rules as they stood at a revision of git, out of its objects: no checkout is touched, and no attribute obeyed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from msgspec import Struct
from policy_audit.bounded import Done

from policy_engine.errors import InputError, Problem
from policy_engine.loading.layers import CASES_SUFFIX
from policy_engine.loading.yaml_source import LARGEST_FILE
from policy_engine.sources.git import Git

PREFIX = "git:"
_MOST_FILES = 10_000
_REGULAR = ("100644", "100755")


class Revision(Struct, frozen=True):
    """A commit, and a folder in it: from the top of the repository, without slashes at its ends; empty for the top."""

    commit: str
    path: str


class Repository:
    """The repository that `folder` lies in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._git = Git(folder)

    def revision(self, word: str, beside: Path | None) -> Revision:
        """Return what `REV[:PATH]` names; without PATH, the folder that `beside` is today, else the top.

        Raises:
            InputError: there is no repository, no such revision, or no such folder at it.
        """
        name, colon, path = word.partition(":")
        commit = self._object(f"{name}^{{commit}}", name)
        if not colon and beside is not None:
            path = self._within(beside)
        path = str(PurePosixPath(path)) if path else ""
        found = Revision(commit, "" if path == "." else path)
        if self._run("cat-file", "-t", f"{commit}:{found.path}").out.strip() != b"tree":
            message = f"the revision `{name}` has no folder `{found.path}`"
            raise InputError(Problem("no-revision", message, help="PATH in git:REV:PATH is from the repository's top"))
        return found

    def extract(self, revision: Revision, target: Path) -> None:
        """Write the YAML files of a revision's folder under `target`, cases left out.

        Raises:
            InputError: an object cannot be read, is no regular file, or there are too many.
        """
        for mode, name, path in self._listed(revision):
            if path.endswith(CASES_SUFFIX) or PurePosixPath(path).suffix.lower() not in (".yaml", ".yml"):
                continue
            if mode not in _REGULAR or ".." in PurePosixPath(path).parts:
                raise _refused(f"`{path}` is no regular file at that revision", "put the file itself there")
            done = self._run("cat-file", "blob", name, most=LARGEST_FILE + 1)
            if done.status:
                raise _refused(f"git cannot read `{path}` at that revision: {done.reason}")
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(done.out)

    def _listed(self, revision: Revision) -> Iterator[tuple[str, str, str]]:
        """Yield mode, object and path of every file below the revision's folder."""
        done = self._run("ls-tree", "-r", "-z", "--full-tree", f"{revision.commit}:{revision.path}")
        if done.status:
            raise _refused(f"git cannot list that revision: {done.reason}")
        lines = [line for line in done.out.decode("utf-8", "surrogateescape").split("\0") if line]
        if len(lines) > _MOST_FILES:
            raise _refused(f"the folder has {len(lines):,} files at that revision, more than {_MOST_FILES:,}")
        for line in lines:
            about, _, path = line.partition("\t")
            mode, _, name = about.split(" ")[:3]
            yield mode, name, path

    def _object(self, expression: str, name: str) -> str:
        if not name or name.startswith("-"):
            raise _refused(f"`{PREFIX}{name}` names no revision", "write git:REV or git:REV:PATH, as git:main:rules")
        done = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", expression)
        if done.status:
            if self._run("rev-parse", "--git-dir").status:
                raise _refused(f"`{self.folder}` lies in no git repository", "run it in a checkout")
            hint = "`git log` shows the revisions; a shallow clone may lack it"
            raise _refused(f"there is no revision `{name}`", hint)
        return done.out.decode("ascii", "replace").strip()

    def _within(self, beside: Path) -> str:
        """Return where `beside` lies in the repository."""
        top = self._run("rev-parse", "--show-toplevel").out.decode("utf-8", "surrogateescape").rstrip("\n")
        try:
            return beside.resolve().relative_to(Path(top).resolve()).as_posix()
        except ValueError:
            raise _refused(f"`{beside}` lies in no checkout", "write git:REV:PATH") from None

    def _run(self, *arguments: str, most: int = 50_000_000) -> Done:
        return self._git.run(*arguments, most=most, bare=True)


def _refused(message: str, help_: str | None = None) -> InputError:
    return InputError(Problem("no-revision", message, help=help_))
