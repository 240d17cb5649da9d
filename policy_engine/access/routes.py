"""Which roles each route takes: a table, which the tests hold the running server to, route by route.

Who has one of a row's roles may use its route. `PUBLIC` routes show nothing of anybody; `SESSION` ones begin and end a
session of the console, whoever asks.
"""

from __future__ import annotations

from policy_engine.access.principal import ROLES

PUBLIC: tuple[str, ...] = ()
READ, DECIDE, APPROVE, ADMINISTER = ("read",), ("decide",), ("approve",), ("administer",)
#: Whoever is known, whatever they may do.
KNOWN = ROLES
#: A pipeline may have what it had decided, with its proof, and without the persons in it.
RECORDED = ("read", "decide")
WAIVERS = ("read", "approve")

#: Method and path of a route, as the application has it, and the roles of which one is wanted.
ROUTES: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/healthz"): PUBLIC,
    ("GET", "/readyz"): PUBLIC,
    ("GET", "/openapi.json"): PUBLIC,
    ("GET", "/metrics"): READ,
    ("POST", "/v1/decisions"): DECIDE,
    ("GET", "/v1/decisions"): READ,
    ("GET", "/v1/decisions/{id}"): RECORDED,
    ("GET", "/v1/decisions/{id}/receipt"): RECORDED,
    ("GET", "/v1/decisions/{id}/entry"): RECORDED,
    ("GET", "/v1/workloads"): READ,
    ("GET", "/v1/workloads/{namespace}/{name}"): READ,
    ("GET", "/checkpoint"): KNOWN,
    ("GET", "/tile/{path:path}"): KNOWN,
    ("GET", "/v1/policy"): KNOWN,
    ("GET", "/v1/rules"): KNOWN,
    ("GET", "/v1/rules/{id}"): KNOWN,
    ("GET", "/v1/catalog/models"): KNOWN,
    ("GET", "/v1/catalog/models/{name:path}"): KNOWN,
    ("GET", "/v1/catalog/compare"): KNOWN,
    ("GET", "/v1/catalog/disputes"): KNOWN,
    ("GET", "/v1/waivers"): WAIVERS,
    ("POST", "/v1/waivers"): DECIDE,
    ("GET", "/v1/waivers/{id}"): WAIVERS,
    ("GET", "/v1/waivers/{id}/file"): WAIVERS,
    ("POST", "/v1/waivers/{id}/approval"): APPROVE,
    ("DELETE", "/v1/waivers/{id}"): APPROVE,
    ("GET", "/v1/reports"): READ,
    ("GET", "/v1/reports/{name}"): READ,
    ("POST", "/v1/exports"): READ,
    ("GET", "/v1/exports/{id}"): READ,
    ("GET", "/v1/exports/{id}/content"): READ,
    ("DELETE", "/v1/exports/{id}"): READ,
    ("POST", "/access/v1/evaluation"): DECIDE,
    ("POST", "/access/v1/evaluations"): DECIDE,
    ("GET", "/.well-known/authzen-configuration"): PUBLIC,
    ("GET", "/login"): PUBLIC,
    ("POST", "/login"): PUBLIC,
    ("POST", "/logout"): PUBLIC,
    ("GET", "/console/{name}"): PUBLIC,
    ("GET", "/"): KNOWN,  # without `read` it leads to the first page that they may see
    ("GET", "/decisions"): READ,
    ("GET", "/decisions/{identifier}"): READ,
    ("GET", "/workloads"): READ,
    ("GET", "/workloads/{which:path}"): READ,
    ("GET", "/evaluate"): DECIDE,
    ("POST", "/evaluate"): DECIDE,
    ("GET", "/rules"): KNOWN,
    ("GET", "/rules/{name}"): KNOWN,
    ("GET", "/waivers"): WAIVERS,
    ("GET", "/waivers/{identifier}"): WAIVERS,
    ("POST", "/waivers/{identifier}/approval"): APPROVE,
    ("POST", "/waivers/{identifier}/revocation"): APPROVE,
    ("GET", "/waiver-request"): DECIDE,
    ("POST", "/waiver-request"): DECIDE,
    ("GET", "/catalog"): KNOWN,
    ("GET", "/catalog/{name:path}"): KNOWN,
    ("GET", "/compare"): KNOWN,
    ("GET", "/disputes"): KNOWN,
    ("GET", "/disputes/{name}"): KNOWN,
    ("GET", "/ledger"): READ,
    ("POST", "/ledger/verifications"): READ,
    ("GET", "/ledger/verifications/{name}"): READ,
    ("GET", "/reports"): READ,
    ("GET", "/reports/{name}"): READ,
    ("POST", "/exports"): READ,
    ("GET", "/exports"): READ,
    ("GET", "/exports/{name}"): READ,
    ("POST", "/exports/{name}/removal"): READ,
    ("GET", "/tokens"): ADMINISTER,
}
