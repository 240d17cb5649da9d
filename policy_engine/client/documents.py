"""What a server answers, typed: the keys that are relied upon, beside the whole document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from policy_engine.model.task_case import Verdict

Purpose = Literal["draft", "pull_request", "deploy"]


class Place(Struct, frozen=True):
    """Where a decision is on record. `leaf_hash` is 64 hexadecimal digits; `status` is `recorded`, or `scratch`."""

    index: int
    leaf_hash: str
    tree_size: int
    status: str
    recorded_at: str | None = None


class Decided(Struct, frozen=True):
    """A decision that was answered and holds together: its id is that of its content, its verdict follows.

    `recorded` is the document as it was recorded, `document` as it is shown (contract: "JSON of a decision").
    """

    id: str
    verdict: Verdict
    decided_at: str
    valid_until: str | None
    namespace: str
    name: str
    workload_digest: str
    policy_digest: str
    place: Place
    recorded: Mapping[str, Any]
    document: Mapping[str, Any]


class Page(Struct, frozen=True):
    """A page of the list of decisions: rows as `policy audit list -o json` has them, and the next page's cursor."""

    decisions: Sequence[Mapping[str, Any]]
    next: str | None = None


class Allowed(Struct, frozen=True):
    """The answer to an access evaluation (OpenID AuthZEN): `context` says why."""

    decision: bool
    context: Mapping[str, Any] = {}


class Proved(Struct, frozen=True):
    """What the log's key proves of a decision: its entry's bytes at `index` of a tree of `size` under that key.

    `receipt` is the proof (C2SP tlog-proof), `key` the verifier key that signed.
    """

    index: int
    size: int
    origin: str
    key: str
    entry: bytes
    receipt: str
