"""The workloads of the load figures: documents that say all there is to say, drawn by a seed, and the facts in them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from typing import Any, get_args

from policy_engine.errors import InputError
from policy_engine.loading.policy import Policy
from policy_engine.loading.workload_file import load_workload_documents
from policy_engine.model import fields
from policy_engine.model.workload import Workload

WORKLOADS = 64
#: Stands where the number of a request will: seven digits.
MARK = "#######"
_PLACES = 10 ** len(MARK)
_REGIONS = ("eu", "us", "de", "ch")
#: What a team proposes: deployment, model, provider.
_PROPOSALS: tuple[tuple[str, str, str | None], ...] = (
    ("proprietary_api", "gpt-4o", "openai"),
    ("proprietary_api", "claude-3.5-sonnet", "anthropic"),
    ("open_api", "llama-3.1-70b", "open-model-hosting"),
    ("open_api", "qwen3-14b", "open-model-hosting"),
    ("self_hosted", "llama-3.1-8b", None),
    ("self_hosted", "qwen3-14b", None),
)


def documents(seed: int, count: int = WORKLOADS) -> list[dict[str, Any]]:
    """Return `count` workload documents that differ, each with one task and with nothing left unknown."""
    draw = random.Random(seed)  # noqa: S311 - figures, not secrets
    return [_document(draw, number) for number in range(count)]


def _document(draw: random.Random, number: int) -> dict[str, Any]:
    def yes() -> bool:
        return draw.random() < 0.5

    def one(values: Any) -> Any:
        return draw.choice(get_args(values))

    # whole tens of millions, so that a number of seven digits can be added to it as digits
    sent = int(10 ** draw.uniform(7, 9.5)) // _PLACES * _PLACES
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "Workload",
        "metadata": {"namespace": f"team-{number % 8}", "name": f"workload-{number}", "owner": "owner@acme.example"},
        "spec": {
            "stage": one(fields.Stage),
            "organisation": one(fields.Organisation),
            "deploy_within_days": draw.randrange(1, 60),
            "tasks": [_task(draw)],
            "data": _data(draw),
            "volume": {
                "input_tokens_per_month": sent,
                "output_tokens_per_month": sent // 5 // _PLACES * _PLACES,
                "requests_per_day": sent // 20_000,
                "pattern": one(fields.Pattern),
            },
            "budget": {
                "monthly_usd": round(10 ** draw.uniform(2, 5), 2),
                "api_spend_usd_per_month": round(10 ** draw.uniform(2, 5), 2),
                "margin": one(fields.Margin),
            },
            "team": {
                "mlops": one(fields.Mlops),
                "ml_engineers": draw.randrange(4),
                "gpu_devops_engineers": draw.randrange(3),
                "can_hire": yes(),
            },
            "needs": {name: draw.random() < 0.2 for name in _NEEDS},
            "migration": _migration(draw) if yes() else "none",
            "evidence": {name: {"reference": f"DOC-{number}"} for name in ("dpa", "monitoring", "own_benchmark")},
        },
    }


_NEEDS = (
    "fine_tuning",
    "change_architecture",
    "choose_serving",
    "see_weights",
    "vendor_independence",
    "no_rate_limits",
    "newest_capabilities",
    "edge",
)


def _data(draw: random.Random) -> dict[str, Any]:
    said = ("may_leave_network", "must_own_logs", "third_party_accepted")
    return {
        "sensitivity": draw.choice(get_args(fields.Sensitivity)),
        "regulations": draw.sample(["gdpr", "hipaa", "soc2"], draw.randrange(3)),
        "residency": draw.choice([["anywhere"], ["eu"], ["eu", "us"], ["us"]]),
        **{name: draw.random() < 0.5 for name in said},
    }


def _task(draw: random.Random) -> dict[str, Any]:
    deployment, model, provider = draw.choice(_PROPOSALS)
    proposal = {"deployment": deployment, "model": model, "region": draw.choice(_REGIONS)}
    if provider is not None:
        proposal["provider"] = provider
    yes_or_no = ("batch", "customer_facing", "well_defined", "specialised_domain", "edge_cases_matter")
    return {
        "name": "task",
        "kind": draw.choice(get_args(fields.TaskKind)),
        "complexity": draw.choice(get_args(fields.Complexity)),
        "quality": draw.choice(get_args(fields.Quality)),
        "modalities": ["text", *draw.sample(["vision", "audio"], draw.randrange(2))],
        **{name: draw.random() < 0.5 for name in yes_or_no},
        "latency_p95_ms": int(10 ** draw.uniform(1.5, 4.5)),
        "context_tokens": draw.choice([4_000, 16_000, 64_000]),
        "proposal": proposal,
    }


def _migration(draw: random.Random) -> dict[str, Any]:
    return {
        "from": {"deployment": "proprietary_api", "model": "gpt-4o", "provider": "openai"},
        "champion": "champion@acme.example",
        "rollout_start_percent": draw.choice([1, 5, 10, 25, 50]),
        "weeks_planned": draw.choice([2, 3, 4, 6, 8]),
    }


def varied(document: Mapping[str, Any]) -> str:
    """Return the document's text with MARK in its name, volume and budget: each number makes it another workload."""
    found = json.loads(json.dumps(document))
    found["metadata"]["name"] = f"other-{MARK}"
    spec = found["spec"]
    spec["volume"]["input_tokens_per_month"] = marked(spec["volume"]["input_tokens_per_month"] // _PLACES)
    spec["budget"]["monthly_usd"] = marked(f"{spec['budget']['monthly_usd']:.2f}")
    return unquoted(found)


def marked(leading: int | float | str) -> str:
    """Return the digits of a number that end in MARK."""
    return f"{leading}{MARK}"


def unquoted(document: Mapping[str, Any]) -> str:
    """Return the document as JSON on one line, where digits that end in MARK are numbers."""
    return re.sub(rf'"([0-9.]+{MARK})"', r"\1", json.dumps(document))


def numbered(text: str, number: int) -> str:
    """Return `text` with MARK replaced by `number`, as the load does for each request."""
    return text.replace(MARK, f"{number:07d}")


def loaded(text: str, policy: Policy) -> Workload:
    """Return the workload of a document's text, as the engine reads it."""
    (found,) = load_workload_documents(text, "workload.json", policy.vocabulary)
    if isinstance(found, InputError):
        raise found
    return found.workload
