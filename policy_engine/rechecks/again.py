"""One recorded decision: why it is due, and the same workload decided again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from policy_audit.view import instant

from policy_engine.comparing import Comparison
from policy_engine.decide import Decider
from policy_engine.errors import PolicyError, RulesError
from policy_engine.loading.policy import Policy
from policy_engine.loading.recorded_workload import recorded_workload
from policy_engine.model.decision import Decision
from policy_engine.model.proofs import Materials
from policy_engine.model.task_case import EvidenceStatus
from policy_engine.model.waiver import Waiver
from policy_engine.model.workload import Workload
from policy_engine.rechecks.due import Reason, by_engine, by_evidence, by_policy, by_time, by_waivers
from policy_engine.rechecks.persons import Persons
from policy_engine.rechecks.policies import Policies
from policy_engine.rechecks.problem import NotRecheckedError
from policy_engine.rechecks.standing import Place, Standing
from policy_engine.rechecks.today import changed_evidence, evidence_today, unread_files
from policy_engine.recorded import ROLES, Inputs, read_inputs, read_json
from policy_engine.replay import NotReplayableError, Replayer, compared

if TYPE_CHECKING:
    from policy_audit.ledger import Ledger

#: Workload documents that are kept between looking at a decision and deciding it again.
_MOST_KEPT = 500
#: The waivers on a workload as they are found now; those of its decision tell which files it was made with.
WaiversOf = Callable[[Place, Sequence[Waiver]], Sequence[Waiver]]


class Seen(Struct, frozen=True):
    """What was found of a workload's evidence and waivers when its files were at hand."""

    inputs: Inputs
    proofs: Materials
    waivers: tuple[Waiver, ...]


class Found(Struct, frozen=True):
    """A recorded decision as it was read, and why it is due (no reason: it is not)."""

    standing: Standing
    content: bytes
    inputs: Inputs
    seen: Seen
    reasons: tuple[Reason, ...]

    def is_fresh(self, at: datetime) -> bool:
        """Whether it will only expire soon, and was decided on the day of `at` already: nothing else would come out."""
        kinds = {reason.kind for reason in self.reasons}
        return kinds == {"expiring"} and self.inputs.at.date() == at.date()


class Redecided(Struct, frozen=True):
    """The same workload decided again, not yet on record; `files` is evidence whose files were not looked at again."""

    found: Found
    decision: Decision
    comparison: Comparison
    files: tuple[str, ...]


class Rechecker:
    """Says which decisions of a ledger are due at a time under one policy, and decides them again.

    `persons` opens the names that entries commit to.
    """

    def __init__(self, ledger: Ledger, decider: Decider, at: datetime, within: int | None, persons: Persons) -> None:
        self._ledger, self._decider, self._at, self._within = ledger, decider, at, within
        self.persons = persons
        self._replayer = Replayer(ledger)
        self._contents: dict[str, bytes] = {}
        self.policies = Policies(decider.policy, self._replayer.document)

    def find(self, standing: Standing, waivers_of: WaiversOf, revoked: Collection[str]) -> Found:
        """Read a recorded decision and say why it is due.

        Raises:
            NotRecheckedError: what it needs for that cannot be had or read.
            LedgerError: the ledger cannot be read.
        """
        try:
            return self._find(standing, waivers_of, revoked)
        except NotReplayableError as error:
            raise NotRecheckedError(error.reason, error.why) from error
        except PolicyError as error:
            raise _undecided(error) from error

    def _find(self, standing: Standing, waivers_of: WaiversOf, revoked: Collection[str]) -> Found:
        blobs, view = standing.blobs, standing.view
        if lacking := [role for role in ROLES if role not in blobs]:
            raise NotReplayableError("document-not-named", f"its entry names no document `{lacking[0]}`")
        content = self._replayer.document("decision", blobs["decision"])
        inputs, document = _inputs(content), read_json(content)
        _check_follows(standing, document)
        seen = self._seen(standing, inputs)
        then, now = self._replayer.waivers(blobs), waivers_of(standing.place, seen.waivers)
        reasons = [*by_time(view.get("valid_until"), self._at, self._within), *by_engine(inputs.semantics)]
        older = self.policies.older(blobs)
        try:
            reasons += [*by_policy(older, document), *by_waivers(then, now, document)]
        except (LookupError, TypeError, AttributeError) as error:
            message = "its document `decision` is not what this program reads"
            raise NotReplayableError("malformed", message) from error
        if inputs.evidence:
            workload = self._workload(standing, self._known_persons(standing, seen))
            after = self._evidence(workload, seen, revoked)
            reasons += by_evidence(list(changed_evidence(inputs.evidence, after)))
        return Found(standing, content, inputs, seen, tuple(reasons))

    def decide(self, found: Found, waivers_of: WaiversOf, revoked: Collection[str]) -> Redecided:
        """Decide the workload of a recorded decision again, as that of the same persons. Records nothing.

        Raises:
            NotRecheckedError: it cannot be decided.
            LedgerError: the ledger cannot be read.
        """
        standing = found.standing
        try:
            workload = self._workload(standing, self.persons.of(standing))
            evidence = self._evidence(workload, found.seen, revoked)
            decision = self._decider.decide(
                workload, evidence, self._at, waivers_of(standing.place, found.seen.waivers)
            )
            self._check_same(standing, decision)
            comparison = compared(found.content, decision.content)
        except NotReplayableError as error:
            raise NotRecheckedError(error.reason, error.why) from error
        except PolicyError as error:
            raise _undecided(error) from error
        return Redecided(found, decision, comparison, unread_files(workload))

    @property
    def _policy(self) -> Policy:
        return self._decider.policy

    def _workload(self, standing: Standing, persons: Mapping[str, str]) -> Workload:
        digest = standing.blobs["workload"]
        if digest not in self._contents:
            if len(self._contents) >= _MOST_KEPT:
                self._contents.clear()
            self._contents[digest] = self._replayer.document("workload", digest)
        return recorded_workload(self._contents[digest], self._policy.vocabulary, persons)

    def _seen(self, standing: Standing, inputs: Inputs) -> Seen:
        """Return what was last found in the workload's files: not by what re-checked it, which could read none."""
        if standing.first is not None:
            blobs = standing.first.blobs
            try:
                content = self._replayer.document("decision", blobs["decision"])
                return Seen(_inputs(content), self._replayer.proofs(blobs), self._replayer.waivers(blobs))
            except NotReplayableError as error:
                if error.reason != "document-disposed":
                    raise
        return Seen(inputs, self._replayer.proofs(standing.blobs), self._replayer.waivers(standing.blobs))

    def _evidence(self, workload: Workload, seen: Seen, revoked: Collection[str]) -> dict[str, EvidenceStatus]:
        day = self._at.date()
        return evidence_today(self._ledger, self._policy, workload, seen.inputs, seen.proofs, revoked, day)

    def _known_persons(self, standing: Standing, seen: Seen) -> Mapping[str, str]:
        """Return the persons where they matter to evidence: nobody approves what they own. None where they are gone."""
        if all(status.grade != "approved" for status in seen.inputs.evidence.values()):
            return {}
        try:
            return self.persons.of(standing)
        except NotRecheckedError:
            return {}  # whoever decides says so; here it is asked whether the evidence counts at all

    def _check_same(self, standing: Standing, decision: Decision) -> None:
        """Refuse a decision on something else than what is on record.

        Raises:
            NotRecheckedError: the document reads as another workload, or is of another than its entry says.
        """
        place = decision.workload.namespace, decision.workload.metadata.name
        if place != standing.place:
            why = f"its document is of the workload {'/'.join(place)}"
            raise NotRecheckedError("malformed", why, tampered=True)
        digest = f"sha256:{sha256(decision.workload_content).hexdigest()}"
        if digest != standing.blobs["workload"]:
            raise NotRecheckedError("reads-otherwise", "the recorded workload reads as another one under these rules")


def _check_follows(standing: Standing, document: Mapping[str, Any]) -> None:
    """Refuse an entry that says another thing of its decision than the decision's document does.

    Raises:
        NotReplayableError: it does.
    """
    view, ends = standing.view, document.get("valid_until")
    same = (
        standing.blobs["decision"] == f"sha256:{standing.decision_id}"
        and document.get("verdict") == view["verdict"]
        and (instant(ends) if isinstance(ends, str) else ends) == view.get("valid_until")
    )
    if not same:
        raise NotReplayableError("malformed", "its entry is not what follows from its document `decision`")


def _inputs(content: bytes) -> Inputs:
    try:
        return read_inputs(content)
    except PolicyError as error:
        raise NotReplayableError("malformed", error.problems[0].message) from error


def _undecided(error: PolicyError) -> NotRecheckedError:
    first = error.problems[0]
    why = first.message if first.help is None else f"{first.message} ({first.help})"
    return NotRecheckedError("undecidable", why, tampered=False, rules=isinstance(error, RulesError))
