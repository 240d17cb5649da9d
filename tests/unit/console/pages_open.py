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
    "/rules",
    "/rules?effect=forbid",
    "/rules?topic=nothing",
    "/rules/no-mlops-no-self-hosting",
    "/rules/high-api-spend-favours-self-hosting",
    "/waivers?state=all",
    "/waivers/{waivers[requested]}",
    "/waivers/{waivers[active]}",
    "/waiver-request",
    "/catalog",
    "/catalog?option=self_hosted&min_score=nonsense",
    "/catalog/llama-3.1-8b",
    "/compare?model=llama-3.1-8b,gpt-4o",
    "/disputes",
    "/disputes/DISPUTE-01",
    "/ledger",
    "/reports",
    "/reports/decisions?make=1&verdict=deny",
    "/reports/waivers?make=1",
    "/exports",
    "/tokens",
)
#: Of a template that another one of `PATHS` shows as well: these are not looked at in a browser, which takes long.
ALIKE = frozenset(
    {
        "/rules?effect=forbid",
        "/rules?topic=nothing",
        "/rules/high-api-spend-favours-self-hosting",
        "/waivers/{waivers[active]}",
        "/catalog?option=self_hosted&min_score=nonsense",
        "/disputes",
        "/reports/waivers?make=1",
    }
)
BROWSED = tuple(path for path in PATHS if path not in ALIKE)


def path_of(path: str, seeded: Seeded) -> str:
    """Return a path of `PATHS` for a ledger."""
    return path.format(decisions=seeded.decisions, waivers=seeded.waivers)
