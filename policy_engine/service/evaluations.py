"""OpenID AuthZEN: may this subject deploy this workload? Answered by a decision, and on record before it is answered.

With the workload's document it is decided now, as `POST /v1/decisions?purpose=deploy` does. Without it the last
decision for a deployment counts, as long as it stands by all that `policy recheck` looks at: its end, the policy, the
semantics, the waivers and the evidence. INVARIANT: what is unknown, or cannot be told, is never true.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from policy_audit.entry import Draft, EntryType

from policy_engine.access.principal import ForbiddenError, Principal
from policy_engine.errors import InputError, PolicyError, Problem, UsageError
from policy_engine.model.task_case import ALLOWING
from policy_engine.rechecks.standing import DEPLOY
from policy_engine.recorder import recordable
from policy_engine.service.acting import act, context_of
from policy_engine.service.errors import NotFoundError
from policy_engine.service.excerpts import Given, excerpt_of, reason
from policy_engine.service.finding import latest_decision, split_workload
from policy_engine.service.service import Asked
from policy_engine.service.still import Asking
from policy_engine.waivers.on_record import stored_context

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

    from policy_engine.loading.policy import Policy
    from policy_engine.service.finding import Found
    from policy_engine.service.memory import Decided
    from policy_engine.service.service import Service

ACTION, RESOURCE = "deploy", "workload"
SEMANTICS = ("execute_all", "deny_on_first_deny", "permit_on_first_permit")
#: What is wrong with one question, and says nothing of the next.
_OF_ONE = (InputError, UsageError, NotFoundError, ForbiddenError)
#: What of a question stands in an entry as it came; anything else may be somebody's name, and an entry is for good.
WORDS = frozenset(
    "deploy workload create read view list write update edit delete approve execute invoke use start stop manage "
    "user group role team service service_account client application machine agent pipeline account".split()
)
Text = Annotated[str, Meta(min_length=1, max_length=500)]


class Json(Struct, frozen=True):
    """An object, whatever it has: it is looked at by nobody."""


class Subject(Struct, frozen=True):
    """Who wants to deploy; kept as a personal value, which can be erased."""

    type: Text
    id: Text


class Action(Struct, frozen=True):
    """What they want to do."""

    name: Text


class Properties(Struct, frozen=True):
    """The workload's document, and the digest that it, or the decision on record, has to have (`sha256:...`)."""

    workload: msgspec.Raw = msgspec.Raw(b"")
    digest: Text | UnsetType = UNSET


class Resource(Struct, frozen=True):
    """What it is about: `id` is NAMESPACE/NAME."""

    type: Text
    id: Text
    properties: Properties | UnsetType = UNSET


class Evaluation(Struct, frozen=True):
    """One question. `context` is taken and not looked at: no rule reads it."""

    subject: Subject | UnsetType = UNSET
    action: Action | UnsetType = UNSET
    resource: Resource | UnsetType = UNSET
    context: Json | UnsetType = UNSET


class Options(Struct, frozen=True):
    """How several questions are answered."""

    evaluations_semantic: str = SEMANTICS[0]


class Evaluations(Evaluation, frozen=True):
    """Several questions; what one does not say is taken from here."""

    evaluations: list[Evaluation] = []
    options: Options = Options()


def workload_of(asked: Evaluation) -> bytes:
    """Return the workload's document that a question has, where it is read: as JSON in which no key stands twice."""
    if asked.action is UNSET or asked.resource is UNSET or asked.resource.properties is UNSET:
        return b""
    known = (asked.action.name, asked.resource.type) == (ACTION, RESOURCE)
    return bytes(asked.resource.properties.workload) if known else b""


async def evaluate(service: Service, authorization: str | None, asked: Evaluation, address: str = "") -> dict[str, Any]:
    """Answer one question; `address` is where it comes from.

    Raises:
        UsageError: it lacks a part, or its workload is another than the resource.
        PolicyError: as `Service.decide`; nothing is answered that is not on record.
    """
    if asked.subject is UNSET or asked.action is UNSET or asked.resource is UNSET:
        raise UsageError(Problem("authzen-request", "`subject`, `action` and `resource` are wanted"))
    if recordable(asked.subject.id) != unicodedata.normalize("NFC", asked.subject.id):
        message = "`subject.id` has characters that are not kept, or blanks at an end"
        raise UsageError(Problem("authzen-request", message, help="send the subject as it is to be on record"))
    properties = asked.resource.properties
    if properties is not UNSET and bytes(properties.workload).lstrip()[:1] not in (b"", b"{"):
        raise _other("`properties.workload` is no object")  # whatever is asked about
    document = workload_of(asked)
    if not document:
        return await _by_record(service, authorization, asked.subject, asked.action, asked.resource)
    return await _by_document(service, authorization, asked.subject, asked.resource, document, address)


async def evaluate_all(
    service: Service, authorization: str | None, asked: Evaluations, errors: Any, address: str = ""
) -> list[dict[str, Any]]:
    """Answer several questions, one after the other; `errors` makes of a refusal of one what its answer says of it.

    What is on record is answered: where the ledger, say, refuses after that, the rest is answered by why.

    Raises:
        PolicyError: as `evaluate`, where the refusal is not of one question alone, and nothing is on record.
    """
    if asked.options.evaluations_semantic not in SEMANTICS:
        message = f"`evaluations_semantic` is one of {', '.join(SEMANTICS)}"
        raise UsageError(Problem("authzen-request", message))
    most = service.settings.limits.documents
    if len(asked.evaluations) > most:
        message = f"there are {len(asked.evaluations):,} evaluations, and {most:,} are taken at once"
        raise UsageError(Problem("too-many-evaluations", message, help="send them in several requests"))
    stop = {"deny_on_first_deny": False, "permit_on_first_permit": True}.get(asked.options.evaluations_semantic)
    found: list[dict[str, Any]] = []
    refused: PolicyError | None = None
    for each in asked.evaluations:
        whole = Evaluation(each.subject or asked.subject, each.action or asked.action, each.resource or asked.resource)
        try:
            if refused is not None:
                raise refused
            answer = await evaluate(service, authorization, whole, address)
        except _OF_ONE as error:
            answer = {"decision": False, "context": {"error": errors(error)}}
        except PolicyError as error:
            if all("error" in each["context"] for each in found):
                raise
            refused = error
            answer = {"decision": False, "context": {"error": errors(error)}}
        found.append(answer)
        if answer["decision"] is stop:
            break
    return found


async def _by_document(
    service: Service, authorization: str | None, subject: Subject, resource: Resource, document: bytes, address: str
) -> dict[str, Any]:
    """Answer by a decision that is made now; its entry says whom it was asked about, and its verdict what was told."""

    def check(decided: Decided) -> None:
        names = [f"{each.namespace}/{each.name}" for each in decided.decisions]
        if decided.listed or names != [resource.id]:
            raise _other(f"the workload is `{names[0][:80]}`, and not the resource that is asked about")
        found, wanted = decided.decisions[0].workload_digest, _digest_of(resource)
        if wanted is not UNSET and wanted != found:
            message = f"the workload has the digest `{found}`, and another is asked about"
            raise UsageError(Problem("other-resource", message, help="leave `digest` out, or send that version"))

    asked = Asked(
        document,
        authorization,
        DEPLOY,
        {"subject_type": _word(subject.type)},
        address=address,
        check=check,
        subject=subject.id,
        in_short=True,
        is_json=True,
    )
    answer = await service.decide(asked)
    (given,) = answer.given
    return _with_entry(_answer(given.excerpt.allows, given, []), given.index)


def _digest_of(resource: Resource) -> str | UnsetType:
    return resource.properties.digest if resource.properties is not UNSET else UNSET


def _other(message: str) -> UsageError:
    return UsageError(Problem("other-resource", message, help="`resource.id` is NAMESPACE/NAME of the workload"))


async def _by_record(
    service: Service, authorization: str | None, subject: Subject, action: Action, resource: Resource
) -> dict[str, Any]:
    """Answer by the last decision for a deployment, and put the answer on record."""
    known = (action.name, resource.type) == (ACTION, RESOURCE)
    if known:
        split_workload(resource.id)

    def work(ledger: Ledger, principal: Principal) -> tuple[Sequence[Draft], dict[str, Any]]:
        found, reasons = None, []
        if not known:
            reasons = [reason("not-known", f"only `{ACTION}` of a `{RESOURCE}` is ever allowed here")]
        else:
            try:
                found = latest_decision(ledger, principal, resource.id, DEPLOY)
                reasons = _standing(ledger, service.policy, found, resource)
            except NotFoundError:
                reasons = [reason("no-decision", "no decision for a deployment of it is on record")]
        given = Given(found.id, found.entry.index, excerpt_of(found.document)) if found is not None else None
        answer = _answer(not reasons, given, reasons)
        # what is of another kind may be a person, and an entry is for good
        named = resource.id if known and found is not None else None
        return [_draft(answer, subject, action, resource.type, named, principal)], answer

    done = await act(service, authorization, "decide", work)
    return _with_entry(done.told, done.recorded[0].index)


def _standing(ledger: Ledger, policy: Policy, found: Found, resource: Resource) -> list[dict[str, str]]:
    """Return why the decision allows nothing now; no reason: it does."""
    view, reasons = found.entry.document["view"], []
    if view["verdict"] != found.document.get("verdict") or view["verdict"] not in ALLOWING:
        reasons.append(reason("verdict", f"its verdict is {view['verdict']}"))
    wanted = _digest_of(resource)
    if wanted is not UNSET and view.get("workload_digest") != wanted:
        reasons.append(reason("workload", "it was decided on another version of the workload"))
    # asked anew each time, and never taken from what is remembered: what is answered here lets somebody deploy
    still = Asking(ledger, policy).of(found.entry.index, found.entry.document)
    reasons += [reason(kind, why) for kind, why in still.reasons]
    return [*reasons, *([reason("not-told", still.untold)] if still.untold is not None else [])]


def _with_entry(answer: dict[str, Any], index: int) -> dict[str, Any]:
    """Return the answer with the entry that says who was told so."""
    return {**answer, "context": {**answer["context"], "evaluation_entry": index}}


def _answer(allowed: bool, given: Given | None, reasons: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the answer: the decision behind it, and why it is no."""
    context: dict[str, Any] = {"reasons": [*reasons]}
    if given is not None:
        told = given.excerpt
        context |= {"id": given.id, "verdict": told.verdict, "entry": given.index}
        context |= {"valid_until": told.valid_until, "obligations": told.obligations}
        if not reasons and not allowed:
            context["reasons"] = told.reasons
    return {"decision": allowed, "context": context}


def _word(text: str) -> str:
    return text if text in WORDS else "other"


def _draft(
    answer: Mapping[str, Any], subject: Subject, action: Action, kind: str, named: str | None, principal: Principal
) -> Draft:
    context = context_of(principal)
    told = answer["context"]
    body = {
        "action": _word(action.name),
        "resource": {"type": _word(kind), "id": named},
        "subject_type": _word(subject.type),
        "decision": told.get("id"),
        "entry": told.get("entry"),
        "allowed": answer["decision"],
        "reasons": [each["code"] for each in told["reasons"]],
    }
    where = dict(zip(("namespace", "workload"), split_workload(named), strict=True)) if named is not None else {}
    personal = {**context.persons, "subject": recordable(subject.id)}
    return Draft(EntryType.ACCESS_EVALUATED, body=body, context={**stored_context(context), **where}, personal=personal)
