"""Hardware claims for tests."""

from __future__ import annotations

from typing import Any

from policy_engine.catalog import GpuClaim, HardwareClaim, ServesClaim

A100 = "NVIDIA A100-SXM4-80GB"
SERVES = ServesClaim("llama-3.1-70b", "bf16", 158_760.0, 1, 0, 0)


def box(name: str | None, count: int | None = 1, serves: ServesClaim | None = None, **figures: Any) -> HardwareClaim:
    return HardwareClaim((GpuClaim(name, count, **figures),), serves=serves)
