"""Ledgers of a test, written to and changed behind their back."""

from __future__ import annotations

from pathlib import Path

from policy_audit.ledger import Draft, open_ledger

from tests.integration.tampering import administrator


def add(path: Path, *drafts: Draft) -> None:
    with open_ledger(f"sqlite:///{path}") as ledger:
        ledger.append_many(drafts)


def vkey(path: Path) -> str:
    with open_ledger(f"sqlite:///{path}") as ledger:
        return str(ledger.verifier_key)


def tamper(path: Path, statement: str, *values: object) -> None:
    with administrator(path) as connection:
        connection.execute(statement, values)
