"""What a person reads where a server does not decide, word by word. `UPDATE_GOLDEN=1` writes it anew."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.unit.cli.conftest import Outcome
from tests.unit.cli.given import ALLOWED
from tests.unit.cli.test_served_hostile import _of_another_time, allowed, known
from tests.unit.client.faking import Reply, faking, reply
from tests.unit.client.test_hostile import resealed

GOLDEN = Path(__file__).parents[2] / "golden" / "client" / "messages.txt"
__all__ = ["known"]


def situations() -> Mapping[str, tuple[list[Reply], tuple[str, ...]]]:
    """Return what a server answers, and what else the gate is told, by what that is."""
    answer = allowed()
    verdict: dict[str, Any] = {**answer, "verdict": "deny"}
    problem = {"code": "token-expired", "detail": "the token 0123456789ab expired", "help": "ask for a new one"}
    html = {"Content-Type": "text/html"}
    return {
        "401, the token is expired": ([reply(problem, 401)], ()),
        "403 of a proxy": ([Reply(403, b"<html>", html)], ()),
        "404 of something else": ([Reply(404, b"<html>", html)], ()),
        "503, the ledger refused": ([reply({"code": "ledger-full", "detail": "the disk is full"}, 503)], ()),
        "a redirect": ([Reply(302, b"", {"Location": "https://elsewhere.example"})], ()),
        "a log-in page": ([Reply(200, b"<html>", html)], ()),
        "nothing": ([reply([])], ()),
        "an answer that breaks off": ([Reply(write=lambda handler: None)], ()),
        "a verdict that does not follow": ([reply([resealed(verdict)])], ()),
        "a verdict that was changed": ([reply([verdict])], ()),
        "another workload": ([reply([allowed(name="another")])], ()),
        "another year": ([reply([_of_another_time(answer)])], ()),
        "no record": ([reply([{**answer, "ledger": {**answer["ledger"], "status": "scratch"}}])], ()),
        "options that are the server's": ([reply([answer])], ("--policy", "acme", "--baseline", "b.yaml")),
    }


def test_the_messages_are_those_that_were_agreed_on(policy: Callable[..., Outcome]) -> None:
    found = []
    for name, (replies, more) in situations().items():
        with faking(*replies) as fake:
            outcome = policy("--server", fake.url, "gate", str(ALLOWED), "-q", *more)
        assert not outcome.out, name
        found.append(f"# {name}: exit status {outcome.status}\n{outcome.err}")
    text = "\n".join(found)
    # how many seconds a year is depends on the day
    text = "\n".join(
        f"error: the decision is N seconds{line.partition('seconds')[2]}" if "off the clock" in line else line
        for line in text.split("\n")
    )
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")
