"""`GET /v1/policy`, `/v1/rules` and `/v1/catalog`: what is in force, with digests; a client asks again by its tag."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from policy_engine import __version__
from policy_engine.access.routes import KNOWN
from policy_engine.api import parameters as given
from policy_engine.api.documents import answer, kept, names_anything, tag_of, unchanged
from policy_engine.api.openapi import documents, in_path, parameters, problems, ref
from policy_engine.api.parameters import Parameter, as_of, choice, documented, flag, number, text
from policy_engine.api.requests import principal_with, service_of
from policy_engine.browsing.asked import COMMERCIAL, MODALITIES
from policy_engine.browsing.named import MOST, QUANTIZATIONS
from policy_engine.browsing.rules import EFFECTS
from policy_engine.model.vocabulary import OPTIONS
from policy_engine.service import in_force
from policy_engine.service.ground import now

router = APIRouter()
_REFUSED = problems(400, 401, 403, 429, 503)
_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "What `If-None-Match` names is still so."}}
_AT = as_of("at", "Prices as of this time, or of this date (UTC); by default now.")
_CONTEXT = number("context", 1, MOST, "Tokens of a request.")
_QUANTIZATION = choice("quantization", QUANTIZATIONS, "Bits of the weights.")
RULE_FILTERS = (
    text("topic", "Rules of this topic."),
    text("criterion", "Rules that cite this criterion."),
    choice("effect", EFFECTS, "Rules that have this effect."),
    text("layer", "Rules that come from this layer; the shipped ones are `shipped`."),
)
MODEL_FILTERS = (
    flag("open_licence", "Open weights, for commercial use as they are or after a review."),
    choice("weights", ("open", "closed"), "Models whose weights are open, or closed."),
    choice("commercial_use", COMMERCIAL, "What the licence says of it; repeatable: any of them.", many=True),
    choice("modality", MODALITIES, "Repeatable: all of them.", many=True),
    _CONTEXT,
    text("min_score", "`BENCHMARK=SCORE`: so much at least; repeatable: all of them.", many=True),
    choice("option", OPTIONS, "Models for this option; prices are those on it."),
    text("fits", "`GPU[:COUNT]`: fits so many of these, with requests of `context` tokens."),
    _QUANTIZATION,
    number("concurrency", 1, MOST, "For `fits`: requests held at once."),
    text("sort", "name, price, size, context or score:BENCHMARK."),
    flag("known_only", "Leave out the models of which it is not known."),
    _AT,
)
COMPARED = (
    text("model", "A model to compare; give two or more.", many=True),
    flag("open_against_closed", "The best of the open field against the closed one."),
    text("gpu", "Work out how fast each can answer on this type of GPU at most."),
    number("count", 1, MOST, "For `gpu`: on so many."),
    _QUANTIZATION,
    _CONTEXT,
    _AT,
)
DISPUTES = (text("id", "A dispute; repeatable; by default all.", many=True), _AT)
_OPTIONS_OF = {"commercial_use": "commercial", "modality": "modalities", "min_score": "floors"}


def _document(name: str) -> dict[int | str, dict[str, Any]]:
    found = documents(ref(name), "The document.", headers={"ETag": "What it is asked by again."})
    return {**found, **_UNCHANGED, **_REFUSED}


#: What changes in the document while the policy stays.
_MOVING = ("first_decision", "loaded_at", "reload")


@router.get("/v1/policy", responses=_document("Policy"))
async def show_policy(request: Request) -> Response:
    """Show the policy in force: digests, layers, parameters, approvers, versions, and since when it decided."""
    await principal_with(request, *KNOWN)
    given.read(request, ())
    service = service_of(request)
    policy = service.policy
    found = await service.read(partial(in_force.policy_shown, policy=policy, rules_in_force=service.rules))
    tag = tag_of(request, policy.digest, policy.catalog.digest, __version__, *(str(found[each]) for each in _MOVING))
    return unchanged(request, tag) or await answer(request, found, kept(tag))


@router.get("/v1/rules", responses=_document("RuleList"), openapi_extra=documented(RULE_FILTERS))
async def list_rules(request: Request) -> Response:
    """List the rules in force that every filter selects, as `policy rules list` does."""
    return await _told(request, RULE_FILTERS, lambda policy, _, asked: in_force.rules_shown(policy, asked))


@router.get(
    "/v1/rules/{id}",
    responses={**_document("Rule"), **problems(404)},
    openapi_extra=parameters(in_path("id", "The rule's id.", example="high-api-spend-favours-self-hosting")),
)
async def show_rule(request: Request) -> Response:
    """Show a rule in full, with the parameters it reads, its criteria, its disputes and its cases."""
    sheets = service_of(request).rule_sheets
    return await _told(request, (), lambda policy, _, __: sheets.rule(policy, request.path_params["id"]))


@router.get("/v1/catalog/models", responses=_document("CatalogList"), openapi_extra=documented(MODEL_FILTERS))
async def list_models(request: Request) -> Response:
    """List the models that the filters select, and those of which it is not known, as `policy catalog list` does."""
    return await _told(request, MODEL_FILTERS, in_force.models_listed)


@router.get(
    "/v1/catalog/models/{name:path}",
    responses={**_document("CatalogModel"), **problems(404)},
    openapi_extra=parameters(in_path("name", "The model's name, or an alias."), *documented((_AT,))["parameters"]),
)
async def show_model(request: Request, name: str) -> Response:
    """Show everything that the catalog has of a model, each figure with its source and day."""
    return await _told(request, (_AT,), lambda policy, day, _: in_force.model_shown(policy, day, name))


@router.get("/v1/catalog/compare", responses=_document("CatalogComparison"), openapi_extra=documented(COMPARED))
async def compare_models(request: Request) -> Response:
    """Compare two or more models, or the open field with the closed one, as `policy catalog compare` does."""
    return await _told(request, COMPARED, in_force.models_side_by_side)


@router.get(
    "/v1/catalog/disputes",
    responses={**_document("CatalogDisputes"), **problems(404)},
    openapi_extra=documented(DISPUTES),
)
async def show_disputes(request: Request) -> Response:
    """Show where sources disagree, what arithmetic says to it, and what rests on it."""
    return await _told(
        request, DISPUTES, lambda policy, day, asked: in_force.disputes_shown(policy, day, asked.get("id", ()))
    )


async def _told(
    request: Request, known: Sequence[Parameter], ask: Callable[[Any, date, dict[str, Any]], dict[str, Any]]
) -> Response:
    """Answer what follows from policy, day and parameters alone, by the tag that these have."""
    await principal_with(request, *KNOWN)
    asked = given.read(request, known)
    day = (asked.pop("at", None) or now()).date()
    service = service_of(request)
    policy = service.policy
    tag = tag_of(request, policy.digest, policy.catalog.digest, __version__, day.isoformat())
    options = options_of(asked)
    if "model" in asked:
        options["model"] = asked["model"]
    if not names_anything(request) and (known_already := unchanged(request, tag)) is not None:
        return known_already
    found = await service.work(ask, policy, day, options)
    return unchanged(request, tag) or await answer(request, found, kept(tag))


def options_of(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as the command's options that they are; what is not given is as the command has it."""
    given_ones = {name: value for name, value in asked.items() if name != "at" and value not in (None, False, ())}
    return {_OPTIONS_OF.get(name, name): value for name, value in given_ones.items()}
