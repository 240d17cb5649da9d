"""`/ledger/verifications/{id}`: the ledger derived again, step by step as `policy audit verify` numbers them.

A page does not refresh itself, which would take the place of whoever reads it: it has a link that looks again, and the
server waits for a short while before it answers, so that a small ledger is verified by then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response

from policy_engine.api.requests import record_read, service_of
from policy_engine.asking.verifying import checkpoint_of, verified_words
from policy_engine.console.cells import Cell, Code, Lines, Mark, Muted, Table, columns
from policy_engine.console.filters import refusal
from policy_engine.console.forms import Field, sentence
from policy_engine.console.keeping import answered, received, text_of
from policy_engine.console.ledger import KEPT, KEY, ledger_page, run_mark
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, principal_of_page, see
from policy_engine.errors import UsageError
from policy_engine.service.jobs import Job
from policy_engine.service.verifying import Pinned

if TYPE_CHECKING:
    from policy_engine.access.principal import Principal

router = page_router()
_WAIT_SECONDS, _STEP_SECONDS = 3.0, 0.1
_TONES = {"ok": "good", "failed": "bad", "restored": "bad", "skipped": "plain"}
_OWN = (
    "Held to this server's own key: that finds what others changed, and not what the operator signed again. "
    "Pin the key, and give it."
)
_NOTHING_KEPT = (
    "No checkpoint was given that you kept: a ledger that lost its end, or is an older copy, is found by one alone."
)


@router.post("/ledger/verifications")
async def verify(request: Request) -> Response:
    """Begin to verify the ledger, and lead to how far it is."""
    form = await received(request, "read")
    key, known = replace(KEY, value=text_of(form, "key").strip()), replace(KEPT, value=text_of(form, "kept"))
    work = partial(_verify, request, key, known)
    return await answered(request, form, "read", work, "Verify now", "Verify the ledger", [key, known])


async def _verify(request: Request, key: Field, known: Field, principal: Principal) -> Response:
    text = known.value.strip()  # what is copied from a window may lack the end of its last line
    pinned = Pinned((key.value,) if key.value else (), (checkpoint_of(f"{text}\n"),) if text else ())
    try:
        job = await asyncio.to_thread(service_of(request).verifications.start, principal, pinned)
    except UsageError as error:
        said = refusal(error.problems[0])
        if error.code == "verifier-key":
            key = replace(key, error=said)
        elif error.code == "kept-checkpoint":
            known = replace(known, error=said)
        else:
            raise
        return await ledger_page(request, principal, [key, known], 422)
    await record_read(request, "audit verify", 1)
    return see(url("/ledger/verifications", job.id))


@router.get("/ledger/verifications/{name}")
async def verification(request: Request, name: str) -> Response:
    """Show how far a verification is, and its result."""
    principal = await principal_of_page(request, "read")
    verifier = service_of(request).verifications
    job = await settled(lambda: verifier.seen(principal, name))
    result = job.result or {}
    return await page(
        request,
        "verification.html",
        "Verification",
        job=job,
        mark=run_mark(job),
        share=round(100 * job.done / job.total) if job.total else None,
        place=url("/ledger/verifications", job.id),
        words=sentence(verified_words(result)) if result else None,
        head=_head(result) if result else [],
        steps=_steps(result),
        findings=result.get("findings", []),
        remarks=_remarks(result) if result else [],
    )


async def settled(look: Callable[[], Job]) -> Job:
    """Return a job once it ended, or how far it is after a short while."""
    left = _WAIT_SECONDS
    while True:
        job = await asyncio.to_thread(look)
        if job.ended or left <= 0:
            return job
        left -= _STEP_SECONDS
        await asyncio.sleep(_STEP_SECONDS)


def _head(result: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    return [
        ("Log", Code(result["origin"])),
        ("Entries", result["size"]),
        ("Root", Code(result["root"])),
        ("Held to", "a key that was given" if result["pinned"] == "given" else "this server's own key"),
        ("Kept checkpoints", result["kept"]),
        ("On record", _recorded(result)),
    ]


def _recorded(result: Mapping[str, Any]) -> Cell:
    """Return the entry that holds the result; what a version before this one left says nothing of it."""
    if result.get("recorded") is not None:
        return f"entry {result['recorded']}"
    why = result.get("not_recorded")
    return Lines((Mark("not on record", "bad"), why)) if why else Muted("that it was asked for")


def _steps(result: Mapping[str, Any]) -> Table:
    rows = [
        (
            step["number"],
            step["name"],
            Mark(step["status"], _TONES.get(step["status"], "plain")),
            step["checked"],
            Lines(tuple(filter(None, (step["first_problem"] or step["note"] or step["title"], *_apart(step))))),
        )
        for step in result.get("steps", ())
    ]
    heads = columns(">#", "Step", "Result", ">Checked", "~What")
    return Table("Each step", heads, rows, head=1, hidden_caption=True)


def _apart(step: Mapping[str, Any]) -> list[str]:
    return [f"{count:,} set apart: {why}" for why, count in step["apart"].items()]


def _remarks(result: Mapping[str, Any]) -> list[str]:
    return [*([_OWN] if result["pinned"] == "operator" else []), *([] if result["kept"] else [_NOTHING_KEPT])]
