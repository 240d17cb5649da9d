"""Every route against every role, over HTTP: the table of `access.routes` is what the server does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Route

from policy_engine.access.principal import ROLES
from policy_engine.access.routes import PUBLIC, ROUTES
from policy_engine.access.sessions import cookie_name, session_value
from policy_engine.service.settings import Settings
from policy_engine.serving.app import Application, create_app
from policy_engine.serving.observed import Observed
from tests.serving import Server, serving

SAME = {"Sec-Fetch-Site": "same-origin"}


def routes() -> list[tuple[str, str]]:
    """Return method and path of each route that the application has."""
    app = create_app(Settings(ledger="sqlite:///:memory:"))
    app.state.service.evaluator.close()  # it never starts, and its folder is not for the collector to remove
    return sorted(_within(app.routes))


def _within(found: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    for each in found:
        router = getattr(each, "original_router", None)
        if router is not None:
            assert not router.prefix
            yield from _within(router.routes)
            continue
        assert isinstance(each, Route | APIRoute), f"{each} escapes the table"
        yield from ((method, each.path) for method in (each.methods or set()) - {"HEAD"})


HAD = routes()


def test_every_route_has_a_row() -> None:
    missing = [each for each in HAD if each not in ROUTES]
    assert not missing, f"give these a row in policy_engine/access/routes.py: {missing}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}") as running:
        running.token("read")  # from here on it is not open
        yield running


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[str, str]:
    """A token for each role, and for each role one that has all others."""
    one = {role: server.token(role) for role in ROLES}
    return one | {f"not {role}": server.token(*(each for each in ROLES if each != role)) for role in ROLES}


@pytest.mark.parametrize(("method", "path"), [each for each in HAD if each in ROUTES])
def test_a_route_takes_its_roles_and_no_other(server: Server, tokens: dict[str, str], method: str, path: str) -> None:
    allowed, url = ROUTES[method, path], re.sub(r"\{[^}]*\}", "0" * 8, path)
    with server.client() as client:
        nobody = client.request(method, url, headers=SAME)
        if allowed == PUBLIC:
            assert nobody.status_code not in (401, 429), nobody.text
            return
        assert nobody.status_code == 401 or nobody.headers.get("location", "").startswith("/login"), nobody.text
        for role in ROLES:
            answer = client.request(method, url, headers=of(tokens[role]))
            assert (answer.status_code == 403) == (role not in allowed), f"{role}: {answer.text}"
            assert answer.status_code not in (401, 500)
        if len(allowed) == 1:
            others = tokens[f"not {allowed[0]}"]
            assert client.request(method, url, headers=of(others)).status_code == 403


def of(token: str) -> dict[str, str]:
    """Return the headers of a program, which the API takes, and of a session, which the pages take."""
    session = session_value(token, datetime.now(UTC))
    return {**SAME, "Authorization": f"Bearer {token}", "Cookie": f"{cookie_name(False)}={session}"}


def test_what_is_asked_most_finds_our_own_middlewares_within_the_frameworks() -> None:
    app = create_app(Settings(ledger="sqlite:///:memory:"))
    app.state.service.evaluator.close()
    assert isinstance(app, Application)
    assert set(app.asked_most) == {("POST", "/v1/decisions"), ("POST", "/access/v1/evaluation")}
    app.build_middleware_stack()
    assert isinstance(app._ours, Observed)
