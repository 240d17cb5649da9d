"""`policy evaluate`: every valid workload decided, recorded and shown; statuses; what hostile files cannot do.

The golden files are made anew with UPDATE_GOLDEN=1.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import policy_engine.cli.deciding
from policy_engine.cli.main import call, first_of

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
GOLDEN = ROOT / "tests" / "golden" / "evaluate"
ALLOWED = EXAMPLES / "writing-assistant.yaml"
DENIED = EXAMPLES / "leaking-fallback.yaml"
REVIEWED = EXAMPLES / "hospital.yaml"
ROUTER = EXAMPLES / "model-router.yaml"
MEMORY = ("--ledger", "sqlite:///:memory:")
AT = ("--at", "2026-11-22T09:00:00Z")
ESCAPE = "\x1b"

Policy = Callable[..., Any]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def warm(cache: Path, monkeypatch: pytest.MonkeyPatch, own_folders: None) -> None:
    """Parse the shipped rules once for all tests."""
    monkeypatch.setenv("POLICY_CACHE_DIR", str(cache))


@pytest.fixture
def workload(tmp_path: Path) -> Callable[..., Path]:
    """Write a workload file: an example with text replaced."""

    def write(name: str = "w.yaml", source: Path = ALLOWED, **replaced: str) -> Path:
        text = source.read_text(encoding="utf-8")
        for old, new in replaced.items():
            text, count = re.subn(rf"^(\s*(?:- )?{old}): .*$", lambda m, new=new: f"{m[1]}: {new}", text, flags=re.M)
            assert count, old
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    """Put `content` on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


# ---- what is shown


@pytest.mark.parametrize("example", [ALLOWED, DENIED], ids=lambda path: path.stem)
@pytest.mark.parametrize("format_", ["text", "markdown", "json"])
def test_golden(policy: Policy, example: Path, format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = policy("evaluate", str(example.relative_to(ROOT)), *MEMORY, *AT, "-o", format_)
    assert (done.status, done.err) == (0, "")
    shown = json.dumps(shape(done.json), indent=1) + "\n" if format_ == "json" else masked(done.out)
    ending = {"text": "txt", "markdown": "md", "json": "shape.json"}[format_]
    golden = GOLDEN / f"{example.stem}.{ending}"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(shown, encoding="utf-8")
    assert shown == golden.read_text(encoding="utf-8")


def masked(text: str) -> str:
    """Return a report without the digests that any change of any rule changes."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "<sha256>", text)
    return re.sub(r"(Decision |sha256:)[0-9a-f]{12,16}\b", r"\1<digest>", text)


def shape(value: Any) -> Any:
    """Return the keys of a document, with the kinds of its values; a list has the shape of its items together."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        shapes = {json.dumps(shape(each)) for each in value}
        return [json.loads(each) for each in sorted(shapes)]
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def test_the_json_has_the_keys_that_outside_tools_read(policy: Policy) -> None:
    document = policy("evaluate", str(ALLOWED), *MEMORY, *AT, "-o", "json").json
    assert document["apiVersion"] == "policy-engine/v1"
    assert document["kind"] == "Decision"
    assert document["decided_at"] == "2026-11-22T09:00:00Z"
    assert document["verdict"] == "allow"
    assert {"id", "valid_until", "workload", "policy", "catalog", "plan", "tasks", "ledger"} <= set(document)
    assert document["workload"]["name"] == "writing-assistant"
    assert document["workload"]["owner"] == "product@quill.example"
    assert document["ledger"]["index"] == 0
    (task,) = document["tasks"]
    keys = "name verdict judged recommendation options rules obligations missing_facts disputes advice counterfactuals"
    assert set(keys.split()) <= set(task)
    assert {row["outcome"] for row in task["rules"]} <= {"fired", "indeterminate"}
    assert {"deployment", "model", "provider", "monthly_usd", "firm"} <= set(task["recommendation"])
    assert [row["deployment"] for row in task["options"]] == [
        "proprietary_api",
        "open_api",
        "open_batch",
        "self_hosted",
        "edge",
    ]


def test_the_text_goes_from_the_verdict_to_what_to_do(policy: Policy) -> None:
    text = policy("evaluate", str(EXAMPLES / "research-lab.yaml"), *MEMORY, *AT).out
    places = [text.index(part) for part in ("REVIEW", "Recommended", "  Option ", "Not known", "Do next", "Decision ")]
    assert places == sorted(places)
    assert text.startswith("REVIEW")
    assert "USD/month" in text.split("  Option ")[0]


def test_the_cheapest_is_named_where_there_is_a_choice(policy: Policy) -> None:
    def line(path: Path) -> str:
        text: str = policy("evaluate", str(path), *MEMORY, *AT).out
        return "\n".join(each for each in text.splitlines() if "cheapest" in each)

    assert re.search(r"\* proprietary_api +permitted .*, cheapest", line(ALLOWED))
    assert line(REVIEWED) == ""  # nothing is permitted
    document = policy("evaluate", str(ALLOWED), *MEMORY, *AT, "-o", "json").json
    assert sum(row["status"] == "permitted" for row in document["tasks"][0]["options"]) > 1


def test_disputes_that_change_nothing_share_a_line(policy: Policy) -> None:
    disputes = (
        policy("evaluate", str(ALLOWED), *MEMORY, *AT).out.partition("Disputed figures\n")[2].partition("\n\n")[0]
    )
    assert " ".join(disputes.split()).count("would not change the recommendation") == 1
    assert disputes.count("\n") < 6


def test_all_rules_lists_those_that_did_not_fire(policy: Policy) -> None:
    def outcomes(*more: str) -> set[str]:
        document = policy("evaluate", str(ALLOWED), *MEMORY, *AT, "-o", "json", *more).json
        return {row["outcome"] for row in document["tasks"][0]["rules"]}

    assert "not_fired" not in outcomes()
    assert "not_fired" in outcomes("--all-rules")


def test_quiet_is_a_line_for_each_workload(policy: Policy) -> None:
    done = policy("evaluate", str(ALLOWED), str(DENIED), *MEMORY, *AT, "-q")
    lines = done.out.splitlines()
    assert lines[0] == "allow default/writing-assistant"
    assert lines[1].startswith("deny ")
    assert len(lines) == 2
    assert done.err == ""


def test_verbose_shows_rules_and_models(policy: Policy) -> None:
    plain = policy("evaluate", str(ALLOWED), *MEMORY, *AT).out
    verbose = policy("evaluate", str(ALLOWED), *MEMORY, *AT, "-v").out
    assert "Models on proprietary_api" in verbose
    assert "fired real-time-work-excludes-batch (LAT-05): " in verbose
    assert "Models on" not in plain


def test_several_formats_at_once(policy: Policy, tmp_path: Path) -> None:
    outputs = ("-o", f"json={tmp_path}/d.json", "-o", f"yaml={tmp_path}/d.yaml", "-o", "text")
    done = policy("evaluate", str(ALLOWED), *MEMORY, *AT, *outputs, "-o", f"markdown={tmp_path}/d.md")
    assert done.status == 0
    assert done.out.startswith("ALLOW")
    written = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    from policy_engine.loading.yaml_source import read_yaml

    assert read_yaml(tmp_path / "d.yaml")[0].value["id"] == written["id"]
    assert (tmp_path / "d.md").read_text(encoding="utf-8").startswith("## ALLOW: default/writing-assistant\n")


def test_a_leaking_fallback_is_to_be_replaced_and_not_the_model(policy: Policy) -> None:
    steps = policy("evaluate", str(DENIED), *MEMORY, *AT).out.partition("Do next\n")[2].partition("\n\n")[0]
    assert "propose another fallback than proprietary_api gpt-4o at openai in us" in steps
    assert "propose the model" not in steps


def test_a_denied_fallback_is_explained_by_rules_that_spare_the_proposal(policy: Policy, tmp_path: Path) -> None:
    layer = tmp_path / "layer" / "data-residency"
    layer.mkdir(parents=True)
    rule = "id: data-stays-in-network\ndisabled: true\n"
    (layer / "data-stays-in-network.yaml").write_text(rule, encoding="utf-8")
    text = policy("evaluate", str(DENIED), *MEMORY, *AT, "--policy", str(tmp_path / "layer")).out
    assert text.startswith("DENY")
    assert "is ruled out by proposed-region-outside-residency" in " ".join(text.split())


# ---- several workloads


def test_one_workload_is_an_object_and_several_are_an_array_in_order(policy: Policy) -> None:
    assert isinstance(policy("evaluate", str(ALLOWED), *MEMORY, "-o", "json").json, dict)
    several = policy("evaluate", str(DENIED), str(ALLOWED), *MEMORY, "-o", "json").json
    assert [each["verdict"] for each in several] == ["deny", "allow"]
    assert [each["ledger"]["index"] for each in several] == [0, 1]


def test_a_file_may_hold_several_documents(policy: Policy, workload: Callable[..., Path], tmp_path: Path) -> None:
    text = ALLOWED.read_text(encoding="utf-8")
    both = tmp_path / "both.yaml"
    both.write_text(f"{text}---\n{text.replace('name: writing-assistant', 'name: second')}", encoding="utf-8")
    found = policy("evaluate", str(both), *MEMORY, "-o", "json").json
    assert [each["workload"]["name"] for each in found] == ["writing-assistant", "second"]


def test_an_invalid_file_keeps_no_other_from_being_decided(policy: Policy, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("apiVersion: policy-engine/v1\nkind: Workload\nspce: {}\n", encoding="utf-8")
    ledger = ("--ledger", f"sqlite:///{tmp_path}/l.db")
    done = policy("evaluate", str(ALLOWED), str(bad), str(DENIED), *ledger, "-o", "json")
    assert done.status == 2
    assert [each["verdict"] for each in done.json] == ["allow", "deny"]
    assert f"{bad}:3:1: error: unknown key `spce`" in done.err
    assert [each["ledger"]["index"] for each in done.json] == [0, 1]
    assert policy("audit", "verify", *ledger).status == 0
    alone = policy("evaluate", str(bad), *ledger, "-o", "json")
    assert (alone.status, alone.out) == (2, "")


def test_one_of_two_documents_is_still_an_array(policy: Policy, tmp_path: Path) -> None:
    both = tmp_path / "both.yaml"
    both.write_text(f"{ALLOWED.read_text(encoding='utf-8')}---\nkind: Pod\n", encoding="utf-8")
    done = policy("evaluate", str(both), *MEMORY, "-o", "json")
    assert done.status == 2
    assert [each["verdict"] for each in done.json] == ["allow"]


def test_problems_are_named_even_where_the_ledger_refuses(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "l.db").write_text("no database", encoding="utf-8")
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [\n", encoding="utf-8")
    done = policy("evaluate", str(bad), str(ALLOWED), "--ledger", f"sqlite:///{tmp_path}/l.db")
    assert (done.status, done.out) == (6, "")
    assert f"{bad}:2:1: error:" in done.err
    assert "[not-a-ledger]" in done.err


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
        "": "is a directory [file-unreadable]",
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


# ---- the terminal


def test_no_escape_codes_and_no_long_lines_when_piped(policy: Policy) -> None:
    for path in sorted(EXAMPLES.glob("*.yaml")):
        for more in ((), ("-v",)):
            out = policy("evaluate", str(path), *MEMORY, *AT, *more).out
            assert ESCAPE not in out
            assert [line for line in out.splitlines() if len(line) > 80] == []


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


def test_call_returns_a_status_for_no_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(["nonsense"]) == 2
    assert "there is no command `nonsense`" in capsys.readouterr().err
    assert call(["evalaute"]) == 2
    assert "did you mean `evaluate`?" in capsys.readouterr().err
