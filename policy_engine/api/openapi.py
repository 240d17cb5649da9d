"""What routes say of themselves for `/openapi.json`: answers, bodies, parameters, problems.

A route names its answers with `responses={**answers(...), **problems(401, 403)}` and the rest of what it takes with
`openapi_extra={**parameters(...), **json_body(...)}`; `api.openapi_document` puts all of them together. A schema is
a mapping, or `ref(NAME)` of one that `api.schemas` has.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from policy_engine.api.problems import MEDIA_TYPE

Schema = Mapping[str, Any]
JSON = "application/json"
YAML = "application/yaml"
#: When each problem is answered, where a route has nothing more exact to say.
WHEN = {
    400: "A parameter is unknown or wrong, or the request is not what HTTP has.",
    401: "Nobody known asks: the token is missing, unknown, expired or revoked.",
    403: "Whoever asks may not do this, or not there.",
    404: "It is not there, or not for whoever asks.",
    405: "The path does not take this method.",
    408: "The request did not come in time.",
    409: "It cannot be done to what is there.",
    410: "Its document was disposed of: the retention period had ended.",
    413: "The body is too large.",
    414: "The URL is too long.",
    415: "The body is of another media type, or compressed.",
    422: "What was sent is invalid; every problem has its code, and its place where there is one.",
    429: "Too much at once; come back after `Retry-After`.",
    431: "The headers are too large.",
    503: "The ledger refused, or cannot be read: nothing is handed out that is not on record. Try again.",
}
_RETRY = {"Retry-After": {"description": "Seconds until it is worth another try.", "schema": {"type": "integer"}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "How to authenticate.", "schema": {"type": "string"}}}
_HEADERS = {401: _CHALLENGE, 429: _RETRY, 503: _RETRY}


def ref(name: str) -> dict[str, Any]:
    """Return the reference to a schema of `api.schemas`."""
    return {"$ref": f"#/components/schemas/{name}"}


def problems(*statuses: int, **words: str) -> dict[int | str, dict[str, Any]]:
    """Return the answers that are problem documents; `words` such as `_409="..."` say when, in place of `WHEN`."""
    said = {int(name.removeprefix("_")): text for name, text in words.items()}
    return {status: _problem(status, said.get(status)) for status in sorted({*statuses, *said})}


def _problem(status: int, text: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": text or WHEN.get(status, HTTPStatus(status).phrase),
        "content": {MEDIA_TYPE: {"schema": ref("Problem")}},
    }
    return {**answer, "headers": _HEADERS[status]} if status in _HEADERS else answer


def answers(
    schema: Schema | None,
    description: str,
    *,
    status: int = 200,
    media_types: tuple[str, ...] = (JSON,),
    example: Any = None,
    headers: Mapping[str, str] | None = None,
) -> dict[int | str, dict[str, Any]]:
    """Return the answer of a route that succeeds; without `schema` there is no body. `headers`: what each says."""
    answer: dict[str, Any] = {"description": description}
    if schema is not None:
        media = {"schema": dict(schema), **({} if example is None else {"example": example})}
        answer["content"] = dict.fromkeys(media_types, media)
    if headers:
        answer["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
        }
    return {status: answer}


def documents(
    schema: Schema, description: str, *, example: Any = None, headers: Mapping[str, str] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Return the answer of a route that gives a document with `api.documents.answer`: JSON, or YAML."""
    return answers(schema, description, media_types=(JSON, YAML), example=example, headers=headers)


def json_body(
    schema: Schema,
    *,
    required: bool = True,
    example: Any = None,
    description: str | None = None,
    media_types: tuple[str, ...] = (JSON,),
) -> dict[str, Any]:
    """Return what a route says of the body that it takes."""
    media = {"schema": dict(schema), **({} if example is None else {"example": example})}
    body: dict[str, Any] = {"required": required, "content": dict.fromkeys(media_types, media)}
    return {"requestBody": {"description": description, **body} if description else body}


def parameters(*found: Schema) -> dict[str, Any]:
    """Return what a route says of its parameters: those of `query`, `in_path` and `in_header`."""
    return {"parameters": [dict(each) for each in found]}


def query(
    name: str, schema: Schema, description: str, *, required: bool = False, example: Any = None
) -> dict[str, Any]:
    """Return a query parameter; one whose schema is an array is given once for each value."""
    found: dict[str, Any] = {"name": name, "in": "query", "required": required, "schema": dict(schema)}
    found["description"] = description
    if schema.get("type") == "array":
        found |= {"style": "form", "explode": True}
    return found if example is None else {**found, "example": example}


def in_path(name: str, description: str, schema: Schema | None = None, *, example: Any = None) -> dict[str, Any]:
    """Return a parameter of the path."""
    kind = dict(schema or {"type": "string", "minLength": 1})
    found = {"name": name, "in": "path", "required": True, "schema": kind, "description": description}
    return found if example is None else {**found, "example": example}


def in_header(name: str, schema: Schema, description: str, *, required: bool = False) -> dict[str, Any]:
    """Return a header that a route reads."""
    return {"name": name, "in": "header", "required": required, "schema": dict(schema), "description": description}


#: Of a route that anybody may call: `openapi_extra={**PUBLIC}`.
PUBLIC: dict[str, Any] = {"security": []}
