"""Who imports what: an auditor's program needs the standard library and `cryptography` alone."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "module", ["errors", "merkle", "keys", "note", "checkpoint", "proof", "cosignature", "rotation", "verify"]
)
def test_what_verifies_needs_no_database_and_no_engine(module: str) -> None:
    code = (
        f"import sys, policy_audit.{module}\n"
        "heavy = {'orjson', 'pydantic', 'sqlmodel', 'sqlalchemy', 'alembic', 'policy_engine'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
