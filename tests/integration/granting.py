"""Roles on a server, with the rights that `policy db grants` gives, and no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from policy_audit.ledger import Ledger, open_ledger

from tests.postgres import Server
from tests.stores import Store

WRITER, READER, ERASER = ROLES = "w riter's", "reader", "eraser"


@dataclass(frozen=True)
class Granted:
    """A ledger on a server, whose roles are granted their rights."""

    store: Store
    server: Server

    def url(self, role: str) -> str:
        return self.server.url(self.store.database, role)

    def open(self, role: str, **options: Any) -> Ledger:
        return open_ledger(self.url(role), key_path=self.store.key, **options)

    def connect(self, role: str) -> psycopg.Connection:
        connection: psycopg.Connection = self.server.connect(self.store.database, role)
        return connection
