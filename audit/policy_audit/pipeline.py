"""Statements sent to PostgreSQL one after the other, and their answers read when they are there: libpq's pipeline.

psycopg's own pipeline waits several times for each statement, and a thread that waits gives Python's lock to another
and has to get it back: in a server, that is half of a commit. Here the whole is sent, and then waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import DataError, Error, OperationalError
from psycopg.adapt import Transformer
from psycopg.errors import DivisionByZero, FeatureNotSupported, InvalidSqlStatementName, error_from_result
from psycopg.pq import ExecStatus, Format, PipelineStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from policy_audit.arrays import Array
from policy_audit.asking import Answer, Ask, Row
from policy_audit.errors import LedgerError
from policy_audit.prepared import Key, Prepared

if TYPE_CHECKING:
    from policy_audit.server_silence import Watched

_INT8, _TEXT, _BYTEA = 20, 25, 17
_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
Steps = Generator[Wait, Ready | None, Any]
Reader = Callable[[bytes | None], Any]


class Step(NamedTuple):
    """A statement as it is sent: under a name where it is prepared, after its preparation where it is `new`."""

    ask: Ask
    key: Key
    statement: bytes
    values: list[bytes]
    name: bytes
    new: bool


def run(connection: Watched, asks: Sequence[Ask]) -> list[Answer]:
    """Run statements in order, in one round trip; where one is refused, none after it is run.

    What was begun comes before them: it is refused as they are, and its answers come first.

    Raises:
        Error: one was refused, or the connection was lost.
        LedgerError: one that looks after it itself found that the database does not take what is written.
    """
    steps = [_step(connection.prepared, ask) for ask in asks]
    begun, connection.begun = connection.begun, []
    with _never_within(connection):
        return list(connection.wait(_run(connection, begun, steps)))


def begin(connection: Watched, asks: Sequence[Ask]) -> None:
    """Send statements, which the server runs meanwhile; `run` sends the next ones, and waits for all.

    INVARIANT: `run` or `end` comes next. What else would use the connection is refused (`Watched.wait`).
    """
    steps = [_step(connection.prepared, ask) for ask in asks]
    with _never_within(connection):
        if not connection.begun:
            connection.pgconn.enter_pipeline_mode()
        for step in steps:
            _send(connection.pgconn, step)
            connection.begun.append(step)
        connection.pgconn.flush()  # what the socket does not take now goes with the rest


def end(connection: Watched) -> None:
    """Have done with what was begun and is wanted no more: its transaction is rolled back."""
    if connection.begun:
        with suppress(Error, LedgerError):
            run(connection, [])


@contextmanager
def _never_within(connection: Watched) -> Iterator[None]:
    """Close a connection that something went wrong on within a pipeline: nobody can tell what is still to be answered.

    What the server refuses is read to the end first, and leaves it usable.
    """
    try:
        yield
    except BaseException:
        if connection.pgconn.pipeline_status != PipelineStatus.OFF:
            connection.begun = []
            connection.close()
        raise


def _run(connection: Watched, begun: Sequence[Step], new: Sequence[Step]) -> Steps:
    """Send all and read all, as psycopg's protocol of generators has it: it yields what it waits for."""
    pgconn, prepared = connection.pgconn, connection.prepared
    if not begun:
        pgconn.enter_pipeline_mode()
    for step in new:
        _send(pgconn, step)
    steps = [*begun, *new]
    pgconn.pipeline_sync()
    while pgconn.flush():
        ready = yield Wait.RW
        if ready and ready & Ready.R:  # None: whoever waited was interrupted, and goes on to the end
            pgconn.consume_input()
    answers: list[Answer] = []
    refused: tuple[PGresult, Step] | None = None
    for step in steps:
        if step.new:
            result = yield from _result(pgconn)
            if result.status not in _DONE:
                prepared.failed(step.key)
                refused = refused or (result, step)
        result = yield from _result(pgconn)
        if result.status in _DONE:
            answers.append(_answer(connection, result))
        else:
            refused = refused or (result, step)
    yield from _next(pgconn)  # the answer to the sync: nothing of this pipeline is still to come
    pgconn.exit_pipeline_mode()
    if refused is not None:
        raise _error(pgconn, prepared, *refused)
    return answers


def _step(prepared: Prepared, ask: Ask) -> Step:
    types, values = _written(ask.values)
    # without values nothing in a statement is a place for one: a schema's name may have any character
    statement = _numbered(ask.statement) if values else ask.statement.encode()
    key = ask.statement, types
    name, new = prepared.name(key) if ask.often else (b"", False)
    return Step(ask, key, statement, values, name, new)


def _send(pgconn: PGconn, step: Step) -> None:
    formats = [Format.BINARY] * len(step.values)
    _, types = step.key
    if step.new:
        pgconn.send_prepare(step.name, step.statement, types)
    if step.name:
        pgconn.send_query_prepared(step.name, step.values, formats, Format.BINARY)
    else:
        pgconn.send_query_params(step.statement, step.values, types, formats, Format.BINARY)


def _result(pgconn: PGconn) -> Steps:
    """Read the one result of a statement, and the end of it."""
    result = yield from _next(pgconn)
    if result is None:
        raise OperationalError("the server's answers are not those of what it was asked")
    yield from _next(pgconn)
    return result


def _next(pgconn: PGconn) -> Steps:
    while pgconn.is_busy():
        if (yield Wait.R):
            pgconn.consume_input()
    return pgconn.get_result()


def _error(pgconn: PGconn, prepared: Prepared, refused: PGresult, step: Step) -> Exception:
    error = error_from_result(refused)
    where = error.diag.source_function or ""
    if step.name and (isinstance(error, InvalidSqlStatementName) or where == "RevalidateCachedQuery"):
        if isinstance(error, InvalidSqlStatementName):
            prepared.lost()
        # begun anew on another connection, which the loss of this one makes the caller do
        pgconn.finish()
        lost = OperationalError("what was prepared is gone, or of another form by now")
        lost.__cause__ = error
        return lost
    # a trigger's own error says in which function it was raised; that of a rule is raised where rules are applied
    own = isinstance(error, DivisionByZero) and error.diag.context is None
    ruled = isinstance(error, FeatureNotSupported) and where == "RewriteQuery"
    if step.ask.checks and (own or ruled):
        from policy_audit.inserting import dropped

        found = dropped(step.ask.checks)
        found.__cause__ = None if own else error
        return found
    return error


def _written(values: Sequence[Any]) -> tuple[tuple[int, ...], list[bytes]]:
    """Return the types of values and the values, in PostgreSQL's binary forms.

    Raises:
        DataError: one has none.
    """
    types, written = [], []
    for value in values:
        if isinstance(value, str):
            kind, data = _TEXT, _utf8(value)
        elif isinstance(value, Array):
            kind, data = value.array_oid, value.data
        elif isinstance(value, int):
            if not -(1 << 63) <= value < 1 << 63:
                raise DataError(f"the number {value} has more than 64 bits")
            kind, data = _INT8, value.to_bytes(8, signed=True)
        else:
            kind, data = _BYTEA, bytes(value)
        types.append(kind)
        written.append(data)
    return tuple(types), written


def _utf8(text: str) -> bytes:
    try:
        return text.encode()  # as connections are made
    except UnicodeEncodeError as error:
        raise DataError("a text has surrogates, which UTF-8 has no form for") from error


def _answer(connection: Watched, result: PGresult) -> Answer:
    columns = range(result.nfields)
    readers = [_READERS.get(kind) or _driver_reader(connection, kind) for kind in map(result.ftype, columns)]
    rows: list[Row] = [
        tuple([readers[column](result.get_value(row, column)) for column in columns]) for row in range(result.ntuples)
    ]
    affected = result.command_tuples
    return Answer(rows, -1 if affected is None else affected)


def _driver_reader(connection: Watched, kind: int) -> Reader:
    """Return how psycopg reads a type that no column of a ledger has, unless somebody changed it."""
    load = Transformer(connection).get_loader(kind, Format.BINARY).load
    return lambda data: None if data is None else load(data)


def _number(data: bytes | None) -> Any:
    return None if data is None else int.from_bytes(data, signed=True)


def _text(data: bytes | None) -> Any:
    return None if data is None else data.decode()


_READERS: dict[int, Reader] = {
    _BYTEA: lambda data: data,
    **dict.fromkeys((_INT8, 23, 21), _number),
    **dict.fromkeys((_TEXT, 1043, 19), _text),
}


@cache
def _numbered(statement: str) -> bytes:
    """Return a statement with PostgreSQL's places for values: `$1` for the first `?`, and so on."""
    first, *others = statement.split("?")
    return (first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))).encode()
