"""What a later layer may not reach: derivations beneath a locked rule, and strict forbids on coalesced facts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from policy_engine.errors import RulesError
from policy_engine.loading.policy import load_policy

LOCKED = {
    "id": "workhorse-inside",
    "title": "Workhorse tasks stay inside",
    "origin": "a test",
    "when": "task.class == 'workhorse'",
    "forbid": ["proprietary_api"],
    "enforcement": "mandatory",
    "message": "{task.class} tasks stay inside",
    "locked": True,
}
CAP = {
    "id": "spend-cap",
    "title": "A cap on the bill",
    "origin": "a test",
    "when": "cost.api_spend_usd_per_month > 5000.0",
    "forbid": ["proprietary_api"],
    "enforcement": "advisory",
    "message": "the bill is {cost.api_spend_usd_per_month}",
}


def layer(root: Path, **files: object) -> Path:
    for name, value in files.items():
        path = root / name.replace("__", "/").replace("_yaml", ".yaml").replace("_", "-")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(value), encoding="utf-8")
    return root


@pytest.mark.parametrize(
    "change",
    [
        {"id": "task-class-workhorse", "disabled": True},
        {
            "id": "task-class-workhorse",
            "title": "Nothing is",
            "origin": "a test",
            "when": "false",
            "derive": {"task.class": "'workhorse'"},
            "message": "nothing is",
        },
        {
            "id": "another",
            "title": "All is unclassified",
            "origin": "a test",
            "when": "task.kind == 'embedding'",
            "derive": {"task.class": "'unclassified'"},
            "message": "all is",
        },
    ],
    ids=["disabled", "replaced", "added"],
)
def test_a_derivation_beneath_a_locked_rule_is_out_of_reach(tmp_path: Path, change: dict[str, object]) -> None:
    first = layer(tmp_path / "first", **{"task-quality__workhorse-inside_yaml": LOCKED})
    second = layer(tmp_path / "second", **{f"task-quality__{change['id']}_yaml": change})
    with pytest.raises(RulesError) as caught:
        load_policy([first, second], use_cache=False)
    assert {problem.code for problem in caught.value.problems} == {"locked"}
    # the same change without the lock, or in the layer of the lock or before it, is no weakening
    open_rule = layer(tmp_path / "open", **{"task-quality__workhorse-inside_yaml": {**LOCKED, "locked": False}})
    load_policy([open_rule, second], use_cache=False)
    load_policy([second, first], use_cache=False)


@pytest.mark.parametrize("namespace", ["*", "claims"])
def test_a_policy_set_may_not_make_a_forbid_on_a_coalesced_fact_strict(tmp_path: Path, namespace: str) -> None:
    root = layer(tmp_path / "cap", **{"volume-cost__spend-cap_yaml": CAP})
    load_policy([root], use_cache=False)
    override = {"rule": "spend-cap", "enforcement": "mandatory"} | (
        {"namespace": namespace} if namespace != "*" else {}
    )
    layer(root, **{"policy-set_yaml": {"enforcement": [override]}})
    with pytest.raises(RulesError) as caught:
        load_policy([root], use_cache=False)
    assert caught.value.code == "coalesced-fact"
