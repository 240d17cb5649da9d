"""Documentation is a test: what the program has is documented, and what is documented is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from policy_engine.cli import main
from policy_engine.inference import MENDING
from policy_engine.loading.policy import load_policy

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "audit/README.md",
    "policy_engine/README.md",
    "deploy/README.md",
    "Makefile",
)
#: Unfinished work, praise, and paths of somebody's machine.
FORBIDDEN = re.compile(
    r"\b(TODO|FIXME|XXX|TBD|coming soon|simply|obviously|seamless(ly)?|blazing(ly)?|leverag(e|es|ing)|"
    r"cutting[- ]edge|state[- ]of[- ]the[- ]art|world[- ]class)\b|(?<![\w.])/(work|root|home|Users)/",
    re.IGNORECASE,
)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands() -> dict[str, list[str]]:
    """The commands of the program, each with its subcommands."""
    group = main.command
    assert isinstance(group, click.Group)
    found: dict[str, list[str]] = {}
    with click.Context(group) as context:
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            found[name] = command.list_commands(context) if isinstance(command, click.Group) else []
    return found


def test_the_readme_has_every_command_and_no_other() -> None:
    rows: dict[str, list[str]] = {}
    for name, rest in re.findall(r"^\| `policy ([\w-]+)(.*)$", text("README.md"), re.MULTILINE):
        named = re.findall(r"^ ([a-z-]+)|`([a-z-]+)`", rest.split(" | ")[0])
        rows.setdefault(name, []).extend(first or other for first, other in named)
    found = commands()
    assert rows.keys() == found.keys()
    for name, subcommands in found.items():
        assert sorted(rows[name]) == sorted(subcommands), name


def test_every_command_that_a_document_shows_is_there() -> None:
    found = commands()
    for name in DOCUMENTS:
        for first, second in re.findall(
            r"(?:^|`|bin/)policy ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", text(name), re.MULTILINE
        ):
            assert first in found, f"{name}: policy {first}"
            assert not found[first] or not second or second in found[first], f"{name}: policy {first} {second}"


def test_the_readme_has_every_exit_status() -> None:
    statuses = {getattr(main, name) for name in vars(main) if name.isupper() and isinstance(getattr(main, name), int)}
    rows = {int(number) for number in re.findall(r"^\| (\d) \|", text("README.md"), re.MULTILINE)}
    assert rows == statuses == set(range(8))


def test_every_make_target_is_in_the_help_and_every_documented_one_exists() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    shown = set(re.findall(r"^  make ([a-z-]+)", done.stdout, re.MULTILINE))
    targets = {name for line in re.findall(r"^\.PHONY: (.+)$", text("Makefile"), re.MULTILINE) for name in line.split()}
    assert shown == targets
    for name in DOCUMENTS:
        named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text(name), re.MULTILINE))
        assert named <= targets, f"{name}: {named - targets}"


def test_the_numbers_of_rules_and_criteria_are_those_in_force() -> None:
    rules = load_policy().rules
    for name in ("README.md", "CHANGELOG.md"):
        for number, what in re.findall(r"(\d+) (?:published )?(rules|criteria)", text(name)):
            assert int(number) == len(rules.rules if what == "rules" else rules.criteria), name


def test_the_readme_has_the_command_that_mends_the_engine() -> None:
    assert f"```sh\n{MENDING}\n```" in text("README.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_document_promises_praises_or_names_a_machine(name: str) -> None:
    assert [match[0] for match in FORBIDDEN.finditer(text(name))] == []


def test_each_of_the_articles_systems_is_answered_by_a_command() -> None:
    rows = re.findall(r"^\| SYS-(\d\d) \| ([^|]+) \| (.+) \|$", text("policy_engine/README.md"), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 14))
    found = commands()
    for number, what, by in rows:
        named = re.findall(r"`policy ([a-z-]+)", by)
        assert named, f"SYS-{number}, {what}"
        assert set(named) <= found.keys()


def test_links_lead_somewhere() -> None:
    for name in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", text(name)):
            assert ((ROOT / name).parent / target).exists(), f"{name}: {target}"


def test_the_readmes_sample_is_what_its_workload_gives(tmp_path: Path) -> None:
    """UPDATE_GOLDEN=1 writes the sample anew."""
    document = text("README.md")
    workload = re.search(r"```yaml\n(apiVersion.*?)```", document, re.DOTALL)
    sample = re.search(r"It begins:\n\n```text\n(.*?)```", document, re.DOTALL)
    assert workload
    assert sample
    (tmp_path / "triage.yaml").write_text(workload[1], encoding="utf-8")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("POLICY_", "OTEL_")) and k != "COLUMNS"}
    command = [sys.executable, "-m", "policy_engine", "evaluate", "triage.yaml", "--at", "2026-11-22T09:00:00Z"]
    done = subprocess.run(
        [*command, "--ledger", "sqlite:///:memory:"],
        cwd=tmp_path,
        env={**kept, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    begins = done.stdout[: done.stdout.index("\nNot known")].rstrip() + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        document = document[: sample.start(1)] + begins + document[sample.end(1) :]
        README.write_text(document, encoding="utf-8")
        return
    assert sample[1] == begins
