"""Ledgers whose decisions are due, and the layers that make them so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from policy_audit.ledger import StoredEntry, open_ledger

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import EXAMPLES

Run = Callable[..., Outcome]
AT = ("--at", "2026-11-22T09:00:00Z")
JSON = ("-o", "json")
PROTOTYPE = EXAMPLES / "open-model-prototype.yaml"
ROUTER = EXAMPLES / "model-router.yaml"
FORBIDDING = """\
id: house-says-no
title: Nothing runs in the default namespace
origin: the house
when: "workload.namespace == 'default'"
forbid: [proprietary_api, open_api, open_batch, self_hosted, edge]
enforcement: mandatory
message: The house says no.
"""


def entry(ledger: Path, index: int) -> StoredEntry:
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        return opened.entry(index)


def size(ledger: Path) -> int:
    with open_ledger(f"sqlite:///{ledger}", read_only=True) as opened:
        return len(list(opened.walk()))


def layer(folder: Path, name: str = "acme", **files: str) -> str:
    """Write a layer; `files` are texts by path, with `__` for the slash and `_` for a dash."""
    for path, text in files.items():
        file = folder / name / f"{path.replace('__', '/').replace('_', '-')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return str(folder / name)


def strict(folder: Path) -> str:
    """Write a layer that forbids everything in the namespace `default`."""
    return layer(folder, "strict", latency__house_says_no=FORBIDDING)


def kinds(row: dict[str, Any]) -> list[str]:
    return [reason["kind"] for reason in row["reasons"]]
