"""The way to a server: past proxies to this machine, over TLS or not at all, and what there is no proof of."""

from __future__ import annotations

import pytest

from policy_engine.client import Client, UnreachableError, UntrustedError
from policy_engine.client.believing import decided
from policy_engine.errors import UsageError
from tests.unit.client.faking import Reply, faking, reply
from tests.unit.client.test_hostile import TOKEN, honest

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
KEY = "policy-ledger.local/1ff75789+54e9c760+AXaEnlOFJwhxA5Yr33AA8pTa7OjY9c7oInmbdN8SKTir"


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"])
def test_a_proxy_is_not_asked_for_this_machine(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in VARIABLES:
        monkeypatch.delenv(each, raising=False)
        monkeypatch.delenv(each.lower(), raising=False)
    with faking(reply({"kind": "Policy"})) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        for url in ("http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "https://127.0.0.1:1"):
            with Client(url, TOKEN, waits=()) as policy, pytest.raises(UnreachableError):
                policy.policy()
        assert proxy.asked == []
        with pytest.raises(UsageError, match="another machine"):
            Client("http://policy.invalid", TOKEN)
        if variable != "HTTPS_PROXY":
            with Client("http://policy.invalid", TOKEN, plain=True, waits=()) as policy:
                policy.policy()
            assert [each.path for each in proxy.asked] == ["http://policy.invalid/v1/policy"]


def test_a_port_without_tls_has_no_certificate_that_could_be_invalid() -> None:
    with faking(reply({})) as fake:
        url = fake.url.replace("http:", "https:")
        with Client(url, TOKEN, waits=()) as policy, pytest.raises(UnreachableError) as error:
            policy.policy()
    (problem,) = error.value.problems
    assert "no TLS connection" in problem.message
    assert "certificate" not in f"{problem.message} {problem.help}"


@pytest.mark.parametrize("status", [400, 404, 409])
def test_a_decision_whose_entry_or_receipt_is_refused_is_not_proved(status: int) -> None:
    refused = reply({"status": status, "code": "not-found", "detail": "there is none"}, status)
    entry = Reply(200, b"{}", {"Content-Type": "application/octet-stream"})
    for replies in ((refused,), (entry, refused)):
        with (
            faking(*replies) as fake,
            Client(fake.url, TOKEN, waits=()) as policy,
            pytest.raises(UntrustedError, match="there is none") as error,
        ):
            policy.prove(decided(honest()), KEY)
        assert error.value.code == "server-unproved"
