"""`policy diff`: whether any verdict can change, with an example that `policy evaluate` confirms; what is not known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.impact import verdicts as asked
from policy_engine.impact.verdicts import VerdictChange, Verdicts
from tests.unit.cli.conftest import Outcome

Run = Callable[..., Outcome]
AT = ("--at", "2026-11-22T09:00:00Z")


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A layer without the mandatory forbid of third parties for data that may not leave."""
    folder = tmp_path_factory.mktemp("layers") / "lenient"
    (folder / "data-residency").mkdir(parents=True)
    path = folder / "data-residency/data-stays-in-network.yaml"
    path.write_text(yaml.safe_dump({"id": "data-stays-in-network", "disabled": True}), encoding="utf-8")
    return folder


def diff(policy: Run, *words: str) -> Outcome:
    return policy("diff", *words, *AT, "--no-record", "-o", "json")


def possible(found: Outcome) -> dict[str, dict[str, Any]]:
    return {each["kind"]: each for each in found.json["verdicts"]["changes"] if each["status"] == "possible"}


def test_a_removed_mandatory_forbid_shows_what_is_allowed_now(policy: Run, lenient: Path, tmp_path: Path) -> None:
    found = diff(policy, "shipped", str(lenient), "--fail-on", "deny-to-allow")
    assert found.status == 1, found.err
    assert found.json["met"] is True
    changes = found.json["verdicts"]["changes"]
    # what loosens most comes first; and nothing that is allowed or reviewed is denied for it
    assert (changes[0]["kind"], changes[0]["status"]) == ("deny-to-allow", "possible")
    assert {each["status"] for each in changes if each["kind"] in ("allow-to-deny", "review-to-deny")} == {"impossible"}
    for change in [each for each in changes if each["status"] == "possible"]:
        assert all(f"# besides, {line}\n" in change["example"] for line in change["beyond"])
        assert bool(change["beyond"]) is ("besides" in change["example"])
        (tmp_path / "w.yaml").write_text(change["example"], encoding="utf-8")
        given = ["evaluate", "w.yaml", *AT, "--ledger", "sqlite:///:memory:", "-o", "json"]
        assert "besides" in change["example"] or policy(*given).json["verdict"] == change["before"]
        assert (
            "besides" in change["example"]
            or policy(*given, "--policy", str(lenient)).json["verdict"] == change["after"]
        )
    plain = [each for each in changes if each["status"] == "possible" and "besides" not in each["example"]]
    assert plain, "at least one example is confirmed by the command itself"


def test_the_other_way_round_nothing_that_was_denied_is_let_through(policy: Run, lenient: Path) -> None:
    found = diff(policy, str(lenient), "shipped", "--fail-on", "deny-to-allow", "--fail-on", "deny-to-review")
    assert found.status == 0, found.err
    assert "allow-to-deny" in possible(found)


def test_a_message_changes_no_verdict(policy: Run, tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words/policy-set.yaml").write_text("version: '9'\n", encoding="utf-8")
    found = diff(policy, "shipped", "words", "--fail-on", "any")
    assert found.status == 0, found.err
    assert [each["name"] for each in found.json["written"]] == ["version"]
    assert {each["status"] for each in found.json["verdicts"]["changes"]} == {"impossible"}
    assert (
        "no task's verdict changes, with and without waivers"
        in policy("diff", "shipped", "words", *AT, "--no-record").out
    )


def test_what_is_not_known_fails_as_if_it_were_so(policy: Run, lenient: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Verdicts([VerdictChange("deny-to-allow", "deny", "allow", "undecided", why="it took longer than 10 s")])
    monkeypatch.setattr(asked, "verdicts", lambda *_: found)
    assert diff(policy, "shipped", str(lenient), "--fail-on", "deny-to-allow").status == 1
    assert diff(policy, "shipped", str(lenient), "--fail-on", "allow-to-deny").status == 0
    told = " ".join(policy("diff", "shipped", str(lenient), "--no-record").out.split())
    assert "from deny to allow: not known: it took longer than 10 s" in told


def test_without_the_extra_it_is_said_and_nothing_is_passed(
    policy: Run, lenient: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asked, "find_spec", lambda name: None)
    found = diff(policy, "shipped", str(lenient))
    assert found.status == 0
    assert found.json["verdicts"] == {
        "asked": False,
        "why": "the extra `prove` is not installed",
        "changes": [],
        "kinds": [],
    }
    refused = diff(policy, "shipped", str(lenient), "--fail-on", "deny-to-allow")
    assert refused.status == 2
    assert "pip install policy-engine[prove]" in refused.err
    neither = diff(policy, "shipped", str(lenient), "--fail-on", "deny-to-allow", "--no-proof")
    assert (neither.status, neither.json["met"]) == (2, None)
