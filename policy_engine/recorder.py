"""From a decision to a ledger entry: the one door to the ledger. Write, then answer."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from policy_engine.errors import PolicyError, Problem, RecordingError, UsageError
from policy_engine.loading.policy import Policy
from policy_engine.model.decision import Decision
from policy_engine.tags import decision_tags
from policy_engine.telemetry import span

if TYPE_CHECKING:
    from policy_audit.entry import Blob
    from policy_audit.ledger import Draft, Ledger

PURPOSES = ("draft", "pull_request", "deploy")
#: Whom an entry of a decision may hold commitments to.
PERSONS = frozenset({"owner", "champion", "actor"})
#: The documents that decisions under one policy have in common.
SHARED_ROLES = ("rules", "catalog", "layers")
#: How an actor is known of whom nothing is said, in the entry of an act.
NOBODY = "nobody"
_LONGEST_VALUE = 500


@dataclass(frozen=True)
class Context:
    """Who asked, from where and why: the entry's context, outside the decision's bytes.

    `subject` is whom a gateway asked about, where that is somebody else: a personal value, as the actor is.
    """

    purpose: str
    actor: str | None
    actor_known_by: str
    details: Mapping[str, str]
    subject: str | None = None

    @property
    def persons(self) -> dict[str, str]:
        """Return the persons in it by name."""
        return {name: value for name in ("actor", "subject") if (value := getattr(self, name))}


def context_from_environment(purpose: str, environment: Mapping[str, str] | None = None) -> Context:
    """Read repository, commit, pull request and run from what CI systems set; the actor is asserted otherwise."""
    env = os.environ if environment is None else environment
    if env.get("GITHUB_ACTIONS") == "true":
        names = {"repository": "GITHUB_REPOSITORY", "commit": "GITHUB_SHA", "run": "GITHUB_RUN_ID", "ref": "GITHUB_REF"}
        actor, known = env.get("GITHUB_ACTOR"), "ci"
    elif env.get("GITLAB_CI") == "true":
        names = {
            "repository": "CI_PROJECT_PATH",
            "commit": "CI_COMMIT_SHA",
            "run": "CI_PIPELINE_ID",
            "pull_request": "CI_MERGE_REQUEST_IID",
        }
        actor, known = env.get("GITLAB_USER_LOGIN"), "ci"
    else:
        names = {"repository": "POLICY_REPOSITORY", "commit": "POLICY_COMMIT", "run": "POLICY_RUN"}
        actor, known = env.get("POLICY_ACTOR") or env.get("USER") or env.get("LOGNAME"), "asserted"
    details = {key: value for key, name in names.items() if (value := recordable(env.get(name)))}
    return Context(purpose, recordable(actor) or None, known, details)


@lru_cache(1024)
def recordable(value: str | None) -> str:
    """Return what the ledger takes of an environment's value: NFC, no control characters, no halves of characters."""
    kept = "".join(each for each in value or "" if unicodedata.category(each) not in ("Cc", "Cs"))
    return unicodedata.normalize("NFC", kept)[:_LONGEST_VALUE].strip()


class Drafter:
    """Makes the drafts of entries of decisions made under one policy."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    @cached_property
    def _policy_blobs(self) -> dict[str, Any]:
        from policy_audit.entry import Blob

        policy = self.policy
        documents = (policy.document, policy.catalog.document, policy.layers_document)
        return {role: Blob(content) for role, content in zip(SHARED_ROLES, documents, strict=True)}

    def used(self, decision: Decision, context: Context) -> list[Any]:
        """Return the entries of the waivers that the decision used: on record with it, or neither is."""
        return self.template(decision).used(context) if decision.waivers_content is not None else []

    def draft(self, decision: Decision, context: Context) -> Any:
        """Return the draft of the entry that records `decision`."""
        return self.template(decision).draft(context)

    def template(self, decision: Decision) -> Template:
        """Return what the entries of `decision` are made from, whoever asks for it."""
        from policy_audit.entry import Blob

        personal = {"owner": decision.workload.metadata.owner}
        migration = decision.workload.spec.migration
        if migration is not None and migration != "none" and migration.champion is not None:
            personal["champion"] = migration.champion
        more = {"waivers": decision.waivers_content, "proofs": decision.proofs_content}
        given = {role: Blob(content) for role, content in more.items() if content is not None}
        own = {"decision": Blob(decision.content), "workload": Blob(decision.workload_content)}
        blobs = {**own, **self._policy_blobs, **given}
        body, view = body_of(decision), view_of(decision, None, None)
        return Template(body, view, tags_of(decision), personal, blobs, _waived(decision))


@dataclass(frozen=True)
class Template:
    """The entries of a decision, but for who asked and why.

    `waived` has what `used_drafts` reads of the decision's document; None where it was told of no waiver.
    """

    body: Mapping[str, Any]
    view: Mapping[str, str | None]
    tags: Mapping[str, list[str]]
    personal: Mapping[str, str]
    blobs: Mapping[str, Any]
    waived: Mapping[str, Any] | None

    def draft(self, context: Context) -> Draft:
        """Return the draft of the decision's entry."""
        from policy_audit.entry import Draft, EntryType

        return Draft(
            type=EntryType.DECISION,
            body=self.body,
            context={
                "purpose": context.purpose,
                "actor_known_by": context.actor_known_by,
                **self._place,
                **context.details,
            },
            personal={**self.personal, **context.persons},
            blobs=self.blobs,
            view={**self.view, "purpose": context.purpose, "run": context.details.get("run")},
            tags=self.tags,
        )

    def used(self, context: Context) -> list[Draft]:
        """Return the entries of the waivers that the decision used."""
        if self.waived is None:
            return []
        from policy_engine.waivers.on_record import stored_context, used_drafts

        own = {"purpose": context.purpose, **self._place}
        return used_drafts(self.waived, self.body["id"], {**stored_context(context), **own})

    def at(self, decided_at: str, content: Blob, name: str) -> Template:
        """Return the same for the decision as of another time: with those bytes and, as their SHA-256, that id."""
        return replace(
            self,
            body={**self.body, "id": name},
            view={**self.view, "decision_id": name, "decided_at": decided_at},
            blobs={**self.blobs, "decision": content},
            waived={**self.waived, "decided_at": decided_at} if self.waived is not None else None,
        )

    @property
    def _place(self) -> dict[str, Any]:
        return {"namespace": self.view["namespace"], "workload": self.view["workload"]}


def _waived(decision: Decision) -> dict[str, Any] | None:
    if decision.waivers_content is None:
        return None
    document = decision.document
    kept = ("name", "verdict", "waivers")
    tasks = [{key: task[key] for key in kept if key in task} for task in document["tasks"]]
    return {"decided_at": document["decided_at"], "tasks": tasks}


class Recorder(Drafter):
    """Records decisions made under one policy in one ledger."""

    def __init__(self, ledger: Ledger, policy: Policy) -> None:
        super().__init__(policy)
        self.ledger = ledger

    def record(self, decisions: Sequence[Decision], context: Context) -> list[dict[str, Any]]:
        """Record `decisions` in this order in one commit, and return each one's `ledger` part.

        Raises:
            RecordingError: the ledger refused; no decision may be handed out.
        """
        return self.record_each([(decision, context) for decision in decisions])

    def record_each(
        self, pairs: Sequence[tuple[Decision, Context]], grants: Sequence[Draft] = ()
    ) -> list[dict[str, Any]]:
        """Record decisions as `record` does, each with a context of its own, with `grants` of waivers that they use.

        Raises:
            RecordingError: the ledger refused; no decision may be handed out.
        """
        from policy_audit.errors import AuditError

        drafts = [self.draft(decision, context) for decision, context in pairs]
        used = [draft for decision, context in pairs for draft in self.used(decision, context)]
        with span("record", decisions=len(pairs)) as current:
            try:
                recorded = self.ledger.append_many([*drafts, *grants, *used])[: len(drafts)]
            except AuditError as error:
                raise recording_error(error) from error
            current.set("indexes", lambda: [each.index for each in recorded])
        return [
            {
                "index": each.index,
                "leaf_hash": each.leaf_hash,
                "tree_size": each.tree_size,
                "recorded_at": each.recorded_at,
                "status": "scratch" if self.ledger.is_scratch else "recorded",
            }
            for each in recorded
        ]


def body_of(decision: Decision) -> dict[str, Any]:
    """Return what the entry says of the decision itself; a replay holds it to the decision."""
    document = decision.document
    return {
        "id": decision.id,
        "verdict": document["verdict"],
        "tasks": [{"name": task["name"], "verdict": task["verdict"]} for task in document["tasks"][:100]],
        "engine": document["engine"],
    }


def view_of(decision: Decision, purpose: str | None, run: str | None) -> dict[str, str | None]:
    """Return the query columns of the entry; a replay holds them to the decision."""
    document = decision.document
    workload = document["workload"]
    return {
        "decision_id": decision.id,
        "namespace": workload["namespace"],
        "workload": workload["name"],
        "verdict": document["verdict"],
        "policy_digest": document["policy"]["digest"],
        "catalog_digest": document["catalog"]["digest"],
        "decided_at": document["decided_at"],
        "workload_digest": workload["digest"],
        "valid_until": document["valid_until"],
        "purpose": purpose,
        "stage": workload["stage"],
        "run": run,
    }


def tags_of(decision: Decision) -> dict[str, list[str]]:
    """Return the entry's tags, by which the decision is asked for, too; a replay holds them to the decision."""
    data = decision.workload.spec.data
    return decision_tags(decision.document, data.regulations if data is not None else None)


def recording_error(error: Any) -> PolicyError:
    """Return the ledger's error as ours, with its code and help; a URL that is none is an error of usage."""
    kind = UsageError if error.code == "ledger-url" else RecordingError
    return kind(Problem(error.code, error.message, help=error.help))


def shown(decision: Decision, ledger: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person is shown: the recorded document with names, id and its place in the ledger."""
    document = decision.document
    workload = {**document["workload"], "owner": decision.workload.metadata.owner}
    return {
        "apiVersion": document["apiVersion"],
        "kind": document["kind"],
        "id": decision.id,
        **{key: value for key, value in document.items() if key not in ("apiVersion", "kind")},
        "workload": workload,
        "ledger": dict(ledger),
    }
