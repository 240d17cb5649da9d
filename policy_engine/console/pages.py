"""The console's pages, put together: a module for each, with its `router`."""

from __future__ import annotations

from policy_engine.console import decision, decisions, evaluate, logging_in, overview, styles, workloads

ROUTERS = (
    styles.router,
    logging_in.router,
    overview.router,
    decisions.router,
    decision.router,
    workloads.router,
    evaluate.router,
)
