"""`policy new`: with and without a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from policy_engine.cli.main import command as root
from policy_engine.cli.new_questions import QUESTIONS
from policy_engine.errors import UsageError
from policy_engine.loading.vocabulary_file import read_vocabulary
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.workload import Workload

ROOT = Path(__file__).parents[3]
SHIPPED = read_vocabulary(ROOT / "rules")
REQUIRED = ["--name", "triage", "--owner", "me@acme.example", "--stage", "pilot"]
REQUIRED += ["--task-name", "t", "--task-kind", "classification"]


def run(*arguments: str, given: str = "") -> Result:
    return CliRunner().invoke(root, ["new", *arguments], input=given)


def usage(result: Result) -> str:
    assert isinstance(result.exception, UsageError), result.output
    return str(result.exception)


def written(text: str) -> Workload:
    (loaded,) = load_workloads(text, "new.yaml", SHIPPED)
    return loaded.workload


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the runner's standard input pass for a terminal."""
    import click.testing

    monkeypatch.setattr(click.testing._NamedTextIOWrapper, "isatty", lambda _: True, raising=False)


def test_options_alone_write_a_file_that_loads(tmp_path: Path) -> None:
    target = tmp_path / "w.yaml"
    more = ["--monthly-budget-usd", "1,500", "--data-may-leave", "no", "--mlops", "none"]
    result = run(*REQUIRED, *more, "--specialised", "yes", "--latency-ms", "90ms", "--to", str(target))
    assert result.exit_code == 0, result.output
    found = written(target.read_text(encoding="utf-8"))
    task, spec = found.spec.tasks[0], found.spec
    assert (found.metadata.name, spec.stage, task.kind) == ("triage", "pilot", "classification")
    assert spec.budget is not None
    assert spec.data is not None
    assert spec.team is not None
    assert (spec.budget.monthly_usd, spec.data.may_leave_network, spec.team.mlops) == (1500.0, False, "none")
    assert (task.specialised_domain, task.latency_p95_ms) == (True, 90)


def test_unknown_stays_unknown() -> None:
    for word in ("unknown", "?", ""):
        five = [part for each in QUESTIONS if not each.required for part in (each.option, word)]
        spec = written(run(*REQUIRED, *five, "--to", "-").stdout).spec
        assert spec.data is not None
        assert spec.budget is not None
        assert (spec.data.may_leave_network, spec.budget.monthly_usd) == (None, None)
        assert spec.tasks[0].latency_p95_ms is None
        assert spec.needs is not None
        assert spec.needs.edge is False


def test_unknown_facts_carry_their_meaning_and_the_file_its_schema(tmp_path: Path) -> None:
    target = tmp_path / "w.yaml"
    run(*REQUIRED, "--to", str(target))
    lines = target.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# yaml-language-server: $schema=")
    assert (tmp_path / lines[0].partition("$schema=")[2]).resolve().is_file()
    assert any("may_leave_network: null # Whether the data may leave" in line for line in lines)


def test_everything_missing_is_named_at_once() -> None:
    message = usage(run("--stage", "pilo", "--latency-ms", "fast"))
    for part in ("--name", "--owner", "--task-name", "--task-kind", "did you mean `pilot`?", "`fast`"):
        assert part in message


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--name", "Not A Name"),
        ("--name", ""),
        ("--owner", "?"),
        ("--owner", "a\nb"),
        ("--task-kind", "judging"),
        ("--monthly-budget-usd", "-5"),
        ("--monthly-budget-usd", "1e9"),
        ("--data-may-leave", "maybe"),
        ("--mlops", "some"),
        ("--latency-ms", "0"),
        ("--latency-ms", "1.5"),
    ],
)
def test_a_wrong_option_is_a_usage_error(option: str, value: str) -> None:
    assert option in usage(run(*REQUIRED, option, value, "--to", "-"))


@pytest.mark.parametrize("owner", ["no", "1", "a: b # c", 'say "hi"', "é", "null", "@x", "- a", "😀"])
def test_any_owner_survives_the_round_trip(owner: str) -> None:
    assert written(run(*REQUIRED, "--owner", owner, "--to", "-").stdout).metadata.owner == owner


def test_a_file_is_overwritten_by_force_alone(tmp_path: Path) -> None:
    target = tmp_path / "w.yaml"
    target.write_text("mine", encoding="utf-8")
    assert "--force" in usage(run(*REQUIRED, "--to", str(target)))
    assert target.read_text(encoding="utf-8") == "mine"
    assert run(*REQUIRED, "--to", str(target), "--force").exit_code == 0
    assert written(target.read_text(encoding="utf-8")).metadata.name == "triage"
    assert "cannot write" in usage(run(*REQUIRED, "--to", str(tmp_path / "none" / "w.yaml")))


@pytest.mark.usefixtures("terminal")
def test_a_terminal_is_asked_until_the_answer_is_one() -> None:
    answers = ["", "Bad Name", "triage", "me@acme.example", "pilot", "t", "coding", "?", "maybe", "no", "", "y", "250"]
    result = run("--to", "-", given="\n".join(answers) + "\n")
    assert result.exit_code == 0, result.output
    assert "an answer is needed here" in result.stderr
    assert "`maybe` is neither `yes` nor `no`" in result.stderr
    spec = written(result.stdout).spec
    assert spec.data is not None
    assert (spec.data.may_leave_network, spec.tasks[0].specialised_domain) == (False, True)
    assert spec.tasks[0].latency_p95_ms == 250


@pytest.mark.usefixtures("terminal")
def test_the_file_is_named_after_the_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*REQUIRED, given="\n" * 5)
    assert result.exit_code == 0, result.output
    assert "wrote triage.yaml" in result.stdout
    assert (tmp_path / "triage.yaml").is_file()


def test_help_shows_an_example_and_every_option() -> None:
    shown = run("--help").output
    assert "policy new --to triage.yaml" in shown
    for question in QUESTIONS:
        assert question.option in shown
