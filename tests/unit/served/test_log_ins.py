"""Log-ins that fail: on record, counted, and no way to flood the ledger or to ask it without end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any

import pytest
from policy_audit.entry import EntryType
from policy_audit.ledger import open_ledger

from policy_engine.access.principal import UnauthenticatedError
from policy_engine.access.rates import Rates, address_key
from policy_engine.access.tokens import Tokens, new_token, revoked_draft
from policy_engine.errors import Problem, RecordingError
from policy_engine.recorder import Context
from policy_engine.service.committing import Committer
from policy_engine.service.ledgers import LedgerDoor
from policy_engine.service.log_ins import LogIns
from policy_engine.service.settings import Limits, Settings
from tests import looping
from tests.serving import WORKLOAD, Server, make_token, serving

ADMIN = Context("draft", "admin@acme.example", "asserted", {})


def bodies(ledger: str) -> list[dict[str, Any]]:
    with open_ledger(ledger, read_only=True) as opened:
        found = opened.list_entries(type=EntryType.LOG_INS_FAILED, newest_first=False)
        return [each.document["body"] for each in found]


def error(code: str, token: str | None = None) -> UnauthenticatedError:
    return UnauthenticatedError(Problem(code, "no"), token)


def test_the_first_is_an_entry_at_once_and_the_rest_are_counted_until_the_end(tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_ledger(ledger):
        pass

    async def doing() -> None:
        door = LedgerDoor(Settings(ledger=ledger))
        committer = Committer(door)
        committer.start(asyncio.get_running_loop())
        log_ins = LogIns(committer)
        log_ins.failed(error("token-missing"))
        log_ins.failed(error("session-ended"))
        log_ins.failed(error("token-unknown"))
        while not await asyncio.to_thread(bodies, ledger):
            await asyncio.sleep(0.02)
        for number in range(1000):
            log_ins.failed(error("token-revoked", f"{number % 3:012d}"))
            log_ins.failed(error("token-unknown"))
        await asyncio.sleep(0.1)
        assert len(bodies(ledger)) == 1
        await log_ins.stop()
        await asyncio.get_running_loop().run_in_executor(None, committer.stop)
        door.close()

    looping.run(doing())
    first, rest = bodies(ledger)
    assert first["failures"] == [{"reason": "token-unknown", "token": None, "count": 1}]
    assert rest["count"] == 2000
    assert [(row["token"], row["count"]) for row in rest["failures"]] == [
        ("000000000000", 334), ("000000000001", 333), ("000000000002", 333), (None, 1000),
    ]  # fmt: skip


class Refusing:
    """A committer whose ledger is away at first."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.away = True

    async def append(self, group: Any) -> list[Any]:
        if self.away:
            raise RecordingError(Problem("ledger-unreachable", "it is away"))
        self.kept += group.drafts
        return []


def test_what_fails_while_the_ledger_is_away_is_kept() -> None:
    committer = Refusing()

    async def doing() -> None:
        log_ins = LogIns(committer)  # type: ignore[arg-type]
        log_ins.failed(error("token-unknown"))
        await asyncio.sleep(0.05)
        committer.away = False
        log_ins.failed(error("token-unknown"))
        await log_ins.stop()

    looping.run(doing())
    assert [draft.body["count"] for draft in committer.kept] == [2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    limits = Limits(failures_rate=1e-6, rate=1e-6)
    with serving(f"sqlite:///{tmp_path_factory.mktemp('served') / 'ledger.db'}", limits=limits) as running:
        running.token("read")
        yield running


def test_an_address_that_fails_too_often_is_told_to_wait_and_those_who_are_known_are_not(server: Server) -> None:
    token = server.token("decide")
    with server.client(token) as known, server.client(new_token()[0]) as client:
        assert known.post("/v1/decisions", content=b"").status_code == 415
        found = [client.post("/v1/decisions", json=WORKLOAD) for _ in range(70)]
        codes = [each.status_code for each in found]
        assert set(codes[:60]) == {401}
        assert set(codes[61:]) == {429}
        assert int(found[-1].headers["retry-after"]) >= 1
        assert known.post("/v1/decisions", content=b"").status_code == 415
        # a third one of the same principal is over its own rate
        assert known.post("/v1/decisions", content=b"").status_code in (415, 429)
        assert known.post("/v1/decisions", content=b"").status_code == 429
    # whoever failed was not kept waiting for the entry
    deadline = time.monotonic() + 10
    while not (found_on_record := bodies(server.ledger)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found_on_record[0]["failures"][0]["reason"] == "token-unknown"


def test_why_a_token_does_not_count_is_told_to_whoever_has_it_alone(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'ledger.db'}") as server:
        token, expired = server.token("decide"), server.token("decide", days=-1)
        name = token.split("_")[1]
        with open_ledger(server.ledger) as ledger:
            ledger.append(revoked_draft(name, "lost", ADMIN))
        guessed = f"pe_{name}_{'A' * 43}"
        answers = {}
        for given in (token, expired, guessed, f"pe_{'0' * 12}_{'A' * 43}", "x", "é".encode().decode("latin-1"), "a b"):
            with server.client() as client:
                answer = client.post(
                    "/v1/decisions", json=WORKLOAD, headers=[(b"authorization", b"Bearer " + given.encode("latin-1"))]
                )
            answers[given] = answer.json()["code"]
            assert answer.status_code == 401
        assert list(answers.values()) == ["token-revoked", "token-expired", *["token-unknown"] * 5]
        for scheme in ("Basic YTpi", "bearer", "Bearer", "Token x", ""):
            with server.client() as client:
                answer = client.post("/v1/decisions", json=WORKLOAD, headers={"Authorization": scheme})
            assert answer.status_code == 401, scheme


def test_an_unknown_id_is_as_much_work_as_a_wrong_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = f"sqlite:///{tmp_path / 'ledger.db'}"
    name = make_token(ledger, "decide").split("_")[1]
    with open_ledger(ledger, read_only=True) as opened:
        tokens = Tokens.read(opened)
    compared: list[tuple[int, int]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return compare_digest(one, other)

    monkeypatch.setattr("policy_engine.access.tokens.hmac.compare_digest", compare)
    for each in (name, "0" * 12):
        with pytest.raises(UnauthenticatedError, match="the token is not known"):
            tokens.principal(f"pe_{each}_{'A' * 43}", datetime.now(UTC))
    assert compared == [(64, 64), (64, 64)]


def test_a_bucket_fills_by_time_and_forgets_whoever_has_not_asked_for_longest() -> None:
    rates = Rates(2.0, 3)
    assert [rates.take("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert rates.take("b", 0.0) == 0
    assert rates.take("a", 0.5) == 0
    assert rates.take("a", 0.5) == 1
    assert rates.take("a", -100.0) == 1  # the clock stepped back
    assert [Rates(0.0, 1).take("a", 0.0) for _ in range(5)] == [0] * 5
    many = Rates(1e-9, 1)
    for number in range(10_001):
        many.take(str(number), 0.0)
    assert (many.take("0", 0.0), many.take("10000", 0.0) > 0) == (0, True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("fe80::1%eth0", "fe80::1", True),
    ],
)
def test_an_address_is_counted_with_those_that_one_host_may_have(one: str, other: str, same: bool) -> None:
    assert (address_key(one) == address_key(other)) == same
