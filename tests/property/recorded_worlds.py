"""Workloads and policies with all that a record could lose: layers, custom facts, evidence in files, disputes."""

from __future__ import annotations

import copy
import functools
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from policy_engine.loading.policy import Policy, load_policy
from tests.property.worlds import BOOLS, EVIDENCE, LAYER, one_of, workloads

GOOD, OTHER = b"a signed agreement", b"another text"
#: What a file of evidence can be: as claimed, another text, not there, without its digest, in force later or no more.
FILES: list[dict[str, Any]] = [
    {"file": "dpa.pdf", "sha256": hashlib.sha256(GOOD).hexdigest()},
    {"file": "dpa.pdf", "sha256": hashlib.sha256(OTHER).hexdigest()},
    {"file": "nowhere.pdf", "sha256": hashlib.sha256(GOOD).hexdigest(), "valid_until": "2027-01-31"},
    {"file": "dpa.pdf"},
    {"file": "../outside.pdf", "sha256": hashlib.sha256(GOOD).hexdigest()},
    {"file": "dpa.pdf", "sha256": hashlib.sha256(GOOD).hexdigest(), "issued": "2027-01-01"},
    {"file": "dpa.pdf", "sha256": hashlib.sha256(GOOD).hexdigest(), "valid_until": "2026-01-01"},
    {"file": "dpa.pdf", "sha256": hashlib.sha256(GOOD).hexdigest(), "issued": "2026-01-01", "reference": "REF-2"},
    {"valid_until": "2026-01-01", "reference": "REF-3"},
    {"receipt": "some.tlog-proof"},
    {},
]
CUSTOM: dict[str, list[Any]] = {
    "tier": ["gold", "bronze"],
    "weight": [0.0, 3, 10.5, 99999999.0],
    "rounds": [0, 7, 2**53 - 1],
    "pinned": BOOLS,
    "regions": [[], ["eu"], ["eu", "us"]],
}
OWN_SOURCE = {"source": "team", "as_of": "2026-01-01"}
FIRST: dict[str, Any] = {
    "vocabulary.yaml": {
        "facts": {
            "custom.weight": {"type": "double", "meaning": "How heavy.", "default": 10, "min": 0, "unit": "kg"},
            "custom.tier": {"type": "string", "meaning": "Which tier.", "values": ["gold", "bronze"]},
            "custom.rounds": {"type": "int", "meaning": "How often."},
            "custom.pinned": {"type": "bool", "meaning": "Whether it is pinned.", "default": False},
            "custom.regions": {"type": "list<string>", "meaning": "Where.", "default": ["eu"]},
            "custom.heavy": {"type": "bool", "meaning": "Whether it is heavy.", "source": "rule"},
            "custom.load": {"type": "double", "meaning": "How much.", "source": "rule"},
        },
        "evidence": {"team_consent": "The team agrees."},
        "regulations": {"own-rules": "The rules of the house."},
    },
    "parameters.yaml": {
        "parameters": {
            "heavy_kg": {
                "type": "double",
                "value": 10,
                "unit": "kg",
                "meaning": "From here on it is heavy.",
                "disputes": [
                    {"id": "OWN-1", "source": "team", "value": 3, "says": "three"},
                    {"id": "DISPUTE-1", "source": "us", "value": 99.5, "says": "more"},
                ],
            },
            "catalog_stale_days": {"value": 120},
        }
    },
    "disputes.yaml": {
        "disputes": [
            {"id": "OWN-1", "about": "weights", "sides": [{"sources": ["team"], "says": "three"}], "kind": "own"}
        ]
    },
    "sources.yaml": {
        "sources": {
            "team": {"description": "the team", "as_of": "2026-01-01"},
            "us": {"description": "us", "as_of": "2026-01-01"},
        }
    },
    "routing/own-heavy.yaml": {
        "id": "own-heavy",
        "title": "What is heavy",
        "origin": "the house",
        "when": "custom.weight >= param.heavy_kg",
        "derive": {"custom.heavy": "true", "custom.load": "custom.weight * 2.0"},
        "message": "it weighs {custom.weight}",
    },
    "routing/own-forbid.yaml": {
        "id": "own-forbid",
        "title": "Heavy things stay",
        "origin": "the house",
        "when": "custom.heavy && custom.load < 1000.0 && custom.tier != 'gold'",
        "forbid": ["proprietary_api", "proposal"],
        "prefer": {"self_hosted": "strong", "edge": "weak"},
        "enforcement": "mandatory",
        "enforce_from": "2026-12-24",
        "disputes": ["OWN-1"],
        "controls": ["HOUSE-1"],
        "owner": "the house",
        "review_by": "2027-01-01",
        "message": "too heavy",
    },
    "catalog/own.yaml": LAYER,
}
SECOND: dict[str, Any] = {
    "policy-set.yaml": {
        "apiVersion": "policy-engine/v1",
        "kind": "PolicySet",
        "version": "7",
        "enforcement": [{"rule": "own-forbid", "namespace": "claims", "enforcement": "advisory"}],
    },
    "parameters.yaml": {"parameters": {"heavy_kg": {"value": 12.5}}},
    "licence/own-consent.yaml": {
        "id": "own-consent",
        "title": "Somebody agreed",
        "origin": "the house",
        "when": "'eu' in custom.regions || custom.rounds > 5",
        "require": {"team_consent": ["open_api", "proprietary_api"], "dpa": ["proprietary_api", "open_batch"]},
        "enforcement": "waivable",
        "grade": "attached",
        "advise": "ask the team {custom.rounds} times",
        "message": "consent is needed",
    },
    "catalog/prices.yaml": {
        "prices": {
            "own-gpt-4o": {
                "model": "gpt-4o",
                "option": "proprietary_api",
                "unit": "USD/1M tokens",
                "input": 3,
                "output": 11.25,
                **OWN_SOURCE,
            }
        },
        "models": {"qwen3-7b": {"disabled": True}},
    },
}


def write_layer(folder: Path, files: dict[str, Any]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return folder


@functools.cache
def laid_over() -> Policy:
    """The shipped rules under two layers, whose folders are gone when this returns."""
    with tempfile.TemporaryDirectory() as folder:
        layers = [write_layer(Path(folder) / name, each) for name, each in (("one", FIRST), ("two", SECOND))]
        policy = load_policy(layers, use_cache=False)
        policy.catalog  # noqa: B018 - built while the files are there, as every policy is
    return policy


@st.composite
def recorded_workloads(draw: Any, layered: bool) -> dict[str, Any]:
    """Return a workload with evidence in files, and custom facts where a layer declares them."""
    raw: dict[str, Any] = draw(workloads())
    names = [*EVIDENCE, "owner_named", *(["team_consent"] if layered else [])]
    for name in draw(st.lists(st.sampled_from(names), max_size=6, unique=True)):
        raw["spec"]["evidence"][name] = copy.deepcopy(draw(st.sampled_from([*FILES, None])))
    raw["metadata"]["labels"] = draw(st.sampled_from([None, {}, {"team": "Größe \U0001f600"}]))
    if layered and draw(st.booleans()):
        chosen = draw(st.lists(st.sampled_from(list(CUSTOM)), unique=True))
        raw["spec"]["custom"] = {name: one_of(draw, [*CUSTOM[name], None]) for name in chosen}
    elif layered and draw(st.booleans()):
        raw["spec"]["custom"] = None
    return raw
