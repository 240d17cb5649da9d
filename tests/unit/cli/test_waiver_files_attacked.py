"""Waivers from files that nobody meant well: several that have ended, what is no file, and no name at all."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policy_engine.cli.waiver_common import write_waiver
from policy_engine.loading.policy import load_policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import MEMORY
from tests.unit.cli.waiver_scene import Scene
from tests.unit.waivers.making import ANN, EVE, ORIGIN, RULE, Person, statement, waiver_file

TODAY = datetime.now(UTC).date()
HEAD = f"waivers: {{files_of: [{ORIGIN}]}}\n"


@pytest.fixture
def scene(tmp_path: Path, policy: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> Scene:
    found = Scene(tmp_path, policy, monkeypatch.setenv)
    found.approvers(ANN.entry(), head=HEAD)
    (tmp_path / "waivers").mkdir()
    return found


@pytest.fixture
def not_for_ever() -> Iterator[None]:
    """Let a test that waits for a pipe fail."""

    def late(*_: object) -> None:
        raise AssertionError("it waits for whoever writes")  # no OSError, which would be a file that cannot be read

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def write(scene: Scene, name: str, days: int, person: Person = ANN) -> None:
    """Write a file whose last day lies so many days behind."""
    rule = load_policy([]).rules.rule(RULE)
    assert rule is not None
    digest = waivable_digest(rule_document(rule), load_policy([]).rules.values)
    ends = TODAY - timedelta(days=days)
    made = statement(digest=digest, valid_from=ends - timedelta(days=30), valid_until=ends)
    write_waiver(scene.folder / "waivers" / f"{name}.yaml", waiver_file(made, person))


def gate(scene: Scene, *arguments: str) -> Outcome:
    return scene.run("gate", str(scene.workload), "--policy", str(scene.layer), *MEMORY, *arguments)


def test_each_that_has_ended_is_counted_and_listed(scene: Scene) -> None:
    for days in (1, 5, 9):
        write(scene, f"ended-{days}", days)
    write(scene, "stranger", 2, EVE)
    given = ("--waivers", str(scene.folder / "waivers"))
    (run,) = gate(scene, *given, "-o", "sarif").json["runs"]
    totals = run["properties"]["totals"]
    assert (totals["waivers_expired"], totals["waivers_not_honoured"]) == (3, 1)
    (task,) = gate(scene, *given, "-o", "json").json["tasks"]
    said = sorted(row["why"] for row in task["waivers"])
    ended = sorted(f"it ended on {TODAY - timedelta(days=days)}" for days in (1, 5, 9))
    assert said == [*ended, "it has 0 of 1 approval; no signature is by a key that the policy names"]
    ledger = ("--ledger", f"sqlite:///{scene.folder}/own.db")
    scene.run("gate", str(scene.workload), "--policy", str(scene.layer), *ledger, *given)
    assert scene.run("audit", "replay", "--all", *ledger).status == 0


@pytest.mark.parametrize("more", [(), ("-q",)])
def test_the_text_of_one_workload_counts_its_waivers(more: tuple[str, ...], scene: Scene) -> None:
    write(scene, "ended", 1)
    whole = "1 workload: 1 deny"
    lines = gate(scene, "--waivers", str(scene.folder / "waivers"), *more).out.splitlines()
    assert f"{whole}; waivers: 1 expired" in lines
    assert not [line for line in gate(scene, *more).out.splitlines() if line.startswith(whole)]


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to nothing"])
def test_what_is_no_file_in_a_folder_is_refused_and_nobody_waits(kind: str, scene: Scene, not_for_ever: None) -> None:
    place = scene.folder / "waivers" / "x.yaml"
    if kind == "link to nothing":
        place.symlink_to("nowhere")
    else:
        pipe = place if kind == "pipe" else scene.folder / "pipe"
        os.mkfifo(pipe)
        if pipe != place:
            place.symlink_to(pipe)
    found = gate(scene, "--waivers", str(scene.folder / "waivers"), "-q")
    assert (found.status, found.out) == (2, "deny claims/triage\n")
    assert "[file-unreadable]" in found.err


def test_a_pipe_that_was_named_is_read(scene: Scene) -> None:
    write(scene, "ended", 1)
    reader, writer = os.pipe()
    try:
        os.write(writer, (scene.folder / "waivers" / "ended.yaml").read_bytes())
        os.close(writer)
        found = gate(scene, "--waivers", f"/dev/fd/{reader}", "-o", "json")
    finally:
        os.close(reader)
    assert found.status == 1
    assert "it ended on" in found.json["tasks"][0]["waivers"][0]["why"]


@pytest.mark.parametrize("option", ["--waivers", "--baseline", "--write-baseline", "--attest", "--attest-key"])
def test_no_name_is_not_the_working_directory(option: str, scene: Scene) -> None:
    found = gate(scene, option, "", "--reason", "x")
    assert (found.status, found.out) == (2, "")
    assert "an empty path names nothing" in found.err
