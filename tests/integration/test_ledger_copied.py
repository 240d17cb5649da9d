"""Many rows on a server go through COPY: what it refuses or drops is told as for few, and nothing is half there."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from policy_audit import inserting
from policy_audit.errors import LedgerError
from policy_audit.ledger import Draft, Ledger, open_ledger

from tests.integration.granting import READER, Granted
from tests.integration.tampering import decision, failed
from tests.postgres import Server
from tests.stores import Store

TRIGGER = """\
CREATE FUNCTION own() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {}; END';
CREATE TRIGGER own BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION own()"""
LOST = "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW"
TABLES = ["log_entry", "decision", "personal", "subject_key", "blob"]


def many(first: int = 11, count: int = 3 * inserting.LEAST_COPIED) -> list[Draft]:
    return [decision(number) for number in range(first, first + count)]


def refused(ledger: Ledger, drafts: list[Draft] | None = None) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        ledger.append_many(drafts or many())
    assert len(ledger.list_entries()) == 11
    return caught.value


def test_what_is_copied_is_what_is_inserted(on_server: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of all kinds and lengths, missing ones among them, by both ways: what is read is what was recorded."""
    odd = [
        replace(
            decision(number),
            body={"n": number, "text": "Grüße, \\N \t \n \\. \u4e2d" * (number % 5)},
            personal={"owner": f"o{number}\n\\.", "actor": "\\N"},
            blobs={"decision": bytes(range(256)) * (number % 3) + b"%d" % number, "rules": b""},
            view={**decision(number).view, "workload": f"\\N\t{number}", "stage": "live" if number % 2 else None},
            tags={"rule": [f"r\\{number % 7}", "\\."]},
        )
        for number in range(11, 131)
    ]
    with on_server.open() as ledger:
        ledger.append_many(odd[:60])
        monkeypatch.setattr(inserting, "LEAST_COPIED", 1000)
        ledger.append_many(odd[60:])
        report = ledger.verify()
        assert report.ok, report.problems
        for number, draft in enumerate(odd, start=11):
            assert ledger.personal(number) == draft.personal
            assert ledger.entry(number).document["body"] == draft.body
        found = ledger.list_decisions(newest_first=False)[11:]
        assert [(each.workload, each.stage) for each in found] == [
            (draft.view["workload"], draft.view["stage"]) for draft in odd
        ]


@pytest.mark.parametrize("table", TABLES)
def test_many_that_a_trigger_drops_are_not_acknowledged(on_server: Store, table: str) -> None:
    with on_server.open() as ledger:
        with on_server.connection() as connection:
            connection.execute(TRIGGER.format("RETURN NULL", table))
        error = refused(ledger)
        assert (error.code, f"`{table}`" in error.message) == ("ledger-tampered", True)
        assert failed(ledger.verify()) == ["schema"]


@pytest.mark.parametrize("table", TABLES)
def test_many_that_a_rule_would_drop_are_there_when_they_are_acknowledged(on_server: Store, table: str) -> None:
    """A rule on INSERT does not apply to COPY; for few it does, and they are refused."""
    with on_server.open() as ledger:
        with on_server.connection() as connection:
            connection.execute(f"CREATE RULE own AS ON INSERT TO {table} DO INSTEAD NOTHING")
        assert refused(ledger, [decision(11)]).code == "ledger-tampered"
        assert ledger.append_many(many())[-1].tree_size == 161
        assert failed(ledger.verify()) == ["schema"]


def test_half_of_them_dropped_is_all_refused(on_server: Store) -> None:
    with on_server.open() as ledger:
        with on_server.connection() as connection:
            connection.execute(
                TRIGGER.format("IF NEW.leaf_index % 2 = 0 THEN RETURN NULL; END IF; RETURN NEW", "personal")
            )
        assert refused(ledger).code == "ledger-tampered"


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("DROP TABLE personal", "ledger-tampered"),
        ("ALTER TABLE decision DROP COLUMN stage", "ledger-tampered"),
        ("INSERT INTO log_entry VALUES (60, 'hold', '2026', X'00', X'00')", "ledger-tampered"),
        (TRIGGER.format("RAISE EXCEPTION ''no''", "decision"), "ledger-tampered"),
        (
            TRIGGER.format("PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW", "decision"),
            "ledger-unreachable",
        ),
    ],
)
def test_what_a_server_refuses_is_told_in_our_words(on_server: Store, statement: str, code: str) -> None:
    with on_server.open() as ledger:
        with on_server.connection() as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(statement)
        with pytest.raises(LedgerError) as caught:
            ledger.append_many(many())
        assert caught.value.code == code
        assert caught.value.__cause__ is not None
        with on_server.connection() as connection:
            assert connection.execute("SELECT count(*) FROM log_checkpoint WHERE size > 11") == [(0,)]


def test_the_ledger_goes_on_after_its_connection_was_lost_in_a_copy(on_server: Store) -> None:
    with on_server.open() as ledger:
        with on_server.connection() as connection:
            connection.execute(TRIGGER.format("PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW", "personal"))
        assert refused(ledger).code == "ledger-unreachable"
        with on_server.connection() as connection:
            connection.execute("DROP FUNCTION own() CASCADE")  # with its trigger
        assert ledger.append_many(many())[-1].tree_size == 161
        report = ledger.verify()
        assert report.ok, report.problems


def test_a_text_too_long_for_an_index_refuses_all(on_server: Store) -> None:
    chance = random.Random(1)  # noqa: S311
    long = "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(9000))
    drafts = many()
    drafts[70] = replace(drafts[70], view={**drafts[70].view, "workload": long})
    with on_server.open() as ledger:
        assert refused(ledger, drafts).code == "entry-too-large"
        assert ledger.append_many(many())[0].index == 11


def test_who_may_not_insert_copies_nothing(granted: Granted) -> None:
    with granted.store.open() as ledger:
        ledger.append_many(many(0, 11))
    with granted.store.connection() as owner:
        owner.execute(f"GRANT EXECUTE ON FUNCTION policy_audit_lock_head() TO {READER}")
    with granted.open(READER) as ledger:
        assert refused(ledger).code == "ledger-rights"


def test_rows_are_not_copied_past_row_level_security(on_server: Store, server: Server) -> None:
    role = f"role_{on_server.database}"
    with on_server.connection() as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        for what in ("SELECT, INSERT ON ALL TABLES IN SCHEMA public", "EXECUTE ON FUNCTION policy_audit_lock_head()"):
            connection.execute(f"GRANT {what} TO {role}")
        connection.execute("ALTER TABLE decision ENABLE ROW LEVEL SECURITY")
        connection.execute("CREATE POLICY p ON decision USING (true)")
    with open_ledger(server.url(on_server.database, role), key_path=on_server.key) as ledger:
        assert refused(ledger).code == "ledger-tampered"
    with on_server.connection() as connection:
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")
