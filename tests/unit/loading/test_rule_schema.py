"""The schema of rule files: as generated, and true to what the loader takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from policy_engine.loading.layers import CASES_SUFFIX, shipped_rules
from policy_engine.loading.rule_file import KEYS
from policy_engine.loading.rule_schema import rule_schema, rule_schema_text
from policy_engine.model.rule import TOPICS

RULES = shipped_rules()
VALIDATOR = jsonschema.Draft202012Validator(rule_schema())
FILES = [
    path for topic in TOPICS for path in sorted((RULES / topic).glob("*.yaml")) if not path.name.endswith(CASES_SUFFIX)
]
GOOD: dict[str, Any] = {"id": "a", "title": "A", "when": "true", "message": "A.", "origin": "us", "advise": "Do."}


def test_the_file_is_what_is_generated() -> None:
    found = (RULES / "rule.schema.json").read_text(encoding="utf-8")
    assert found == rule_schema_text(), "write it anew with policy_engine.loading.rule_schema.rule_schema_text()"


def test_it_is_a_schema_of_every_key() -> None:
    jsonschema.Draft202012Validator.check_schema(rule_schema())
    assert tuple(rule_schema()["properties"]) == KEYS
    assert all(each["description"] for each in rule_schema()["properties"].values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_rules_fit_and_point_to_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    VALIDATOR.validate(json.loads(json.dumps(yaml.safe_load(text), default=str)))
    assert text.startswith("# yaml-language-server: $schema=../rule.schema.json\n")


@pytest.mark.parametrize(
    "change",
    [
        {"forbiden": ["edge"]},
        {"forbid": ["edgy"], "enforcement": "mandatory"},
        {"forbid": ["edge"]},
        {"forbid": [], "enforcement": "mandatory"},
        {"require": {"dpa": []}, "enforcement": "mandatory"},
        {"prefer": {"edge": "mighty"}},
        {"prefer": {"proposal": "weak"}},
        {"when": True},
        {"title": None},
        {"id": "A b"},
        {"review_by": "soon"},
        {"derive": {"x": "1"}},
        {"locked": "yes"},
        {"grade": "claimed"},
    ],
    ids=str,
)
def test_what_the_loader_refuses_does_not_fit(change: dict[str, Any]) -> None:
    VALIDATOR.validate(GOOD)
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(GOOD | change)


@pytest.mark.parametrize("key", ["id", "title", "when", "message", "origin", "advise"])
def test_what_has_to_be_there(key: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({name: value for name, value in GOOD.items() if name != key})


def test_a_disabled_rule_needs_no_more_than_its_id() -> None:
    VALIDATOR.validate({"id": "a", "disabled": True})
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({"id": "a", "disabled": False})
