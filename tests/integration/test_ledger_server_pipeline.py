"""Statements in libpq's pipeline: what comes back, what is prepared, and what a refusal leaves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from policy_audit import pipeline, server_silence
from policy_audit.arrays import KINDS
from policy_audit.asking import Ask
from policy_audit.errors import LedgerError
from policy_audit.groups import Group, Guard
from policy_audit.ledger import Draft, EntryType
from policy_audit.pipeline import begin, end, run
from policy_audit.prepared import MOST, Prepared, Prepares
from policy_audit.server_silence import Watched, connect
from sqlalchemy import make_url

from tests.stores import Store

NOTE = Draft(EntryType.HEARTBEAT, body={})
ONE = Ask("SELECT ?::int8 + 1", (1,), often=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
VALUES = st.one_of(st.integers(-(2**63), 2**63 - 1), TEXTS, st.binary(max_size=30))
TYPES = {int: "int8", str: "text", bytes: "bytea"}


@contextmanager
def connected(store: Store, prepares: Prepares | None = None) -> Iterator[Watched]:
    parts = make_url(store.url).translate_connect_args(username="user", database="dbname")
    given = {name: value for name, value in make_url(store.url).query.items() if name in ("host", "port")}
    made = connect((), {**parts, **given, "autocommit": True, "prepare_threshold": None}, prepares or Prepares())
    made.prepared.here = True
    with made:
        yield made


@pytest.fixture
def connection(server_database: Store) -> Iterator[Watched]:
    with connected(server_database) as made:
        yield made


def prepared_by(connection: Watched) -> list[str]:
    (answer,) = run(connection, [Ask("SELECT statement FROM pg_prepared_statements ORDER BY prepare_time, name")])
    return [text for (text,) in answer.rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=8), st.booleans())
def test_what_is_sent_comes_back(connection: Watched, values: list[Any], often: bool) -> None:
    places = ", ".join(f"?::{TYPES[type(value)]}" for value in values)
    asks = [Ask(f"SELECT {places}, NULL::int8, NULL::text", values, often=often)] * 3
    assert [answer.rows for answer in run(connection, asks)] == [[(*values, None, None)]] * 3


def test_arrays_of_the_driver_and_ours_are_the_same(connection: Watched) -> None:
    columns: dict[str, list[Any]] = {
        "int8": [1, None, -(2**63)],
        "text": ["a", "", None],
        "bytea": [b"\x00", None, b""],
    }
    for kind, values in columns.items():
        (answer,) = run(connection, [Ask(f"SELECT * FROM unnest(?::{kind}[])", [KINDS[kind](values)])])
        assert [row[0] for row in answer.rows] == values


def test_how_many_rows_a_statement_was_about(connection: Watched) -> None:
    made = "CREATE TEMPORARY TABLE many (n int8)"
    answers = run(connection, [Ask(made), Ask("INSERT INTO many VALUES (?), (?)", (1, 2)), Ask("DELETE FROM many")])
    assert [answer.affected for answer in answers][1:] == [2, 2]
    assert all(not answer.rows for answer in answers)


def test_what_is_asked_often_is_prepared_from_its_second_use(connection: Watched) -> None:
    assert prepared_by(connection) == []
    for count in (0, 1, 1):
        assert run(connection, [ONE])[0].rows == [(2,)]
        assert len(prepared_by(connection)) == count
    assert run(connection, [ONE, ONE, Ask("SELECT 1"), ONE])[-1].rows == [(2,)]
    assert prepared_by(connection) == ["SELECT $1::int8 + 1"]


def test_a_statement_is_prepared_once_where_it_stands_twice(connection: Watched) -> None:
    run(connection, [ONE])
    assert [answer.rows for answer in run(connection, [ONE, ONE])] == [[(2,)], [(2,)]]
    assert len(prepared_by(connection)) == 1


def test_the_same_words_with_other_types_are_another_statement(connection: Watched) -> None:
    for values in ((1,), ("1",)) * 3:
        (answer,) = run(connection, [Ask("SELECT pg_typeof(?)::text", values, often=True)])
        assert answer.rows == [("bigint" if values == (1,) else "text",)]
    assert len(prepared_by(connection)) == 2


def test_no_more_are_prepared_than_are_worth_it(connection: Watched) -> None:
    asks = [Ask(f"SELECT {number}", often=True) for number in range(MOST + 20)]
    for _ in range(3):
        assert [answer.rows[0][0] for answer in run(connection, asks)] == list(range(MOST + 20))
    assert len(prepared_by(connection)) <= MOST


@pytest.mark.parametrize("often", [True, False])
def test_after_a_refusal_nothing_is_run_and_the_connection_serves_on(connection: Watched, often: bool) -> None:
    wrong = Ask("SELECT 1 / ?::int8", (0,), often=often)
    missing = Ask("SELECT nothing FROM nowhere", often=often)
    made = Ask("CREATE TEMPORARY TABLE later (n int8)")
    for _ in range(3):
        with pytest.raises(psycopg.errors.DivisionByZero):
            run(connection, [ONE, wrong, made])
        with pytest.raises(psycopg.errors.UndefinedTable):
            run(connection, [missing, made])
        assert run(connection, [ONE, Ask("SELECT to_regclass('later')::text")])[1].rows == [(None,)]


def test_a_statement_that_is_gone_ends_the_connection_and_all_preparing(server_database: Store) -> None:
    prepares = Prepares()
    with connected(server_database, prepares) as made:
        run(made, [ONE, ONE])
        run(made, [Ask("DEALLOCATE ALL")])
        with pytest.raises(psycopg.OperationalError, match="what was prepared is gone"):
            run(made, [ONE])
        assert made.closed
    assert not prepares.on
    with connected(server_database, prepares) as made:
        for _ in range(3):
            run(made, [ONE])
        assert prepared_by(made) == []


def test_behind_another_process_than_was_told_nothing_is_prepared(
    server_database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psycopg.ConnectionInfo, "backend_pid", property(lambda _: 1))
    prepares = Prepares()
    with connected(server_database, prepares) as made:
        for _ in range(3):
            run(made, [ONE])
        assert prepared_by(made) == []
    assert not prepares.on


def test_a_ledger_whose_statements_are_gone_goes_on(server_database: Store) -> None:
    with server_database.open() as ledger:
        for _ in range(3):
            ledger.append(NOTE)
        with ledger._database.engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            assert prepared_by(driver)
            run(driver, [Ask("DEALLOCATE ALL")])
        assert [ledger.append(NOTE).index for _ in range(3)] == [3, 4, 5]
        assert ledger.verify().ok


def test_a_table_that_has_another_form_by_now_is_read_anew(server_database: Store) -> None:
    with server_database.open() as ledger:
        for _ in range(3):
            ledger.append(NOTE)
        with server_database.administrator() as connection:
            connection.execute("ALTER TABLE log_checkpoint ALTER note TYPE varchar")
        assert [ledger.append(NOTE).index for _ in range(3)] == [3, 4, 5]
        with ledger._database.engine.connect() as connection_:
            driver: Any = connection_.connection.driver_connection
            assert prepared_by(driver)


def test_numbers_of_another_type_are_numbers(server_database: Store) -> None:
    with server_database.open() as ledger:
        ledger.append(NOTE)
        with server_database.administrator() as connection:
            connection.execute("ALTER TABLE log_checkpoint ALTER size TYPE numeric")
        assert ledger.append(NOTE).index == 1


def test_a_plan_made_while_tables_were_small_looks_through_none(server_database: Store) -> None:
    def scanned() -> int:
        with server_database.connection() as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            names = "('log_entry', 'log_checkpoint', 'blob', 'subject_key', 'personal', 'decision')"
            found = connection.execute(f"SELECT sum(seq_scan) FROM pg_stat_user_tables WHERE relname IN {names}")
            return int(found[0][0])

    person = Draft(EntryType.HEARTBEAT, body={}, personal={"actor": "anna@acme.example"}, blobs={"a": b"one"})
    with server_database.open() as ledger:
        for _ in range(10):
            ledger.append(person)
        with server_database.connection() as connection:
            connection.execute("ANALYZE")
        for _ in range(3):
            ledger.append(person)
        for _ in range(200):
            ledger.append(person)
    time.sleep(0.5)
    assert scanned() < 50, "what it was opened with is all"


@pytest.mark.parametrize("code", ["division_by_zero", "feature_not_supported"])
def test_what_a_trigger_refuses_is_told_in_its_words(server_database: Store, code: str) -> None:
    with server_database.open() as ledger:
        ledger.append(NOTE)
        with server_database.connection() as administrator:
            administrator.execute(
                "CREATE FUNCTION refuse_it() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$BEGIN RAISE {code} USING MESSAGE = 'not today'; END$$;"
                "CREATE TRIGGER refusing BEFORE INSERT ON log_entry FOR EACH ROW EXECUTE FUNCTION refuse_it()"
            )
        with pytest.raises(LedgerError, match="not today") as caught:
            ledger.append(NOTE)
        assert caught.value.code == "ledger-database"


@pytest.mark.parametrize("size", [2**63, 2**70, -(2**64)])
def test_a_number_that_is_too_large_is_a_refusal(server_database: Store, size: int) -> None:
    with server_database.open() as ledger:
        ledger.append(NOTE)
        (answer,) = ledger.append_groups([Group([NOTE], Guard(frozenset({"waiver"}), size))])
        assert isinstance(answer, LedgerError)
        assert ledger.append(NOTE).index == 1


def test_who_connects_and_is_refused_leaves_no_connection(
    server_database: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Watched] = []

    def refused(connection: Watched, _: Any) -> Any:
        made.append(connection)
        raise psycopg.OperationalError("no")

    monkeypatch.setattr(server_silence, "run", refused)
    with pytest.raises(psycopg.OperationalError, match="no"), connected(server_database):
        pass
    assert [each.closed for each in made] == [True]


def test_what_was_begun_is_run_first_and_waited_for_with_the_next(connection: Watched) -> None:
    begin(connection, [Ask("CREATE TEMPORARY TABLE begun (n int8)")])
    begin(connection, [Ask("INSERT INTO begun VALUES (?)", (number,)) for number in range(3)])
    answers = run(connection, [Ask("SELECT count(*) FROM begun")])
    assert (len(answers), answers[-1].rows) == (5, [(3,)])
    assert connection.execute("SELECT count(*) FROM begun").fetchall() == [(3,)]


def test_what_was_begun_keeps_everything_else_away_until_it_is_waited_for_or_ended(connection: Watched) -> None:
    for last in (lambda: run(connection, [Ask("SELECT 2")]), lambda: end(connection)):
        begin(connection, [Ask("SELECT 1")])
        with pytest.raises(psycopg.InterfaceError, match="were begun"):
            connection.execute("SELECT 3")
        last()
        assert connection.execute("SELECT 4").fetchall() == [(4,)]


@pytest.mark.parametrize("ended", [True, False])
def test_what_was_begun_and_is_refused_is_told_with_the_next(connection: Watched, ended: bool) -> None:
    begin(connection, [Ask("SELECT 1 / ?::int8", (0,)), ONE])
    if ended:
        end(connection)
    else:
        with pytest.raises(psycopg.errors.DivisionByZero):
            run(connection, [Ask("CREATE TEMPORARY TABLE later (n int8)")])
    assert run(connection, [Ask("SELECT to_regclass('later')::text")])[0].rows == [(None,)]


def test_a_connection_that_is_lost_with_what_was_begun_is_closed(connection: Watched) -> None:
    begin(connection, [Ask("SELECT pg_terminate_backend(pg_backend_pid())"), ONE])
    end(connection)
    with pytest.raises(psycopg.OperationalError):
        run(connection, [ONE])
    assert connection.closed


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
@pytest.mark.parametrize("where", ["_send", "_answer"])
def test_a_connection_on_which_something_went_wrong_in_between_is_closed(
    connection: Watched, monkeypatch: pytest.MonkeyPatch, where: str, error: type[BaseException]
) -> None:
    begin(connection, [ONE])

    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr(pipeline, where, failing)
    with pytest.raises(error):
        (begin if where == "_send" else run)(connection, [ONE])
    assert connection.closed
    assert not connection.begun
    end(connection)


@pytest.mark.parametrize("persons", [1, 30])
def test_few_rows_of_one_table_and_many_of_another_go_together(server_database: Store, persons: int) -> None:
    """What is copied takes the connection for itself, though rows of other tables were sent before it."""
    personal = {f"p{number}": f"anna{number}@acme.example" for number in range(persons)}
    drafts = [Draft(EntryType.HEARTBEAT, body={"n": number}, personal=personal) for number in range(5)]
    with server_database.open() as ledger:
        for _ in range(3):
            assert len(ledger.append_many(drafts)) == 5
        assert ledger.personal(14).keys() == personal.keys()
        assert ledger.verify().ok


def test_names_are_nobody_elses() -> None:
    names = set()
    for _ in range(3):
        prepared = Prepared(Prepares())
        prepared.here = True
        assert prepared.name(("SELECT 1", ())) == (b"", False)
        name, new = prepared.name(("SELECT 1", ()))
        assert (new, prepared.name(("SELECT 1", ()))) == (True, (name, False))
        names.add(name)
    assert len(names) == 3


@pytest.mark.parametrize("table", ["log_entry", "log_checkpoint", "personal"])
@pytest.mark.parametrize("how", ["trigger", "rule"])
def test_rows_that_the_database_drops_are_missed_before_the_commit(
    server_database: Store, table: str, how: str
) -> None:
    person = Draft(EntryType.HEARTBEAT, body={}, personal={"actor": "anna@acme.example"})
    drops = {
        "rule": f"CREATE RULE dropping AS ON INSERT TO {table} DO INSTEAD NOTHING",
        "trigger": "CREATE FUNCTION drop_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        f"CREATE TRIGGER dropping BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION drop_it()",
    }
    with server_database.open() as ledger:
        ledger.append(person)
        with server_database.connection() as administrator:
            administrator.execute(drops[how])
        with pytest.raises(LedgerError, match=f"drops what is written to `{table}`") as caught:
            ledger.append(person)
        assert caught.value.code == "ledger-tampered"
        with server_database.connection() as administrator:
            administrator.execute(f"DROP {how.upper()} dropping ON {table}")
            administrator.execute("DROP FUNCTION IF EXISTS drop_it()")
        assert ledger.append(person).index == 1
        assert ledger.verify().ok
