"""Read what was observed of a stage: JSON Lines, an object a line, every problem with its line.

    {"stage": "5-percent", "task": "triage", "model": "candidate", "at": "2026-11-03T10:00:00Z",
     "requests": 120, "errors": 1, "quality": 0.93, "latency_p95_ms": 640}

`at` is the end of the time that is spoken of; `quality` is the task's metric from 0 to 1. Of a model with several tasks
each has its own. What is left out is not known. Numbers are read exactly, as they are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.decide import format_time, parse_time
from policy_engine.errors import InputError, Problem, Span, did_you_mean
from policy_engine.loading.wording import quoted
from policy_engine.loading.yaml_source import read_bytes
from policy_engine.rollout.vocabulary import MODELS

LARGEST = 16 * 1024 * 1024
_MOST_PROBLEMS = 50
_MOST = 10**15
_LONGEST_NUMBER = 40
KEYS = ("stage", "task", "model", "at", "requests", "errors", "quality", "latency_p95_ms")
REQUIRED = KEYS[:5]
Key = tuple[str, str, datetime]
#: What is wrong, by the task that it is of; None where no task can be told.
Problems = dict[str | None, list[Problem]]


class Observation(Struct, frozen=True):
    """What was seen of one model on one task up to `at`; `stage` is as it was written, the name or the percent."""

    stage: str | float
    task: str
    model: str
    at: datetime
    requests: int
    errors: int | None = None
    quality: Fraction | None = None
    latency_p95_ms: Fraction | None = None
    span: Span | None = None

    @property
    def key(self) -> Key:
        return self.task, self.model, self.at

    def document(self) -> dict[str, Any]:
        """Return it as it is recorded with a decision, fractions as decimal text; the stage is the decision's."""
        return {
            "task": self.task,
            "model": self.model,
            "at": format_time(self.at),
            "requests": self.requests,
            "errors": self.errors,
            "quality": _decimal(self.quality),
            "latency_p95_ms": _decimal(self.latency_p95_ms),
        }


def read_observations(
    paths: Sequence[Path], tasks: Sequence[str], may_be_empty: bool = False
) -> tuple[list[Observation], Problems]:
    """Return the observations of all files, in their order, and what is wrong with those of each task.

    A file without a line is a problem unless it `may_be_empty`.

    Raises:
        InputError: a line is wrong of which nobody can tell the task, or a file cannot be read.
    """
    problems: Problems = {}
    found: list[Observation] = []
    seen: dict[Key, Span] = {}
    for path in paths:
        own = _read(path, tasks, problems, may_be_empty)
        _check_order(own, problems)
        for row in own:
            if (before := seen.get(row.key)) is not None:
                message = f"{_named(row)} stands at {before} already"
                _add(problems, row.task, Problem("duplicate-observation", message, row.span, "give each one once"))
            elif row.span is not None:
                seen[row.key] = row.span
        found += own
    if None in problems:
        raise InputError([each for group in problems.values() for each in group][:_MOST_PROBLEMS])
    return found, problems


def _add(problems: Problems, task: str | None, problem: Problem) -> None:
    problems.setdefault(task, []).append(problem)


def observation_of(value: Mapping[str, Any]) -> Observation:
    """Return a recorded observation.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    quality, latency = (None if value[key] is None else Fraction(value[key]) for key in KEYS[6:])
    at, stage = parse_time(value["at"]), value.get("stage", "")
    return Observation(stage, value["task"], value["model"], at, value["requests"], value["errors"], quality, latency)


def merged(one: Observation, other: Observation) -> Observation | None:
    """Return what two observations of the same time say together; None where they contradict one another."""
    names = ("errors", "quality", "latency_p95_ms")
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in names}
    if one.requests != other.requests or any(None not in pair and pair[0] != pair[1] for pair in pairs.values()):
        return None
    return replace(one, **{name: a if a is not None else b for name, (a, b) in pairs.items()})


def _named(row: Observation) -> str:
    return f"the observation of the {row.model} model on {quoted(row.task)} at {format_time(row.at)}"


def _decimal(value: Fraction | None) -> str | None:
    """Write a number that was read from decimal text, exactly."""
    if value is None:
        return None
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    return f"{Decimal(value.numerator * 10**digits // value.denominator).scaleb(-digits):f}"


def _check_order(rows: Sequence[Observation], problems: Problems) -> None:
    last: dict[tuple[str, str], Observation] = {}
    for row in rows:
        before = last.get((row.task, row.model))
        if before is not None and row.at < before.at:
            message = f"{_named(row)} is out of order: the one before it is of {format_time(before.at)}"
            _add(problems, row.task, Problem("observation-out-of-order", message, row.span, "sort the file by time"))
        last[row.task, row.model] = row


def _read(path: Path, tasks: Sequence[str], problems: Problems, may_be_empty: bool) -> list[Observation]:
    text = _text(path)
    found, is_empty = [], True
    for number, line in enumerate(text.split("\n"), 1):
        span = Span(str(path), number, 1)
        if not line.strip():
            continue
        is_empty, value = False, {}
        try:
            value = _object(line)
            found.append(_Line(value, span, tasks).read())
        except _RefusedError as error:
            task = value.get("task")
            known = task if isinstance(task, str) and task in tasks else None
            _add(problems, known, Problem(error.code, error.message, span, error.help))
    if is_empty and not may_be_empty:
        hint = "with --task it decides whether that task is taken back, or held"
        _add(problems, None, Problem("no-observations", "the file holds no observation", Span(str(path), 1, 1), hint))
    return found


def _text(path: Path) -> str:
    data = read_bytes(path, InputError, LARGEST)
    if len(data) > LARGEST:
        message = f"the file is larger than {LARGEST // 1024**2} MiB"
        raise InputError(Problem("file-too-large", message, Span(str(path), 1, 1), "sum up what was observed"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(Problem("not-utf-8", "the line is not UTF-8", Span(str(path), line, 1))) from None


class _RefusedError(Exception):
    def __init__(self, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.help = code, message, hint


def _object(line: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise _RefusedError("duplicate-key", f"{quoted(twice)} stands in the line twice")
        return found

    def number(text: str) -> Decimal:
        # of a number such as 1e-999999 the exact fraction would fill the memory
        with suppress(ArithmeticError):
            if len(text) <= _LONGEST_NUMBER and abs((value := Decimal(text)).adjusted()) <= _LONGEST_NUMBER:
                return value
        raise _RefusedError("wrong-type", f"{quoted(text)} is too long a number")

    def no(text: str) -> Any:
        raise _RefusedError("wrong-type", f"{quoted(text)} is no number")

    try:
        value = json.loads(line, object_pairs_hook=once, parse_float=number, parse_int=number, parse_constant=no)
    except json.JSONDecodeError as error:
        raise _RefusedError("not-json", f"the line is not JSON: {error.msg.lower()}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise _RefusedError("not-json", "the line is not JSON") from None
    if not isinstance(value, dict):
        raise _RefusedError("not-an-object", "the line is no object", f"its keys are {', '.join(KEYS)}")
    return value


class _Line:
    """One object, key by key; the first thing that is wrong with it is told."""

    def __init__(self, value: dict[str, Any], span: Span, tasks: Sequence[str]) -> None:
        self._value, self._span, self._tasks = value, span, tasks

    def read(self) -> Observation:
        for key in self._value:
            if key not in KEYS:
                hint = did_you_mean(key, KEYS) or f"the keys are {', '.join(KEYS)}"
                raise _RefusedError("unknown-key", f"{quoted(key)} is not a key here", hint)
        for key in REQUIRED:
            if self._value.get(key) is None:
                raise _RefusedError("missing-key", f"`{key}` is missing")
        requests = self._count("requests") or 0
        errors = self._count("errors")
        if errors is not None and errors > requests:
            raise _RefusedError("bad-observation", f"{errors:,} errors in {requests:,} requests")
        quality = self._number("quality")
        if quality is not None and quality > 1:
            raise _RefusedError("bad-observation", "`quality` is above 1", "give the task's metric from 0 to 1")
        task, model = (self._word(*each) for each in (("task", self._tasks), ("model", MODELS)))
        latency = self._number("latency_p95_ms")
        return Observation(self._stage(), task, model, self._time(), requests, errors, quality, latency, self._span)

    def _word(self, key: str, known: Sequence[str]) -> str:
        value = self._value[key]
        if value not in known:
            hint = did_you_mean(str(value), known) or f"one of {', '.join(known)}"
            raise _RefusedError("unknown-value", f"{quoted(value)} is no {key} here", hint)
        return str(value)

    def _stage(self) -> str | float:
        value = self._value["stage"]
        if isinstance(value, str):
            return value
        if isinstance(value, Decimal):
            return float(value)
        raise _RefusedError("wrong-type", "`stage` is neither a name nor a percent", "write it as the plan names it")

    def _time(self) -> datetime:
        value = self._value["at"]
        try:
            return parse_time(value)
        except (ValueError, TypeError):
            hint = "write it as 2026-11-22T09:00:00Z"
            raise _RefusedError("not-a-time", f"{quoted(value)} is not a time with an offset", hint) from None

    def _number(self, key: str) -> Fraction | None:
        value = self._value.get(key)
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise _RefusedError("wrong-type", f"`{key}` must be a number")
        if value < 0 or value > _MOST:
            raise _RefusedError("bad-observation", f"`{key}` is {'below 0' if value < 0 else 'too large'}")
        return Fraction(value)

    def _count(self, key: str) -> int | None:
        value = self._number(key)
        if value is not None and value.denominator != 1:
            raise _RefusedError("wrong-type", f"`{key}` must be a whole number")
        return None if value is None else int(value)
