"""The shipped catalog, and small layers over it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.catalog import Catalog, Needs, build_catalog

PARAMETERS = {
    "high_quality_score": 85.0,
    "catalog_stale_days": 365,
    "edge_latency_ms": 50,
    "edge_max_parameters_billions": 8.5,
    "reference_model": "gpt-4o",
    "memory_utilisation": 0.9,
    "memory_overhead_gib": 3.5,
    "collective_overhead_gib": 0.4,
    "card_gib_per_gb": 0.99,
    "engineer_usd_per_month": 0.0,
    "self_hosting_engineers": 1.0,
}
Layered = Callable[..., Catalog]


@pytest.fixture(scope="session")
def files() -> dict[str, Any]:
    """The shipped catalog's files by stem, and the registers that its figures speak of."""
    rules = Path(__file__).parents[3] / "rules"
    disputes = yaml.safe_load((rules / "disputes.yaml").read_text(encoding="utf-8"))["disputes"]
    return {
        **{path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted((rules / "catalog").glob("*.yaml"))},
        "sources.yaml": yaml.safe_load((rules / "sources.yaml").read_text(encoding="utf-8")),
        "disputes.yaml": {
            "disputes": {each["id"]: {"about": each["about"], "sides": _said(each)} for each in disputes}
        },
    }


def _said(dispute: dict[str, Any]) -> str:
    return " ".join(f"{', '.join(side['sources'])}: {side['says']}" for side in dispute["sides"])


@pytest.fixture(scope="session")
def parameters() -> dict[str, Any]:
    return dict(PARAMETERS)


@pytest.fixture(scope="session")
def catalog(files: dict[str, Any]) -> Catalog:
    return build_catalog([("shipped", files)], PARAMETERS)


@pytest.fixture(scope="session")
def layered(files: dict[str, Any]) -> Layered:
    """Return a function that lays sections over the shipped catalog, one layer each, and sets parameters."""

    def build(*layers: dict[str, Any], **parameters: float) -> Catalog:
        named = [(f"layer-{rank}", {"own": layer}) for rank, layer in enumerate(layers, 1)]
        return build_catalog([("shipped", files), *named], {**PARAMETERS, **parameters})

    return build


@pytest.fixture(scope="session")
def at() -> date:
    return date(2026, 11, 22)


@pytest.fixture(scope="session")
def needs() -> Needs:
    """A task of which everything is known: 400 million tokens in and 100 million out a month."""
    return Needs(
        kind="classification",
        complexity="simple",
        quality="sufficient",
        modalities=("text",),
        context_tokens=8000,
        min_scores={},
        commercial_use=True,
        residency=("anywhere",),
        edge_wanted=False,
        input_tokens_per_month=400e6,
        output_tokens_per_month=100e6,
        hardware=None,
        routed=False,
    )
