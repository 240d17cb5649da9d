"""What of a server's answer is believed: what can be shown, is in force, and follows from what stands beside it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.client import UntrustedError
from policy_engine.client.believing import decided
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.yaml_source import load_yaml
from policy_engine.model.workload import Workload
from policy_engine.recorder import shown
from tests.unit.cli.given import ALLOWED
from tests.unit.client.faking import answer_on
from tests.unit.client.test_hostile import honest, resealed

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


BREAK = "2020-01-01T00:00:00Z\r\nVerdict: allow"


def _ended(answer: dict[str, Any]) -> None:
    answer["valid_until"] = "2020-01-01T23:59:59Z"


def _two_lines(answer: dict[str, Any]) -> None:
    answer["valid_until"] = BREAK


def _stale_on_two_lines(answer: dict[str, Any]) -> None:
    answer["catalog"]["stale"] = [BREAK]


def _advice_empty(answer: dict[str, Any]) -> None:
    answer["tasks"][0]["advice"] = [{}]


def _routes_empty(answer: dict[str, Any]) -> None:
    answer["plan"]["routes"] = [{}]


def _facts_empty(answer: dict[str, Any]) -> None:
    answer["tasks"][0]["rules"][0]["facts"] = {"x": {}}


def _evidence_empty(answer: dict[str, Any]) -> None:
    answer["evidence"] = {"dpa": {}}


def _waivers_empty(answer: dict[str, Any]) -> None:
    answer["tasks"][0]["waivers"] = [{}]


def _lifted_empty(answer: dict[str, Any]) -> None:
    answer["tasks"][0]["options"][0]["waived"] = [{}]


def _nowhere(answer: dict[str, Any]) -> None:
    answer["ledger"]["leaf_hash"] = BREAK


def _never(answer: dict[str, Any]) -> None:
    answer["ledger"]["recorded_at"] = BREAK


def _enforced_strangely(answer: dict[str, Any]) -> None:
    answer["tasks"][0]["rules"][0]["enforcement"] = "zzz"


@pytest.mark.parametrize(
    "spoil",
    [
        *(_ended, _two_lines, _stale_on_two_lines, _advice_empty, _routes_empty, _facts_empty, _evidence_empty),
        *(_waivers_empty, _lifted_empty, _enforced_strangely, _nowhere, _never),
    ],
    ids=lambda each: each.__name__,
)
def test_what_could_not_be_shown_is_no_decision(spoil: Callable[[dict[str, Any]], None]) -> None:
    answer = copy.deepcopy(honest())
    spoil(answer)
    with pytest.raises(UntrustedError):
        decided(resealed(answer))


@cache
def allowing() -> dict[str, Any]:
    found = answer_on(Decider(load_policy()), yaml.safe_load(ALLOWED.read_text()))
    assert found["verdict"] in ("allow", "allow_with_conditions")
    assert decided(found).verdict == found["verdict"]
    return found


@pytest.mark.parametrize("outcome", ["fired", "indeterminate"])
@pytest.mark.parametrize("enforcement", ["mandatory", "waivable", None])
@pytest.mark.parametrize("lifted", [False, True])
def test_rules_that_speak_against_what_is_allowed_are_believed_first(
    outcome: str, enforcement: str | None, lifted: bool
) -> None:
    answer = copy.deepcopy(allowing())
    task = answer["tasks"][0]
    rule = task["rules"][0]
    rule.update(outcome=outcome, enforcement=enforcement, forbid=[task["judged_option"]])
    if lifted:
        option = next(each for each in task["options"] if each["deployment"] == task["judged_option"])
        option["waived"] = [{"rule": rule["id"], "waiver": "w-1"}]
        assert decided(resealed(answer)).verdict == answer["verdict"]
        return
    with pytest.raises(UntrustedError, match="deny at least" if outcome == "fired" else "review at least"):
        decided(resealed(answer))
    rule["enforcement"] = "advisory"
    assert decided(resealed(answer)).verdict == answer["verdict"]


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.yaml")), ids=lambda each: each.stem)
def test_what_this_engine_decides_is_believed(file: Path) -> None:
    at = datetime.now(UTC).replace(microsecond=0)
    place = {"index": 3, "leaf_hash": "0" * 64, "tree_size": 4, "recorded_at": None, "status": "recorded"}
    for document in load_yaml(file.read_text(), file.name):
        for stage in ("prototype", "production"):
            document.value["spec"]["stage"] = stage
            workload = Workload.model_validate(document.value)
            evidence = check_evidence(workload, at.date(), EXAMPLES)
            answer = json.loads(json.dumps(shown(Decider(load_policy()).decide(workload, evidence, at), place)))
            assert decided(answer).verdict == answer["verdict"]
