"""What a recorded decision was made from: the inputs that its entry and its document name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from policy_engine.decide import format_time, parse_time
from policy_engine.errors import InputError, Problem
from policy_engine.loading.recorded_document import MOST_BYTES, Grade
from policy_engine.model.task_case import EvidenceStatus

#: The documents that an entry names, and a replay needs.
ROLES = ("decision", "workload", "rules", "layers", "catalog")


class _Engine(Struct, frozen=True):
    version: str
    semantics: str


class _Evidence(Struct, frozen=True, forbid_unknown_fields=True):
    grade: Grade
    valid_until: date | None
    problem: str | None
    short: str | None = None
    proof: dict[str, str | int] | None = None
    ends: date | None = None


class _Decision(Struct, frozen=True):
    """The members of a decision that are inputs of it; all others are what came out."""

    apiVersion: Literal["policy-engine/v1"]  # noqa: N815
    kind: Literal["Decision"]
    decided_at: str
    engine: _Engine
    evidence: dict[str, _Evidence]


class Inputs(Struct, frozen=True):
    """The inputs that a decision's own document holds; `version` and `semantics` are the engine's that made it."""

    at: datetime
    version: str
    semantics: str
    evidence: Mapping[str, EvidenceStatus]


def read_inputs(content: bytes) -> Inputs:
    """Return the inputs that a recorded decision names.

    Raises:
        InputError: the bytes are no decision of a format that this program knows.
    """
    if len(content) > MOST_BYTES:
        raise _refused(f"the recorded decision has {len(content):,} bytes, more than {MOST_BYTES:,}")
    try:
        found = msgspec.json.decode(content, type=_Decision)
        at = parse_time(found.decided_at)
        if format_time(at) != found.decided_at:
            raise ValueError(f"`{found.decided_at}` is not written as this program writes times")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise _refused(f"the recorded decision is not what this program reads: {str(error)[:300]}") from None
    evidence = {
        name: EvidenceStatus(name, e.grade, e.valid_until, e.problem, e.short, e.ends, e.proof)
        for name, e in found.evidence.items()
    }
    return Inputs(at, found.engine.version, found.engine.semantics, evidence)


def read_json(content: bytes) -> Any:
    """Return the value of recorded bytes, None where they are not JSON."""
    import orjson

    try:
        return orjson.loads(content)
    except (ValueError, RecursionError):
        return None


def _refused(message: str) -> InputError:
    return InputError(Problem("recorded-decision", message))
