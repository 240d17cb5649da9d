"""SQLite's one writer: whoever waits for the lock asks again soon, and gets it between two commits of another process.

SQLite itself waits longer each time, up to 100 ms. Of two processes that commit all the time the one that has just
committed would get the lock again and again, and the other would wait for a hundred commits.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection

from policy_audit.asking import translated

BEGIN = "BEGIN IMMEDIATE"
#: The first wait, which is a fraction of a commit, and the longest: a long writer is not asked a thousand times.
_FIRST_SECONDS, _LONGEST_SECONDS, _LONGER = 0.0002, 0.02, 1.1


def begin_writing(connection: Connection, seconds: float) -> None:
    """Begin a transaction that holds the lock, once it is free, or within `seconds`.

    Raises:
        DBAPIError: it is not free by then, or the database refused.
    """
    driver: Any = connection.connection.driver_connection
    deadline, wait = time.monotonic() + seconds, _FIRST_SECONDS
    with translated(connection, BEGIN, sqlite3.Error):
        driver.execute("PRAGMA busy_timeout = 0")
        try:
            while not _begun(driver, last=time.monotonic() > deadline):
                time.sleep(wait)
                wait = min(wait * _LONGER, _LONGEST_SECONDS)
        finally:
            driver.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _begun(driver: Any, *, last: bool) -> bool:
    try:
        driver.execute(BEGIN)
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
