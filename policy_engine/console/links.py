"""Where names of things lead: to their pages."""

from __future__ import annotations

from policy_engine.console.cells import Cell, Link
from policy_engine.console.urls import url


def rule(name: str) -> Cell:
    """Return a rule's id, which leads to the decisions that it acted in."""
    return Link(name, url("/decisions", rule=name), code=True)


def workload(namespace: str, name: str) -> Cell:
    """Return a workload's name, which leads to its history."""
    return Link(f"{namespace}/{name}", url("/workloads", namespace, name))


def entry(index: int) -> Cell:
    """Return the index of a decision's entry, which leads to the decision."""
    return Link(str(index), url("/decisions", str(index)))


def waiver(name: str) -> Cell:
    """Return the first digits of a waiver's id."""
    return name[:12]
