"""The JSON Schema (2020-12) of `properties.yaml`, for editors; the loader does not read it."""

from __future__ import annotations

import json
from typing import Any

from policy_engine.loading.properties import KEYS, SECTIONS
from policy_engine.loading.rule_file import ID_PATTERN
from policy_engine.model.rule import TOPICS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def properties_schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(properties_schema(), indent=2, ensure_ascii=False) + "\n"


def properties_schema() -> dict[str, Any]:
    """Return the schema of one file of properties."""
    sections = {"properties": _property(), "shadowed": _shadowed(), "thresholds": _threshold()}
    return {
        "$schema": _DIALECT,
        "title": "Properties",
        "description": "What has to hold for every workload, and which findings of `policy prove` are meant.",
        "type": "object",
        "properties": {name: {"type": "array", "items": sections[name]} for name in SECTIONS},
        "additionalProperties": False,
    }


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, "minLength": 1, **more}


def _closed(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _property() -> dict[str, Any]:
    properties = {
        "id": _text("What the property is called.", pattern=ID_PATTERN),
        "title": _text("What it says, in one line."),
        "when": _text("CEL: the decisions that it speaks of; those of which it is not surely false."),
        "known": {
            "type": "array",
            "description": "Facts that it takes for known.",
            "items": {"type": "string"},
        },
        "holds": _text("CEL: what has to be surely true of them."),
        "reason": _text("Why it should hold."),
        "disabled": {"type": "boolean", "description": "Whether this layer takes the property of that id away."},
    }
    found = _closed(["id"], {key: properties[key] for key in KEYS})
    found["if"] = {"properties": {"disabled": {"const": True}}, "required": ["disabled"]}
    found["else"] = {"required": ["title", "holds", "reason"]}
    return found


def _shadowed() -> dict[str, Any]:
    rule = _text("A rule without which no workload is decided otherwise, on purpose.", pattern=ID_PATTERN)
    return _closed(["rule", "reason"], {"rule": rule, "reason": _text("Why it is there all the same.")})


def _threshold() -> dict[str, Any]:
    return _closed(
        ["topic", "fact", "reason"],
        {
            "topic": {"enum": list(TOPICS), "description": "The topic of the rules."},
            "fact": _text("The number between whose thresholds none of them fires, on purpose."),
            "reason": _text("Why nothing is said there."),
        },
    )
