"""`/openapi.json`: what is read in review is what the server gives, is OpenAPI 3.1, and has every route in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator

from policy_engine.api.openapi_document import openapi
from policy_engine.loading.policy import load_policy
from policy_engine.serving.app import API
from tests.serving import WORKLOAD

GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found = openapi([module.router for module in API], "VERSION", load_policy().vocabulary)
    value: dict[str, Any] = json.loads(json.dumps(found))
    return value


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_as_it_was_read_in_review(document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8"), "UPDATE_GOLDEN=1 writes it anew; read the difference"


def test_every_route_and_method_is_in_it(document: dict[str, Any]) -> None:
    described = {(path, method.upper()) for path, method, _ in operations(document)}
    served = {
        (route.path.replace(":path}", "}"), method)
        for module in API
        for route in module.router.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == served


def test_operations_are_told_apart_and_say_what_they_answer(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for path, method, operation in operations(document):
        assert operation["summary"].endswith("."), (path, method)
        assert set(operation["responses"]) & {"200", "201", "202", "204"}, (path, method)
        if "security" not in operation:
            assert {"401", "403"} <= set(operation["responses"]), (path, method)
        inside = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"}
        assert inside == {part[1:-1] for part in path.split("/") if part.startswith("{")}, (path, method)


def test_each_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, found in operation["responses"].items():
            shared = found.get("$ref", "").rpartition("/")[2]
            answer = document["components"]["responses"][shared] if shared else found
            if int(status) >= 400:
                assert list(answer["content"]) == ["application/problem+json"], (path, method, status)


def test_its_schemas_are_schemas_and_take_what_they_describe(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    whole = {"$ref": "#/components/schemas/Workload", "components": document["components"]}
    Draft202012Validator(whole).validate(WORKLOAD)
    wrong = {**WORKLOAD, "spec": {**WORKLOAD["spec"], "stage": "someday"}}
    assert not Draft202012Validator(whole).is_valid(wrong)
