"""Workloads with routes: the articles' router with its regions said, and one task of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from policy_engine.cli.main import call
from tests.unit.cli.given import AT, MEMORY, ROUTER

OWN = {"source": "register", "as_of": "2026-11-01"}
#: In which regions providers process, as a contract may say; no source does.
PROVIDERS = {
    "openai": {"options": ["proprietary_api"], "regions": ["us", "eu"], **OWN},
    "anthropic": {"options": ["proprietary_api"], "regions": ["us"], **OWN},
    "open-model-hosting": {"options": ["open_api"], "regions": ["eu"], **OWN},
}
HARDWARE = {"gpus": [{"name": "NVIDIA L40S", "count": 2}], "region": "eu", "usd_per_hour": 1.2}
GATEWAY = """\
apiVersion: policy-engine/v1
kind: Gateway
providers:
  openai: {regions: {us: https://us.api.openai.example/v1}}
  anthropic: {address_region: us}
  open-model-hosting: {api_base: https://models.example/v1, address_region: eu}
  self_hosted: {api_base: http://llm.internal.example:8000/v1, address_region: eu}
"""


def layer(folder: Path) -> tuple[str, str]:
    """Write the layer that says the regions, and return its option."""
    (folder / "acme" / "catalog").mkdir(parents=True, exist_ok=True)
    path = folder / "acme" / "catalog" / "providers.yaml"
    path.write_text(yaml.safe_dump({"providers": PROVIDERS}), encoding="utf-8")
    return "--policy", str(folder / "acme")


def router(folder: Path, name: str = "router.yaml", **changed: Any) -> Path:
    """Write the articles' router on hardware of its own; `changed` are fields of the spec."""
    found = yaml.safe_load(ROUTER.read_text(encoding="utf-8"))
    found["spec"] |= {"hardware": HARDWARE, **changed}
    return write(folder / name, found)


def routed(folder: Path, *more: str) -> Path:
    """Route the articles' router once, for many tests: in the folder are `route.json` and `config.yaml` then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLICY_CACHE_DIR", str(folder / "cache"))
        given = ["route", str(router(folder)), *layer(folder), *AT, *MEMORY, *more]
        assert call([*given, "-o", f"litellm={folder}/config.yaml", "-o", f"json={folder}/route.json"]) == 0
    return folder


def single(**task: Any) -> dict[str, Any]:
    """Return a workload of one small task, with nothing to keep it from anywhere."""
    found = yaml.safe_load(ROUTER.read_text(encoding="utf-8"))
    found["metadata"]["name"] = "single"
    found["spec"] |= {"stage": "pilot", "tasks": [{**found["spec"]["tasks"][0], "share": 1.0, **task}]}
    found["spec"]["data"]["residency"] = ["anywhere"]
    return found


def write(path: Path, *documents: Any) -> Path:
    path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return path
