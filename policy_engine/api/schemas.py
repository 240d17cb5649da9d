"""The schemas that `/openapi.json` has by name (`openapi.ref`): a module adds its own with `SCHEMAS.update(...)`."""

from __future__ import annotations

from typing import Any

STRING: dict[str, Any] = {"type": "string"}
NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
TIME: dict[str, Any] = {"type": "string", "format": "date-time"}


def closed(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object with exactly these members."""
    return {**opened(required, optional), "additionalProperties": False}


def opened(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object with at least these members."""
    return {"type": "object", "properties": {**required, **(optional or {})}, "required": list(required)}


def listed(items: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": items}


SCHEMAS: dict[str, dict[str, Any]] = {
    "Problem": {
        "description": "What went wrong (RFC 9457), with the code, the places and the help of the command line.",
        **closed(
            {
                "type": {"type": "string", "pattern": "^urn:policy-engine:problem:"},
                "title": STRING,
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": STRING,
                "code": STRING,
                "help": NULLABLE,
                "problems": {
                    "type": "array",
                    "minItems": 1,
                    "items": closed(
                        {
                            "code": STRING,
                            "message": STRING,
                            "line": {"type": ["integer", "null"]},
                            "column": {"type": ["integer", "null"]},
                            "help": NULLABLE,
                        }
                    ),
                },
            }
        ),
    },
}
