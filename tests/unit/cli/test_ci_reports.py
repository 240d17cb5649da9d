"""Reports for CI systems from the command line: several at once, each whole, and no run that leaves one of before."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest

from policy_engine.ci.limited import SUMMARY
from tests.unit.ci.runner import command_of, lines_of
from tests.unit.cli.conftest import DENIED, OPEN
from tests.unit.cli.given import ALLOWED, AT, MEMORY
from tests.unit.cli.waiver_scene import Scene

Policy = Callable[..., Any]
FILES = {"sarif": "r.sarif", "junit": "r.xml", "gitlab": "r.json", "markdown": "r.md", "github": "r.txt"}
ALL = [argument for name, file in FILES.items() for argument in ("-o", f"{name}={file}")]
INVALID = "kind: Pod\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in (("denied", DENIED), ("open", OPEN), ("invalid", INVALID)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def read(folder: Path, name: str) -> str:
    return (folder / FILES[name]).read_text(encoding="utf-8")


def reasons(folder: Path) -> dict[str, str]:
    """Return what each report says of what went wrong, as its readers find it."""
    (run,) = json.loads(read(folder, "sarif"))["runs"]
    commands = [command_of(line) for line in lines_of(read(folder, "github"))]
    return {
        "sarif": " ".join(each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]),
        "junit": " ".join(
            each.get("message", "")
            for each in fromstring(read(folder, "junit")).iter("error")  # noqa: S314 - written here
        ),
        "gitlab": " ".join(
            each["description"] for each in json.loads(read(folder, "gitlab")) if each["severity"] == "blocker"
        ),
        "markdown": read(folder, "markdown").replace("\\", ""),
        "github": " ".join(each.data for each in commands if each is not None and each.name == "error"),
    }


def test_all_at_once(policy: Policy, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(files / "summary.md"))
    alone = policy("gate", "denied.yaml", "open.yaml", *MEMORY, "-q")
    (files / "r.sarif").write_text("of an earlier run", encoding="utf-8")
    done = policy("gate", "denied.yaml", "open.yaml", *MEMORY, *ALL, "-o", "text", "-q")
    assert (done.status, done.out) == (alone.status, alone.out) == (1, alone.out)
    assert done.err == alone.err
    (run,) = json.loads(read(files, "sarif"))["runs"]
    assert run["invocations"][0]["exitCode"] == 1
    assert read(files, "markdown").startswith("<!-- policy-gate:gate -->\n")
    assert "::error file=denied.yaml,line=9,col=31," in read(files, "github")
    assert (files / "summary.md").read_text(encoding="utf-8").startswith("\n## Policy gate: denied\n")


def test_commands_on_standard_output(policy: Policy, files: Path) -> None:
    done = policy("gate", "denied.yaml", *MEMORY, "-o", "github")
    assert done.status == 1
    assert all(command_of(line) is not None for line in lines_of(done.out))


@pytest.mark.parametrize("broken", [*FILES])
def test_a_crash_in_one_writer_keeps_none_of_the_others(
    broken: str, policy: Policy, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_given: object, **_named: object) -> str:
        raise RuntimeError("a report writer broke")

    module = "comment" if broken == "markdown" else broken
    monkeypatch.setattr(f"policy_engine.ci.{module}.render", crash)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(files / "summary.md"))
    done = policy("gate", "denied.yaml", *MEMORY, *ALL, "-o", "text", "-q")
    assert (done.status, done.out) == (7, "deny support/triage\n")
    assert {name for name, file in FILES.items() if (files / file).exists()} == set(FILES) - {broken}
    assert (files / "summary.md").exists()


def test_an_invalid_file_is_in_every_report(policy: Policy, files: Path) -> None:
    done = policy("gate", "invalid.yaml", "open.yaml", *MEMORY, *ALL)
    assert done.status == 2
    for name, said in reasons(files).items():
        assert "only `Workload` is read here" in said, name


def refuse_the_ledger(folder: Path) -> list[str]:
    (folder / "l.db").write_text("no database", encoding="utf-8")
    return ["--ledger", f"sqlite:///{folder}/l.db"]


def break_the_rules(folder: Path) -> list[str]:
    (folder / "layer").mkdir()
    return [*MEMORY, "--policy", "layer"]


@pytest.mark.parametrize("command", ["gate", "evaluate"])
@pytest.mark.parametrize(
    ("prepare", "status", "said"), [(refuse_the_ledger, 6, "is not a SQLite database"), (break_the_rules, 3, "layer")]
)
def test_what_stops_a_run_is_in_every_report(
    command: str, prepare: Callable[[Path], list[str]], status: int, said: str, policy: Policy, files: Path
) -> None:
    for file in FILES.values():
        (files / file).write_text("deny support/triage of an earlier run", encoding="utf-8")
    done = policy(command, "denied.yaml", *ALL, *prepare(files))
    assert (done.status, done.out) == (status, "")
    told = [name for name in FILES if name != "markdown" or command == "gate"]
    for name in told:
        assert "earlier run" not in read(files, name)
        assert "support/triage" not in read(files, name)
    if command == "gate":
        for name, text in reasons(files).items():
            assert said in text, name


def test_a_report_that_cannot_be_written_is_2_and_the_others_are(
    policy: Policy, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_given: object) -> str:
        (files / "sub").rmdir()
        return ""

    (files / "sub").mkdir()
    monkeypatch.setattr("policy_engine.ci.sarif.render", gone)
    done = policy("gate", "open.yaml", *MEMORY, *ALL[2:], "-o", f"sarif={files}/sub/r.sarif")
    assert done.status == 2
    assert "sub/r.sarif`: no such file or directory" in done.err
    assert all((files / file).exists() for name, file in FILES.items() if name != "sarif")


# ---- the audit mode


def test_evaluate_reports_what_it_finds_and_exits_with_0(policy: Policy, files: Path) -> None:
    done = policy("evaluate", "denied.yaml", "open.yaml", *MEMORY, *ALL, "-o", "text", "-q", *AT)
    assert (done.status, done.out) == (0, "deny support/triage\nreview drafts/assistant\n")
    (run,) = json.loads(read(files, "sarif"))["runs"]
    assert run["invocations"][0]["exitCode"] == 0
    assert {each["level"] for each in run["results"]} == {"error", "warning", "note"}
    assert "<failure" in read(files, "junit")
    assert "::error " in read(files, "github")


def test_markdown_of_evaluate_is_the_decision(policy: Policy, files: Path) -> None:
    done = policy("evaluate", "denied.yaml", *MEMORY, "-o", "markdown", *AT)
    assert done.out.startswith("## DENY: support/triage\n")
    assert "policy-gate:" not in done.out


# ---- the comment's name


def test_a_comment_has_the_name_that_it_is_given(policy: Policy, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = ("gate", "open.yaml", *MEMORY, "-o", "markdown")
    assert policy(*run).out.startswith("<!-- policy-gate:gate -->\n")
    assert policy(*run, "--comment-name", "eu/prod-1.a_B").out.startswith("<!-- policy-gate:eu/prod-1.a_B -->\n")
    monkeypatch.setenv("POLICY_COMMENT_NAME", "nightly")
    assert policy(*run).out.startswith("<!-- policy-gate:nightly -->\n")


@pytest.mark.parametrize("name", ["", "a--b", "a-", "-a", "a b", "a>b", "a\nb", "ä", "a-->"])
def test_a_name_that_could_end_the_marker_is_usage(name: str, policy: Policy, files: Path) -> None:
    done = policy("gate", "open.yaml", *MEMORY, "-o", "markdown", "--comment-name", name)
    assert (done.status, done.out) == (2, "")


# ---- the job summary


def test_without_a_place_no_summary_is_written_and_that_is_said_once(policy: Policy, files: Path) -> None:
    done = policy("gate", "open.yaml", *MEMORY, "-o", "github=a", "-o", "text", "-q")
    assert done.status == 5
    assert done.err.count("$GITHUB_STEP_SUMMARY is not set") == 1


def test_a_summary_is_appended(policy: Policy, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = files / "s.md"
    place.write_text("what a step before wrote", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    for _ in range(2):
        assert policy("gate", "open.yaml", *MEMORY, "-o", "github").status == 5
    text = place.read_text(encoding="utf-8")
    assert text.startswith("what a step before wrote\n## Policy gate: waits for a review\n")
    assert text.count("## Policy gate: waits for a review\n") == 2


def test_a_summary_that_cannot_be_written_is_2_and_keeps_nothing_else(
    policy: Policy, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (files, files / "none" / "s.md"):
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
        done = policy("gate", "denied.yaml", *MEMORY, "-o", "github", "-o", "sarif=r.sarif")
        assert done.status == 2
        assert "cannot write the job summary" in done.err
        assert "::error " in done.out
        assert json.loads(read(files, "sarif"))["runs"][0]["results"]


def test_a_summary_spares_a_ledger(policy: Policy, ledger: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(ledger))
    done = policy("gate", "open.yaml", *MEMORY, "-o", "github=a")
    assert done.status == 2
    assert "it is a ledger or a key" in done.err
    assert b"Policy gate" not in ledger.read_bytes()


@pytest.mark.parametrize("left", [0, 1, 50, 900])
def test_a_summary_never_exceeds_what_a_step_may_write(
    left: int, policy: Policy, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = files / "s.md"
    place.write_bytes(b"x" * (SUMMARY - left))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    done = policy("gate", "denied.yaml", *MEMORY, "-o", "github=a")
    assert done.status == 1
    size = place.stat().st_size
    assert size <= SUMMARY
    assert (size == SUMMARY - left) is ("holds as much as GitHub takes" in done.err) is (left < 900)


# ---- waivers on record


def test_a_waiver_on_record_is_used_and_later_expired(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path, policy, monkeypatch.setenv)
    scene.granted()
    later = f"{scene.soon(60)}T09:00:00Z"
    for arguments, tally, suppressed in ((), "used", 1), (("--at", later), "expired", 0):
        done = scene.run("evaluate", "w.yaml", "--policy", "acme", "-o", "sarif", *arguments)
        (run,) = done.json["runs"]
        assert run["properties"]["totals"][f"waivers_{tally}"] == 1
        assert sum(len(each["suppressions"]) for each in run["results"]) == suppressed
    assert [each["level"] for each in run["results"] if each["ruleId"] == "no-mlops-no-self-hosting"] == [
        "error",
        "note",
    ]


# ---- text


def test_the_text_of_several_workloads_ends_with_totals(policy: Policy, files: Path) -> None:
    run = ("denied.yaml", "open.yaml", str(ALLOWED), *MEMORY, *AT)
    whole = "3 workloads: 1 deny, 1 review, 1 allow"
    assert whole not in policy("gate", *run, "-q").out  # a line for each workload, and no other
    assert policy("gate", *run).out.splitlines()[-1] == whole
    assert whole not in policy("evaluate", *run).out
    assert "1 workload" not in policy("gate", "open.yaml", *MEMORY).out


HOSTILE = "::stop-commands::x ##[add-mask]policy"


def test_in_a_job_of_github_no_text_commands_the_runner(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = DENIED.replace("model: gpt-4o}", f"model: {json.dumps(f'{HOSTILE} {HOSTILE}')}}}", 1)
    for name in ("w.yaml", "w\n::stop-commands::token\n::.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / f"bad {name}").write_text("kind: '::error::x'\n", encoding="utf-8")
        for setting in ("", "true"):
            monkeypatch.setenv("GITHUB_ACTIONS", setting)
            done = policy("gate", name, f"bad {name}", *MEMORY)
            assert done.status == 2
            found = [line for line in lines_of(done.out + done.err) if command_of(line)]
            assert bool(found) is not bool(setting)
