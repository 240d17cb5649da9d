"""`-o FORMAT[=PATH]`: what is refused, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from policy_engine.cli.markdown import escape
from policy_engine.cli.output import Target, parse_outputs, to_json, to_yaml, write_file, write_reports
from policy_engine.cli.printable import printable
from policy_engine.errors import UsageError
from policy_engine.loading.yaml_source import load_yaml

FORMATS = ("text", "json", "yaml", "markdown")


def refused(*given: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse_outputs(given, FORMATS)
    return str(caught.value)


def test_what_is_asked_for(tmp_path: Path) -> None:
    assert parse_outputs((), FORMATS) == [Target("text", None)]
    path = tmp_path / "a=b.json"
    assert parse_outputs((f"json={path}", "yaml"), FORMATS) == [Target("json", path), Target("yaml", None)]


def test_what_is_refused(tmp_path: Path) -> None:
    assert "did you mean `json`?" in refused("jsno")
    assert "the formats are text, json, yaml, markdown" in refused("x")
    assert "names no file" in refused("json=")
    assert "only one report can go to standard output" in refused("json", "text")
    assert "two reports cannot go to one file" in refused(f"json={tmp_path}/x", f"yaml={tmp_path}/./x")
    assert "no such directory" in refused(f"json={tmp_path}/none/x")
    assert "is a directory" in refused(f"json={tmp_path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "permission denied" in refused(f"json={tmp_path}/x")


def test_a_file_keeps_its_mode_and_links_stay_links(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_text("old", encoding="utf-8")
    real.chmod(0o640)
    link = tmp_path / "link.json"
    link.symlink_to(real)
    write_file(link, "new")
    assert link.is_symlink()
    assert real.read_text(encoding="utf-8") == "new\n"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir() if not each.is_dir()) == ["link.json", "real.json"]


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "x", "é")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640
    assert (tmp_path / "x").read_bytes() == "é\n".encode()


def test_a_pipe_takes_the_report_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_file(pipe, "report")
    reader.join(10)
    assert read == [b"report\n"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_the_null_device_survives() -> None:
    write_file(Path(os.devnull), "report")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_text("old", encoding="utf-8")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UsageError, match=r"cannot write .*: no space left on device"):
        write_reports([Target("text", path)], {"text": lambda _: "new"})
    assert path.read_text(encoding="utf-8") == "old"
    assert [each for each in tmp_path.iterdir() if each.is_file()] == [path]


def test_one_file_that_fails_keeps_no_other_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    targets = [Target("text", tmp_path / "none" / "x"), Target("text", tmp_path / "y"), Target("text", None)]
    with pytest.raises(UsageError):
        write_reports(targets, {"text": lambda _: "report"})
    assert (tmp_path / "y").read_text(encoding="utf-8") == "report\n"
    assert capsys.readouterr().out == "report\n"
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(UsageError, match="standard output is closed"):
        write_reports([Target("text", None)], {"text": lambda _: "report"})


def test_yaml_reads_back_as_the_json(tmp_path: Path) -> None:
    value = {
        "no": "no",
        "n": None,
        "time": "2026-11-22T09:00:00Z",
        "octal": "0o17",
        "e": "1e5",
        "x": [1, 2.5, True, "é\u202e", "0x1"],
    }
    (document,) = load_yaml(to_yaml(value), "x")
    assert document.value == value == json.loads(to_json(value))


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain é 起", "plain é 起"), ("a\x1b[1m", "a\\x1b[1m"), ("a\u202eb\u200b", "a\\u202eb\\u200b"), ("a\nb", "a\nb")],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a_b is fine: yes", "a_b is fine: yes"),
        ("_a_ *b*", "\\_a\\_ \\*b\\*"),
        ("<b>", "\\<b\\>"),
        ("http://x www.x", "http\\://x www\\.x"),
        ("@all #1 a@b", "\\@\u2060all \\#\u20601 a\\@b"),
        ("a@b.example", "a\\@\u2060b.example"),
        ("10.00", "10.00"),
        ("10.00) x", "10.00) x"),
        ("- x", "\\- x"),
        ("-2 x", "-2 x"),
        ("1. x", "1\u2060. x"),
        ("a\n\n# b", "a \\# b"),
    ],
)
def test_markdown_escapes(text: str, escaped: str) -> None:
    assert escape(text) == escaped
