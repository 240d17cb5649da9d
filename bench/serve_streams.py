"""The two streams of the load, in the words of each server, and whether both servers say the same of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import serve_cerbos, serve_engine, translate_cerbos
from bench.serve_cerbos import Cerbos
from bench.serve_engine import Engine
from bench.serve_load import Stream
from bench.serve_rules import Chosen, judged
from bench.serve_workloads import MARK, documents, marked, numbered, unquoted, varied
from policy_engine.decide import Decider

_NAMED = re.compile('"metadata": {"namespace": "(.+?)", "name": "(.+?)"')
SAME, OTHERS = "the same 64 workloads again and again", "every request another workload"


@dataclass(frozen=True)
class Texts:
    """The texts of one stream: workload documents, and what Cerbos is asked of the facts in each."""

    name: str
    workloads: tuple[str, ...]
    requests: tuple[str, ...]


def texts(decider: Decider, chosen: Chosen, seed: int) -> tuple[Texts, Texts]:
    """Return both streams. The facts that Cerbos is told are those of the engine, the computed ones included."""
    drawn = documents(seed)
    same = [json.dumps(each) for each in drawn]
    others = [varied(each) for each in drawn]
    asked = [_request(decider, chosen, text, document) for text, document in zip(same, drawn, strict=True)]
    changing = [_changing(decider, chosen, text, document) for text, document in zip(others, drawn, strict=True)]
    return Texts(SAME, tuple(same), tuple(asked)), Texts(OTHERS, tuple(others), tuple(changing))


def _request(decider: Decider, chosen: Chosen, text: str, document: Mapping[str, Any]) -> str:
    return unquoted(translate_cerbos.request(_facts(decider, chosen, text), _identity(document)))


def _changing(decider: Decider, chosen: Chosen, text: str, document: Mapping[str, Any]) -> str:
    """Return the request whose figures change as those of the workload do, but for the tokens of a day."""
    known = _facts(decider, chosen, numbered(text, 0))
    tokens, budget = "volume.tokens_per_month", "budget.monthly_usd"
    if tokens in known:
        known[tokens] = marked(known[tokens] // 10 ** len(MARK))
    if budget in known:
        known[budget] = marked(f"{known[budget]:.2f}")
    return unquoted(translate_cerbos.request(known, f"{document['metadata']['namespace']}/other-{MARK}"))


def _facts(decider: Decider, chosen: Chosen, text: str) -> dict[str, Any]:
    found = judged(decider, text).facts
    return {name: found[name] for name in chosen.facts}


def _identity(document: Mapping[str, Any]) -> str:
    return f"{document['metadata']['namespace']}/{document['metadata']['name']}"


def streams(engines: Sequence[Engine], cerbos: Cerbos, wanted: Texts, folder: Path, call: str) -> list[Stream]:
    """Return the stream of each engine and, last, of Cerbos; `call` is the path that the engines are asked at."""
    own = wanted.workloads
    if call == serve_engine.EVALUATION:
        own = tuple(map(_evaluation, own))
    bodies, others = _lines(folder / "engine.jsonl", own), _lines(folder / "cerbos.jsonl", wanted.requests)
    asked = [Stream(bodies, engine.url, call, engine.token) for engine in engines]
    return [*asked, Stream(others, cerbos.url, serve_cerbos.PATH)]


def _evaluation(workload: str) -> str:
    """Return the question whether a team may deploy the workload of a document."""
    found = _NAMED.search(workload)
    assert found is not None
    resource = f'{{"type": "workload", "id": "{found[1]}/{found[2]}", "properties": {{"workload": {workload}}}}}'
    return f'{{"subject": {{"type": "user", "id": "team"}}, "action": {{"name": "deploy"}}, "resource": {resource}}}'


def _lines(path: Path, bodies: Sequence[str]) -> Path:
    path.write_text("".join(f"{body}\n" for body in bodies), encoding="utf-8")
    return path


def differing(decider: Decider, chosen: Chosen, wanted: Texts, cerbos: Cerbos, engines: Sequence[Engine]) -> int:
    """Return for how many of the workloads a server answers with another set of conditions that hold than the rules.

    Of the stream that changes the first of each are asked.
    """
    place = {rule.id: index for index, rule in enumerate(decider.policy.rules.rules)}
    count = 0
    for number, (workload, request) in enumerate(zip(wanted.workloads, wanted.requests, strict=True), 1):
        own, other = numbered(workload, number), numbered(request, number)
        outcomes = judged(decider, own).outcomes
        right = {n for n, name in enumerate(chosen.ids) if outcomes[place[name]]}
        found = [cerbos.fired(other), *(engine.fired(own) for engine in engines)]
        count += any(each != right for each in found)
    return count
