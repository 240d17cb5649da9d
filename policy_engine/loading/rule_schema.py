"""The JSON Schema (2020-12) of rule files, from the model's constants, so that editors complete and check them.

The loader does not read it. What a schema cannot say stays with the loader: that conditions type-check, that names
stand in the registers, that the id is the file's name.
"""

from __future__ import annotations

import json
from typing import Any

from policy_engine.loading.rule_file import EFFECTS, ID_PATTERN, KEYS
from policy_engine.model.rule import ENFORCEMENTS, EVIDENCE_GRADES, PROPOSAL, STRENGTHS
from policy_engine.model.vocabulary import OPTIONS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_FACT = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"


def rule_schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(rule_schema(), indent=2, ensure_ascii=False) + "\n"


def rule_schema() -> dict[str, Any]:
    """Return the schema of one rule file."""
    properties = _properties()
    return {
        "$schema": _DIALECT,
        "title": "Rule",
        "description": "One rule of the policy engine; its topic is its folder, its id the file's name.",
        "type": "object",
        "properties": {key: properties[key] for key in KEYS},
        "required": ["id"],
        "additionalProperties": False,
        "if": {"properties": {"disabled": {"const": True}}, "required": ["disabled"]},
        "else": {
            "required": ["title", "when", "message"],
            "allOf": [
                {"anyOf": [{"required": [effect]} for effect in EFFECTS]},
                {"anyOf": [{"required": ["criteria"]}, {"required": ["origin"]}]},
                {
                    "if": {"anyOf": [{"required": ["forbid"]}, {"required": ["require"]}]},
                    "then": {"required": ["enforcement"]},
                },
            ],
        },
    }


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, "minLength": 1, **more}


def _words(description: str, **items: Any) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": {"type": "string", **items}}


def _strengths(verb: str) -> dict[str, Any]:
    points = ", ".join(f"{name} {value}" for name, value in STRENGTHS.items())
    return {
        "type": "object",
        "description": f"Options that the rule {verb}, and how much: {points}.",
        "propertyNames": {"enum": list(OPTIONS)},
        "additionalProperties": {"enum": list(STRENGTHS)},
        "minProperties": 1,
    }


def _properties() -> dict[str, dict[str, Any]]:
    options = {"enum": list(OPTIONS)}
    forbidden = f"Options that the rule rules out; `{PROPOSAL}` rules out the proposed option alone."
    return {
        "id": _text("The rule's id: the file's name without .yaml.", pattern=ID_PATTERN),
        "title": _text("What the rule says, in one line."),
        "criteria": _words("Criteria of the register that the rule encodes.") | {"minItems": 1},
        "origin": _text("Where a rule of one's own comes from; instead of criteria."),
        "when": _text("The condition: CEL over the vocabulary's facts and `param.<name>`."),
        "forbid": {"type": "array", "description": forbidden, "items": {"enum": [*OPTIONS, PROPOSAL]}, "minItems": 1},
        "prefer": _strengths("prefers"),
        "disfavour": _strengths("disfavours"),
        "require": {
            "type": "object",
            "description": "Evidence that must be shown, and the options on which it must.",
            "additionalProperties": {"type": "array", "items": options, "minItems": 1},
            "minProperties": 1,
        },
        "derive": {
            "type": "object",
            "description": "Facts that the rule sets when it fires, each as a CEL expression.",
            "propertyNames": {"pattern": _FACT},
            "additionalProperties": {"type": "string"},
            "minProperties": 1,
        },
        "advise": _text("Advice; it changes nothing."),
        "enforcement": {"enum": list(ENFORCEMENTS), "description": "How `forbid` and `require` act."},
        "grade": {"enum": list(EVIDENCE_GRADES), "description": "The grade that required evidence must have."},
        "message": _text("What is said when the rule fires; {fact}, {param.name} and {option} are filled in."),
        "disputes": _words("Disputes of the register that the rule rests on."),
        "owner": _text("Who answers for the rule."),
        "review_by": _text("The day by which the rule is to be reviewed.", pattern=_DAY),
        "controls": _words("Controls of other frameworks that the rule serves."),
        "enforce_from": _text("Before this day the rule acts as advisory.", pattern=_DAY),
        "locked": {"type": "boolean", "description": "Whether later layers may not touch the rule."},
        "disabled": {"type": "boolean", "description": "Whether this layer takes the rule of that id away."},
    }
