"""What differs as it is written, part by part."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.impact.kinds import ANY, KINDS, kind_of, met
from policy_engine.impact.structure import Differing, differing
from policy_engine.loading.layers import shipped_rules
from policy_engine.loading.policy import load_policy

CHANGED = "no-mlops-no-self-hosting"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path_factory.getbasetemp() / "parsed"
    folder.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("POLICY_CACHE_DIR", str(folder))


def found(tmp_path: Path, **files: Any) -> list[Differing]:
    """Return how the shipped rules with a layer of these files differ from those without."""
    for name, content in files.items():
        path = tmp_path / "layer" / f"{name.replace('__', '/').replace('_', '-')}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return differing(load_policy(), load_policy([tmp_path / "layer"]))


def rule(**more: Any) -> dict[str, Any]:
    """Return the shipped rule as its file has it, with other members."""
    file = shipped_rules() / f"mlops-capacity/{CHANGED}.yaml"
    return {**yaml.safe_load(file.read_text(encoding="utf-8")), **more}


def test_nothing_differs_from_itself(tmp_path: Path) -> None:
    assert differing(load_policy(), load_policy()) == []
    # the same rule in a layer is the same rule
    assert found(tmp_path, mlops_capacity__no_mlops_no_self_hosting=rule()) == []


def test_a_rule_that_is_added_or_removed(tmp_path: Path) -> None:
    own = {"id": "own", "title": "Ours", "origin": "x", "when": "task.batch", "advise": "Do.", "message": "B."}
    (one, other) = found(
        tmp_path, latency__own=own, mlops_capacity__no_mlops_no_self_hosting={"id": CHANGED, "disabled": True}
    )
    assert (one.section, one.name, one.kind) == ("rules", CHANGED, "removed")
    assert (other.section, other.name, other.kind, other.title) == ("rules", "own", "added", "Ours")


@pytest.mark.parametrize(
    ("more", "name", "of", "after"),
    [
        ({"when": "team.mlops != 'mature'"}, "when", "condition", "team.mlops != 'mature'"),
        ({"forbid": ["self_hosted", "edge"]}, "forbid", "effects", ["self_hosted", "edge"]),
        (
            {"prefer": {"proprietary_api": "normal", "open_api": "weak", "open_batch": "normal"}},
            "prefer.open_api",
            "effects",
            "weak",
        ),
        ({"enforcement": "advisory"}, "enforcement", "enforcement", "advisory"),
        ({"enforce_from": "2027-01-01"}, "enforce_from", "enforcement", "2027-01-01"),
        ({"message": "Other."}, "message", "message", "Other."),
        ({"owner": "team"}, "owner", "about it", "team"),
    ],
)
def test_a_rule_that_changes_says_in_which_part(
    more: dict[str, Any], name: str, of: str, after: Any, tmp_path: Path
) -> None:
    (only,) = found(tmp_path, mlops_capacity__no_mlops_no_self_hosting=rule(**more))
    assert (only.section, only.name, only.kind) == ("rules", CHANGED, "changed")
    (part,) = only.parts
    before = "normal" if name == "prefer.open_api" else rule().get(name)
    assert (part.name, part.of, part.before, part.after) == (name, of, before, after)


def test_parameters_vocabulary_enforcement_and_catalog(tmp_path: Path) -> None:
    layer = found(
        tmp_path,
        parameters={"parameters": {"low_latency_ms": {"value": 250}}},
        vocabulary={"facts": {"custom.tier": {"type": "bool", "meaning": "A tier."}}},
        policy_set={"version": "7", "enforcement": [{"rule": CHANGED, "namespace": "lab", "enforcement": "advisory"}]},
        catalog__regions={"regions": {"be": {"parent": "world", "title": "Belgium"}, "mars": {"parent": "world"}}},
    )
    told = {(each.section, each.name): each for each in layer}
    (part,) = [each for each in told["parameters", "low_latency_ms"].parts if each.name == "value"]
    assert (part.before, part.after) == (300, 250)
    assert told["facts", "custom.tier"].kind == "added"
    assert told["enforcement", f"{CHANGED} in lab"].kind == "added"
    assert told["policy", "version"].parts[0].after.endswith("layer.7")
    assert told["catalog regions", "mars"].kind == "added"
    (moved,) = told["catalog regions", "be"].parts
    assert (moved.name, moved.before, moved.after) == ("parent", "eu", "world")


def test_kinds_of_change_come_with_what_loosens_most_first() -> None:
    assert KINDS[0] == "deny-to-allow"
    within = {"conditions-to-allow", "allow-to-conditions"}
    assert set(KINDS) == {f"{a}-to-{b}" for a, b in permutations(("allow", "review", "deny"), 2)} | within
    assert set(KINDS[:3]) == {"deny-to-allow", "deny-to-review", "review-to-allow"}
    assert kind_of("deny", "allow_with_conditions") == "deny-to-allow"
    assert kind_of("allow_with_conditions", "deny") == "allow-to-deny"
    assert kind_of("allow", "allow_with_conditions") == "allow-to-conditions"
    assert kind_of("allow_with_conditions", "allow") == "conditions-to-allow"
    assert kind_of("review", "review") is None
    assert kind_of(None, "allow") is None
    assert met(["review-to-deny"], [ANY])
    assert met(["review-to-deny"], ["deny-to-allow", "review-to-deny"])
    assert not met(["review-to-deny"], ["deny-to-allow"])
    assert not met([], [ANY])
