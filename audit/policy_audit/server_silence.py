"""A server that stops answering is told from one that is busy: after some silence it is asked by another connection.

Keepalives find a machine that is gone. A process that hangs, or a pool or a proxy that lost its server, keeps the
connection up and says nothing. How long a statement may take is no measure: counting a large ledger takes its time.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import suppress
from typing import Any

from psycopg import Connection, Error, InterfaceError, OperationalError
from psycopg.errors import QueryCanceled

from policy_audit.asking import Ask
from policy_audit.pipeline import Step, run
from policy_audit.prepared import Prepared, Prepares

#: So long nothing comes before the server is asked whether it is there, and so long its answer is waited for.
SILENCE_SECONDS = 60.0
ANSWER_SECONDS = 10.0
#: Which process answers; and in a session of our own, where nobody chose a method, long values are packed by LZ4: five
#: times as fast as by the server's own method, and a tenth larger.
_DIRECT = (
    "SELECT pg_catalog.pg_backend_pid(), (SELECT pg_catalog.set_config(name, 'lz4', false) FROM pg_catalog.pg_settings "
    "WHERE name = 'default_toast_compression' AND source = 'default' AND 'lz4' = ANY (enumvals) "
    "AND pg_catalog.pg_backend_pid() = ?)"
)


def expect_answers_within(seconds: float) -> None:
    """Wait no longer in this process before a silent server is asked, nor for its answer: others wait for this one."""
    global SILENCE_SECONDS, ANSWER_SECONDS  # noqa: PLW0603 - of a process that serves, and does nothing else
    SILENCE_SECONDS = ANSWER_SECONDS = seconds


class Watched(Connection[Any]):
    """A connection that does not wait for a server which answers nobody."""

    parameters: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    prepared: Prepared
    #: What was sent and is not waited for yet (`pipeline.begin`).
    begun: list[Step]

    def wait(self, gen: Any, *arguments: Any, **more: Any) -> Any:
        if getattr(self, "begun", None):  # another's answers would be taken for one's own, or waited for in vain
            raise InterfaceError("statements were begun on this connection, and are not waited for")
        return super().wait(self._watched(gen), *arguments, **more)

    def _watched(self, gen: Any) -> Generator[Any, Any, Any]:
        """Pass on what waits, as psycopg's protocol of generators has it: 0 is sent where nothing came meanwhile."""
        try:
            wanted, heard = next(gen), time.monotonic()
            while True:
                ready = yield wanted
                if ready:
                    heard = time.monotonic()
                elif time.monotonic() - heard >= self._patience():
                    self._ask()
                    heard = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _patience(self) -> float:
        return SILENCE_SECONDS

    def _ask(self) -> None:
        """Ask by another connection.

        Raises:
            OperationalError: that one is not answered either.
        """
        arguments, more = self.parameters
        try:
            other = _Asking.connect(*arguments, **{**more, "connect_timeout": int(ANSWER_SECONDS), "autocommit": True})
            with other:
                other.execute("SELECT 1")
        except Error as error:
            self._give_up(error)

    def _give_up(self, error: Error | None = None) -> None:
        # what was asked may still be answered some day: nobody reads it then
        with suppress(Exception):
            self.pgconn.finish()
        raise OperationalError("the server stopped answering") from error


class _Asking(Watched):
    """The other connection, which gives up by itself."""

    def _patience(self) -> float:
        return ANSWER_SECONDS

    def _ask(self) -> None:
        self._give_up()


def connect(arguments: Any, more: Any, prepares: Prepares) -> Watched:
    """Return a connection, made as psycopg's `connect` makes it.

    A pool such as PgBouncer tells its clients another process than the one that answers: it may be another each time.
    """
    made = Watched.connect(*arguments, **more)
    made.parameters = tuple(arguments), dict(more)
    made.prepared, made.begun = Prepared(prepares), []
    try:
        if prepares.on and not _is_direct(made):
            prepares.on = False
    except BaseException:
        made.close()
        raise
    return made


def _is_direct(connection: Watched) -> bool:
    """Whether the process answers that libpq was told of; one that does not answer that in time prepares nothing."""
    own = connection.info.backend_pid
    try:
        ((answering, _),) = run(connection, [Ask(_DIRECT, (own,))])[0].rows
    except QueryCanceled:  # by a time limit of the role's or the database's, which transactions set for themselves
        return False
    return bool(answering == own)
