"""Anchors in another git repository: each checkpoint is a commit on a branch, in `<origin>/checkpoint`.

The program `git` works in a repository of its own, made for the occasion, with a fixed environment: it asks nobody,
runs no hooks, and is stopped after a time. A push is never forced. Where the branch no longer holds the commit that
was pushed last, its history was rewritten, and that is an alarm.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from policy_audit.anchors.place import Place, Receipt, Submission, file_name
from policy_audit.bounded import Done, run
from policy_audit.errors import AnchorAlarmError, AnchorError
from policy_audit.note import MAX_NOTE_BYTES

TIMEOUT_SECONDS = 60.0
MAX_COMMITS = 100_000
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TRIES = 3
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "SSH_AUTH_SOCK", "TMPDIR")
_PROXIES = tuple(name for each in ("http_proxy", "https_proxy", "no_proxy") for name in (each, each.upper()))
_FIXED = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",  # `ext` would run any program
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",  # settings could send the push elsewhere, or run a program
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_AUTHOR_NAME": "policy-audit",
    "GIT_AUTHOR_EMAIL": "policy-audit@localhost",
    "GIT_COMMITTER_NAME": "policy-audit",
    "GIT_COMMITTER_EMAIL": "policy-audit@localhost",
}
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "gc.auto=0",
    "maintenance.auto=false",
    "push.gpgSign=false",
    "push.followTags=false",
    "push.recurseSubmodules=no",
    "fetch.recurseSubmodules=no",
    "transfer.fsckObjects=true",
    "http.followRedirects=false",
)


class GitAnchor:
    """A branch of a repository elsewhere."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def put(self, submission: Submission) -> Receipt:
        path = f"{file_name(submission.checkpoint.origin)}/checkpoint"
        with _scratch(self.place) as git:
            for _ in range(_TRIES):
                head = git.head()
                self._check_history(git, head, submission)
                held = git.file(head, path) if head else None
                if held is not None and self._holds(held, submission):
                    return Receipt(False, {"commit": head})
                commit = git.commit(head, path, submission.note, f"{submission.checkpoint.size} entries")
                if git.push(commit):
                    return Receipt(True, {"commit": commit})
        raise AnchorError(f"others pushed to `{self.place.where}` each time that a checkpoint was to be pushed")

    def held(self, origin: str) -> list[str]:
        path = f"{file_name(origin)}/checkpoint"
        with _scratch(self.place) as git:
            head = git.head()
            if head is not None:
                git.fetch(whole=True)
            notes = git.versions(head, path) if head else []
        if not notes:
            raise AnchorError(f"`{self.place.where}` holds no checkpoint of `{origin}`", code="anchor-empty")
        return list(dict.fromkeys(notes))

    def _check_history(self, git: _Git, head: str | None, submission: Submission) -> None:
        """Fetch the branch, and refuse one whose history is not the one that was pushed to."""
        known = submission.known.get("commit")
        known = known if isinstance(known, str) and _COMMIT.fullmatch(known) else None
        if head is not None:
            git.fetch(whole=known not in (None, head))
        if known in (None, head) or (head is not None and git.is_ancestor(str(known), head)):
            return
        raise AnchorAlarmError(
            f"`{self.place.where}` does not hold the commit {str(known)[:12]} any more, which was pushed there",
            code="anchor-rewritten",
            help="its history was rewritten: find out by whom; a new place or branch begins anew",
        )

    def _holds(self, held: str, submission: Submission) -> bool:
        return submission.check_held(held, self.place.where).size == submission.checkpoint.size


class _Git:
    """The program, in a repository of its own, against one branch of another."""

    def __init__(self, place: Place, folder: Path) -> None:
        self._url, self._ref = place.target, f"refs/heads/{place.pin}"
        self._where = place.where
        self._folder = folder
        self._environment = {**_environment(os.environ), "GIT_DIR": str(folder / "repository")}
        self._do("init", "--quiet", "--bare", "--template=", str(folder / "repository"))

    def head(self) -> str | None:
        """Return the commit that the branch is at; None where there is no such branch."""
        listed = self._do("ls-remote", "--quiet", "--", self._url, self._ref).out.decode("utf-8", "replace")
        for line in listed.splitlines():
            commit, _, ref = line.partition("\t")
            if ref == self._ref and _COMMIT.fullmatch(commit):
                return commit
        return None

    def fetch(self, *, whole: bool = False) -> None:
        depth = "--depth=2147483647" if whole else "--depth=1"
        self._do("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", depth, "--", self._url, self._ref)

    def is_ancestor(self, commit: str, head: str) -> bool:
        if self._run("cat-file", "-e", f"{commit}^{{commit}}").status != 0:
            return False
        return self._run("merge-base", "--is-ancestor", commit, head).status == 0

    def file(self, commit: str, path: str) -> str | None:
        """Return a file's text as of a commit."""
        if not self._do("ls-tree", "--name-only", "-z", commit, "--", path).out:
            return None
        return self._do("cat-file", "blob", f"{commit}:{path}", most=MAX_NOTE_BYTES).out.decode("utf-8", "replace")

    def versions(self, head: str, path: str) -> list[str]:
        """Return what a file was in each commit that changed it, oldest first."""
        # without the full history a merge that takes one side hides what the other side held
        every = ("--full-history", "--topo-order", "--reverse", f"--max-count={MAX_COMMITS + 1}")
        listed = self._do("rev-list", *every, head, "--", path).out.decode()
        commits = listed.split()
        if len(commits) > MAX_COMMITS:
            raise AnchorError(f"`{self._where}` has more than {MAX_COMMITS:,} commits")
        wanted = "".join(f"{commit}:{path}\n" for commit in commits)
        return list(_batch(self._do("cat-file", "--batch", given=wanted.encode()).out))

    def commit(self, parent: str | None, path: str, text: str, message: str) -> str:
        blob = self._line("hash-object", "-w", "--stdin", given=text.encode())
        if parent:
            self._do("read-tree", parent)
        self._do("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = self._line("write-tree")
        parents = ("-p", parent) if parent else ()
        return self._line("commit-tree", "--no-gpg-sign", *parents, "-m", f"checkpoint of {message}", tree)

    def push(self, commit: str) -> bool:
        """Push, never by force; return False where others were faster."""
        done = self._run("push", "--quiet", "--porcelain", "--no-verify", "--", self._url, f"{commit}:{self._ref}")
        if done.status == 0:
            return True
        if b"[rejected]" in done.out or "non-fast-forward" in done.err or "fetch first" in done.err:
            return False
        raise AnchorError(f"`{self._where}` does not take the push: {done.reason}")

    def _line(self, *arguments: str, given: bytes = b"") -> str:
        found = self._do(*arguments, given=given).out.decode("ascii", "replace").strip()
        if not _COMMIT.fullmatch(found):
            raise AnchorError(f"git {arguments[0]} gave no object")
        return found

    def _do(self, *arguments: str, given: bytes = b"", most: int | None = None) -> Done:
        done = self._run(*arguments, given=given, most=most)
        if done.status != 0:
            raise AnchorError(f"`{self._where}` cannot be used: git {arguments[0]}: {done.reason}")
        return done

    def _run(self, *arguments: str, given: bytes = b"", most: int | None = None) -> Done:
        settings = (part for setting in _SETTINGS for part in ("-c", setting))
        more = {} if most is None else {"most": most}
        command = ["git", *settings, *arguments]
        return run(
            command,
            folder=self._folder,
            environment=self._environment,
            seconds=TIMEOUT_SECONDS,
            given=given,
            **more,
        )


def _batch(data: bytes) -> Iterator[str]:
    """Read what `git cat-file --batch` writes: for each object `<id> <type> <size>`, its bytes, and a newline."""
    while data:
        head, _, data = data.partition(b"\n")
        fields = head.split()
        if len(fields) == 3 and fields[1] == b"blob" and fields[2].isdigit():
            size = int(fields[2])
            yield data[:size].decode("utf-8", "replace")
            data = data[size + 1 :]


@contextmanager
def _scratch(place: Place) -> Iterator[_Git]:
    with tempfile.TemporaryDirectory(prefix="policy-audit-", ignore_cleanup_errors=True) as folder:
        yield _Git(place, Path(folder))


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that git runs in: nothing of a repository around us, and nobody to ask."""
    return {**{name: given[name] for name in (*_KEPT, *_PROXIES) if name in given}, **_FIXED}
