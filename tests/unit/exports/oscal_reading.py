"""OSCAL documents as compliance-trestle reads them, which refuses what is not of the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trestle.oscal.assessment_plan import AssessmentPlan
from trestle.oscal.assessment_results import AssessmentResults
from trestle.oscal.catalog import Catalog

MODELS = {"assessment-results": AssessmentResults, "assessment-plan": AssessmentPlan, "catalog": Catalog}
COMPONENTS = {"this-system", "system", "interconnection", "software", "hardware", "service", "policy", "physical"}
STATES = {"under-development", "operational", "disposition", "other"}


def read(folder: Path) -> dict[str, Any]:
    """Return the three documents, each read by trestle; what it read is what the file says."""
    found = {}
    for name, model in MODELS.items():
        path = folder / "oscal" / f"{name}.json"
        document = json.loads(path.read_text(encoding="utf-8"))
        parsed = model.oscal_read(path)
        assert parsed is not None, name
        again = json.loads(parsed.oscal_serialize_json())
        assert _without_times(again) == _without_times(document), name
        found[name] = document[name]
    check_references(found, folder)
    return found


def check_references(found: dict[str, Any], folder: Path) -> None:
    """Check what no schema says: that references lead somewhere, and that words are those that OSCAL allows."""
    results, plan, catalog = found["assessment-results"], found["assessment-plan"], found["catalog"]
    uuids = [value for name, value in members(found) if name == "uuid"]
    own = {value for name, value in members(results) if name == "uuid"}
    controls = [control for group in catalog.get("groups", ()) for control in group["controls"]]
    tokens = {value for name, value in members(catalog) if name == "id"}
    assert len(tokens) == sum(name == "id" for name, _ in members(catalog)), "an id stands twice"
    assert results["import-ap"]["href"] == "assessment-plan.json"
    ids = {control["id"] for control in controls}
    for document in (results, plan):
        assert {value for name, value in members(document) if name == "control-id"} <= ids
    for name, value in members(results):
        if name in ("observation-uuid", "subject-uuid", "actor-uuid"):
            assert value in own, (name, value)
        if name == "target-id":
            assert value in tokens
    for document in (results, plan):
        anchors = {f"#{value}" for name, value in members(document) if name == "uuid"}
        for name, value in members(document):
            if name == "href" and value.startswith("#"):
                assert value in anchors
            elif name == "href":
                assert (folder / "oscal" / value).resolve().is_relative_to(folder.resolve())
    for result in results["results"]:
        for component in result.get("local-definitions", {}).get("components", ()):
            assert component["type"] in COMPONENTS
            assert component["status"]["state"] in STATES
        for finding in result.get("findings", ()):
            state = finding["target"]["status"]
            assert (state["state"], state["reason"]) in {
                ("satisfied", "pass"),
                ("not-satisfied", "fail"),
                ("not-satisfied", "other"),
            }
        places = [value for name, value in members(result.get("observations", [])) if name == "uuid"]
        assert len(set(places)) == len(places)
    assert len(set(uuids)) >= 5


def _without_times(value: Any) -> Any:
    """Return a document without its times, which trestle writes in another way."""
    if isinstance(value, dict):
        times = {"last-modified", "start", "end", "collected", "expires"}
        return {name: _without_times(member) for name, member in value.items() if name not in times}
    return [_without_times(member) for member in value] if isinstance(value, list) else value


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every member of every object in `value`."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield name, member
            yield from members(member)
    elif isinstance(value, list):
        for member in value:
            yield from members(member)
