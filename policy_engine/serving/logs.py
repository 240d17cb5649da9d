"""The server's log: one line for each request and event on standard error, as JSON or as text.

A line says what happened and never who: no body, token, subject, owner, address or query. Nothing waits for standard
error: lines are written by a thread of their own, and where it takes none they are dropped and counted.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson

from policy_engine.wording import printable

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
#: A write of so many bytes to a pipe comes whole, whoever else writes to it (PIPE_BUF).
_WHOLE = 4096
_LONGEST_TEXT = 500
_MOST_WAITING = 10_000
_FRAMES = 6
#: Requests are written so long after they were answered at most, in seconds; events at once.
_PAUSE = 0.2


class Log:
    """Writes lines to a file descriptor. Safe in several threads; never waits, never fails."""

    def __init__(self, form: str = "json", level: str = "info", handle: int | None = 2) -> None:
        self._form, self._handle = form, handle
        self.level = LEVELS[level]
        self._waiting: deque[tuple[float, str, str, Mapping[str, Any]]] = deque()
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self.lost = 0

    def takes(self, level: str) -> bool:
        """Whether lines of this level are written."""
        return LEVELS[level] >= self.level

    def write(self, level: str, event: str, at: float, fields: Mapping[str, Any], *, now: bool = True) -> None:
        """Hand over a line; fields that are None are left out. Not `now`: with others, a moment later."""
        if not self.takes(level):
            return
        if len(self._waiting) >= _MOST_WAITING:
            self.lost += 1
            return
        self._waiting.append((at, level, event, fields))
        if self._thread is None:
            self._begin()
        if now:
            self._wake.set()

    def event(self, level: str, event: str, **fields: Any) -> None:
        """Write what happened."""
        self.write(level, event, datetime.now(UTC).timestamp(), fields)

    def close(self, seconds: float = 1.0) -> None:
        """Write what waits, in a bounded time."""
        if self._thread is not None:
            self._ended.set()
            self._wake.set()
            self._thread.join(seconds)

    def _begin(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(_PAUSE)
            self._wake.clear()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        part = b""
        while self._waiting:
            line = self._line(*self._waiting.popleft())
            if len(part) + len(line) > _WHOLE:
                self._out(part)
                part = b""
            part += line
        self._out(part)

    def _line(self, at: float, level: str, event: str, fields: Mapping[str, Any]) -> bytes:
        time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {name: _shown(value) for name, value in fields.items() if value is not None}
        if self._form == "json":
            return orjson.dumps(
                {"time": time, "level": level, "event": event, **said}, option=orjson.OPT_APPEND_NEWLINE
            )
        words = " ".join(f"{name}={_word(value)}" for name, value in said.items())
        return f"{time} {level:<7} {event} {words}".rstrip().encode() + b"\n"

    def _out(self, part: bytes) -> None:
        handle = self._handle
        if not part or handle is None:
            return
        try:
            left = part
            while left:
                left = left[os.write(handle, left) :]
        except OSError:
            self.lost += part.count(b"\n")


def _shown(value: Any) -> Any:
    """Return a text in a bounded length, with what is not printable as escapes: a log is read on terminals, too."""
    return printable(value[:_LONGEST_TEXT]).replace("\n", "\\n") if isinstance(value, str) else value


def _word(value: Any) -> str:
    """Return a value as one word: quoted where it has spaces."""
    text = orjson.dumps(value).decode() if isinstance(value, list) else str(value)
    return f'"{text}"' if " " in text or not text else text


class Handler(logging.Handler):
    """Takes what uvicorn and others log into the server's log. Of an exception it says type and places, no values."""

    def __init__(self, log: Log) -> None:
        super().__init__(log.level)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):  # a line that cannot be made stops no server
            level = "error" if record.levelno >= logging.ERROR else record.levelname.lower()
            fields: dict[str, Any] = {"logger": record.name}
            if record.exc_info and record.exc_info[1] is not None:
                # its text and what the caller made of it may hold what a request says
                fields |= {"error": type(record.exc_info[1]).__name__, "at": places(record.exc_info[2])}
                fields["message"] = record.getMessage().partition("\n")[0]
            else:
                fields["message"] = record.getMessage()
            self._log.write(level if level in LEVELS else "info", "log", record.created, fields)


def places(trace: TracebackType | None) -> list[str]:
    """Return where an exception came from, the innermost last: files, lines and functions without their values."""
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{'/'.join(Path(code.co_filename).parts[-3:])}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return found[-_FRAMES:]


_log: Log | None = None


def log() -> Log:
    """Return the log of this process."""
    global _log  # noqa: PLW0603 - a process has one standard error
    if _log is None:
        _log = Log()
    return _log


def begin(form: str, level: str) -> Log:
    """Begin the log of this process, and take into it what uvicorn, asyncio and the libraries log."""
    global _log  # noqa: PLW0603 - as in `log`
    if _log is not None:
        _log.close()
    # where it was closed another file has its number by now, the ledger's perhaps
    _log = Log(form, level, 2 if sys.stderr is not None else None)
    handler = Handler(_log)
    for name in ("", "uvicorn", "uvicorn.error", "uvicorn.access", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [] if name else [handler]
        logger.propagate = True
        logger.setLevel(max(_log.level, logging.WARNING))
    return _log


def form_of(asked: str | None) -> str:
    """Return the form of lines: the one that is asked for, else text for a person at a terminal and JSON elsewhere."""
    if asked is not None:
        return asked
    try:
        return "text" if os.isatty(2) else "json"
    except OSError:
        return "json"
