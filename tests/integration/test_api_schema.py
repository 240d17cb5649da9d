"""The API against its own OpenAPI document, by schemathesis: nothing undocumented is answered, whatever is sent.

A long run, of a server that is up: `API_EXAMPLES=2000 make test JOBS=0 ARGS="-k test_api_schema"`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CheckFunction
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks

from tests.serving import Server, serving
from tests.unit.served.reading import decide_all

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("API_EXAMPLES", "0"))
CHECKS: list[CheckFunction] = [
    schemathesis.checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
