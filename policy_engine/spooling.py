"""From a decision to a file of a spool, where a runner has no ledger: written and synced before anybody sees it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from policy_engine.errors import RecordingError
from policy_engine.loading.policy import Policy
from policy_engine.model.decision import Decision
from policy_engine.recorder import SHARED_ROLES, Context, Drafter, recordable, recording_error
from policy_engine.telemetry import span

if TYPE_CHECKING:
    from policy_audit.spool_format import Call

#: What CI systems call the attempt and the job of a run: jobs and attempts of one run have its id in common.
_NAMES = {
    "GITHUB_ACTIONS": {"attempt": "GITHUB_RUN_ATTEMPT", "job": "GITHUB_JOB"},
    "GITLAB_CI": {"job": "CI_JOB_ID"},
}


def call_from_environment(run: str | None, environment: Mapping[str, str] | None = None) -> Call:
    """Return the call of this process: the CI system's run, attempt and job, or a random run where there is none."""
    from policy_audit.spool import new_call

    env = os.environ if environment is None else environment
    names = next((names for name, names in _NAMES.items() if env.get(name) == "true"), {})
    given = {key: recordable(env.get(name)) or None for key, name in names.items()}
    return new_call(run or f"local-{secrets.token_hex(8)}", **given)


class SpoolRecorder:
    """Writes decisions made under one policy into one spool."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.folder, self._drafter = folder, Drafter(policy)

    def record(self, decisions: Sequence[Decision], context: Context) -> list[dict[str, Any]]:
        """Write decisions of one context; as `record_each`."""
        return self.record_each([(decision, context) for decision in decisions])

    def record_each(self, pairs: Sequence[tuple[Decision, Context]]) -> list[dict[str, Any]]:
        """Write each decision, with its context, as a file; return each one's `ledger` part, which has no index yet.

        Raises:
            RecordingError: the spool does not take them; no decision may be handed out.
        """
        from policy_audit.errors import AuditError
        from policy_audit.spool import Spool

        call = call_from_environment(pairs[0][1].details.get("run"))
        drafts = []
        for decision, context in pairs:
            own = replace(context, details={**context.details, "run": call.run})
            drafts.append([self._drafter.draft(decision, own), *self._drafter.used(decision, own)])
        with span("record", decisions=len(pairs)) as current:
            try:
                spooled = Spool(self.folder).write(drafts, call, SHARED_ROLES)
            except AuditError as error:
                found = recording_error(error)
                raise RecordingError(found.problems) from error
            current.set("files", lambda: [each.file for each in spooled])
        return [
            {
                "status": "spooled",
                "leaf_hash": each.leaf_hash,
                "recorded_at": each.recorded_at,
                "file": each.file,
                **call.document(),
                "n": each.n,
                "of": each.of,
            }
            for each in spooled
        ]
