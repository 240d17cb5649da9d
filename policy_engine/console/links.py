"""Where names of things lead: to their pages."""

from __future__ import annotations

from policy_engine.console.cells import Cell, Link
from policy_engine.console.urls import url


def rule(name: str) -> Cell:
    """Return a rule's id, which leads to what it says, and to the decisions that it acted in."""
    return Link(name, url("/rules", name), code=True)


def workload(namespace: str, name: str) -> Cell:
    """Return a workload's name, which leads to its history."""
    return Link(f"{namespace}/{name}", url("/workloads", namespace, name))


def entry(index: int) -> Cell:
    """Return the index of a decision's entry, which leads to the decision."""
    return Link(str(index), url("/decisions", str(index)))


def waiver(name: str, text: str | None = None) -> Cell:
    """Return the first digits of a waiver's id, or another text, which leads to the waiver."""
    return Link(text or name[:12], url("/waivers", name), code=text is None)


def dispute(name: str) -> Cell:
    """Return a dispute's id, which leads to its reckoning."""
    return Link(name, url("/disputes", name))


def model(name: str) -> Cell:
    """Return a model's name, which leads to all that the catalog has of it."""
    return Link(name, url("/catalog", name))
