"""The program git, run so that nothing in a repository, nor in a variable that names one, steers what it answers."""

from __future__ import annotations

import os
from pathlib import Path

from policy_audit.bounded import Done, run
from policy_audit.errors import AnchorError

from policy_engine.errors import InputError, Problem

_SECONDS = 60.0
_MOST = 50_000_000
#: Nobody is asked, nothing is fetched, and a commit is what it says: not what a replacement or a graft makes of it.
_FIXED = {
    "LC_ALL": "C",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "none",  # older versions fetch what a partial clone lacks all the same
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
}
#: Of what says where git looks only how far up: the others name another repository, other objects, or programs to run.
_KEPT = ("GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
#: Over whatever the repository's own settings say: no program is run, no cache is believed, no name has two meanings,
#: and no advice is given about the grafts that are left out here.
_SETTINGS = (
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.commitGraph=false",
    "core.warnAmbiguousRefs=true",
    "advice.graftFileDeprecated=false",
    "safe.bareRepository=explicit",
)


class Git:
    """Runs git in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
        self._environment = {**kept, **_FIXED}

    def run(self, *arguments: str, most: int = _MOST, given: bytes = b"", bare: bool = False) -> Done:
        """Return what git left; `most` bounds its output, in bytes; `bare` allows a repository without a work tree.

        Raises:
            InputError: it cannot be run, took too long, or wrote more.
        """
        settings = [part for each in _SETTINGS if not (bare and "bare" in each) for part in ("-c", each)]
        command = ("git", *settings, *arguments)
        try:
            return run(
                command, folder=self.folder, environment=self._environment, seconds=_SECONDS, given=given, most=most
            )
        except AnchorError as error:
            hint = "git has to be installed, and its objects readable"
            raise InputError(Problem("no-git", error.message, help=hint)) from error


def reason_of(done: Done) -> str:
    """Return why git failed: what it says first, for advice follows, or stands there alone."""
    for line in done.err.splitlines():
        kind, colon, text = line.partition(": ")
        if colon and kind in ("fatal", "error"):
            return "".join(char if char.isprintable() else "?" for char in text)[:300]
    return "no reason given"
