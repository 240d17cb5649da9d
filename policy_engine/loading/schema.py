"""The JSON Schema (2020-12) of the workload file, from the model, with the vocabulary's meanings and units.

It is for editors and for other programs; the loader does not read it. What a schema cannot say stays with the
model: that shares sum to 1, that task names differ, that 3.0 is no integer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from policy_engine.model.vocabulary import Vocabulary
from policy_engine.model.workload import ANYWHERE, Workload
from policy_engine.model.workload_paths import KeyPath, fact_name, shown

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MEMORIES = ("memory_gb", "memory_gib", "memory_mib")


def schema_text(vocabulary: Vocabulary) -> str:
    """Return the schema as the text of its file."""
    return json.dumps(workload_schema(vocabulary), indent=2, ensure_ascii=False) + "\n"


def workload_schema(vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the schema of one workload document."""
    schema: dict[str, Any] = {"$schema": _DIALECT, **Workload.model_json_schema(by_alias=True)}
    schema["title"] = "Workload"
    definitions = schema["$defs"]
    _describe(schema, (), definitions, vocabulary)
    _add_checks(definitions)
    _add_known_names(definitions, vocabulary)
    return schema


def _describe(node: dict[str, Any], path: KeyPath, definitions: Mapping[str, Any], vocabulary: Vocabulary) -> None:
    """Give each property under `node` the title, description and unit of its fact.

    Each definition stands at one path of the file, so that it can be described where it stands.
    """
    for key, child in node.get("properties", {}).items():
        below = (*path, key)
        if child.get("default", "") is None:
            del child["default"]  # left out and null are the same there
        child["title"] = fact_name(below) if fact_name(below) in vocabulary.facts else shown(below)
        if fact := vocabulary.facts.get(fact_name(below)):
            unit = f" Unit: {fact.unit}." if fact.unit else ""
            child["description"] = fact.meaning + unit
            if fact.unit:
                child["x-unit"] = fact.unit
        for name in _references(child):
            definitions[name].pop("title", None)
            _describe(definitions[name], below, definitions, vocabulary)


def _references(node: Any) -> list[str]:
    """Return the names of the definitions that `node` refers to, its properties aside."""
    if isinstance(node, list):
        return [name for each in node for name in _references(each)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rpartition("/")[2]] if "$ref" in node else []
    return own + [name for key, each in node.items() if key != "properties" for name in _references(each)]


def _add_checks(definitions: Mapping[str, Any]) -> None:
    """Add the checks across fields that a schema can say."""
    tasks = definitions["Spec"]["properties"]["tasks"]
    tasks["if"] = {"minItems": 2}
    tasks["then"] = {"items": {"required": ["share"], "properties": {"share": {"type": "number"}}}}
    tasks["else"] = {"items": {"properties": {"share": {"enum": [1, None]}}}}
    residency = _branch(definitions["Data"]["properties"]["residency"], "array")
    residency["minItems"] = 1
    residency["if"] = {"contains": {"const": ANYWHERE}}
    residency["then"] = {"maxItems": 1}
    pairs = [(one, two) for one in _MEMORIES for two in _MEMORIES if one < two]
    definitions["Gpu"]["not"] = {
        "anyOf": [{"required": list(pair), "properties": {name: {"type": "number"} for name in pair}} for pair in pairs]
    }
    definitions["Spec"]["properties"]["custom"]["anyOf"][0]["additionalProperties"] = {
        "anyOf": [
            {"type": ["boolean", "number", "string", "null"]},
            {"type": "array", "items": {"type": "string"}},
        ]
    }


def _add_known_names(definitions: Mapping[str, Any], vocabulary: Vocabulary) -> None:
    """Name the regulations and evidence that are known, for completion; layers may add others."""
    regulations = _branch(definitions["Data"]["properties"]["regulations"], "array")
    known = [{"const": name, "description": meaning} for name, meaning in vocabulary.regulations.items()]
    regulations["items"] = {"anyOf": [*known, regulations["items"]]}
    evidence = _branch(definitions["Spec"]["properties"]["evidence"], "object")
    each = evidence["additionalProperties"]
    evidence["properties"] = {name: {**each, "description": meaning} for name, meaning in vocabulary.evidence.items()}


def _branch(node: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in node["anyOf"] if each.get("type") == kind)
    return found
