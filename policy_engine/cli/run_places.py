"""What a run reads and what it writes, held against each other before anything is read, written or decided.

INVARIANT: nothing that a run writes takes the place of what it reads, records to, or writes besides.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.cli.run_options import Run

#: Options of single commands, by their parameters: what they name is read, or written.
_READ, _WRITTEN = ("baseline", "attest_key", "gateway"), {"attest": "attestations", "write_baseline": "baseline"}


class _Output(Struct, frozen=True):
    """Something that is written: what it is, how its place was named, and what place that is."""

    what: str
    path: Path
    place: str


def check_places(run: Run, given: Mapping[str, Any], named: Iterable[str]) -> None:
    """Hold the outputs of a run to its inputs and to each other; `given` are options of its own, `named` its files.

    A baseline that is brought up to date is read and written, and that alone may be.

    Raises:
        UsageError: with each output that would take the place of something.
    """
    outputs = list(_outputs(run, given))
    if not outputs:
        return
    files = {_real(path) for path in _inputs(run, named)}
    if any(os.path.exists(each.place) for each in outputs):  # what is not there is no evidence
        files |= {_real(path) for path in _evidence(run)}
    files |= {_real(each) for name in _READ if (each := given.get(name)) is not None}
    files |= {same for path in files if (same := _same(path)) is not None}
    inside = [Path(_real(path)) for path in _folders(run)]
    given_baseline = _real(given["baseline"]) if given.get("baseline") is not None else None
    problems = []
    for each in outputs:
        own = {given_baseline, _same(given_baseline)} if each.what == "baseline" and given_baseline else set()
        taken = bool({each.place, _same(each.place)} & (files - own))
        # a repository is read, too, wherever it is
        if taken or ".git" in Path(each.place).parts or any(Path(each.place).is_relative_to(f) for f in inside):
            its = "report" if each.what.startswith("report ") else each.what
            message = f"`{each.path}` is read or recorded to by this run, and no place for its {its}"
            problems.append(Problem("cannot-write", message, help="name another file"))
    for one, other in combinations(outputs, 2):
        if one.place == other.place and not _is_stream(one.path):
            message = f"the {one.what} and the {other.what} cannot go to one file: `{other.path}`"
            problems.append(Problem("two-in-one-file", message, help="name another file"))
    if problems:
        raise UsageError(problems)


def _outputs(run: Run, given: Mapping[str, Any]) -> Iterator[_Output]:
    for target in run.targets:
        if target.path is not None:
            yield _Output(f"report {target.format}", target.path, _real(target.path))
    for name, what in _WRITTEN.items():
        if given.get(name) is not None:
            yield _Output(what, given[name], _real(given[name]))
    if any(target.format == "github" for target in run.targets):
        from policy_engine.cli.job_summary import NAME

        if place := os.environ.get(NAME):
            yield _Output("job summary", Path(place), _real(Path(place)))


def _inputs(run: Run, named: Iterable[str]) -> Iterator[Path]:
    from policy_engine.cli.options import ledger_files
    from policy_engine.cli.settings import settings_file

    yield from map(Path, (*named, *run.selection.read))
    yield from run.waivers
    yield from ledger_files(run.ledger)
    settings = settings_file(click.get_current_context())
    if settings is not None:
        yield settings


def _folders(run: Run) -> Iterator[Path]:
    yield from run.layers
    yield from (path for path in run.waivers if path.is_dir())
    if run.ledger.spool is not None:
        yield run.ledger.spool


def _evidence(run: Run) -> Iterator[Path]:
    """Yield the files that the workloads of the run name as evidence."""
    from policy_engine.cli.deciding import read_source
    from policy_engine.sources.contents import contents_of
    from policy_engine.sources.words import STANDARD_INPUT, is_regular

    for name in run.selection.read:
        if name != STANDARD_INPUT and not is_regular(Path(name)):
            continue  # a pipe with a name of its own gives what it holds once, to who decides
        try:
            content, _, folder = read_source(name)
        except InputError:
            continue  # who decides says so
        if b"evidence" in content or b"\\" in content:  # what does not say it needs no parsing
            yield from (Path(folder, each) for each in contents_of(content).evidence)


def _real(path: Path) -> str:
    """Return the place that a name leads to, through links."""
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a NUL, or links that go around
        return str(path)


def _same(place: str) -> str | None:
    """Return what a file is known by that has several names, as hard links give them; None where it has one."""
    try:
        found = os.stat(place)
    except (OSError, ValueError):
        return None
    return f"{found.st_dev}:{found.st_ino}" if stat.S_ISREG(found.st_mode) and found.st_nlink > 1 else None


def _is_stream(path: Path) -> bool:
    """Whether it takes what is written as it comes, such as a pipe or a terminal."""
    return os.path.exists(path) and not os.path.isfile(path)
