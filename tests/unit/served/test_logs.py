"""The log: one line for each request and event, whatever names hold; and a standard error that takes none."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest

from policy_engine.service.meter import Meter
from policy_engine.serving import logs, refusals
from policy_engine.serving.logs import Handler, Log, places

HOSTILE = [
    'x\n{"level":"error","event":"forged"}', "x\r\nforged", "x\u2028forged", "x\x85forged", "\x1b[2Jgone", "\x00",
    "\u202egnp.exe", "\ud800", "a" * 100_000, "é" * 5_000, '"} {"', "\x7f\x9b31m",
]  # fmt: skip


@contextmanager
def written(form: str, level: str = "debug") -> Iterator[tuple[Log, Path]]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "stderr"
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        log = Log(form, level, handle)
        yield log, path
        log.close()
        os.close(handle)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_breaks_a_line_of_json(text: str) -> None:
    with written("json") as (log, path):
        log.event("info", "odd", message=text, code=text)
        log.event("info", "next")
        log.close()
        content = path.read_bytes()
        first, second = content.decode().split("\n")[:2]
        assert content.count(b"\n") == 2
    assert content.decode().replace("\n", "").isprintable()
    assert json.loads(first)["event"] == "odd"
    assert json.loads(second)["event"] == "next"
    assert max(map(len, content.splitlines(keepends=True))) <= 4096 * 2


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_breaks_a_line_of_text_or_moves_a_cursor(text: str) -> None:
    with written("text") as (log, path):
        log.event("info", "odd", message=text)
        log.event("info", "next")
        log.close()
        content = path.read_text(encoding="utf-8")
    assert len(content.splitlines()) == content.count("\n") == 2
    assert content.replace("\n", "").isprintable()


def test_a_line_says_when_how_bad_and_what() -> None:
    with written("json", "info") as (log, path):
        log.event("debug", "not written")
        log.event("warning", "telemetry", message="lost", trace_id=None)
        log.close()
        (line,) = path.read_text().splitlines()
    said = json.loads(line)
    assert list(said) == ["time", "level", "event", "message"]
    assert abs(datetime.fromisoformat(said["time"]).timestamp() - time.time()) < 60


def test_an_exception_says_its_type_and_places_and_no_values() -> None:
    logger = logging.getLogger("test-of-logs")
    logger.propagate = False
    with written("json") as (log, path):
        logger.addHandler(handler := Handler(log))
        try:
            person = "alice@acme.example"
            raise KeyError(person)
        except KeyError:
            logger.exception("it went wrong\nwith Alice")
        logger.error("formatted badly %d", "text")
        logger.removeHandler(handler)
        log.close()
        content = path.read_text()
    assert "alice" not in content.lower()
    said = json.loads(content.splitlines()[0])
    assert said["level"] == "error"
    assert said["error"] == "KeyError"
    assert said["at"][-1].endswith("test_an_exception_says_its_type_and_places_and_no_values")


def test_refusals_of_the_protocol_are_a_bounded_number_of_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr(refusals.time, "monotonic", lambda: clock)
    with written("json") as (log, path):
        noting = refusals.Refusals(Meter(), log)
        for _ in range(1000):
            noting.note(400, "http")
        clock += 1.0
        noting.note(431, "headers-too-large")
        noting.note(408, "request-timeout")
        log.close()
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["status"] for line in lines] == [400] * refusals.MOST_LINES + [431, 408]
    assert [line.get("left_out") for line in lines[-3:]] == [None, 1000 - refusals.MOST_LINES, None]
    assert {line["route"] for line in lines} == {"unmatched"}


def test_places_are_the_innermost() -> None:
    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        raise ValueError

    try:
        deep(30)
    except ValueError as error:
        found = places(error.__traceback__)
    assert len(found) == 6


def test_a_reader_that_stands_still_costs_lines_and_nothing_else() -> None:
    """A pipe that nobody reads is full after 64 KiB."""
    reading, writing = os.pipe()
    log = Log("json", "info", writing)
    started = time.monotonic()
    for number in range(30_000):
        log.event("info", "request", number=number)
    assert time.monotonic() - started < 20
    assert log.lost >= 30_000 - logs._MOST_WAITING - 2_000
    log.close(0.1)  # it does not wait for the reader for long
    assert time.monotonic() - started < 20
    threading.Thread(target=_empty, args=(reading,), daemon=True).start()
    assert log._thread is not None
    log._thread.join(20)
    os.close(writing)


def _empty(handle: int) -> None:
    while os.read(handle, 65536):
        pass
    os.close(handle)


@pytest.mark.parametrize("how", ["closed", "no reader", "full"])
def test_a_broken_standard_error_costs_lines_and_nothing_else(how: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    if how == "full":
        os.close(writing)
        writing = os.open("/dev/full", os.O_WRONLY)
    if how == "closed":
        os.close(writing)
        writing = 987_654
    log = Log("text", "info", writing)
    for _ in range(3):
        log.event("info", "request")
    log.close()
    assert log.lost == 3
    if how != "closed":
        os.close(writing)


def test_lines_of_a_request_wait_for_company_and_events_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_PAUSE", 60.0)
    with written("json") as (log, path):
        log.write("info", "request", 0.0, {"n": 1}, now=False)
        log.event("info", "worker started")
        deadline = time.monotonic() + 10
        while path.read_bytes().count(b"\n") < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
