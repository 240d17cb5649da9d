"""Syntax errors of PyYAML and libyaml, reworded: what is wrong, where, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

import yaml

from policy_engine.errors import Problem, Span
from policy_engine.loading.wording import quoted


class _Wording(NamedTuple):
    parts: tuple[str, ...]  # any of them in the parser's own words
    message: str
    help: str | None = None
    at_start: bool = False  # points at where the unfinished thing begins, not where it was missed


_QUOTE = "put quotes around a value that holds `: `, ` #` or starts with a special character"
_WORDINGS = (
    _Wording(("mapping values are not allowed",), "`:` makes no key here", f"check the indentation, or {_QUOTE}"),
    _Wording(
        ("sequence entries are not allowed",),
        "a list entry `-` is not allowed here",
        "start the list on a line of its own, or quote the value",
    ),
    _Wording(("mapping keys are not allowed",), "`?` is not allowed here", _QUOTE),
    _Wording(("',' or ']'",), "a list opened with `[` is not closed", "expected `,` or `]`", at_start=True),
    _Wording(("',' or '}'",), "a mapping opened with `{` is not closed", "expected `,` or `}`", at_start=True),
    _Wording(
        ("expected key", "<block end>", "'-' indicator"),
        "this line fits neither the lines before it nor an outer level",
        "check its indentation, and that keys end in `:` and list entries start with `- `",
    ),
    _Wording(("expected ':'",), "a key without `:`", "write `key: value`", at_start=True),
    _Wording(("unexpected end of stream", "unexpected document"), "a quoted string is not closed", at_start=True),
    _Wording(
        ("unknown escape character", "escape sequence", "hexadecimal numbers", "hexdecimal"),
        "an unknown escape in a double-quoted string",
        "double the backslash, or use single quotes",
    ),
    _Wording(("invalid Unicode character",), "an escape that stands for no character"),
    _Wording(("tab character",), "a tab in the indentation", "indent with spaces"),
    _Wording(("alphabetic or numeric",), "an anchor or alias without a name", _QUOTE),
    _Wording(("undefined tag handle", "expected '>'", "expected '!'"), "a tag, and tags are not read", _QUOTE),
    _Wording(("<document start>",), "more than one value at the top level", "separate documents with `---`"),
    _Wording(("incompatible YAML",), "this YAML version is not read", "leave the `%YAML` line out"),
    _Wording(("directive",), "a `%` directive that cannot be read", "leave it out, or quote the value"),
    _Wording(
        ("comment or line break", "chomping"),
        "after `|` or `>` the text starts on the next line",
        "quote the value if it is not a block of text",
    ),
    _Wording(("node content",), "a value is missing or misplaced here", _QUOTE),
)


def syntax_problem(caught: yaml.YAMLError, text: str, file: str) -> Problem:
    """Return what the parser found wrong, in one line."""
    problem = str(getattr(caught, "problem", None) or "the text is not YAML").partition("\n")[0]
    mark = getattr(caught, "problem_mark", None)
    start = getattr(caught, "context_mark", None) or mark
    if "cannot start any token" in problem and mark is not None:
        return _bad_start(text, mark, file)
    for wording in _WORDINGS:
        if any(part in problem for part in wording.parts):
            span = _span(start if wording.at_start else mark, file)
            return Problem("yaml-syntax", wording.message, span, wording.help)
    return Problem("yaml-syntax", problem, _span(mark, file))


def _bad_start(text: str, mark: yaml.Mark, file: str) -> Problem:
    character = text[mark.index : mark.index + 1]
    if character == "\t":
        return Problem("yaml-syntax", "a tab in the indentation", _span(mark, file), "indent with spaces")
    return Problem("yaml-syntax", f"no value starts with {quoted(character)}", _span(mark, file), _QUOTE)


def _span(mark: yaml.Mark | None, file: str) -> Span:
    return Span(file, mark.line + 1, mark.column + 1) if mark else Span(file, 1, 1)
