"""`policy new --complete FILE` at a terminal: asks what matters, until nothing does or nobody answers."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.given import INVOICES as OPEN

Policy = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("nobody_there")


class Terminal(io.TextIOWrapper):
    """Lines that somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def give(*lines: str) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO("".join(f"{line}\n" for line in lines).encode())))

    return give


def test_it_asks_until_nothing_matters(policy: Policy, file: Path, typed: Callable[..., None]) -> None:
    typed("mayb", "yes", *[""] * 30)
    done = policy("new", "--complete", str(file))
    assert done.status == 0, done.err
    questions = re.findall(r"^([a-z_.0-9]+): [A-Z]", done.err, flags=re.M)
    assert len(questions) == len(set(questions))
    assert questions[0] == "data.may_leave_network"
    assert "DENY for false; REVIEW for true" in done.err or "REVIEW for true; DENY for false" in done.err
    assert "`mayb` is neither `true` nor `false`" in done.err
    assert "nothing more to ask" in done.err
    assert "    may_leave_network: true\n" in file.read_text(encoding="utf-8")


def test_a_deny_ends_the_questions(policy: Policy, file: Path, typed: Callable[..., None]) -> None:
    typed("no", "unused")
    done = policy("new", "--complete", str(file))
    assert done.err.count("don't know") == 1
    assert "default/invoices: DENY\n  nothing more to ask\n" in done.err


def test_stopping_keeps_the_answers(policy: Policy, file: Path, typed: Callable[..., None]) -> None:
    typed("yes")
    done = policy("new", "--complete", str(file))
    assert done.status == 0
    assert "wrote 1 fact into" in done.err
    assert "may_leave_network: true" in file.read_text(encoding="utf-8")


def test_stopping_at_once_writes_nothing(policy: Policy, file: Path, typed: Callable[..., None]) -> None:
    typed()
    before = file.stat().st_mtime_ns
    assert policy("new", "--complete", str(file)).status == 0
    assert file.stat().st_mtime_ns == before


def test_the_text_alone_goes_to_standard_output(policy: Policy, file: Path, typed: Callable[..., None]) -> None:
    typed("yes")
    done = policy("new", "--complete", str(file), "--to", "-")
    assert done.out == OPEN.replace("  # nobody knows\n", "  # nobody knows\n    may_leave_network: true\n")


def test_a_real_terminal(file: Path) -> None:
    """A session of its own on a pseudo-terminal: answer, do not know, stop."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    folders = {name: os.environ[name] for name in ("PATH", "HOME", "POLICY_CACHE_DIR")}
    command = [sys.executable, "-m", "policy_engine", "new", "--complete", str(file)]
    streams = {"stdin": follower, "stdout": follower, "stderr": follower}
    process = subprocess.Popen(command, env={**folders, "TERM": "xterm"}, start_new_session=True, **streams)
    os.close(follower)
    seen = ""
    for number, answer in enumerate(("yes\n", "\n", "\x04"), 1):
        seen += until(leader, f"(?s)(.*Ctrl-D: stop\\): ){{{number}}}$", seen)
        os.write(leader, answer.encode())
    assert process.wait(60) == 0
    os.close(leader)
    assert "\ndata.may_leave_network: " in seen.replace("\r", "")
    text = file.read_text(encoding="utf-8")
    assert text == OPEN.replace("  # nobody knows\n", "  # nobody knows\n    may_leave_network: true\n")


def until(leader: int, pattern: str, seen: str) -> str:
    """Read from a pseudo-terminal until all that was seen matches."""
    read = ""
    end = time.monotonic() + 60
    while not re.search(pattern, seen + read):
        assert time.monotonic() < end, seen + read
        read += os.read(leader, 65536).decode()
    return read
