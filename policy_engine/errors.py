"""The error tree. Exit statuses are given to it in `cli/main.py` and nowhere else.

    PolicyError                     one or more problems, each with code, place and help
    ├── UsageError                  the command was called in a way that cannot work
    ├── InputError                  a workload (or another input file) is unreadable or invalid
    │   └── FieldError              a field that only deciding shows to be wrong
    ├── RulesError                  rules, parameters, vocabulary, layers are invalid
    │   └── CatalogError            a catalog entry is invalid
    ├── CaseError                   a rule's case did not come out as it says
    └── RecordingError              the ledger refused; no decision is handed out
        └── VerificationFailedError the ledger was read and is not what it should be

Messages: lower case, no final period, user input in backticks, what to do goes into `help`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from msgspec import Struct


class Span(Struct, frozen=True):
    """A place in a file; line and column count from 1, in code points."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Problem(Struct, frozen=True):
    """One thing that is wrong: a stable `code`, what, where, and what to do about it."""

    code: str
    message: str
    span: Span | None = None
    help: str | None = None

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        hint = f" (help: {self.help})" if self.help else ""
        return f"{place}{self.message}{hint}"


class PolicyError(Exception):
    """The root of every error that reaches a user; holds at least one `Problem`."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        if not self.problems:
            raise ValueError("an error without a problem")
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def code(self) -> str:
        return self.problems[0].code

    @property
    def span(self) -> Span | None:
        return self.problems[0].span

    @property
    def help(self) -> str | None:
        return self.problems[0].help


class BrokenOutputError(Exception):
    """Standard output does not take the report, for the reason that is its cause."""

    def __init__(self, cause: OSError) -> None:
        super().__init__(str(cause))
        self.cause = cause


class UsageError(PolicyError):
    """The command was called in a way that cannot work."""


class InputError(PolicyError):
    """A workload file, or another input, cannot be read or is invalid."""


class FieldError(InputError):
    """One field of a workload is wrong, as deciding found; `path` leads to its key in the document."""

    def __init__(self, problem: Problem, path: tuple[str | int, ...]) -> None:
        super().__init__(problem)
        self.path = path


class RulesError(PolicyError):
    """Rules, parameters, vocabulary or layers are invalid."""


class CatalogError(RulesError):
    """A catalog entry is invalid."""


class CaseError(PolicyError):
    """A rule's case did not come out as it says."""


class RecordingError(PolicyError):
    """The ledger refused the entry or cannot be read; the decision is withheld."""


class VerificationFailedError(RecordingError):
    """The ledger was read, and it is not what it should be."""


def did_you_mean(word: str, candidates: Sequence[str]) -> str | None:
    """Return the help line for a misspelt `word`, or None where nothing is near."""
    near = get_close_matches(word, candidates, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else None
