"""The schemas of waivers in `/openapi.json`."""

from __future__ import annotations

from typing import Any

from policy_engine.api.schemas import NULLABLE, SCHEMAS, STRING, TIME, closed, listed, opened
from policy_engine.model.waiver import LONGEST_REASON, LONGEST_TICKET
from policy_engine.waivers.register import STATUSES

_DAY: dict[str, Any] = {"type": "string", "format": "date"}
_INDEX: dict[str, Any] = {"type": ["integer", "null"]}
REQUEST_EXAMPLE = {
    "workload": "support/triage",
    "rule": "no-mlops-no-self-hosting",
    "reason": "the team starts in March",
    "ticket": "OPS-7",
    "valid_until": "2027-01-31",
}
APPROVAL_EXAMPLE = {"signatures": ["— ann 5Q6d2m..."]}

_ROW = opened(
    {
        "id": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        "status": {"enum": list(STATUSES)},
        "rule": STRING,
        "namespace": STRING,
        "workload": STRING,
        "option": STRING,
        "task": NULLABLE,
        "reason": STRING,
        "ticket": STRING,
        "valid_from": _DAY,
        "valid_until": _DAY,
        "decision": STRING,
        "requester": NULLABLE,
        "requested_index": _INDEX,
        "granted_index": _INDEX,
        "revoked_index": _INDEX,
        "signed": listed(opened({"by": STRING, "key": STRING, "index": {"type": "integer"}})),
        "approvals": listed({"type": "object"}),
        "uses": listed({"type": "object"}),
        "signatures": NULLABLE,
    }
)

SCHEMAS.update(
    {
        "WaiverRow": {"description": "A waiver, as `policy waiver list -o json` has it.", **_ROW},
        "Waiver": {
            "description": "A waiver, as `policy waiver show -o json` has it, with what its approvers sign.",
            "allOf": [
                {"$ref": "#/components/schemas/WaiverRow"},
                opened(
                    {"approvals_needed": {"type": "integer"}, "text": NULLABLE, "file": {"type": ["object", "null"]}},
                    {"warning": NULLABLE},
                ),
            ],
        },
        "WaiverList": closed(
            {
                "kind": {"const": "WaiverList"},
                "at": TIME,
                "waivers": listed({"$ref": "#/components/schemas/WaiverRow"}),
                "used_out_of_time": listed({"type": "object"}),
                "verified": {"type": "boolean"},
            }
        ),
        "WaiverRequest": {
            "description": "What is asked for. Either `decision` or `workload`: the last decision on that.",
            **closed(
                {
                    "rule": STRING,
                    "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON},
                    "ticket": {"type": "string", "minLength": 1, "maxLength": LONGEST_TICKET},
                    "valid_until": _DAY,
                },
                {"valid_from": _DAY | {"type": ["string", "null"]}, "decision": NULLABLE, "workload": NULLABLE}
                | {"option": NULLABLE, "task": NULLABLE},
            ),
        },
        "WaiverApproval": closed(
            {"signatures": {"type": "array", "items": STRING, "minItems": 1, "maxItems": 20}},
        ),
    }
)
