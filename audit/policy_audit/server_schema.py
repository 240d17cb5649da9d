"""How a ledger's schema on PostgreSQL differs from what the migrations make: what could refuse, drop, alter or hide.

Names and types of columns, and keys, are compared in `policy_audit.schema`, what else the schema holds in
`server_objects`; here is what stands beside the tables, from the system's catalogs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, MetaData, Table, text

from policy_audit.names import BLOB, LOCK_FUNCTION, REVISION_TABLE
from policy_audit.server_objects import columns, indexes, objects, strangers

REFUSE_FUNCTION = "policy_audit_refuse"
UNDISPOSED_FUNCTION = "policy_audit_refuse_undisposed"
# pg_trigger.tgtype: the events, that it fires before, and whether for each row.
_ROW, _BEFORE, _DELETE, _UPDATE, _TRUNCATE = 1, 2, 8, 16, 32

#: Body, whether it runs with its owner's rights, and its settings, which name the schema.
FUNCTIONS = {
    REFUSE_FUNCTION: (" BEGIN RAISE EXCEPTION 'the ledger is append-only'; END ", "trigger", False),
    UNDISPOSED_FUNCTION: (
        " BEGIN IF NOT EXISTS (SELECT 1 FROM log_entry WHERE leaf_index = (SELECT max(leaf_index) FROM log_entry) "
        "AND type = 'disposal' AND position(convert_to(OLD.digest, 'UTF8') in entry) > 0) THEN "
        "RAISE EXCEPTION 'the ledger is append-only'; END IF; RETURN OLD; END ",
        "trigger",
        False,
    ),
    LOCK_FUNCTION: (
        " BEGIN PERFORM id FROM log_head FOR UPDATE; "
        "IF NOT FOUND THEN RAISE EXCEPTION 'the ledger has no head'; END IF; END ",
        "void",
        True,
    ),
}


def server_differences(
    connection: Connection, metadata: MetaData, deletable: Iterable[str]
) -> tuple[list[str], list[str]]:
    """Compare; return first what keeps the tables from being read, then what else differs, in words."""
    tables: Mapping[str, Table] = metadata.tables
    names, free = sorted(tables), set(deletable)
    hidden = _row_security(connection, names)
    problems = [
        *_tables(connection, names),
        *_triggers(connection, names, free),
        *_functions(connection),
        *_rules(connection, names),
        *_constraints(connection, names),
        *columns(connection, tables),
        *indexes(connection, tables),
        *objects(connection, tables),
        *strangers(connection, FUNCTIONS),
        *_creators(connection),
    ]
    return hidden, problems


_HERE = "relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = pg_catalog.current_schema())"


def _row_security(connection: Connection, names: list[str]) -> list[str]:
    rows = connection.execute(
        text(
            f"SELECT c.relname FROM pg_class c WHERE c.{_HERE} AND c.relname = ANY(:names) "  # noqa: S608
            "AND (c.relrowsecurity OR c.relforcerowsecurity "
            "OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)) ORDER BY 1"
        ),
        {"names": [*names, REVISION_TABLE]},
    )
    return [f"row level security may hide rows of the table `{name}`" for (name,) in rows]


def _tables(connection: Connection, names: list[str]) -> list[str]:
    rows = connection.execute(
        text(
            "SELECT c.relname, c.relpersistence, EXISTS (SELECT FROM pg_inherits i "  # noqa: S608
            f"WHERE c.oid IN (i.inhparent, i.inhrelid)) FROM pg_class c WHERE c.{_HERE} AND c.relname = ANY(:names) "
            "ORDER BY 1"
        ),
        {"names": [*names, REVISION_TABLE]},
    ).all()
    lost = [f"the table `{row[0]}` is emptied by a crash: it is unlogged" for row in rows if row[1] != "p"]
    return lost + [f"the table `{row[0]}` shares rows with another by inheritance" for row in rows if row[2]]


def _triggers(connection: Connection, names: list[str], free: set[str]) -> list[str]:
    disposal = ("O", _ROW | _BEFORE | _DELETE, UNDISPOSED_FUNCTION, True, False, "", 0, False)
    expected = {(BLOB.name, "blob_disposal"): disposal}
    for name in names:
        events = _UPDATE | _TRUNCATE | (0 if name in free or name == BLOB.name else _DELETE)
        shape = ("O", _BEFORE | events, REFUSE_FUNCTION, True, False, "", 0, False)
        expected[name, f"{name}_append_only"] = shape
    rows = connection.execute(
        text(
            "SELECT c.relname, t.tgname, t.tgenabled, t.tgtype, p.proname, p.pronamespace = c.relnamespace, "  # noqa: S608
            "t.tgqual IS NOT NULL, t.tgattr::pg_catalog.text, t.tgnargs, t.tgdeferrable "
            "FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
            f"WHERE c.{_HERE} AND NOT t.tgisinternal"
        )
    )
    found = {(str(row[0]), str(row[1])): tuple(row[2:]) for row in rows}
    changed = sorted(key for key, shape in expected.items() if found.get(key) != shape)
    return [f"the trigger `{name}` is missing or changed" for _, name in changed] + [
        f"the trigger `{name}` of the table `{table}` is not the ledger's"
        for table, name in sorted(found.keys() - expected.keys())
    ]


def _functions(connection: Connection) -> list[str]:
    rows = connection.execute(
        text(
            "SELECT p.proname, p.prosrc, p.prorettype::pg_catalog.regtype::pg_catalog.text, p.prosecdef, "
            "p.pronargs, l.lanname, p.proconfig, pg_catalog.quote_ident(n.nspname), "
            "p.proowner = (SELECT c.relowner FROM pg_class c "
            "WHERE c.relnamespace = n.oid AND c.relname = 'log_head' LIMIT 1) "
            "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang "
            "WHERE n.nspname = pg_catalog.current_schema() AND p.proname = ANY(:names)"
        ),
        {"names": sorted(FUNCTIONS)},
    ).all()
    problems = []
    for name, (body, result, definer) in sorted(FUNCTIONS.items()):
        found = [row for row in rows if row[0] == name]
        path = f"search_path={found[0][7]}, pg_temp" if found else ""
        expected = (body, result, definer, 0, "plpgsql", [path] if definer else None)
        if len(found) != 1 or tuple(found[0][1:7]) != expected or not found[0][8]:
            problems.append(f"the function `{name}` is missing or changed")
    return problems


def _rules(connection: Connection, names: list[str]) -> list[str]:
    rows = connection.execute(
        text(
            "SELECT c.relname, r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class "  # noqa: S608
            f"WHERE c.{_HERE} AND c.relname = ANY(:names) ORDER BY 1, 2"
        ),
        {"names": [*names, REVISION_TABLE]},
    )
    return [f"the rule `{rule}` of the table `{table}` is not the ledger's" for table, rule in rows]


def _constraints(connection: Connection, names: list[str]) -> list[str]:
    """What else may refuse a row: any constraint but the primary key and, as of PostgreSQL 18, NOT NULL."""
    rows = connection.execute(
        text(
            "SELECT c.relname, k.conname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "  # noqa: S608
            f"WHERE c.{_HERE} AND c.relname = ANY(:names) AND k.contype NOT IN ('p', 'n') ORDER BY 1, 2"
        ),
        {"names": [*names, REVISION_TABLE]},
    )
    return [f"the constraint `{name}` of the table `{table}` is not the ledger's" for table, name in rows]


def _creators(connection: Connection) -> list[str]:
    """Who may put code beside the tables, other than the owners of schema and tables."""
    rows = connection.execute(
        text(
            "SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(a.grantee) END "
            "FROM pg_namespace n CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) a "
            "WHERE n.nspname = pg_catalog.current_schema() AND a.privilege_type = 'CREATE' "
            "AND a.grantee <> n.nspowner AND a.grantee NOT IN (SELECT c.relowner FROM pg_class c "
            "WHERE c.relnamespace = n.oid AND c.relname = 'log_head') ORDER BY 1"
        )
    )
    return [f"the role `{name}` may create objects in the ledger's schema" for (name,) in rows]
