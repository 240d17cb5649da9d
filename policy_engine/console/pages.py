"""The console's pages, put together: a module for each, with its `router`."""

from __future__ import annotations

from policy_engine.console import overview, styles

ROUTERS = (
    styles.router,
    overview.router,
)
