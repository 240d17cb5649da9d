"""The same inputs give the same bytes, in any order and any process."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.workload_file import load_workloads
from policy_engine.model.vocabulary import OPTIONS
from tests.property.worlds import (
    AT,
    CALM,
    CALM_TASK,
    KINDS,
    MODELS,
    NOWHERE,
    SECTION_FIELDS,
    allows,
    cases,
    decider,
    judged,
    workloads,
)


@cases(40)
@given(workloads(), st.randoms(use_true_random=False))
def test_order_of_keys_and_formatting_do_not_matter(raw: dict[str, Any], chance: random.Random) -> None:
    """Nor does who owns it: personal values are in no byte of the content."""
    engine = decider(False)
    texts = [
        json.dumps(raw),
        json.dumps(_shuffled(raw, chance), indent=chance.choice([1, 3, 7])),
        yaml.safe_dump(_shuffled(raw, chance), sort_keys=False, default_flow_style=chance.choice([True, False])),
    ]
    other = copy.deepcopy(raw)
    other["metadata"]["owner"] = "somebody-else"
    if isinstance(other["spec"].get("migration"), dict) and other["spec"]["migration"].get("champion"):
        other["spec"]["migration"]["champion"] = "somebody.else"
    texts.append(json.dumps(other))
    found = set()
    for text in texts:
        (loaded,) = load_workloads(text, None, engine.policy.vocabulary)
        evidence = check_evidence(loaded.workload, AT.date(), NOWHERE)
        decision = engine.decide(loaded.workload, evidence, AT)
        found.add((decision.content, decision.id, decision.workload_content))
        for person in ("acme.example", "somebody"):
            assert person.encode() not in decision.content
            assert person.encode() not in decision.workload_content
    assert len(found) == 1


def _shuffled(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: _shuffled(value[key], chance) for key in keys}
    return [_shuffled(each, chance) for each in value] if isinstance(value, list) else value


PROGRAM = """
import hashlib, sys
from datetime import UTC, datetime
from pathlib import Path
from policy_engine.decide import Decider
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import load_policy
from policy_engine.loading.workload_file import load_workloads
policy = load_policy(use_cache=False)
engine, at = Decider(policy), datetime(2026, 11, 24, 12, tzinfo=UTC)
for name in sys.argv[1:]:
    for loaded in load_workloads(Path(name), None, policy.vocabulary):
        evidence = check_evidence(loaded.workload, at.date(), Path(name).parent)
        decision = engine.decide(loaded.workload, evidence, at)
        for content in (decision.content, decision.workload_content):
            print(decision.id, hashlib.sha256(content).hexdigest())
"""


def test_two_processes_decide_to_the_same_bytes(tmp_path: Path) -> None:
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
    chance = random.Random(7)  # noqa: S311 - which facts are unknown, the same each time
    for number, text in enumerate(_some_workloads(chance)):
        path = tmp_path / f"workload-{number}.yaml"
        path.write_text(text, encoding="utf-8")
        examples.append(path)
    outputs = []
    for seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "POLICY_CACHE_DIR": str(tmp_path / "cache")}
        command = [sys.executable, "-c", PROGRAM, *map(str, examples)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0].count("\n") >= len(examples)
    assert len(set(outputs)) == 1


def _some_workloads(chance: random.Random) -> Iterator[str]:
    """Workloads with many facts unknown, so that sets of missing facts are large."""
    for option in OPTIONS:
        spec = copy.deepcopy(CALM)
        for section, name in chance.sample(list(SECTION_FIELDS), 20):
            spec[section][name] = None
        proposal = {"deployment": option, "model": MODELS[option][0]}
        spec |= {"stage": "production", "tasks": [{"name": "task", "kind": chance.choice(KINDS), "proposal": proposal}]}
        metadata = {"name": "some-workload", "owner": "owner@acme.example"}
        yield json.dumps({"apiVersion": "policy-engine/v1", "kind": "Workload", "metadata": metadata, "spec": spec})


@pytest.mark.parametrize("layered", [False, True])
def test_workloads_of_every_verdict_are_tried(layered: bool) -> None:
    """The calm workloads are near every verdict: an allowance for each option but one that wants a recorded proof."""
    engine = decider(layered)
    verdicts = set()
    for option in OPTIONS:
        spec = copy.deepcopy(CALM)
        spec["needs"] = {"edge": option == "edge"}
        proposal = {"deployment": option, "model": MODELS[option][0], "region": "us"}
        if option == "proprietary_api":
            proposal["provider"] = "openai"  # without a name it waits: the layer has another one elsewhere
        task = {
            "name": "task",
            "kind": "extraction",
            **CALM_TASK,
            "batch": option == "open_batch",
            "proposal": proposal,
        }
        spec |= {"stage": "pilot", "tasks": [task]}
        raw = {
            "apiVersion": "policy-engine/v1",
            "kind": "Workload",
            "metadata": {"name": "some-workload", "owner": "owner@acme.example"},
            "spec": spec,
        }
        verdicts.add((option, judged(engine, raw)[0]))
    assert {option for option, verdict in verdicts if allows(verdict)} >= {"proprietary_api", "self_hosted", "edge"}
