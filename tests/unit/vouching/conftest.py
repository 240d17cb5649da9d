"""A folder with an attached file, and a ledger whose receipts are pinned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from policy_audit.ledger import Ledger

from tests.unit.vouching.case import CONTENT, opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "doc.pdf").write_bytes(CONTENT)
    return tmp_path


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with opened(tmp_path) as found:
        yield found
