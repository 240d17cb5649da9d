"""The console's session: the token in a cookie, forms of this session alone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from policy_engine.access.browsers import check_same_origin, is_cross_site, is_loopback_host
from policy_engine.access.principal import ForbiddenError, UnauthenticatedError
from policy_engine.access.sessions import check_form_token, form_token, session_value, token_of
from policy_engine.access.tokens import new_token
from tests.serving import Server, serving

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}") as running:
        yield running


def test_a_session_ends_after_eight_hours_and_no_cookie_makes_it_longer() -> None:
    token = new_token()[0]
    value = session_value(token, NOW)
    assert token_of(value, NOW + timedelta(hours=7, minutes=59)) == token
    later = f"{int((NOW + timedelta(days=30)).timestamp())}.{token}"
    for each, at in ((value, NOW + timedelta(hours=8)), (later, NOW), (token, NOW), ("", NOW), (f"x{value}", NOW)):
        with pytest.raises(UnauthenticatedError):
            token_of(each, at)


def test_the_token_of_a_form_is_of_its_session_alone() -> None:
    one, other = (session_value(new_token()[0], NOW) for _ in range(2))
    check_form_token(one, form_token(one))
    assert form_token(one) != form_token(one)
    mac = form_token(one).partition(".")[2]
    for given in (form_token(other), "", ".", form_token(one)[:-1], mac, f"0.{mac}", f"é.{mac}", "\ud800.\ud800"):
        with pytest.raises(ForbiddenError):
            check_form_token(one, given)


@pytest.mark.parametrize(
    ("host", "origin", "site", "own"),
    [
        ("a.example", "https://a.example", None, True),
        ("a.example", "https://a.example:443", None, True),
        ("a.example:8181", "http://a.example:8181", "same-origin", True),
        ("a.example", None, "same-origin", True),
        ("a.example", None, None, False),
        ("a.example", "null", None, False),
        ("a.example", "null", "same-origin", False),
        ("a.example", "https://a.example.evil", None, False),
        ("a.example", "https://evil@a.example", None, False),
        ("a.example", "https://a.example", "cross-site", False),
        ("a.example", "https://a.example", "same-site", False),
        ("a.example", None, "none", False),
        ("", "http://", None, False),
    ],
)
def test_a_form_has_to_come_from_a_page_of_this_server(
    host: str, origin: str | None, site: str | None, own: bool
) -> None:
    if own:
        check_same_origin(host, origin, site)
        assert not is_cross_site(host, origin, site)
        return
    with pytest.raises(ForbiddenError):
        check_same_origin(host, origin, site)


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8181", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80", "LOCALHOST"]
)
def test_names_of_loopback(host: str) -> None:
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    "|evil.example|localhost.evil.example|127.0.0.1.evil.example|localhost:80:80|[::1|[::1]x|10.0.0.1|0.0.0.0|"
    "127.0.0.1@evil.example|localhost:|2130706433|127.1|::1|localhost:8x".split("|"),
)
def test_names_that_are_none(host: str) -> None:
    assert not is_loopback_host(host)


def test_a_person_logs_in_and_out(server: Server) -> None:
    token = server.token("read")
    with server.client() as client:
        page = client.post("/login", data={"token": f" {token}\n"}, headers=OWN)
        assert page.status_code == 303
        assert page.headers["location"] == "/"
        cookie = page.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/", "Max-Age=28800"} <= set(cookie.split("; "))
        assert client.get("/v1/whoami").status_code == 404
        value = client.cookies["policy"]
        refused = client.post("/logout", data={"form_token": "0" * 64}, headers=OWN)
        assert (refused.status_code, "<code>form-token</code>" in refused.text) == (403, True)
        ended = client.post("/logout", data={"form_token": form_token(value)}, headers=OWN)
        assert ended.status_code == 303
        assert "policy" not in client.cookies


def test_a_wrong_token_and_another_site_begin_no_session(server: Server) -> None:
    token = server.token("read")
    with server.client() as client:
        wrong = client.post("/login", data={"token": token[:-1]}, headers=OWN)
        assert wrong.headers["location"] == "/login?problem=token-unknown"
        for headers in ({}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            refused = client.post("/login", data={"token": token}, headers=headers)
            assert (refused.status_code, "<code>cross-site</code>" in refused.text) == (403, True)
        assert not client.cookies
        assert client.post("/login", json={"token": token}, headers=OWN).status_code == 415


def test_the_api_takes_no_session_for_what_changes_anything(server: Server) -> None:
    token = server.token()
    with server.client(cookies={"policy": session_value(token, datetime.now(UTC))}) as client:
        refused = client.post("/v1/decisions", json={}, headers=OWN)
        assert (refused.status_code, refused.json()["code"]) == (401, "token-missing")
