"""The table of decisions: every cell but the personal ones follows from the bytes of the decision's entry alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from policy_engine.exports.table import Cell, Column, Row, row_of

if TYPE_CHECKING:
    from policy_audit.entry import Entry

NAME, TITLE = "decisions", "Recorded decisions"
#: What the entry's context can say, and what stands in it as text.
_CONTEXT = ("repository", "commit", "ref", "pull_request", "actor_known_by")
_TAGS = {
    "rule": "rules",
    "criterion": "criteria",
    "regulation": "regulations",
    "deployment": "deployments",
    "model": "models",
    "evidence": "missing_evidence",
}
_VIEW = ("verdict", "namespace", "workload", "stage", "purpose", "decided_at", "valid_until", "run")
_DIGESTS = ("decision_id", "workload_digest", "policy_digest", "catalog_digest")
COLUMNS = (
    Column("index", "entry"),
    Column("recorded_at", "time"),
    *(Column(name, "time" if name.endswith(("_at", "_until")) else "text") for name in _VIEW),
    *(Column(name, "digest") for name in _DIGESTS),
    *(Column(name, "list") for name in _TAGS.values()),
    *(Column(name) for name in _CONTEXT),
    Column("engine_version"),
    Column("leaf_hash", "digest"),
)
#: What fits on a page.
PRINTED = (
    "index recorded_at verdict namespace workload stage purpose deployments models missing_evidence valid_until "
    "decision_id"
).split()
PERSONAL = ("owner", "champion", "actor")
PERSONAL_COLUMNS = tuple(Column(f"{name}{part}") for name in PERSONAL for part in ("", "_status"))


def decision_row(index: int, leaf_hash: str, entry: Entry) -> Row:
    """Return the cells of a decision, from its entry; `leaf_hash` is hexadecimal."""
    view, context = entry.view, entry.context
    engine = entry.body.get("engine")
    values: dict[str, Cell] = {
        "index": index,
        "recorded_at": entry.recorded_at,
        **{name: view.get(name) for name in (*_VIEW, *_DIGESTS)},
        **{column: tuple(entry.tags.get(kind, ())) for kind, column in _TAGS.items()},
        **{name: _text(context.get(name)) for name in _CONTEXT},
        "engine_version": _text(engine.get("version")) if isinstance(engine, dict) else None,
        "leaf_hash": leaf_hash,
    }
    return row_of(COLUMNS, values)


def personal_row(found: Mapping[str, Any], status: Callable[[Mapping[str, Any], str], str]) -> Row:
    """Return the personal cells: values as held, each with the word that says whether it is."""
    values: dict[str, Cell] = {}
    for name in PERSONAL:
        values[name] = _text(found["personal"].get(name))
        values[f"{name}_status"] = status(found, name)
    return row_of(PERSONAL_COLUMNS, values)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
