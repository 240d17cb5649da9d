"""A repository as it was at a revision, as it is committed, and as it stands in the work tree.

Files of the work tree are read and hashed here. Git's own answers about them come from its index, its filters and the
attributes in the repository, all of which whoever made the change can set.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath

from msgspec import Struct

from policy_engine.errors import InputError, Problem
from policy_engine.sources.git import Git, reason_of

LINK, SUBMODULE = "120000", "160000"
_REGULAR = ("100644", "100755")
_MOST_LISTED = 1_000_000_000
_CHUNK = 1 << 20
#: Git lists what it can, and succeeds all the same.
_UNSEEN = re.compile(r"^warning: could not open directory '(.*)': ", re.MULTILINE)
_MOST_LINKS = 40
#: The status of `git merge-base` where commits have nothing in common.
_NONE_COMMON = 1
_SHALLOW = (
    "this is a shallow clone, which lacks it: fetch the history with `fetch-depth: 0` (actions/checkout), "
    "`GIT_DEPTH: 0` (GitLab), or `git fetch --deepen=1000 origin`"
)


class Blob(Struct, frozen=True):
    """What a tree holds at a path: git's mode in octal, and the object."""

    mode: str
    name: str


Tree = Mapping[str, Blob]


class Trees(Struct, frozen=True, dict=True):
    """`base` is the tree at the commit that is compared with, `head` that of HEAD; paths are from `top`.

    `listed` has the paths of the index, and of files that are neither in it nor ignored: whether they are in it. A path
    that ends in `/` is another repository in this one. `sparse` are those that the checkout leaves out, `unreadable`
    folders that git could not look into, `hash` is how git names objects, and `asked` is the top by the working
    directory's own name, links in it left as they are.
    """

    git: Git
    top: Path
    commit: str
    base: Tree
    head: Tree
    listed: Mapping[str, bool]
    sparse: frozenset[str]
    unreadable: tuple[str, ...]
    hash: str
    asked: str

    def path(self, name: str) -> Path:
        """Return where a path of the repository is."""
        return self.top / name

    def name(self, place: Path) -> str | None:
        """Return what a file or folder is called in the repository; a link to a file is that link. None outside."""
        real = Path(os.path.realpath(place if os.path.isdir(place) else place.parent))
        real = real if os.path.isdir(place) else real / place.name
        try:
            found = real.relative_to(self.top).as_posix()
        except ValueError:
            return None
        return "" if found == "." else found

    def own_name(self, place: Path) -> str | None:
        """Return what a place is called in the repository, links in it left as they are; None outside."""
        whole = Path(os.path.abspath(place))
        top = next(
            (each for each in (*reversed(whole.parents), whole) if os.path.realpath(each) == str(self.top)), None
        )
        name = whole.relative_to(top).as_posix() if top is not None else None
        return "" if name == "." else name

    def at_base(self, name: str) -> str | None:
        """Return where the links on a path led to at the base; None where they led out."""
        for _ in range(_MOST_LINKS):
            link = next((each for each in prefixes(name) if each in self.base and self.base[each].mode == LINK), None)
            if link is None:
                return name
            leads = PurePosixPath(link).parent / self._leads[link]
            name = os.path.normpath(leads / PurePosixPath(name).relative_to(link))
            if os.path.isabs(name) or name.split("/")[0] == "..":
                return None
            name = "" if name == "." else name
        return None

    def is_file_at_base(self, name: str) -> bool:
        """Whether a regular file was at a path at the base."""
        return name in self.base and self.base[name].mode.startswith("100")

    def was_folder(self, name: str) -> bool:
        """Whether there were files below a path at the base."""
        return name in self._folders

    @cached_property
    def _folders(self) -> frozenset[str]:
        return folders_above(self.base)

    @cached_property
    def _leads(self) -> dict[str, str]:
        """What the links of the base say."""
        links = {name: blob for name, blob in self.base.items() if blob.mode == LINK}
        texts = self.contents(links.values())
        return {name: os.fsdecode(texts[blob.name]) for name, blob in links.items()}

    def link_name(self, place: Path) -> str | None:
        """Return what a place is called in the repository by its own name, else by what it leads to; None outside."""
        for each in (os.path.abspath(place), os.path.realpath(place)):
            for top in (self.asked, str(self.top)):
                if Path(each).is_relative_to(top):
                    return Path(each).relative_to(top).as_posix()
        return None

    def is_there(self, name: str) -> bool:
        """Whether anything stands at a path in the work tree, or may: a broken link too, and what cannot be seen.

        What a link to a folder leads to has another name.
        """
        if self.folder_link(name) is not None:
            return False
        try:
            os.lstat(self.path(name))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return False
        except OSError as error:
            return error.errno != errno.ENAMETOOLONG
        return True

    def is_same(self, name: str, is_text: bool = False) -> bool:
        """Whether the file at a path is committed and stands in the work tree as it was at the base.

        `is_text` takes two line feeds for the same: a checkout may write them as carriage return and line feed. A file
        that was not there, and is not, is the same. Links must be the same themselves, and what they lead to.
        """
        leads = self.resolved(name)
        return leads is not None and self.base.get(leads) == self.head.get(leads) and self._is_same_file(leads, is_text)

    def resolved(self, name: str) -> str | None:
        """Return where the links on a path lead to in the repository; None where one changed, or leads out of it."""
        for _ in range(_MOST_LINKS):
            link = self._first_link(name)
            if link is None:
                return name
            if self.base.get(link) != self.head.get(link) or not self._is_same_link(link):
                return None
            rest = PurePosixPath(name).relative_to(link)
            leads = os.path.normpath(PurePosixPath(link).parent / os.readlink(self.path(link)) / rest)
            if os.path.isabs(leads) or leads.split("/")[0] == "..":
                return None  # nobody knows what was there
            name = leads
        return None

    def _first_link(self, name: str) -> str | None:
        return next((prefix for prefix in prefixes(name) if os.path.islink(self.path(prefix))), None)

    def folder_link(self, name: str) -> str | None:
        """Return the link that stands in the place of a folder above a path, if any."""
        link = self._first_link(name)
        return link if link != name else None

    def _is_same_link(self, name: str) -> bool:
        blob = self.base.get(name)
        text = os.fsencode(os.readlink(self.path(name)))
        return blob is not None and blob.mode == LINK and blob.name == self._digest(len(text), [text])

    def _is_same_file(self, name: str, is_text: bool) -> bool:
        blob = self.base.get(name)
        if blob is None or blob.mode not in _REGULAR:
            return blob is None and not self.is_there(name)
        try:
            handle = os.open(self.path(name), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            with os.fdopen(handle, "rb") as stream:
                found = os.fstat(stream.fileno())
                if not stat.S_ISREG(found.st_mode):
                    return False
                if self._digest(found.st_size, iter(lambda: stream.read(_CHUNK), b"")) == blob.name:
                    return True
                if not is_text or found.st_size > _CHUNK:
                    return False
                stream.seek(0)
                text = stream.read(_CHUNK).replace(b"\r\n", b"\n")
        except OSError:
            return False
        return self._digest(len(text), [text]) == blob.name

    def _digest(self, size: int, chunks: Iterable[bytes]) -> str:
        """Return the name that git gives a blob."""
        whole = hashlib.new(self.hash, b"blob %d\0" % size, usedforsecurity=False)
        for chunk in chunks:
            whole.update(chunk)
        return whole.hexdigest()

    def contents(self, blobs: Iterable[Blob]) -> dict[str, bytes]:
        """Return the bytes of objects by name.

        Raises:
            InputError: git cannot read one of them.
        """
        names = list(dict.fromkeys(blob.name for blob in blobs))
        if not names:
            return {}
        given = "".join(f"{name}\n" for name in names).encode()
        done = self.git.run("cat-file", "--batch", given=given, most=_MOST_LISTED)
        found: dict[str, bytes] = {}
        data, at = done.out, 0
        for name in names:
            end = data.find(b"\n", at)
            fields = data[at : max(end, at)].split()
            if done.status or len(fields) != 3 or fields[0] != name.encode() or fields[1] != b"blob":
                hint = "a partial clone lacks objects, and nothing is fetched here: clone without --filter"
                raise _refused(f"git cannot read the object {name}: {reason_of(done)}", hint)
            size = int(fields[2])
            found[name] = data[end + 1 : end + 1 + size]
            at = end + 1 + size + 1
        return found


def folders_above(names: Iterable[str]) -> frozenset[str]:
    """Return the folders that paths lie in, the top, which is empty, among them."""
    found: set[str] = set()
    for name in names:
        folder = name.rstrip("/")
        while folder and (folder := folder.rpartition("/")[0]) not in found:
            found.add(folder)
    return frozenset(found)


def prefixes(name: str) -> list[str]:
    """Return the folders above a path, from the top on, and the path itself."""
    parts = PurePosixPath(name).parts
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]


def read_trees(folder: Path, revision: str) -> Trees:
    """Return the trees of the repository that `folder` lies in, from what `revision` and HEAD have in common on.

    Raises:
        InputError: there is no repository, no such revision, or nothing in common.
    """
    git = Git(_top(folder))
    asked, head = _commit(git, revision), _commit(git, "HEAD")
    common = git.run("merge-base", asked, head)
    base = common.out.decode("ascii", "replace").strip()
    if common.status or not base:
        reason = f": {reason_of(common)}" if common.status not in (0, _NONE_COMMON) else ""
        message = f"`{revision}` and HEAD have no commit in common{reason}"
        raise InputError(Problem("no-merge-base", message, help=_fetching(git, "name a branch that HEAD came from")))
    kind = git.run("rev-parse", "--show-object-format")
    listed, sparse, unreadable = _listed(git)
    return Trees(
        git=git,
        top=git.folder,
        commit=base,
        base=_tree(git, base),
        head=_tree(git, head),
        listed=listed,
        sparse=sparse,
        unreadable=unreadable,
        asked=_as_asked(folder, git.folder),
        hash=kind.out.decode("ascii", "replace").strip() if not kind.status else "sha1",
    )


def _top(folder: Path) -> Path:
    """Return the top of the work tree that `folder` lies in."""
    done = Git(folder).run("rev-parse", "--show-toplevel")
    if done.status:
        reason = reason_of(done)
        if "not a git repository" in reason:
            raise InputError(
                Problem("no-repository", f"`{folder}` lies in no git repository", help="run it in a checkout")
            )
        trusts = "`git config --global --add safe.directory FOLDER` trusts a checkout of another owner"
        hint = trusts if "ownership" in reason else "the gate needs a checkout with a work tree"
        raise InputError(Problem("no-repository", f"git does not work in `{folder}`: {reason}", help=hint))
    top = Path(os.path.realpath(os.fsdecode(done.out.removesuffix(b"\n"))))
    if not Path(os.path.realpath(folder)).is_relative_to(top):
        # its own settings can say that its work tree is elsewhere
        raise InputError(Problem("no-repository", f"the repository of `{folder}` has its work tree in `{top}`"))
    return top


def _as_asked(folder: Path, top: Path) -> str:
    """Return the name of `top` that the name of `folder`, which lies in it, begins with."""
    depth = len(Path(os.path.realpath(folder)).relative_to(top).parts)
    given = Path(os.path.abspath(folder))
    named = given if depth == 0 else given.parents[depth - 1] if depth <= len(given.parents) else top
    return str(named if os.path.realpath(named) == str(top) else top)


def _commit(git: Git, name: str) -> str:
    """Return the commit that a revision names."""
    if not name or name.startswith("-") or "\0" in name:
        hint = "write --since REV, with a branch, a tag or a commit, as --since origin/main"
        raise _refused(f"`{name}` names no revision", hint)
    done = git.run("rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
    if done.status:
        raise _refused(f"there is no revision `{name}`", _fetching(git, "`git branch -a` shows the branches"))
    if "ambiguous" in done.err and name != "HEAD":
        hint = "write it in full, as refs/remotes/origin/main, or name the commit"
        raise _refused(f"the revision `{name}` is ambiguous: a tag and a branch may have that name", hint)
    return done.out.decode("ascii", "replace").strip()


def _fetching(git: Git, hint: str) -> str:
    """Return what to do: where the history was cut off, to fetch it; else the hint."""
    return _SHALLOW if git.run("rev-parse", "--is-shallow-repository").out.strip() == b"true" else hint


def _tree(git: Git, commit: str) -> dict[str, Blob]:
    done = git.run("ls-tree", "-r", "-z", "--full-tree", commit, most=_MOST_LISTED)
    if done.status:
        raise _refused(f"git cannot list the commit {commit}: {reason_of(done)}")
    found = {}
    for line in done.out.split(b"\0"):
        if line:
            about, _, path = line.partition(b"\t")
            mode, _, name = about.decode("ascii").split(" ")
            found[os.fsdecode(path)] = Blob(mode, name)
    return found


def _listed(git: Git) -> tuple[dict[str, bool], frozenset[str], tuple[str, ...]]:
    """Return the paths of the index and of what is not ignored, those left out of the checkout, and unseen folders."""
    done = git.run("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", most=_MOST_LISTED)
    if done.status:
        raise _refused(f"git cannot list the work tree: {reason_of(done)}")
    lines = [line.partition(b" ") for line in done.out.split(b"\0") if line]
    listed = {os.fsdecode(path): tag != b"?" for tag, _, path in lines}
    sparse = frozenset(os.fsdecode(path) for tag, _, path in lines if tag == b"S")
    return listed, sparse, tuple(each.rstrip("/") for each in _UNSEEN.findall(done.err))


def _refused(message: str, help_: str | None = None) -> InputError:
    return InputError(Problem("no-revision", message, help=help_))
