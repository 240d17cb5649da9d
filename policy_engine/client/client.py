"""The client of a served engine: the contract's calls, typed.

    with Client("https://policy.acme.example") as policy:            # POLICY_TOKEN, or POLICY_TOKEN_FILE
        (decision,) = policy.decide([document], purpose="deploy")
        print(decision.verdict, decision.place.index)

Calls raise what `client.errors` draws. Asking again after a lost answer records nothing twice: what only reads is asked
again, and a request for decisions has a key of its own (`Idempotency-Key`).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

import orjson

from policy_engine.client.believing import decided
from policy_engine.client.connection import LONGEST, WAITS, Answer, Connection, Query, retry_after
from policy_engine.client.credentials import (
    TOKEN,
    TOKEN_FILE,
    Secret,
    plain_allowed,
    secret,
    server_address,
    token_from,
)
from policy_engine.client.documents import Allowed, Decided, Page, Proved, Purpose
from policy_engine.client.errors import RefusedError, UnavailableError, answered_error, untrusted
from policy_engine.client.forms import form_of
from policy_engine.client.proving import proved, unproved
from policy_engine.errors import Problem, Span, UsageError

JSON, TEXT = "application/json", "text/plain"
_PROBLEM = "application/problem+json"
#: What a CI system says of its run.
DETAILS = ("repository", "commit", "run", "ref", "pull_request")
_SHOWN, _MOST_PROBLEMS = 500, 1000


class Client:
    """One server, as whoever the token speaks for. Not to be shared by threads.

    `token` is its text; without it `POLICY_TOKEN` or `POLICY_TOKEN_FILE` is taken. `plain` allows http:// to another
    machine. `longest` bounds each answer in seconds, `waits` are the seconds before each further try.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        plain: bool | None = None,
        longest: float = LONGEST,
        waits: Sequence[float] | None = None,
    ) -> None:
        allowed = plain_allowed() if plain is None else plain
        shown: Secret | None = secret(token) if token is not None else token_from()
        self._known = shown is not None
        self.address = server_address(url, plain=allowed)
        self._connection = Connection(self.address, shown, longest=longest, waits=WAITS if waits is None else waits)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    # decisions

    def decide(
        self,
        workloads: Sequence[Mapping[str, Any]],
        *,
        purpose: Purpose = "draft",
        details: Mapping[str, str] | None = None,
    ) -> list[Decided]:
        """Have workloads decided and recorded, all or none, and return the decisions in their order.

        `details` are of `repository`, `commit`, `run`, `ref`, `pull_request`.

        Raises:
            UsageError: a detail is none of these.
            RefusedError: a workload is invalid; `problems` have the places in the JSON that was sent.
        """
        return self.decide_body(orjson.dumps(list(workloads)), len(workloads), purpose=purpose, details=details)

    def decide_body(
        self,
        body: bytes,
        count: int,
        *,
        purpose: Purpose = "draft",
        details: Mapping[str, str] | None = None,
        files: Mapping[str, bytes] | None = None,
    ) -> list[Decided]:
        """Do as `decide` with a body of `count` workloads, a list in JSON; `files` are those that evidence names.

        Raises:
            UntrustedError: there are fewer or more decisions than workloads, or one does not hold together.
        """
        if unknown := sorted(set(details or {}) - set(DETAILS)):
            message = f"`{unknown[0][:40]}` is no detail of a request for decisions"
            raise UsageError(Problem("details", message, help=f"one of {', '.join(DETAILS)}"))
        # the id is that of the whole document
        query = [("purpose", purpose), ("all_rules", "true"), *(details or {}).items()]
        # one key for all tries of one request: whoever lost the answer gets that of the first
        kind, content = form_of(body, files) if files else (JSON, body)
        headers = {"Content-Type": kind, "Accept": JSON, "Idempotency-Key": secrets.token_hex(16)}
        answer = self._asked("POST", "/v1/decisions", query=query, body=content, headers=headers)
        found = _json(answer)
        if not isinstance(found, list) or len(found) != count:
            raise untrusted("the server's answer has not one decision for each workload that was sent")
        return [decided(each) for each in found]

    def decisions(
        self, *, most: int | None = None, **filters: str | bool | Sequence[str]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of decisions on record, the newest first, `most` of them at most, page after page.

        `filters` are those of `policy audit list`, with underscores: `verdict=["deny"]`, `expired=True`.
        """
        cursor: str | None = None
        left = most
        while left is None or left > 0:
            page = self.page(cursor=cursor, **filters)
            rows = page.decisions if left is None else page.decisions[:left]
            yield from rows
            left = None if left is None else left - len(rows)
            if page.next is None:
                return
            if page.next == cursor or not page.decisions:
                raise untrusted("the server's pages do not come to an end")
            cursor = page.next

    def page(self, *, cursor: str | None = None, **filters: str | bool | Sequence[str]) -> Page:
        """Return one page of the list of decisions."""
        query = [*_query(filters), *([("cursor", cursor)] if cursor is not None else [])]
        found = self._document("/v1/decisions", query)
        rows, following = found.get("decisions"), found.get("next")
        if not isinstance(rows, list) or not (following is None or isinstance(following, str)):
            raise untrusted("the server's answer is no page of decisions")
        return Page(rows, following)

    def decision(self, name: str) -> Mapping[str, Any]:
        """Return a decision on record as `policy explain` shows it: by its id, 8 digits of it, or its index."""
        return self._document(f"/v1/decisions/{_step(name)}")

    def receipt(self, name: str) -> str:
        """Return the proof (C2SP tlog-proof) that a decision is in the log."""
        return _text(self._asked("GET", f"/v1/decisions/{_step(name)}/receipt"))

    def entry(self, name: str) -> bytes:
        """Return the exact bytes of a decision's entry, which its receipt is over."""
        return self._asked("GET", f"/v1/decisions/{_step(name)}/entry").body

    def prove(self, decision: Decided, key: str, purpose: Purpose | None = None) -> Proved:
        """Fetch entry and receipt of a decision, and return what the pinned verifier key proves of it.

        Raises:
            UntrustedError: the log does not hold this decision, whatever the server says.
        """
        try:
            entry, receipt = self.entry(decision.id), self.receipt(decision.id)
        except RefusedError as error:
            # the request is right: the server has just said that it recorded this decision
            raise unproved(f"asked for its entry and receipt, the server says: {error.problems[0].message}") from None
        return proved(decision, entry, receipt, key, purpose)

    def checkpoint(self) -> str:
        """Return the log's signed checkpoint (C2SP tlog-checkpoint)."""
        return _text(self._asked("GET", "/checkpoint"))

    # what is in force

    def policy(self) -> Mapping[str, Any]:
        """Return the policy in force, with its digests."""
        return self._document("/v1/policy")

    def rule(self, name: str) -> Mapping[str, Any]:
        """Return a rule in full."""
        return self._document(f"/v1/rules/{_step(name)}")

    # waivers

    def waivers(self, **filters: str | bool | Sequence[str]) -> Mapping[str, Any]:
        """Return the list of waivers."""
        return self._document("/v1/waivers", _query(filters))

    def request_waiver(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ask for a waiver, and return it with the text that approvers sign. Whoever the token speaks for asks."""
        return self._sent("POST", "/v1/waivers", request)

    def approve_waiver(self, name: str, approval: Mapping[str, Any]) -> Mapping[str, Any]:
        """Add somebody's signature to a waiver."""
        return self._sent("POST", f"/v1/waivers/{_step(name)}/approval", approval)

    def revoke_waiver(self, name: str, reason: str) -> Mapping[str, Any]:
        """Revoke a waiver; that it is revoked already is no error."""
        answer = self._asked("DELETE", f"/v1/waivers/{_step(name)}", query=[("reason", reason)])
        return _mapping(answer) if answer.body else {}

    # reports

    def report(self, name: str, **parameters: str | bool | Sequence[str]) -> Mapping[str, Any]:
        """Return an officer's report, as `policy audit report NAME -o json` does."""
        return self._document(f"/v1/reports/{_step(name)}", _query(parameters))

    def export(self, request: Mapping[str, Any], *, seconds: float = 600.0, every: float = 1.0) -> bytes:
        """Have an export made, wait for it, and return its bytes.

        Raises:
            UnavailableError: it failed, or is not done within `seconds`.
        """
        made = self._sent("POST", "/v1/exports", request)
        name, deadline = str(made.get("id", "")), time.monotonic() + seconds
        path = f"/v1/exports/{_step(name)}"
        while (state := str(made.get("state"))) in ("queued", "running"):
            if time.monotonic() > deadline:
                problem = Problem("export-slow", f"the export is not done within {seconds:g} seconds, and goes on")
                raise UnavailableError(problem)
            time.sleep(every)
            made = self._document(path)
        if state != "done":
            raise UnavailableError(_problems(made.get("error"), "export-failed", f"the export is {_plain(state)}"))
        return _checked(self._asked("GET", f"{path}/content"))

    def evaluate_access(self, request: Mapping[str, Any]) -> Allowed:
        """Ask whether a subject may deploy a workload (OpenID AuthZEN); anything but a plain yes is none."""
        found = self._sent("POST", "/access/v1/evaluation", request)
        decision, context = found.get("decision"), found.get("context", {})
        if not isinstance(decision, bool) or not isinstance(context, dict):
            raise untrusted("the server's answer is no access decision")
        return Allowed(decision, context)

    # what they have in common

    def _sent(self, method: str, path: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
        headers = {"Content-Type": JSON, "Accept": JSON}
        answer = self._asked(method, path, body=orjson.dumps(value), headers=headers, safe=False)
        return _mapping(answer) if answer.body else {}

    def _document(self, path: str, query: Query = ()) -> Mapping[str, Any]:
        return _mapping(self._asked("GET", path, query=query, headers={"Accept": JSON}))

    def _asked(self, method: str, path: str, **more: Any) -> Answer:
        answer = self._connection.ask(method, path, **more)
        if 200 <= answer.status < 300:
            return answer
        message = f"the server answers {answer.status}"
        found = _problems(_parsed(answer), f"http-{answer.status}", message)
        if answer.status == 401 and not self._known:
            hint = f"set {TOKEN}, or {TOKEN_FILE} to the file that holds it"
            found = [Problem(each.code, each.message, each.span, hint) for each in found]
        raise answered_error(answer.status, found, retry_after(answer))


def _query(filters: Mapping[str, str | bool | Sequence[str]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in filters.items():
        values = [value] if isinstance(value, str | bool | int) else value
        found += [(name, str(each).lower() if isinstance(each, bool) else str(each)) for each in values]
    return found


def _step(name: str) -> str:
    """Return a name as one step of a path: what it holds leads nowhere else."""
    return quote(name, safe="") if name not in ("", ".", "..") else "%2E"


def _parsed(answer: Answer) -> Any:
    if answer.media_type not in (JSON, _PROBLEM):
        return None
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return None


def _json(answer: Answer) -> Any:
    found = _parsed(answer)
    if found is None or answer.media_type != JSON:
        raise untrusted("the server's answer is no JSON document")
    return found


def _mapping(answer: Answer) -> Mapping[str, Any]:
    found = _json(answer)
    if not isinstance(found, dict):
        raise untrusted("the server's answer is no document")
    return found


def _checked(answer: Answer) -> bytes:
    """Return an answer's bytes, held to the digest that it names (RFC 9530), where it names one."""
    named = re.search(r"sha-256=:([A-Za-z0-9+/=]{44}):", answer.headers.get("repr-digest", ""))
    if named is not None and base64.b64encode(hashlib.sha256(answer.body).digest()).decode() != named.group(1):
        raise untrusted("what came is not what its digest names")
    return answer.body


def _text(answer: Answer) -> str:
    try:
        if answer.media_type == TEXT:
            return answer.body.decode()
    except UnicodeDecodeError:
        pass
    raise untrusted("the server's answer is no text")


def _problems(document: Any, code: str, message: str) -> list[Problem]:
    """Return the problems of a problem document (RFC 9457), else one with this code and message."""
    hint = "is that the address of a policy engine? a proxy may stand in between"
    if not isinstance(document, dict):
        return [Problem(code, message, help=hint)]
    rows = document.get("problems")
    rows = [each for each in rows if isinstance(each, dict)] if isinstance(rows, list) else []
    found = [_problem(each, code, message) for each in (rows or [{**document, "message": document.get("detail")}])]
    return found[:_MOST_PROBLEMS]


def _problem(row: Mapping[str, Any], code: str, message: str) -> Problem:
    line, column = row.get("line"), row.get("column")
    there = type(line) is int and type(column) is int and line > 0 and column > 0
    texts = [row.get(name) for name in ("code", "message", "help")]
    given = [_plain(each) if isinstance(each, str) and each else None for each in texts]
    place = Span("body", line, column) if there and line is not None and column is not None else None
    return Problem(given[0] or code, given[1] or message, place, given[2])


def _plain(text: str) -> str:
    """Return a server's text on one line, of bounded length."""
    return " ".join(text.split())[:_SHOWN]
