"""What entries of the served engine say, in sentences: tokens, log-ins that failed, reads, answers to gateways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from policy_audit.entry import EntryType

Shown = Mapping[str, Any]


def meaning(shown: Shown) -> list[str]:
    """Return what an entry says; nothing of those whose body is plain by itself, or not as such an entry's is."""
    told = _MEANINGS.get(shown["type"])
    try:
        return told(shown) if told is not None else []
    except (KeyError, TypeError, AttributeError):
        return []


def _created(shown: Shown) -> list[str]:
    body = shown["body"]
    reach = body["namespaces"]
    where = f"in the namespaces {', '.join(reach)}" if reach is not None else "in every namespace"
    return [
        f"Whoever holds the token {body['token']} is taken for the subject above, until {body['expires_at']}.",
        f"They have the roles {', '.join(body['roles'])}, {where}.",
        "The SHA-256 is of the whole token; nobody gets the token back from it.",
    ]


def _revoked(shown: Shown) -> list[str]:
    return [f"The token {shown['body']['token']} lets nobody in from this entry on; what was done by it before stands."]


def _failed(shown: Shown) -> list[str]:
    body = shown["body"]
    lines = [
        f"Between {body['since']} and {body['until']} a worker of a server turned {body['count']:,} requests away."
    ]
    for row in body["failures"]:
        by = f", with the token {row['token']}" if row.get("token") else ""
        lines.append(f"{row['count']:,} for the reason {row['reason']}{by}")
    return [*lines, "Nobody was known, so that nobody is named; a token's id is told where its secret was right."]


def _read(shown: Shown) -> list[str]:
    body = shown["body"]
    lines = [f"The actor asked `{body['query']}` and was shown {body['count']:,}."] if "query" in body else []
    if "repeated" in body:
        lines.append(
            f"The same question was asked {body['repeated']:,} times more within a minute, with as much found."
        )
    return lines


def _evaluated(shown: Shown) -> list[str]:
    body = shown["body"]
    what = f"the {body['resource']['type']} {body['resource']['id'] or '(not named)'}"
    rests = f", by the decision in entry {body['entry']}" if body["entry"] is not None else ""
    answer = "yes" if body["allowed"] is True else "no"
    why = f": {', '.join(body['reasons'])}" if body["reasons"] else ""
    return [
        f"The actor asked whether the subject above may {body['action']} {what}; the answer was {answer}{rests}{why}."
    ]


_MEANINGS: dict[str, Callable[[Shown], list[str]]] = {
    EntryType.ACCESS_TOKEN_CREATED: _created,
    EntryType.ACCESS_TOKEN_REVOKED: _revoked,
    EntryType.LOG_INS_FAILED: _failed,
    EntryType.OFFICER_QUERY: _read,
    EntryType.ACCESS_EVALUATED: _evaluated,
}
