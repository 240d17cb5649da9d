"""Ways out, and waivers that were looked at, in sentences. Reads the document alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode

from policy_engine.wording import listed, value_text

Document = Mapping[str, Any]
#: As many characters of an id as people copy.
SHORT_ID = 8
_SERVER: ContextVar[str | None] = ContextVar("server", default=None)


def waivers_told(task: Document) -> list[Document]:
    """Return the rows of waivers that lift something of the judged option or its fallback, or do not, and say why."""
    return [row for row in task.get("waivers", ()) if not row["applies"] or row["on"] != "option"]


def waiver_text(row: Document) -> str:
    """Say what a waiver lifts of the judged option or its fallback, or why it does not."""
    what = f"the waiver {row['id'][:12]} of {row['rule']} for {row['option']}"
    if row["on"] == "fallback":
        what += ", the fallback,"
    return f"{what} lifts it through {row['valid_until']}" if row["applies"] else f"{what} does not apply: {row['why']}"


def idle_waivers(document: Document) -> list[dict[str, Any]]:
    """Return the waivers on a decision's workload that no task of it shows: ended ones, and files with nothing to lift.

    A row is as a task's, with `task`, the one that the waiver is for.
    """
    known = document.get("waivers", {}).get("known", ())
    rows = [row for task in document["tasks"] for row in task.get("waivers", ())]
    shown = {row["id"] for row in rows}
    lifting = {(row["rule"], row["option"]): row["id"] for row in rows if row["applies"]}
    day = document["decided_at"][:10]
    found = []
    for row in known:
        if row["id"] in shown or ("source" not in row and row["valid_until"] >= day):
            continue
        why = row["problem"] or f"there is nothing that it could lift: the rule holds nothing against {row['option']}"
        other = lifting.get((row["rule"], row["option"]))
        if row["problem"] is None and other is not None:
            why = f"the waiver {other[:12]} lifts the rule already"
        kept = {name: row[name] for name in ("id", "rule", "option", "task", "valid_until")}
        found.append({**kept, "applies": False, "on": "option", "lifts": [], "why": why})
    return found


@contextmanager
def on_server(address: str) -> Iterator[None]:
    """Have it said in the block where a server's console asks for a waiver; its pages name themselves by no address."""
    token = _SERVER.set(address.rstrip("/"))
    try:
        yield
    finally:
        _SERVER.reset(token)


def server_of() -> str | None:
    """Return the address of the server whose decisions are told of; None where their ledger is at hand."""
    return _SERVER.get()


def request_text(rule: str, option: str, decision: str | None) -> str:
    """Return the command, or the server's page, that asks for a waiver.

    Of a decision on record a command takes the first characters of its id.
    """
    if (server := server_of()) is not None:
        return f"`{server}/waiver-request?{urlencode({'decision': decision or 'ID', 'rule': rule, 'option': option})}`"
    return f"`policy waiver request {decision[:SHORT_ID] if decision else 'ID'} --rule {rule} --option {option}`"


def way_text(way: Document, decision: str | None = None) -> str:
    """Say one way out of a collision; `decision` is the id of the decision that has it."""
    option = way["option"]
    if way["kind"] == "waiver":
        asked = [request_text(rule, option, decision) for rule in way["rules"]]
        return f"{option}: would need an approved waiver of {listed(way['rules'])}: {listed(asked)}"
    if way["kind"] == "catalog":
        return f"{option}: {'; '.join(way['reasons'])}"
    lead = "hire or train, so that" if way["kind"] == "hire" else "would need"
    changes = dict.fromkeys(_release_text(change["any_of"]) for change in way["changes"])
    return f"{option}: {lead} {'; and '.join(changes)}"


def _release_text(any_of: Mapping[str, Any]) -> str:
    return listed(
        [f"{name} = {listed([value_text(v) for v in values], 'or')}" for name, values in any_of.items()], "or"
    )
