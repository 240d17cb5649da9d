"""The schema of properties: as generated, and true to what the loader takes."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
import yaml

from policy_engine.loading.layers import PROPERTIES, shipped_rules
from policy_engine.loading.properties import KEYS, read_properties
from policy_engine.loading.properties_schema import properties_schema, properties_schema_text
from tests.unit.proofs.given import shipped

VALIDATOR = jsonschema.Draft202012Validator(properties_schema())
GOOD: dict[str, Any] = {"id": "a", "title": "A", "holds": "true", "reason": "R."}


def test_the_file_is_what_is_generated() -> None:
    path = shipped_rules() / "schemas" / "properties.schema.json"
    message = "write it anew with policy_engine.loading.properties_schema.properties_schema_text()"
    assert path.read_text(encoding="utf-8") == properties_schema_text(), message


def test_the_shipped_properties_fit_and_are_read() -> None:
    jsonschema.Draft202012Validator.check_schema(properties_schema())
    value = yaml.safe_load((shipped_rules() / PROPERTIES).read_text(encoding="utf-8"))
    VALIDATOR.validate(value)
    read = read_properties([], shipped())
    assert [each.id for each in read.properties] == [each["id"] for each in value["properties"]]
    assert len(read.properties) >= 12
    assert tuple(properties_schema()["properties"]["properties"]["items"]["properties"]) == KEYS


@pytest.mark.parametrize(
    "wrong",
    [
        {"properties": [{**GOOD, "id": "A b"}]},
        {"properties": [{**GOOD, "why": "R."}]},
        {"properties": [{key: value for key, value in GOOD.items() if key != "reason"}]},
        {"properties": [{**GOOD, "known": "task.batch"}]},
        {"shadowed": [{"rule": "a"}]},
        {"thresholds": [{"topic": "none", "fact": "a.b", "reason": "R."}]},
        {"other": []},
    ],
)
def test_what_the_loader_refuses_does_not_fit(wrong: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(wrong)


def test_a_property_and_one_that_is_taken_away_fit() -> None:
    VALIDATOR.validate({"properties": [GOOD, {"id": "b", "disabled": True}]})
