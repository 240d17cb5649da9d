"""What a task needs of a model, and what the choice answers."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from policy_engine.catalog.claims import HardwareClaim


class Needs(Struct, frozen=True):
    """What a task needs; None is unknown, never "no need".

    `min_scores` {} asks for none. `edge_wanted` is needs.edge, or a latency under the edge parameter. Tokens are those
    of this task, by its share. `hardware` None makes no claim. `routed` says that the workload has several tasks.
    """

    kind: str
    complexity: str | None
    quality: str | None
    modalities: tuple[str, ...] | None
    context_tokens: int | None
    min_scores: Mapping[str, float | None] | None
    commercial_use: bool | None
    residency: tuple[str, ...] | None
    edge_wanted: bool | None
    input_tokens_per_month: float | None
    output_tokens_per_month: float | None
    hardware: HardwareClaim | None
    routed: bool

    @property
    def tokens_per_month(self) -> float | None:
        if self.input_tokens_per_month is None or self.output_tokens_per_month is None:
            return None
        return self.input_tokens_per_month + self.output_tokens_per_month

    @property
    def score_benchmark(self) -> str:
        """The benchmark that the quality bar reads."""
        return "humaneval" if self.kind == "coding" else "mmlu"


class Considered(Struct, frozen=True):
    """A model that was considered: whether it meets the needs, and the reason where it was not chosen.

    `missing` names the facts that would tell, `disputes` those that its figures rest on; `score` is that of the quality
    bar's benchmark.
    """

    name: str
    qualifies: bool | None
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    monthly_usd: float | None
    score: float | None
    provider: str | None
    quantization: str | None
    disputes: tuple[str, ...]
