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


DEFAULTED = {"facts": {"custom.dora": {"type": "bool", "meaning": "Whether DORA applies.", "default": False}}}
DORA = {**LOCKED, "id": "dora-inside", "when": "!custom.dora", "message": "inside"}


@pytest.mark.parametrize("default", [True, None, "absent"])
def test_a_fact_that_a_locked_rule_reads_is_not_declared_otherwise(default: object, tmp_path: Path) -> None:
    first = layer(tmp_path / "first", vocabulary_yaml=DEFAULTED, **{"routing__dora_inside_yaml": DORA})
    fact = {key: value for key, value in DEFAULTED["facts"]["custom.dora"].items() if key != "default"}
    fact |= {} if default == "absent" else {"default": default}
    second = layer(tmp_path / "second", vocabulary_yaml={"facts": {"custom.dora": fact}})
    with pytest.raises(RulesError) as caught:
        load_policy([first, second], use_cache=False)
    (problem,) = caught.value.problems
    assert problem.code == "locked"
    assert str(problem.span).startswith(str(second / "vocabulary.yaml"))
    load_policy([second, first], use_cache=False)  # a lock binds later layers alone
    same = {**DEFAULTED["facts"]["custom.dora"], "meaning": "In other words."}
    other = layer(tmp_path / "other", vocabulary_yaml={"facts": {"custom.dora": same}})
    load_policy([first, other], use_cache=False)


INSIDE = {**LOCKED, "id": "inside", "when": "!proposal.region_allowed", "forbid": ["proposal"], "message": "inside"}
LICENSED = {**LOCKED, "id": "licensed", "when": "licence.self_hosted == 'forbidden'", "message": "licensed"}
DAY = {"source": "register", "as_of": "2026-11-22"}


@pytest.mark.parametrize(
    ("rule", "section", "entry", "field"),
    [
        (INSIDE, "regions", {"us": {"parent": "eu", "title": "US"}}, "parent"),
        (LICENSED, "licences", {"llama-3.1-community": {"commercial": "allowed", **DAY}}, "commercial"),
    ],
)
def test_the_catalog_that_a_locked_rule_decides_by_is_not_changed(
    rule: dict[str, object], section: str, entry: dict[str, dict[str, object]], field: str, tmp_path: Path
) -> None:
    first = layer(tmp_path / "first", **{f"routing__{rule['id']}_yaml": rule})
    second = layer(tmp_path / "second", **{f"catalog__{section}_yaml": {section: entry}})
    with pytest.raises(RulesError) as caught:
        load_policy([first, second], use_cache=False)
    (problem,) = caught.value.problems
    (name,) = entry
    assert problem.code == "locked"
    assert problem.message == f"the locked rule `{rule['id']}` decides by the {field} of `{section}.{name}`"
    assert str(problem.span).startswith(str(second / "catalog" / f"{section}.yaml"))
    load_policy([second, first], use_cache=False)
    load_policy([second], use_cache=False)


def test_the_catalog_may_grow_beneath_a_locked_rule(tmp_path: Path) -> None:
    first = layer(tmp_path / "first", routing__inside_yaml=INSIDE)
    grown = {"regions": {"us": {"parent": "world", "title": "America"}, "mars": {"parent": "world", "title": "Mars"}}}
    load_policy([first, layer(tmp_path / "second", catalog__regions_yaml=grown)], use_cache=False)
