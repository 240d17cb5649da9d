"""What a ledger's schema on PostgreSQL holds besides its tables' rows: columns' defaults, indexes, and all that is not
the ledger's. Everything is compared field by field from the system's catalogs.

Operators are looked for above all: one in the ledger's schema that fits its operands better than the system's is
taken in its place, and then decides which rows a question finds, also one that a verification asks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Table, text

from policy_audit.names import REVISION_TABLE
from policy_audit.sqlite_schema import index_problems

_HERE = "(SELECT oid FROM pg_namespace WHERE nspname = pg_catalog.current_schema())"
_RELATIONS = {
    "r": "table",
    "p": "table",
    "v": "view",
    "m": "materialized view",
    "f": "foreign table",
    "S": "sequence",
    "c": "type",
}
#: Everything else that a schema can hold and that something of ours could come to mean: what, catalog, name, schema,
#: and which of them are there because of a table, an index or another type.
_OTHERS = (
    ("function", "pg_proc", "proname", "pronamespace", ""),
    ("operator", "pg_operator", "oprname", "oprnamespace", ""),
    ("operator class", "pg_opclass", "opcname", "opcnamespace", ""),
    ("operator family", "pg_opfamily", "opfname", "opfnamespace", ""),
    ("collation", "pg_collation", "collname", "collnamespace", ""),
    ("conversion", "pg_conversion", "conname", "connamespace", ""),
    ("type", "pg_type", "typname", "typnamespace", "AND typrelid = 0 AND typcategory <> 'A'"),
)


def columns(connection: Connection, tables: Mapping[str, Table]) -> list[str]:
    """Compare what a column is besides its name and type: may it be NULL, has it a default, is it generated."""
    plain = (False, "", "")
    expected = {
        (name, str(column.name)): (not column.nullable, *plain)
        for name, table in tables.items()
        for column in table.columns
    } | {(REVISION_TABLE, "version_num"): (True, *plain)}
    rows = connection.execute(
        text(
            "SELECT c.relname, a.attname, a.attnotnull, a.atthasdef, a.attidentity::pg_catalog.text, "  # noqa: S608
            "a.attgenerated::pg_catalog.text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
            f"WHERE c.relnamespace = {_HERE} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped "
            "AND c.relname = ANY(:names)"
        ),
        {"names": [*sorted(tables), REVISION_TABLE]},
    )
    found = {(str(row[0]), str(row[1])): tuple(row[2:]) for row in rows}
    changed = sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))
    return [
        f"the column `{name}.{column}` has another default, takes or refuses NULL, or is not there"
        for name, column in changed
    ]


def indexes(connection: Connection, tables: Mapping[str, Table]) -> list[str]:
    """Compare the indexes: an index that leaves rows out, or is not kept up, can hide what its table holds.

    Those of keys are among them: by them the verification itself reads.
    """
    expected = {f"{REVISION_TABLE}_pkc": _index(REVISION_TABLE, ["version_num"])}
    for name, table in tables.items():
        expected[f"{name}_pkey"] = _index(name, [column.name for column in table.primary_key])
        for each in table.indexes:
            where = each.dialect_options["postgresql"]["where"]
            expected[str(each.name)] = _index(name, each.columns.keys(), bool(each.unique), where)
    rows = connection.execute(text(_INDEXES))
    found = {str(row[0]): (row[1], tuple(row[2] or ()), *row[3:7], _plain(row[7])) for row in rows}
    return index_problems(found, expected)


# The last two flags: a B-tree, valid and kept up; in each column the order of its type and its column's collation.
_INDEXES = f"""
    SELECT c.relname, t.relname,
        (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY k.place)
            FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(number, place)
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number),
        i.indisunique, i.indexprs IS NULL,
        i.indisvalid AND i.indisready AND i.indislive AND m.amname = 'btree',
        NOT EXISTS (SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) AS n
            JOIN pg_opclass o ON o.oid = i.indclass[n]
            JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[n]
            WHERE NOT o.opcdefault OR i.indoption[n] <> 0 OR i.indcollation[n] <> a.attcollation),
        pg_catalog.pg_get_expr(i.indpred, i.indrelid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
        JOIN pg_am m ON m.oid = c.relam
    WHERE t.relnamespace = {_HERE}
"""  # noqa: S608


def objects(connection: Connection, tables: Iterable[str]) -> list[str]:
    """Name what stands in the schema and can be read like a table, and is none of the ledger's."""
    rows = connection.execute(
        text(
            f"SELECT relkind::pg_catalog.text, relname FROM pg_class WHERE relnamespace = {_HERE} "  # noqa: S608
            "AND relkind NOT IN ('i', 'I', 't') AND relname <> ALL(:names) ORDER BY 2"
        ),
        {"names": [*sorted(tables), REVISION_TABLE]},
    )
    shown = ((_RELATIONS.get(kind, "object"), name) for kind, name in rows if kind not in "rpv")
    return [f"the {kind} `{name}` is not the ledger's" for kind, name in shown]


def strangers(connection: Connection, functions: Iterable[str]) -> list[str]:
    """Name the functions, operators and types in the schema that are not the ledger's."""
    problems = []
    for kind, catalog, name, schema, but in _OTHERS:
        query = f"SELECT {name} FROM {catalog} WHERE {schema} = {_HERE} {but} ORDER BY 1"  # noqa: S608
        found = connection.execute(text(query)).scalars()
        problems += [f"the {kind} `{each}` is not the ledger's" for each in found if each not in functions]
    return problems


def _index(table: str, names: Iterable[str], unique: bool = True, where: object = None) -> tuple[Any, ...]:
    return table, tuple(names), unique, True, True, True, _plain(None if where is None else str(where))


def _plain(condition: str | None) -> str | None:
    """A condition without what versions of PostgreSQL write in different ways."""
    return condition and "".join(condition.replace("::text", "").split()).strip("()")
