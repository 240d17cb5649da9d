"""The schemas of the documents that are read over HTTP, and of the workload that is decided."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from policy_engine.api.openapi import ref
from policy_engine.api.schemas import COUNT, NULLABLE, SCHEMAS, STRING, TIME, closed, listed, opened
from policy_engine.asking.decision_query import STAGES, VERDICTS
from policy_engine.recorder import PURPOSES

if TYPE_CHECKING:
    from policy_engine.model.vocabulary import Vocabulary

_NULL: dict[str, Any] = {"type": "null"}
_BOOLEAN: dict[str, Any] = {"type": "boolean"}
_OBJECT: dict[str, Any] = {"type": "object"}
_STRINGS = listed(STRING)
_VERDICT: dict[str, Any] = {"type": "string", "enum": list(VERDICTS)}
_PROBLEMS = listed(closed({"code": STRING, "message": STRING}, {"place": STRING, "help": STRING}))
_DIGEST: dict[str, Any] = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_HASH: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_DAY: dict[str, Any] = {"type": "string", "format": "date"}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, _NULL]}


def workload_at(place: str, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return the schema that editors check workload files by, under this vocabulary, with its parts below `place`."""
    from policy_engine.loading.schema import workload_schema

    text = json.dumps(workload_schema(vocabulary))
    found: dict[str, Any] = json.loads(text.replace('"#/$defs/', f'"{place}/$defs/'))
    return found


_LEDGER = closed(
    {
        "index": COUNT,
        "leaf_hash": _HASH,
        "tree_size": COUNT,
        "recorded_at": TIME,
        "status": {"type": "string", "enum": ["recorded", "scratch"]},
    }
)
_DECIDED: dict[str, Any] = {
    "apiVersion": {"const": "policy-engine/v1"},
    "kind": {"const": "Decision"},
    "id": _HASH,
    "decided_at": TIME,
    "valid_until": _MOMENT,
    "verdict": _VERDICT,
    "workload": opened(
        {"namespace": STRING, "name": STRING, "stage": {"type": "string", "enum": list(STAGES)}, "digest": STRING},
        {"owner": STRING},
    ),
    "policy": opened({"digest": _DIGEST, "version": STRING, "layers": listed(_OBJECT)}),
    "catalog": opened({"digest": _DIGEST, "as_of": _DAY, "stale": {"type": "array"}}),
    "engine": closed({"version": STRING, "semantics": STRING}),
    "plan": _OBJECT,
    "evidence": _OBJECT,
    "tasks": listed(
        opened(
            {
                "name": STRING,
                "verdict": _VERDICT,
                "options": listed(_OBJECT),
                "rules": listed(_OBJECT),
                "obligations": {"type": "array"},
                "advice": {"type": "array"},
                "missing_facts": _STRINGS,
            }
        )
    ),
    "ledger": _LEDGER,
}
_ROW = closed(
    {
        "index": COUNT,
        "recorded_at": TIME,
        "decision_id": _HASH,
        "namespace": STRING,
        "workload": STRING,
        "verdict": _VERDICT,
        "policy_digest": _DIGEST,
        "catalog_digest": _DIGEST,
        "decided_at": TIME,
        "workload_digest": NULLABLE,
        "valid_until": _MOMENT,
        "purpose": {"enum": [*PURPOSES, None]},
        "stage": {"enum": [*STAGES, None]},
        "run": NULLABLE,
        "owner": NULLABLE,
        "owner_status": {"enum": ["held", "sealed", "altered", "erased", "disposed", "missing", "none"]},
    }
)
_BOUND: dict[str, Any] = {
    "unread": _BOOLEAN,
    "hint": NULLABLE,
    "to_come": NULLABLE,
    "as_of": _MOMENT,
    "since": _MOMENT,
    "until": _MOMENT,
    "at": _MOMENT,
    "checkpoint": ref("Checkpoint"),
}
_LISTED = {"decisions": listed(ref("DecisionRow")), "more": _BOOLEAN, "next": NULLABLE, "oldest_first": _BOOLEAN}
_OF_CATALOG = {"apiVersion": {"const": "policy-engine/v1"}, "catalog": _DIGEST, "day": _DAY}


def _of_catalog(kind: str, required: dict[str, Any]) -> dict[str, Any]:
    return closed({**_OF_CATALOG, "kind": {"const": kind}, **required})


_MODEL = opened({"name": STRING, "weights": {"enum": ["open", "closed"]}, "vendor": NULLABLE})
_RULE: dict[str, Any] = {"id": STRING, "topic": STRING, "title": STRING, "when": STRING, "message": STRING}

SCHEMAS.update(
    {
        "Workload": {"description": "A workload, as its file has it; `api.openapi_document` puts in what it is."},
        "Decision": opened(_DECIDED),
        "RecordedDecision": opened(
            {
                **_DECIDED,
                "context": _OBJECT,
                "personal": {"type": "object", "additionalProperties": NULLABLE},
                **dict.fromkeys(("sealed", "erased", "disposed", "altered"), _STRINGS),
            }
        ),
        "Checkpoint": closed({"origin": STRING, "size": COUNT, "root": _HASH, "note": STRING}),
        "DecisionRow": _ROW,
        "DecisionPage": {
            "oneOf": [
                closed({"kind": {"const": "DecisionList"}, **_LISTED, **_BOUND}),
                closed({"kind": {"const": "DecisionCount"}, "count": COUNT, **_BOUND}),
            ]
        },
        "WorkloadList": closed(
            {
                "kind": {"const": "WorkloadList"},
                "workloads": listed(ref("DecisionRow")),
                "count": COUNT,
                "checkpoint": ref("Checkpoint"),
            }
        ),
        "Policy": closed(
            {
                "kind": {"const": "Policy"},
                "policy": _DIGEST,
                "catalog": _DIGEST,
                "engine": closed({"version": STRING, "semantics": STRING}),
                "layers": listed(closed({"name": STRING, "digest": STRING})),
                "rules": COUNT,
                "parameters": {"type": "object", "additionalProperties": _OBJECT},
                "approvers": _OBJECT,
                "first_decision": _or_null(closed({"index": COUNT, "recorded_at": TIME})),
                "loaded_at": _or_null(TIME),
                "reload": _or_null(closed({"status": {"const": "failed"}, "since": TIME, "problems": _PROBLEMS})),
            }
        ),
        "RuleList": closed({"kind": {"const": "RuleList"}, "policy": _DIGEST, "rules": listed(opened(_RULE))}),
        "Rule": opened(
            {
                "kind": {"const": "Rule"},
                **_RULE,
                "parameters": _OBJECT,
                "criteria": {"type": "object", "additionalProperties": STRING},
                "disputes": {"type": "object", "additionalProperties": STRING},
                "cases": _or_null(listed(opened({"name": STRING, "facts": _OBJECT, "outcome": STRING}))),
            }
        ),
        "CatalogList": _of_catalog(
            "CatalogList",
            {
                "asked": _OBJECT,
                "models": listed(_MODEL),
                "not_known": listed(_MODEL),
                "ruled_out": listed(closed({"name": STRING, "reasons": _STRINGS})),
                "counts": closed({"models": COUNT, "not_known": COUNT, "ruled_out": COUNT}),
            },
        ),
        "CatalogModel": opened({**_OF_CATALOG, "kind": {"const": "CatalogModel"}, "model": _MODEL}),
        "CatalogComparison": _of_catalog(
            "CatalogComparison",
            {
                "models": _STRINGS,
                "device": _or_null(_OBJECT),
                "lines": listed(_OBJECT),
                "open_against_closed": listed(_OBJECT),
            },
        ),
        "CatalogDisputes": _of_catalog(
            "CatalogDisputes", {"disputes": listed(opened({"id": STRING, "about": STRING, "kind": STRING}))}
        ),
    }
)
