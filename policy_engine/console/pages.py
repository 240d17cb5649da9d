"""The console's pages, put together: a module for each, with its `router`."""

from __future__ import annotations

from policy_engine.console import (
    catalog,
    decision,
    decisions,
    evaluate,
    exports,
    ledger,
    logging_in,
    overview,
    reports,
    rules,
    styles,
    tokens,
    verification,
    waiver_request,
    waivers,
    workloads,
)

ROUTERS = (
    styles.router,
    logging_in.router,
    overview.router,
    decisions.router,
    decision.router,
    workloads.router,
    evaluate.router,
    rules.router,
    waivers.router,
    waiver_request.router,
    catalog.router,
    ledger.router,
    verification.router,
    reports.router,
    exports.router,
    tokens.router,
)
