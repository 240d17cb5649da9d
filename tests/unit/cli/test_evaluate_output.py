"""`policy evaluate` on terminals, pipes and full disks, and what hostile strings in a workload cannot do there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.given import ALLOWED, AT, DENIED, EXAMPLES, MEMORY, ROUTER

ESCAPE = "\x1b"

Policy = Callable[..., Any]
COMMAND = re.compile(r" +`policy [^`]*`\S*")

# ---- the terminal


def test_no_escape_codes_and_no_long_lines_when_piped(policy: Policy) -> None:
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for more in ((), ("-v",)):
            out = policy("evaluate", str(path), *MEMORY, *AT, *more).out
            assert ESCAPE not in out
            # a command is there to be copied, and is whole however long
            assert [line for line in out.splitlines() if len(line) > 80 and not COMMAND.fullmatch(line)] == []
            assert not re.findall(r"`policy [^`\n]*\n", out)


def terminal(*arguments: str, **variables: str) -> str:
    """Run `policy` on a pseudo-terminal, and return what it printed there."""
    pty = pytest.importorskip("pty")
    leader, follower = pty.openpty()
    folders = {name: os.environ[name] for name in ("PATH", "HOME", "POLICY_CACHE_DIR")}
    command = [sys.executable, "-m", "policy_engine", *arguments]
    process = subprocess.Popen(command, stdout=follower, stderr=follower, env={**folders, "TERM": "xterm", **variables})
    os.close(follower)
    printed = b""
    while True:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        printed += part
    assert process.wait(60) == 0
    os.close(leader)
    return printed.decode()


def test_colour_on_a_terminal_and_never_with_no_color() -> None:
    evaluate = ("evaluate", str(ALLOWED), *MEMORY)
    assert f"{ESCAPE}[1;32mALLOW" in terminal(*evaluate)
    assert ESCAPE not in terminal(*evaluate, NO_COLOR="1")


@pytest.mark.parametrize("columns", ["1", "40", "200", "abc", "²"])
def test_any_width_is_survived(policy: Policy, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert policy("evaluate", str(ROUTER), *MEMORY).status == 0


def process(*arguments: str, stdout: Any, encoding: str = "utf-8") -> subprocess.CompletedProcess[bytes]:
    folders = {name: os.environ[name] for name in ("PATH", "HOME", "POLICY_CACHE_DIR")}
    return subprocess.run(
        [sys.executable, "-m", "policy_engine", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**folders, "PYTHONIOENCODING": encoding},
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("command", ["evaluate", "gate"])
def test_a_report_that_nobody_reads_is_no_success_and_no_verdict(command: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = process(command, str(ALLOWED), *MEMORY, "-o", "json", stdout=writer)
    os.close(writer)
    assert done.returncode == 7
    assert done.stderr.decode().startswith("error: cannot write the report to standard output")
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_full_device_is_no_success() -> None:
    with open("/dev/full", "wb") as full:
        done = process("evaluate", str(ALLOWED), *MEMORY, stdout=full)
    assert done.returncode == 7
    assert b"no space left" in done.stderr.lower()
    assert b"Traceback" not in done.stderr


def test_an_encoding_without_the_characters_is_survived(workload: Callable[..., Path]) -> None:
    path = workload(name="w.yaml")
    path.write_text(path.read_text(encoding="utf-8").replace("name: drafting", "name: 起草"), encoding="utf-8")
    done = process("evaluate", str(path), *MEMORY, "-o", "json", stdout=subprocess.PIPE, encoding="ascii")
    assert done.returncode == 0, done.stderr


# ---- hostile workloads

HOSTILE = (
    "[red]x[/red] [link=http://evil.example]y[/link] :skull:",
    "<script>alert(1)</script> <img src=x onerror=alert(1)>",
    "a | b | c `code` **bold** _it_ # no ~~s~~ ![i](http://e.example/x.png) [l](javascript:x)",
    "http://evil.example www.evil.example @everyone #1 $x^2$ &lt;",
    "- 1. + = > | ---",
    "'; DROP TABLE entry; --",
    "{task.kind} {param.x} %s {0}",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_strings_are_shown_and_not_obeyed(policy: Policy, workload: Callable[..., Path], text: str) -> None:
    path = workload(source=DENIED)
    content = path.read_text(encoding="utf-8")
    (name,) = re.findall(r"^    - name: (\S+)$", content, flags=re.M)
    content = content.replace(f"    - name: {name}\n", f"    - name: {json.dumps(text)}\n")
    content = re.sub(r"^(        model): .*$", lambda m: f"{m[1]}: {json.dumps(text)}", content, count=1, flags=re.M)
    path.write_text(content, encoding="utf-8")
    done = policy("evaluate", str(path), *MEMORY, *AT)
    assert done.status == 0, done.err
    assert "".join(text.split()) in "".join(done.out.split())
    document = policy("evaluate", str(path), *MEMORY, *AT, "-o", "json").json
    assert document["tasks"][0]["name"] == text
    markdown = policy("evaluate", str(path), *MEMORY, *AT, "-o", "markdown").out
    unescaped = re.sub(r"\\.", "", markdown)
    for harm in ("<script", "<img", "](", "**bold", "`code`", "http://", "www.evil", "@everyone", "~~s"):
        assert harm not in unescaped
    table = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {7}


@pytest.mark.parametrize("text", ["\x1b[31mred", "a\x07", "\x9b31m", "a\x00"])
def test_control_characters_are_refused(policy: Policy, workload: Callable[..., Path], text: str) -> None:
    path = workload(owner=json.dumps(text))
    done = policy("evaluate", str(path), *MEMORY)
    assert done.status == 2
    assert not set(done.err) & {"\x1b", "\x07", "\x9b", "\x00"}


def test_characters_that_turn_the_text_around_are_shown_as_escapes(
    policy: Policy, workload: Callable[..., Path]
) -> None:
    path = workload()
    path.write_text(
        path.read_text(encoding="utf-8").replace("name: drafting", 'name: "evil\\u202egnp.exe"'), encoding="utf-8"
    )
    for format_ in ("text", "markdown"):
        out = policy("evaluate", str(path), str(ROUTER), *MEMORY, "-v", "-o", format_).out
        assert "\u202e" not in out


def test_a_file_name_cannot_write_to_the_terminal(policy: Policy) -> None:
    done = policy("evaluate", "\x1b[2Jnone.yaml", *MEMORY)
    assert done.status == 2
    assert ESCAPE not in done.err
    assert "\\x1b[2Jnone.yaml" in done.err
