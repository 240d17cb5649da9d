"""Where computed facts come from, for whoever has to say what a team can state."""

from __future__ import annotations

_SERVED = tuple(
    f"hardware.serves.{name}"
    for name in ("model", "quantization", "tokens_per_hour", "concurrency", "input_tokens", "output_tokens")
)
#: Tells of the region only where a catalog knows in which regions some provider runs.
PROVIDER = "proposal.provider"
#: Which declared facts a computed fact comes from: what a team can be asked.
ORIGINS: dict[str, tuple[str, ...]] = {
    "volume.tokens_per_month": ("volume.input_tokens_per_month", "volume.output_tokens_per_month"),
    "volume.tokens_per_day": ("volume.input_tokens_per_month", "volume.output_tokens_per_month"),
    "task.tokens_per_month": ("volume.input_tokens_per_month", "volume.output_tokens_per_month", "task.share"),
    "cost.api_spend_usd_per_month": (
        "budget.api_spend_usd_per_month",
        "volume.input_tokens_per_month",
        "volume.output_tokens_per_month",
    ),
    "proposal.region_allowed": ("proposal.region", "data.residency", PROVIDER),
    "proposal.licence": ("proposal.model",),
    "proposal.hardware_verdict": (
        "proposal.model",
        "proposal.quantization",
        "hardware.gpus",
        "task.context_tokens",
        *_SERVED,
    ),
    "hardware.verdict": ("hardware.gpus", *_SERVED),
    "hardware.gpu_count": ("hardware.gpus",),
    "hardware.memory_gib": ("hardware.gpus",),
    "migration.present": ("migration",),
}
