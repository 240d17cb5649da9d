"""The API against its own OpenAPI document: nothing undocumented is answered, whatever is sent (schemathesis).

A long run, with the limits of every parameter and body: `API_SECONDS=600 make test JOBS=0 ARGS="-k test_api_schema"`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from tests.serving import Server, serving
from tests.unit.served.reading import decide_all

pytestmark = pytest.mark.slow
SECONDS = int(os.environ.get("API_SECONDS", "0"))
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance,negative_data_rejection"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('schema') / 'ledger.db'}") as running:
        yield running


@pytest.fixture(scope="module")
def decided(server: Server) -> list[dict[str, Any]]:
    with server.client(server.token()) as client:
        return decide_all(client)


@pytest.fixture(scope="module")
def schema(server: Server) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


def test_nothing_undocumented_is_answered(server: Server, decided: list[dict[str, Any]], tmp_path: Path) -> None:
    assert decided
    script = Path(sys.executable).with_name("schemathesis")
    phases = ["--phases", "coverage,fuzzing", "--max-time", str(SECONDS)] if SECONDS else ["--phases", "fuzzing"]
    command = [str(script), "run", f"{server.url}/openapi.json", "-H", f"Authorization: Bearer {server.token()}"]
    command += ["-n", "2", "--checks", CHECKS, "--continue-on-failure", *phases]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS + 300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test cases:" in done.stdout


@pytest.mark.parametrize(
    "path",
    [
        "/v1/decisions/{id}",
        "/v1/decisions/{id}/receipt",
        "/v1/decisions/{id}/entry",
        "/v1/workloads/{namespace}/{name}",
        "/v1/workloads",
        "/v1/policy",
        "/v1/rules/{id}",
        "/v1/catalog/models/{name}",
    ],
)
def test_what_is_there_is_answered_as_it_is_described(server: Server, decided: list[dict[str, Any]], path: str) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    rule = "high-api-spend-favours-self-hosting"
    identifier = rule if "rules" in path else decided[0]["id"]
    name = "gpt-4o" if "catalog" in path else "triage"
    values = {"id": identifier, "namespace": "support", "name": name}
    given = {key: value for key, value in values.items() if f"{{{key}}}" in path}
    case = schema[path]["GET"].Case(path_parameters=given)
    answer = case.call_and_validate(headers={"Authorization": f"Bearer {server.token('read')}"})
    assert answer.status_code == 200
