"""`policy gate`: the exit status is the verdict, and nothing that its subject could steer counts."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
ALLOW = EXAMPLES / "writing-assistant.yaml"
DENY = EXAMPLES / "leaking-fallback.yaml"
REVIEW = EXAMPLES / "hospital.yaml"
MEMORY = ("--ledger", "sqlite:///:memory:")

Policy = Callable[..., Any]


# ---- the status is the verdict


@pytest.mark.parametrize(("file", "status"), [(ALLOW, 0), (DENY, 1), (REVIEW, 5)], ids=["allow", "deny", "review"])
def test_one_workload(policy: Policy, file: Path, status: int) -> None:
    done = policy("gate", str(file), *MEMORY, "-q")
    assert done.status == status
    assert done.out.startswith({0: "allow ", 1: "deny ", 5: "review "}[status])


def test_conditions_are_no_failure(policy: Policy, tmp_path: Path) -> None:
    """In production a fallback is asked for, and its enforcement is advisory."""
    path = tmp_path / "conditional.yaml"
    text = ALLOW.read_text(encoding="utf-8").replace("stage: pilot", "stage: production")
    path.write_text(text, encoding="utf-8")
    done = policy("gate", str(path), *MEMORY, "-q")
    assert (done.status, done.out) == (0, "allow_with_conditions default/writing-assistant\n")
    assert policy("evaluate", str(path), *MEMORY, "--fail-on", "allow_with_conditions").status == 1
    assert policy("evaluate", str(path), *MEMORY, "--fail-on", "review").status == 0


INVALID = Path("invalid.yaml")
BY_FILE = {ALLOW: 0, DENY: 1, REVIEW: 5, INVALID: 2}
ORDER = (2, 1, 5, 0)


@pytest.mark.parametrize(
    "files",
    [each for size in (2, 3, 4) for each in itertools.combinations(BY_FILE, size)],
    ids=lambda files: "-".join(str(BY_FILE[each]) for each in files),
)
def test_every_combination(policy: Policy, tmp_path: Path, files: tuple[Path, ...]) -> None:
    (tmp_path / INVALID).write_text("kind: Pod\n", encoding="utf-8")
    done = policy("gate", *map(str, files), *MEMORY, "-o", "json")
    expected = {BY_FILE[file] for file in files}
    assert done.status == next(status for status in ORDER if status in expected)
    valid = [file for file in files if file is not INVALID]
    assert len(done.json) == len(valid)
    assert ("invalid.yaml:1:7: error:" in done.err) is (INVALID in files)


def test_the_ledger_and_the_rules_come_before_any_verdict(policy: Policy, tmp_path: Path) -> None:
    (tmp_path / "l.db").write_text("no database", encoding="utf-8")
    (tmp_path / "layer").mkdir()
    refusing = ("--ledger", f"sqlite:///{tmp_path}/l.db")
    for files in ([DENY], [DENY, "none.yaml"], [ALLOW, REVIEW]):
        done = policy("gate", *map(str, files), *refusing)
        assert (done.status, done.out) == (6, "")
        done = policy("gate", *map(str, files), *MEMORY, "--policy", str(tmp_path / "layer"))
        assert (done.status, done.out) == (3, "")
        assert "layer" in done.err


def test_a_report_that_cannot_be_written_is_found_before_anything_is_recorded(policy: Policy, tmp_path: Path) -> None:
    ledger = tmp_path / "l.db"
    done = policy("gate", str(DENY), "--ledger", f"sqlite:///{ledger}", "-o", f"json={tmp_path}/none/d.json")
    assert (done.status, done.out) == (2, "")
    assert not ledger.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_ledger_is_refused(policy: Policy, tmp_path: Path) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o500)
    assert policy("gate", str(ALLOW), "--ledger", f"sqlite:///{folder}/l.db").status == 6


def test_what_is_shown_is_on_record(policy: Policy, tmp_path: Path) -> None:
    ledger = ("--ledger", f"sqlite:///{tmp_path}/l.db")
    done = policy("gate", str(DENY), str(REVIEW), *ledger, "-o", "json", "--purpose", "deploy")
    assert done.status == 1
    assert "verifier key" in done.err
    for index, document in enumerate(done.json):
        assert document["ledger"]["index"] == index
        again = policy("explain", document["id"][:16], *ledger, "-o", "json")
        assert again.status == 0, again.err
        assert json.dumps(document["verdict"]) in again.out


# ---- what its subject could steer


@pytest.mark.parametrize("ci", ["true", "1", "yes", "false", "0"])
def test_in_ci_the_ledger_is_named(policy: Policy, monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    done = policy("gate", str(ALLOW))
    assert (done.status, done.out) == (2, "")
    assert "[no-ledger]" in done.err
    for choice in ("sqlite:///PATH", "postgresql+psycopg://", "sqlite:///:memory:", "POLICY_LEDGER"):
        assert choice in done.err
    assert policy("gate", str(ALLOW), *MEMORY).status == 0
    monkeypatch.setenv("POLICY_LEDGER", "sqlite:///:memory:")
    assert policy("gate", str(ALLOW)).status == 0
    monkeypatch.delenv("POLICY_LEDGER")
    assert policy("evaluate", str(ALLOW)).status == 0


@pytest.mark.parametrize("ci", [""])
def test_elsewhere_the_ledger_is_the_users_own(policy: Policy, monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    monkeypatch.setenv("CI", ci)
    assert policy("gate", str(ALLOW)).status == 0
    assert list(Path(os.environ["XDG_DATA_HOME"]).rglob("ledger.db"))


def moment(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


@pytest.mark.parametrize(("minutes", "status"), [(4, 0), (-4, 0), (6, 2), (-6, 2), (60 * 24 * 365, 2)])
def test_the_clock(policy: Policy, tmp_path: Path, minutes: float, status: int) -> None:
    ledger = tmp_path / "l.db"
    done = policy("gate", str(ALLOW), "--ledger", f"sqlite:///{ledger}", "--at", moment(minutes), "-q")
    assert done.status == status
    assert ledger.exists() is (status == 0)
    assert ("[clock]" in done.err) is (status == 2)
    assert policy("gate", str(ALLOW), *MEMORY, "--at", moment(minutes), "-q").status == 0


def test_the_clock_of_the_environment_too(policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLICY_AT", "2020-01-01T00:00:00Z")
    assert policy("gate", str(ALLOW), "--ledger", f"sqlite:///{tmp_path}/l.db").status == 2


@pytest.mark.parametrize("time", ["yesterday", "2026-11-22", "2026-11-22T09:00:00", "1790000000"])
def test_a_time_is_rfc_3339_with_an_offset(policy: Policy, time: str) -> None:
    done = policy("gate", str(ALLOW), *MEMORY, "--at", time)
    assert done.status == 2
    assert "2026-11-22T09:00:00Z" in done.err


def test_the_gate_does_not_believe_the_cache(policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("POLICY_CACHE_DIR", str(cache))
    assert policy("evaluate", str(DENY), *MEMORY, "-q").status == 0
    for kept in cache.glob("*.json"):
        kept.write_text("{}", encoding="utf-8")
    assert policy("gate", str(DENY), *MEMORY, "-q").status == 1
    assert {kept.read_text(encoding="utf-8") for kept in cache.glob("*.json")} == {"{}"}  # neither read nor written


def test_outputs_of_a_policy_toml_beside_the_judged_file_do_not_count(policy: Policy, tmp_path: Path) -> None:
    subject = tmp_path / "w.yaml"
    subject.write_text(DENY.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "policy.toml").write_text('output = "json"\n', encoding="utf-8")
    assert policy("gate", str(subject), *MEMORY).out.startswith("DENY")
    assert policy("evaluate", str(subject), *MEMORY).out.startswith("{")


def test_a_time_beyond_the_calendar_is_usage(policy: Policy) -> None:
    assert policy("gate", str(ALLOW), *MEMORY, "--at", "9999-12-31T23:59:59-14:00").status == 2


WEAKENED = ("data-stays-in-network", "proposed-region-outside-residency")


def steering(folder: Path, subject: Path = DENY) -> Path:
    """Make a folder whose policy.toml would weaken the rules, move the clock and hide the ledger."""
    layer = folder / "weak" / "data-residency"
    layer.mkdir(parents=True)
    for rule in WEAKENED:
        (layer / f"{rule}.yaml").write_text(f"id: {rule}\ndisabled: true\n", encoding="utf-8")
    ledger = f"sqlite:///{folder}/hidden.db"
    (folder / "policy.toml").write_text(
        f'policy = ["weak"]\nledger = "{ledger}"\nledger_key = "k"\nat = "2020-01-01T00:00:00Z"\npurpose = "deploy"\n',
        encoding="utf-8",
    )
    path = folder / "deep" / "w.yaml"
    path.parent.mkdir()
    path.write_text(subject.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_a_policy_toml_above_the_judged_file_steers_evaluate_and_not_the_gate(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    path = steering(repository)
    monkeypatch.chdir(repository)
    gated = policy("gate", str(path), "-o", "json")
    assert gated.status == 1
    assert gated.json["decided_at"][:4] != "2020"
    assert [layer["name"] for layer in gated.json["policy"]["layers"]] == ["shipped"]
    assert not (repository / "hidden.db").exists()
    evaluated = policy("evaluate", "deep/w.yaml", "-o", "json")
    assert evaluated.status == 0
    assert evaluated.json["verdict"] != "deny"
    assert evaluated.json["decided_at"] == "2020-01-01T00:00:00Z"
    assert len(evaluated.json["policy"]["layers"]) == 2
    assert (repository / "hidden.db").exists()


def test_no_name_of_the_judged_file_lets_it_steer(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository, elsewhere = tmp_path / "repository", tmp_path / "elsewhere"
    repository.mkdir()
    elsewhere.mkdir()
    path = steering(repository)
    outside = elsewhere / "outside.yaml"
    outside.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (repository / "link-out.yaml").symlink_to(outside)
    (elsewhere / "link-in.yaml").symlink_to(path)
    monkeypatch.chdir(repository)
    for name in ("deep/w.yaml", "deep/../deep/w.yaml", "link-out.yaml", "../elsewhere/link-in.yaml"):
        assert policy("gate", name, "-q").status == 1, name
        assert policy("gate", str(ALLOW), name, "-q").status == 1, name
    assert not (repository / "hidden.db").exists()


def test_a_file_from_elsewhere_is_judged_by_the_settings_of_the_working_directory(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = tmp_path / "operator"
    operator.mkdir()
    (operator / "policy.toml").write_text(f'ledger = "sqlite:///{operator}/central.db"\n', encoding="utf-8")
    monkeypatch.chdir(operator)
    assert policy("gate", str(ALLOW), "-q").status == 0
    assert (operator / "central.db").exists()


def test_standard_input_may_come_from_anywhere(policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io
    import sys

    steering(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(DENY.read_bytes())))
    assert policy("gate", "-", "-q").status == 1
    assert not (tmp_path / "hidden.db").exists()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="the system does not name open files")
def test_a_pipe_may_come_from_anywhere(policy: Policy, tmp_path: Path) -> None:
    steering(tmp_path)
    read, write = os.pipe()
    os.write(write, DENY.read_bytes())
    os.close(write)
    try:
        assert policy("gate", f"/dev/fd/{read}", "-q").status == 1
    finally:
        os.close(read)
    assert not (tmp_path / "hidden.db").exists()


def test_flags_and_environment_come_before_any_file(
    policy: Policy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = steering(tmp_path)
    flagged = policy("gate", str(path), "--policy", str(tmp_path / "weak"), *MEMORY, "-q")
    assert flagged.status != 1
    monkeypatch.setenv("POLICY_POLICY", str(tmp_path / "weak"))
    assert policy("gate", str(path), *MEMORY, "-q").status == flagged.status


@pytest.mark.parametrize("files", [[], ["none.yaml"], ["."]])
def test_nothing_judged_is_never_a_success(policy: Policy, files: list[str]) -> None:
    assert policy("gate", *files, *MEMORY).status == 2
