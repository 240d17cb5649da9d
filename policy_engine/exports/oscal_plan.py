"""The companion assessment plan: what was assessed, how, and against which catalog."""

from __future__ import annotations

from collections.abc import Iterable

from policy_engine.exports.oscal_terms import (
    CATALOG,
    Object,
    document_identifier,
    identifier,
    metadata,
    resource,
    tool,
)
from policy_engine.exports.table import Head

METHOD = (
    "Each decision on record is an observation of a workload as it was declared and proposed. A control is satisfied "
    "where, in the latest decision on each workload under the policy, no rule under the control that forbids or "
    "requires is open against what was judged: fired against it, its evidence outstanding, or undetermined. What is "
    "undetermined is not satisfied. A decision that denies shows that the engine stopped a proposal; whether it was "
    "deployed nevertheless is not in the ledger."
)


def plan(head: Head, tokens: Iterable[str], catalog_sha256: str) -> Object:
    """Return the OSCAL assessment plan."""
    no_ssp, catalog = identifier(head, "no-ssp"), document_identifier(head, "catalog-resource")
    value = {
        "uuid": document_identifier(head, "assessment-plan"),
        "metadata": {
            **metadata(head, "Assessment of AI workloads by recorded decisions", METHOD),
            "links": [{"href": f"#{catalog}", "rel": "reference", "text": "The catalog of the controls assessed"}],
        },
        "import-ssp": {"href": f"#{no_ssp}", "remarks": "No system security plan is part of the export."},
        "reviewed-controls": reviewed(tokens),
        "assessment-subjects": [{"type": "component", "include-all": {}, "remarks": "The workloads of the period."}],
        "assessment-assets": {
            "components": [tool(head)],
            "assessment-platforms": [{"uuid": identifier(head, "platform"), "title": "policy-engine"}],
        },
        "back-matter": {
            "resources": [
                resource(
                    no_ssp,
                    "No system security plan",
                    "The ledger knows workloads as they were declared, and no system security plan. Assessors who "
                    "have one replace this reference.",
                    {},
                ),
                resource(catalog, "Catalog", "The controls assessed.", {CATALOG: catalog_sha256}),
            ]
        },
    }
    return {"assessment-plan": value}


def reviewed(tokens: Iterable[str]) -> Object:
    """Return the selection of controls; where there are none, the description says so."""
    controls = [{"control-id": token} for token in tokens]
    if controls:
        return {"control-selections": [{"include-controls": controls}]}
    description = "No rule of the policy forbids or requires anything, or there was no decision."
    return {"description": description, "control-selections": [{"include-all": {}}]}
