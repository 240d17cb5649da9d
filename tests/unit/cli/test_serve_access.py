"""`policy serve`: whom it lets in is said or refused before it listens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from policy_engine.service.settings import Settings
from tests.unit.access.issuing import AUDIENCE, ISSUER, jwks

Run = Callable[..., Any]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of servers that would have been started."""
    found: list[Settings] = []
    monkeypatch.setattr("policy_engine.serving.run.serve", found.append)
    return found


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What a server's log says before it listens: level, event and message."""
    found: list[tuple[str, str, str]] = []

    class Log:
        def event(self, level: str, event: str, *, message: str) -> None:
            found.append((level, event, message))

    monkeypatch.setattr("policy_engine.serving.logs.begin", lambda form, level: Log())
    return found


def test_without_any_token_it_is_open_on_loopback_and_says_so(
    policy: Run, ledger: Path, started: list[Settings], logged: list[tuple[str, str, str]]
) -> None:
    assert policy("serve").status == 0
    [(level, event, message)] = logged
    assert (level, event) == ("warning", "open")
    assert message.startswith("open: no token was ever made in this ledger")
    assert started[0].on_loopback


@pytest.mark.parametrize("listen", ["0.0.0.0:8181", "[::]:8181", "10.0.0.1:80", "policy.acme.example:8181"])
def test_without_any_token_it_listens_nowhere_else(
    policy: Run, ledger: Path, started: list[Settings], listen: str
) -> None:
    done = policy("serve", "--listen", listen)
    assert (done.status, started) == (2, [])
    assert "policy token create" in done.err
    policy("token", "create", "--subject", "ann@acme.example", "--role", "read")
    done = policy("serve", "--listen", listen)
    assert (done.status, done.err) == (0, "")
    assert f"{started[0].host}:{started[0].port}" == listen.replace("[", "").replace("]", "")


def test_a_ledger_that_is_not_there_yet_has_no_token(
    policy: Run, tmp_path: Path, started: list[Settings], logged: list[tuple[str, str, str]]
) -> None:
    given = ("--ledger", f"sqlite:///{tmp_path / 'new.db'}")
    assert policy("serve", "--listen", "0.0.0.0:1", *given).status == 2
    assert not (tmp_path / "new.db").exists()
    assert policy("serve", *given).status == 0
    assert [event for _, event, _ in logged] == ["open"]


def test_a_ledger_that_cannot_be_read_now_lets_nobody_in_and_the_server_starts(
    policy: Run, tmp_path: Path, started: list[Settings]
) -> None:
    (tmp_path / "bad.db").write_bytes(b"no database at all, but a text that somebody put here")
    given = ("--ledger", f"sqlite:///{tmp_path / 'bad.db'}")
    assert policy("serve", "--listen", "0.0.0.0:1", *given).status == 0


@pytest.mark.parametrize(
    "listen", ["", "8181", ":8181", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "a:0", "a:65536", "a:٣"]
)
def test_an_address_that_is_none_is_refused(policy: Run, ledger: Path, started: list[Settings], listen: str) -> None:
    done = policy("serve", "--listen", listen)
    assert (done.status, started) == (2, [])
    assert "[listen]" in done.err


def test_an_issuer_is_pinned(policy: Run, ledger: Path, tmp_path: Path, started: list[Settings]) -> None:
    keys = jwks(tmp_path / "jwks.json")
    issuer = (*NAMED, "--oidc-keys", str(keys))
    mapped = ("--oidc-role", "Policy=Readers=read", "--oidc-roles-claim", "realm_access.roles")
    done = policy("serve", "--listen", "0.0.0.0:8181", *issuer, *mapped, "--behind-tls", "--rate", "0")
    assert (done.status, done.err) == (0, "")
    (settings,) = started
    assert settings.oidc is not None
    assert (settings.oidc.roles, settings.oidc.roles_claim) == ((("Policy=Readers", "read"),), "realm_access.roles")
    assert (settings.behind_tls, settings.limits.rate) == (True, 0)


NAMED = ("--oidc-issuer", ISSUER, "--oidc-audience", AUDIENCE)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("--oidc-issuer", ISSUER), "oidc"),
        (NAMED, "oidc"),
        (("--oidc-role", "a=read"), "oidc"),
        ((*NAMED, "--oidc-keys", "missing.json"), "oidc-keys"),
        ((*NAMED, "--oidc-keys", "x", "--oidc-role", "a"), "oidc-role"),
        ((*NAMED, "--oidc-keys", "x", "--oidc-role", "a=root"), "oidc-role"),
    ],
)
def test_an_issuer_that_is_half_said_is_refused(
    policy: Run, ledger: Path, started: list[Settings], given: tuple[str, ...], code: str
) -> None:
    done = policy("serve", *given)
    assert (done.status, started) == (2, [])
    assert f"[{code}]" in done.err
