"""The words of OSCAL 1.1.2 that all our documents use: identifiers, properties, text. Pure, and the same every time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from policy_engine.exports.table import Head
from policy_engine.wording import printable

VERSION = "1.1.2"
#: The namespace of our properties' names.
NS = "urn:policy-engine:oscal"
CATALOG, PLAN, RESULTS = "catalog.json", "assessment-plan.json", "assessment-results.json"
_ROOT = uuid5(NAMESPACE_URL, NS)
# A control of another framework as rules name it, `framework:control`; the parts have no `_`, which joins them.
_CONTROL = re.compile(r"(?!criterion:|rule:)([A-Za-z][A-Za-z0-9.-]*):([A-Za-z0-9.-]+)")
_NOT_IN_TOKENS = re.compile(r"[^A-Za-z0-9.-]+")
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&$^\"'])")

Object = dict[str, Any]


def identifier(head: Head, kind: str, *what: Any) -> str:
    """Return the UUID, always the same one, of what this ledger knows under a name."""
    return str(uuid5(_ROOT, json.dumps([head.checkpoint.origin, kind, *what], sort_keys=True, ensure_ascii=True)))


def document_identifier(head: Head, kind: str) -> str:
    """Return the UUID of a document of this query under this checkpoint."""
    return identifier(head, kind, head.checkpoint.size, head.checkpoint.root, dict(head.arguments or {}))


def control_token(name: str) -> str:
    """Return the OSCAL id of a control that rules name; different names have different ids."""
    if found := _CONTROL.fullmatch(name):
        return f"{found[1]}_{found[2]}"
    # two underscores stand in no other id of ours
    return f"control_{_NOT_IN_TOKENS.sub('-', name)[:60]}__{sha256(name.encode()).hexdigest()[:16]}"


def criterion_token(name: str) -> str:
    """Return the OSCAL id of a criterion of the rules' own register."""
    return _own_token("criterion", name)


def rule_token(name: str) -> str:
    """Return the OSCAL id of a rule that cites neither a control nor a criterion."""
    return _own_token("rule", name)


def _own_token(kind: str, name: str) -> str:
    plain = _NOT_IN_TOKENS.sub("-", name)
    return f"{kind}_{name}" if plain == name else f"{kind}_{plain[:60]}__{sha256(name.encode()).hexdigest()[:16]}"


def prop(name: str, value: object, remarks: str | None = None) -> Object | None:
    """Return a property of ours; None where there is no value. What OSCAL's strings cannot hold is escaped."""
    text = " ".join(printable(str(value)).split()) if value is not None else ""
    if not text:
        return None
    return {"name": name, "ns": NS, "value": text, **({"remarks": remarks} if remarks else {})}


def props(pairs: Iterable[tuple[str, object]]) -> list[Object]:
    return [found for name, value in pairs if (found := prop(name, value)) is not None]


def line(text: str) -> str:
    """Return text of strangers as one line of OSCAL's Markdown in which it means itself."""
    return _MARKUP.sub(r"\\\1", " ".join(printable(text).split())) or "?"


def metadata(head: Head, title: str, remarks: str) -> Object:
    """Return a document's metadata; `last-modified` is all that differs from one run to the next."""
    return {
        "title": title,
        "last-modified": head.created_at,
        "version": str(head.checkpoint.size),
        "oscal-version": VERSION,
        "props": props(
            (
                ("ledger-origin", head.checkpoint.origin),
                ("checkpoint-size", head.checkpoint.size),
                ("checkpoint-root", head.checkpoint.root),
                ("query", head.query.words),
                ("generator", head.generator),
            )
        ),
        "remarks": remarks,
    }


def resource(uuid: str, title: str, description: str, links: Mapping[str, str | None]) -> Object:
    """Return a resource of the back matter: files by their paths from here, each with its SHA-256 where known."""
    rlinks = []
    for path, digest in links.items():
        hashes = {"hashes": [{"algorithm": "SHA-256", "value": digest}]} if digest else {}
        kind = {"media-type": "application/json"} if path.endswith(".json") else {"media-type": "text/plain"}
        rlinks.append({"href": path, **kind, **hashes})
    return {"uuid": uuid, "title": title, "description": description, **({"rlinks": rlinks} if rlinks else {})}


def tool(head: Head) -> Object:
    """Return the engine as a component, which made all observations."""
    return {
        "uuid": identifier(head, "tool"),
        "type": "software",
        "title": "policy-engine",
        "description": "The rule-based engine that made the decisions, and the ledger that has them on record.",
        "props": props([("generator", head.generator)]),
        "status": {"state": "operational"},
    }
