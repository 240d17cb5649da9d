"""`policy serve`: whom it lets in is said or refused before it listens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
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
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """Level, event and message of what the log would be told."""
    found: list[tuple[str, str, str]] = []
    log = SimpleNamespace(event=lambda level, event, message="", **_: found.append((level, event, message)))
    monkeypatch.setattr("policy_engine.serving.logs.begin", lambda *_: log)
    return found


def test_without_any_token_it_is_open_on_loopback_and_says_so(
    policy: Run, ledger: Path, started: list[Settings], said: list[tuple[str, str, str]]
) -> None:
    done = policy("serve")
    assert done.status == 0
    ((level, event, message),) = said
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
    policy: Run, tmp_path: Path, started: list[Settings], said: list[tuple[str, str, str]]
) -> None:
    given = ("--ledger", f"sqlite:///{tmp_path / 'new.db'}")
    assert policy("serve", "--listen", "0.0.0.0:1", *given).status == 2
    assert not (tmp_path / "new.db").exists()
    assert policy("serve", *given).status == 0
    assert [each[:2] for each in said] == [("info", "new ledger"), ("warning", "open")]


def test_nobody_is_open_to_those_who_come_through_tls(policy: Run, ledger: Path, started: list[Settings]) -> None:
    done = policy("serve", "--behind-tls")
    assert (done.status, started) == (2, [])
    assert "[open-access]" in done.err
    policy("token", "create", "--subject", "ann@acme.example", "--role", "read")
    assert policy("serve", "--behind-tls").status == 0


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        (("--ledger", "postgresql+psycopg://u@127.0.0.1:1/policy"), 6, "signing-key-path"),
        (("--ledger", "postgresql+psycopg://u@127.0.0.1:1/policy", "--ledger-key", "text"), 6, "signing-key"),
        (("--ledger", "postgresql+psycopg://u@127.0.0.1:1/policy", "--ledger-key", "new"), 0, ""),
        (("--ledger", "mysql://somewhere/policy"), 2, "ledger-url"),
        (("--ledger-key", "missing"), 6, "signing-key-missing"),
    ],
)
def test_what_would_never_record_anything_does_not_start_and_what_may_mend_itself_does(
    policy: Run, ledger: Path, tmp_path: Path, started: list[Settings], given: tuple[str, ...], status: int, code: str
) -> None:
    policy("token", "create", "--subject", "ann@acme.example", "--role", "read")
    (tmp_path / "text").write_text("no key")
    (tmp_path / "text").chmod(0o600)
    named = [str(tmp_path / each) if each in ("text", "new", "missing") else each for each in given]
    done = policy("serve", *named)
    assert (done.status, len(started)) == (status, int(status == 0)), done.err
    assert f"[{code}]" in done.err or not code


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
