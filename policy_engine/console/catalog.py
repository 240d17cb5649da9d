"""`/catalog` and `/disputes`: the models, everything about one, several side by side, and where sources disagree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from policy_engine.access.routes import KNOWN
from policy_engine.api.in_force import COMPARED, MODEL_FILTERS, options_of
from policy_engine.api.requests import service_of
from policy_engine.browsing.section import Section
from policy_engine.console import links, sections
from policy_engine.console.cells import Cell, Lines, Link, Mark, Muted, Table, columns
from policy_engine.console.filters import Items, asked, given, is_wrong, refusal, takes
from policy_engine.console.routing import page_router
from policy_engine.console.urls import url
from policy_engine.console.visiting import page, visitor
from policy_engine.errors import UsageError
from policy_engine.service import in_force
from policy_engine.service.ground import now
from policy_engine.wording import price_text

router = page_router()
_COMMERCIAL = {"allowed": "good", "review": "warn", "forbidden": "bad"}
_MOST_COMPARED = 6


@router.get("/catalog")
@takes(*(each.name for each in MODEL_FILTERS))
async def models(request: Request) -> Response:
    """Show the models that the filters select, and those of which it is not known."""
    await visitor(request, *KNOWN)
    service = service_of(request)
    values, fields = asked(request.query_params.multi_items(), MODEL_FILTERS)
    found: dict[str, Any] = {}
    refused = None
    if not is_wrong(fields):
        try:
            found = await service.work(in_force.models_listed, service.policy, _day(values), options_of(values))
        except UsageError as error:
            refused = refusal(error.problems[0])
    rows = found.get("models", [])
    return await page(
        request,
        "catalog.html",
        "Catalog",
        status=200 if found else 400,
        fields=fields,
        refused=refused,
        filtered=bool(given(request.query_params.multi_items())),
        table=_models(rows),
        names=[row["name"] for row in rows],
        day=found.get("day"),
        digest=found.get("catalog"),
    )


@router.get("/compare")
@takes(*(each.name for each in COMPARED))
async def compare(request: Request) -> Response:
    """Show models side by side."""
    await visitor(request, *KNOWN)
    service = service_of(request)
    items = _split(request.query_params.multi_items())
    values, fields = asked(items, COMPARED)
    fields = [each for each in fields if each.name != "model"]
    names: tuple[str, ...] = tuple(values.get("model") or ())
    parts: list[Section] = []
    refused: str | None = None
    if len(names) > _MOST_COMPARED:
        refused = f"At most {_MOST_COMPARED} models stand beside each other on a page."
    elif not is_wrong(fields) and (len(names) > 1 or values["open_against_closed"]):
        try:
            options = {**options_of(values), "model": names}
            parts = await service.work(_compared, service.policy, _day(values), options)
        except UsageError as error:
            refused = refusal(error.problems[0])
    return await page(
        request,
        "compare.html",
        "Models side by side",
        status=400 if is_wrong(fields) or refused else 200,
        fields=fields,
        refused=refused,
        names=", ".join(names),
        known=sorted(service.policy.catalog.models),
        parts=sections.shown(parts),
        trail=[Link("Catalog", "/catalog")],
    )


@router.get("/catalog/{name:path}")
async def model(request: Request, name: str) -> Response:
    """Show everything that the catalog has of a model."""
    await visitor(request, *KNOWN)
    service = service_of(request)
    sheet = await service.work(in_force.model_sheet, service.policy, now().date(), name)

    from policy_engine.browsing.sheet_sections import as_sections

    found = await service.work(as_sections, sheet)
    known = service.policy.rules.disputes
    return await page(
        request,
        "sections.html",
        sheet.model.key,
        trail=[Link("Catalog", "/catalog")],
        says="What counts of what sources say, by whom, and since when; stale is what is older than the catalog takes.",
        fields=[],
        parts=sections.shown(found[1:] if not found[0].title else [_headed(found[0]), *found[1:]]),
        more=[
            Link("Compare with another model", url("/compare", model=sheet.model.key)),
            *(Link(each, url("/disputes", each)) for each in sorted(known) if each in _named(found)),
        ],
    )


@router.get("/disputes")
async def disputes(request: Request) -> Response:
    """Show where sources disagree, and what arithmetic says to it."""
    await visitor(request, *KNOWN)
    return await _disputes(request, ())


@router.get("/disputes/{name}")
async def dispute(request: Request, name: str) -> Response:
    """Show one dispute: its sides, the reckoning, which side counts, and what rests on it."""
    await visitor(request, *KNOWN)
    return await _disputes(request, (name,))


async def _disputes(request: Request, names: tuple[str, ...]) -> Response:
    from policy_engine.browsing.dispute_sections import as_sections

    service = service_of(request)
    try:
        found = await service.work(in_force.contests, service.policy, now().date(), names)
    except UsageError as error:
        from policy_engine.service.errors import NotFoundError

        raise NotFoundError(error.problems) from error
    parts = await service.work(as_sections, found, bool(names))
    known = service.policy.rules.disputes

    def linked(text: str) -> Cell:
        return links.dispute(text) if text in known else text

    title = f"{found[0].dispute.id}: {found[0].dispute.about}" if names else "Disputes"
    says = "Where sources disagree: what each says, what arithmetic says to it, which one counts, and what rests on it."
    if names:
        parts = [Section(title="The sides", pairs=parts[0].pairs), *parts[1:]]
    else:
        parts = [part for part in parts if part.header]  # the last one names a command
    return await page(
        request,
        "sections.html",
        title,
        trail=[Link("Disputes", "/disputes")] if names else [],
        says=None if names else says,
        fields=[],
        parts=sections.shown(parts, linked),
        more=[Link(each.rule.id, url("/rules", each.rule.id)) for each in found[0].resting] if names else [],
    )


def _compared(policy: Any, day: date, options: Mapping[str, Any]) -> list[Section]:
    from policy_engine.browsing.compare_sections import as_sections

    return as_sections(in_force.models_compared(policy, day, options))


def _split(items: Items) -> list[tuple[str, str]]:
    """Return the items, with each of several names in one field as an item of its own."""
    found = []
    for name, value in items:
        found += [(name, each) for each in (value.split(",") if name == "model" else (value,))]
    return found


def _day(values: Mapping[str, Any]) -> date:
    found: date = (values.get("at") or now()).date()
    return found


def _headed(section: Section) -> Section:
    return Section("The model", section.lines, section.pairs, section.header, section.rows)


def _named(parts: list[Section]) -> str:
    """Return all words of the parts, to see which disputes they name."""
    words = [each for part in parts for each in (*part.lines, *(text for pair in part.pairs for text in pair))]
    return " ".join([*words, *(text for part in parts for row in part.rows for text in row)])


def _models(rows: list[dict[str, Any]]) -> Table:
    shown = [
        (
            Link(each["name"], url("/catalog", each["name"]), ", ".join(each["aliases"]) or None),
            each["weights"],
            Mark(each["commercial_use"], _COMMERCIAL.get(each["commercial_use"], "plain"))
            if each["commercial_use"]
            else Muted("not known"),
            each["context_tokens"] if each["context_tokens"] is not None else Muted("not known"),
            _size(each),
            _price(each),
            _state(each),
        )
        for each in rows
    ]
    heads = columns("~Model", "Weights", "Commercial use", ">Context", ">Size", ">USD a million tokens", "State")
    empty = "No model fits all of these filters. Leave one of them out."
    return Table("Models", heads, shown, empty, hidden_caption=True)


def _size(row: Mapping[str, Any]) -> Cell:
    return f"{row['parameters'] / 1e9:,.3g} billion" if row["parameters"] else Muted("not known")


def _price(row: Mapping[str, Any]) -> Cell:
    price = row["price"]
    if price is None:
        return Muted("not known")
    ends = price["input_usd_per_million_tokens"], price["output_usd_per_million_tokens"]
    if None in ends:
        return price_text(price["mixed_usd_per_million_tokens"])
    return f"{price_text(ends[0])} in, {price_text(ends[1])} out"


def _state(row: Mapping[str, Any]) -> Cell:
    if row["retired"]:
        return Mark("retired", "bad")
    if row["missing"]:
        return Lines((Mark("not known", "warn"), ", ".join(row["missing"])))
    if row["reasons"]:
        return Lines(tuple(row["reasons"]))
    return f"retires on {row['retires_on']}" if row["retires_on"] else None
