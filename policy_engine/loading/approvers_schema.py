"""The JSON Schema (2020-12) of `approvers.yaml`, from the reader's constants, so that editors complete and check it."""

from __future__ import annotations

import json
from typing import Any

from policy_engine.loading.acceptances import ORIGIN_PATTERN
from policy_engine.loading.approvers_file import (
    FILE_KEYS,
    ID_PATTERN,
    KEY_KEYS,
    LONGEST_IDENTITY,
    MOST_APPROVALS,
    MOST_DAYS,
    PERSON_KEYS,
    SALT_PATTERN,
)
from policy_engine.loading.origins import ORIGIN_KEYS
from policy_engine.loading.probes import LEAF_PATTERN, PROBE_KEYS
from policy_engine.model.approvers import ACCEPTS, DEFAULT_MAX_DAYS, ROLES
from policy_engine.model.vocabulary import OPTIONS

_DAY = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}


def approvers_schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(approvers_schema(), indent=2, ensure_ascii=False) + "\n"


def approvers_schema() -> dict[str, Any]:
    """Return the schema of one approvers.yaml."""
    properties: dict[str, Any] = {
        "approvers": {
            "type": "object",
            "description": "People who may approve, by an id that stands in the ledger for good: no name of a person.",
            "propertyNames": {"pattern": ID_PATTERN},
            "additionalProperties": _person(),
        },
        "waivers": _object(
            "What a waiver takes.",
            approvals=_count("How many people have to sign it; 1 where nothing is said.", MOST_APPROVALS),
            max_days=_count(f"For how many days it may run; {DEFAULT_MAX_DAYS} where nothing is said.", MOST_DAYS),
            files_of={
                "type": "array",
                "description": "Ledgers, by name, of which a waiver's file counts where they cannot be asked.",
                "items": {"type": "string", "pattern": ORIGIN_PATTERN},
            },
        ),
        "activation": _object(
            "What putting a policy in force takes.",
            approvals=_count("How many people have to agree; 1 where nothing is said.", MOST_APPROVALS),
        ),
        "origins": _list("Logs whose receipts count as evidence of the grade recorded.", _origin()),
        "probes": _list(
            "Keys by which hosts sign attestations; where one is named, no other attestation counts.", _probe()
        ),
        "revoked_entries": _list(
            "Leaf hashes of entries that are evidence no more, and ids of waivers that lift nothing.",
            {"type": "string", "pattern": LEAF_PATTERN},
        ),
        "baseline": {
            **_object(
                "What a baseline may accept.",
                accepts={"enum": list(ACCEPTS), "description": "Of which rules findings; all where nothing is said."},
            ),
            "required": ["accepts"],
        },
        "locked": {
            "type": "boolean",
            "description": "Whether later layers may only take people away and ask for more.",
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Approvers",
        "description": "Who may approve waivers, evidence and policies, by which keys; at the root of a policy layer.",
        "type": "object",
        "properties": {key: properties[key] for key in FILE_KEYS},
        "additionalProperties": False,
    }


def _origin() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "vkey": {
            "type": "string",
            "description": "The log's verifier key, name+hex(key id)+base64(0x01 || key); its name is the log's.",
        },
        "valid_from": {**_DAY, "description": "The first day on which receipts under it count."},
        "valid_until": {**_DAY, "description": "The last day on which receipts under it count, older ones included."},
        "revoked": {**_DAY, "description": "From this day on receipts under it count for nothing."},
        "disabled": {"type": "boolean", "description": "Whether this layer takes the origin away."},
    }
    return {**_object("", **{key: properties[key] for key in ORIGIN_KEYS}), "required": ["vkey"]}


def _probe() -> dict[str, Any]:
    properties: dict[str, Any] = {
        "host": {"type": "string", "minLength": 1, "description": "The host's name, as the probe reads it there."},
        "vkey": {"type": "string", "description": "The verifier key, as `policy waiver keygen` says it."},
        "valid_from": {**_DAY, "description": "The first day on which attestations signed by it count."},
        "valid_until": {**_DAY, "description": "The last day on which they count, older ones included."},
        "revoked": {**_DAY, "description": "From this day on they count for nothing."},
        "disabled": {"type": "boolean", "description": "Whether this layer takes the key away."},
    }
    return {**_object("", **{key: properties[key] for key in PROBE_KEYS}), "required": ["host", "vkey"]}


def _person() -> dict[str, Any]:
    key = {
        "key": {
            "type": "string",
            "description": "name+hex(key id)+base64(0x01 || key), as `policy waiver keygen` says.",
        },
        "valid_from": {**_DAY, "description": "The first day on which its signatures count."},
        "valid_until": {**_DAY, "description": "The last day on which its signatures count, older ones included."},
        "revoked": {**_DAY, "description": "From this day on its signatures count for nothing, older ones included."},
    }
    names = {"type": "string", "minLength": 1, "maxLength": LONGEST_IDENTITY}
    properties: dict[str, Any] = {
        "identities": _list("Names or addresses by which the person asks for things.", names),
        "salt": {"type": "string", "pattern": SALT_PATTERN, "description": "Random; keeps names out of the ledger."},
        "keys": _list("The person's keys.", {**_object("", **{k: key[k] for k in KEY_KEYS}), "required": ["key"]}),
        "roles": _list("What the person may approve.", {"enum": list(ROLES)}),
        "namespaces": _list("Where; everywhere if left out.", {"type": "string"}),
        "rules": _list("Of which rules; of all if left out.", {"type": "string"}),
        "options": _list("For which options; for all if left out.", {"enum": list(OPTIONS)}),
        "valid_from": {**_DAY, "description": "The first day on which the person's approvals count."},
        "valid_until": {**_DAY, "description": "The last day on which the person's approvals count."},
        "disabled": {"type": "boolean", "description": "Whether this layer takes the person of that id away."},
    }
    return {
        "type": "object",
        "properties": {name: properties[name] for name in PERSON_KEYS},
        "additionalProperties": False,
        "if": {"properties": {"disabled": {"const": True}}, "required": ["disabled"]},
        "else": {"required": ["identities", "salt", "keys", "roles"]},
    }


def _object(description: str, **properties: Any) -> dict[str, Any]:
    found = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**found, "description": description} if description else found


def _list(description: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": items, "minItems": 1}


def _count(description: str, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": most, "description": description}
