"""Which statements a connection to PostgreSQL has prepared, under names that no other client has.

A server spends as long on reading and planning a short statement as on running it. A pool may change the server's
process between transactions, and the next one has prepared nothing: behind a pool that shows (`server_silence`) nothing
is prepared; where one does not show, the first statement that is missing ends its connection, and all preparing.
"""

from __future__ import annotations

import secrets

#: So many statements of a connection are prepared.
MOST = 128
Key = tuple[str, tuple[int, ...]]


class Prepares:
    """Whether the connections of an engine prepare statements."""

    on = True


class Prepared:
    """What one connection has prepared, by a statement's text and the types of its values."""

    def __init__(self, prepares: Prepares) -> None:
        self._prepares = prepares
        #: Whether it may now, in a transaction whose settings are those that its plans are made for (`server.writing`).
        self.here = False
        self._prefix, self._count = f"policy_{secrets.token_hex(8)}_", 0
        self._seen: set[Key] = set()
        self._names: dict[Key, bytes] = {}

    def name(self, key: Key) -> tuple[bytes, bool]:
        """Return a statement's name, empty where it has none, and whether it has yet to be prepared.

        What is asked once is not worth it: a statement is prepared when it is asked the second time.
        """
        if not self.here:
            return b"", False
        found = self._names.get(key)
        if found is not None:
            return found, False
        if key not in self._seen or not self._prepares.on or len(self._names) >= MOST:
            if len(self._seen) >= MOST:
                self._seen.clear()
            self._seen.add(key)
            return b"", False
        self._count += 1
        name = self._names[key] = f"{self._prefix}{self._count}".encode()
        return name, True

    def failed(self, key: Key) -> None:
        """Note that a statement was not prepared after all."""
        self._names.pop(key, None)

    def lost(self) -> None:
        """Note that what was prepared is not there: another process of the server answers."""
        self._prepares.on = False
