"""Which pages there are: every test that is of all pages takes them from here."""

from __future__ import annotations

from tests.console_ledger import Seeded

#: Paths as they are, or as made of a seeded ledger: `{decisions[denied]}`, `{waivers[active]}`.
PATHS = (
    "/",
    "/login",
    "/login?problem=token-unknown",
    "/decisions",
    "/decisions?since=yesterday&limit=0",
    "/decisions?workload=nobody",
    "/decisions/{decisions[support-tickets]}",
    "/decisions/{decisions[waived]}?rules=all",
    "/decisions/{decisions[forged-3]}",
    "/decisions/ffffffffffffffff",
    "/workloads",
    "/workloads?name=nothing",
    "/workloads/claims/triage",
    "/evaluate?example=hospital",
)


def path_of(path: str, seeded: Seeded) -> str:
    """Return a path of `PATHS` for a ledger."""
    return path.format(decisions=seeded.decisions, waivers=seeded.waivers)
