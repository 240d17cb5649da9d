"""`policy evaluate`: files that cannot be read, rules that are wrong, and the exit statuses."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import policy_engine.cli.deciding
from policy_engine.cli.main import call, first_of
from tests.unit.cli.given import ALLOWED, AT, DENIED, MEMORY, REVIEWED

Policy = Callable[..., Any]


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Put `content` on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


# ---- files that cannot be read


def test_unreadable_files(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_bytes(b"")
    (tmp_path / "comments.yaml").write_text("# nothing\n---\n", encoding="utf-8")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, said in {
        "none.yaml": "cannot read the file: no such file or directory [file-unreadable]",
        "empty.yaml": "the file is empty [yaml-empty]",
        "comments.yaml": "the document is empty [yaml-empty]",
        "binary.yaml": "the file is UTF-16 [yaml-encoding]",
    }.items():
        done = policy("evaluate", str(tmp_path / name), *MEMORY)
        assert (done.status, done.out) == (2, ""), name
        assert said in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission(policy: Policy, workload: Callable[..., Path]) -> None:
    path = workload()
    path.chmod(0)
    done = policy("evaluate", str(path), *MEMORY)
    assert done.status == 2
    assert "permission denied" in done.err


def test_no_files(policy: Policy) -> None:
    done = policy("evaluate")
    assert done.status == 2
    assert done.err.startswith("error: missing argument")
    assert "policy evaluate --help" in done.err


def test_standard_input(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, ALLOWED.read_bytes())
    assert policy("evaluate", "-", *MEMORY, "-o", "json").json["workload"]["name"] == "writing-assistant"
    given(monkeypatch, b"kind: Pod\n")
    assert "<stdin>:1:7: error:" in policy("evaluate", "-", *MEMORY).err
    given(monkeypatch, b"")
    assert policy("evaluate", "-", *MEMORY).status == 2
    monkeypatch.setattr(sys, "stdin", None)
    done = policy("evaluate", "-", *MEMORY)
    assert done.status == 2
    assert "standard input is closed" in done.err


# ---- exit statuses


def test_evaluate_informs_whatever_the_verdict(policy: Policy) -> None:
    for path in (ALLOWED, DENIED, REVIEWED):
        assert policy("evaluate", str(path), *MEMORY, *AT).status == 0


@pytest.mark.parametrize(
    ("files", "limit", "status"),
    [
        ([ALLOWED], "allow_with_conditions", 0),
        ([REVIEWED], "deny", 0),
        ([REVIEWED], "review", 1),
        ([DENIED], "deny", 1),
        ([DENIED], "allow_with_conditions", 1),
        ([ALLOWED, DENIED], "review", 1),
    ],
)
def test_fail_on(policy: Policy, files: list[Path], limit: str, status: int) -> None:
    done = policy("evaluate", *map(str, files), *MEMORY, *AT, "--fail-on", limit, "-q")
    assert done.status == status
    assert len(done.out.splitlines()) == len(files)


def test_an_invalid_file_comes_before_a_condition(policy: Policy) -> None:
    assert policy("evaluate", str(DENIED), "none.yaml", *MEMORY, "--fail-on", "deny", "-q").status == 2


@pytest.mark.parametrize(
    ("statuses", "first"),
    [
        ([], 0),
        ([0, 5], 5),
        ([5, 1, 0], 1),
        ([1, 2, 5], 2),
        ([2, 3], 3),
        ([3, 6, 1], 6),
        ([6, 7, 0, 1, 2, 3, 5], 7),
        ([4, 1], 4),
    ],
)
def test_precedence(statuses: list[int], first: int) -> None:
    assert first_of(statuses) == first_of(reversed(statuses)) == first


def test_the_rules_come_before_the_files(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "layer").mkdir()
    done = policy("evaluate", "none.yaml", *MEMORY, "--policy", str(tmp_path / "layer"))
    assert (done.status, done.out) == (3, "")


def test_another_policy_than_the_pinned_one_is_refused(policy: Policy, tmp_path: Path) -> None:
    digest = policy("evaluate", str(ALLOWED), *MEMORY, "-o", "json").json["policy"]["digest"]
    assert policy("evaluate", str(ALLOWED), *MEMORY, "--policy-digest", digest, "-q").status == 0
    other = "sha256:" + "0" * 64
    done = policy("evaluate", str(ALLOWED), "--ledger", f"sqlite:///{tmp_path}/l.db", "--policy-digest", other)
    assert (done.status, done.out) == (3, "")
    assert "[policy-digest]" in done.err
    assert not (tmp_path / "l.db").exists()


RULE = """\
id: broken
title: Broken
origin: test
when: {when}
advise: nothing
message: Nothing.
"""


@pytest.mark.parametrize(
    ("when", "place", "said"),
    [
        ("\"data.sensitivty == 'public'\"", "4:8", "did you mean `data.sensitivity`?"),
        ('"budget.monthly_usd > 5000"', "4:", "5000.0"),
        ('"data.sensitivity == 1"', "4:", ""),
        ('"data.sensitivity =="', "4:", ""),
    ],
)
def test_a_rule_that_does_not_type_check(policy: Policy, tmp_path: Path, when: str, place: str, said: str) -> None:
    folder = tmp_path / "layer" / "latency"
    folder.mkdir(parents=True)
    (folder / "broken.yaml").write_text(RULE.format(when=when), encoding="utf-8")
    done = policy("evaluate", str(ALLOWED), *MEMORY, "--policy", str(tmp_path / "layer"))
    assert (done.status, done.out) == (3, ""), done.err
    assert f"latency/broken.yaml:{place}" in done.err
    assert said in done.err


def test_what_nobody_expected_is_one_line(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("on\ntwo lines")

    monkeypatch.setattr(policy_engine.cli.deciding, "_decide", fail)
    done = policy("evaluate", str(ALLOWED), *MEMORY)
    assert (done.status, done.out) == (7, "")
    assert done.err.splitlines()[0] == "error: unexpected ZeroDivisionError: on two lines [unexpected]"
    assert "POLICY_TRACE=1" in done.err
    assert "Traceback" not in done.err
    monkeypatch.setenv("POLICY_TRACE", "1")
    assert "Traceback" in policy("evaluate", str(ALLOWED), *MEMORY).err


def test_an_interrupt_is_no_verdict(policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(policy_engine.cli.deciding, "_decide", interrupt)
    done = policy("evaluate", str(ALLOWED), *MEMORY)
    assert done.status == 7
    assert done.err.strip() == "error: interrupted [interrupted]"


def test_call_returns_a_status_for_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["nonsense"]) == 2
    assert "there is no command `nonsense`" in capsys.readouterr().err
    assert call(["evalaute"]) == 2
    assert "did you mean `evaluate`?" in capsys.readouterr().err


@pytest.mark.parametrize("command", [("evaluate",), ("gate", *MEMORY), ("new", "--complete")])
def test_a_benchmark_that_the_catalog_does_not_have_is_named_with_its_place(
    command: tuple[str, ...], policy: Policy, tmp_path: Path
) -> None:
    lines = [
        "apiVersion: policy-engine/v1",
        "kind: Workload",
        "metadata: {name: a, owner: b}",
        "spec:",
        "  stage: pilot",
        "  tasks:",
        "    - {name: one, kind: judge, share: 0.5}",
        "    - name: two",
        "      kind: judge",
        "      share: 0.5",
        "      min_scores:",
        "        mmlu: 80",
        "        mmlux: 80",
    ]
    (tmp_path / "w.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = policy(*command, "w.yaml")
    assert found.status == 2
    assert "w.yaml:13:9: error: the catalog has no benchmark `mmlux` [unknown-benchmark]" in found.err
    assert "help: did you mean `mmlu`?" in found.err
