"""A ledger for the console's tests: every verdict, waivers in every state, and texts of people who mean harm."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from policy_audit.entry import Blob, Draft, EntryType
from policy_audit.ledger import Ledger, open_ledger

from policy_engine.decide import Decider, format_time
from policy_engine.loading.evidence import check_evidence
from policy_engine.loading.policy import Policy, load_policy
from policy_engine.loading.rule_document import rule_document, waivable_digest
from policy_engine.loading.workload_file import LoadedWorkload, load_workload_documents
from policy_engine.model.decision import Decision
from policy_engine.recorder import Context, Recorder
from policy_engine.service.ground import Ground
from policy_engine.vouching.voucher import Voucher
from policy_engine.waivers.on_record import granted_draft, revoked_draft
from tests.unit.waivers.making import ANN, BOB, RULE, asked_for, file_of, signed, statement

EXAMPLES = Path(__file__).parents[1] / "examples"
#: Each of these has to come out as text, on every page, in every place.
SCRIPT = "\"><script>alert('x')</script><img src=x onerror=alert(1)>"
LINK = "javascript:alert(document.cookie)//'-alert(1)-'"
BIDI = "\u202egnirts\u2066 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627"
CONTROLS = "a\x07b\x1b[31mc"
LONG = "w" * 400
EMOJI = "🦊👩‍🔬 café"
TEMPLATE = "{{ 7 * 7 }}{% raw %}${7*7}<%= 7*7 %>"
HOSTILE = (SCRIPT, LINK, BIDI, LONG, EMOJI, TEMPLATE)
DENIED = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: claims, name: triage, owner: o@acme.example}
spec:
  stage: pilot
  organisation: enterprise
  tasks:
    - {name: t, kind: classification, complexity: simple, quality: sufficient, batch: false, latency_p95_ms: 3000,
       context_tokens: 4000, proposal: {deployment: self_hosted, model: llama-3.1-8b, region: eu}}
  data: {sensitivity: internal, regulations: [], residency: [eu], may_leave_network: true, must_own_logs: false,
    third_party_accepted: true}
  volume: {input_tokens_per_month: 400000000, output_tokens_per_month: 100000000}
  team: {mlops: none, ml_engineers: 1, gpu_devops_engineers: 1, can_hire: true}
  needs: {}
  migration: none
"""


@dataclass(frozen=True)
class Seeded:
    """A ledger's URL, the layer that it is decided under, and ids of decisions by what they are there for."""

    url: str
    layer: Path
    decisions: Mapping[str, str]
    waivers: Mapping[str, str]


class _Clock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


def seed(folder: Path, days: int = 40) -> Seeded:
    """Make the ledger in `folder`: decisions of the last `days`, and then what there is of everything else."""
    layer = folder / "acme"
    layer.mkdir()
    (layer / "approvers.yaml").write_text(file_of(ANN.entry(), BOB.entry()), encoding="utf-8")
    policy, url = load_policy([layer]), f"sqlite:///{folder / 'console.db'}"
    now = datetime.now(UTC).replace(microsecond=0)
    clock = _Clock(now - timedelta(days=days, minutes=10))
    with open_ledger(url, clock=clock) as ledger:
        seeding = _Seeding(ledger, policy, clock)
        found = seeding.decide_examples(days)
        waivers = seeding.waivers(now.date())
        seeding.clock.at = now - timedelta(minutes=5)
        found |= seeding.waived(now)
        found |= seeding.hostile(now)
    return Seeded(url, layer, found, waivers)


def many(url: str, layer: Path | None, count: int) -> None:
    """Append `count` decisions on as many workloads, all alike but for their names."""
    policy = load_policy([layer] if layer is not None else [])
    with open_ledger(url) as ledger:
        seeding = _Seeding(ledger, policy, _Clock(datetime.now(UTC)))
        decision = seeding.decided(DENIED, datetime.now(UTC).replace(microsecond=0))
        draft = seeding.recorder.draft(decision, Context("deploy", "ci@acme.example", "ci", {}))
        drafts = [
            replace(draft, view={**draft.view, "workload": f"w{number:05}"}, context={**draft.context, "run": "many"})
            for number in range(count)
        ]
        for start in range(0, count, 500):
            ledger.append_many(drafts[start : start + 500])


class _Seeding:
    def __init__(self, ledger: Ledger, policy: Policy, clock: _Clock) -> None:
        self.ledger, self.policy, self.clock = ledger, policy, clock
        self.recorder, self._decider = Recorder(ledger, policy), Decider(policy)

    def decided(self, text: str, at: datetime) -> Decision:
        (loaded,) = load_workload_documents(text.encode(), "seed.yaml", self.policy.vocabulary)
        assert isinstance(loaded, LoadedWorkload), loaded
        workload, folder = loaded.workload, EXAMPLES
        evidence = check_evidence(
            workload, at.date(), folder, Voucher(self.policy, lambda: self.ledger).of(workload, at, folder)
        )
        waivers = Ground(self.policy, self.ledger).waivers(workload, at)
        return self._decider.decide(workload, evidence, at, waivers)

    def record(self, decision: Decision, purpose: str = "deploy", **details: str) -> str:
        self.recorder.record([decision], Context(purpose, "anna.actor@acme.example", "token", details))
        return decision.id

    def decide_examples(self, days: int) -> dict[str, str]:
        """Record each example on some of the days; return the last decision on each."""
        start = self.clock.at
        soon = (start + timedelta(days=days + 12)).date().isoformat()
        texts = {path.stem: path.read_text("utf-8").replace("2027-06-30", soon) for path in sorted(EXAMPLES.iterdir())}
        made = {name: self.decided(text, start.replace(microsecond=0)) for name, text in texts.items()}
        made["denied"] = self.decided(DENIED, start.replace(microsecond=0))
        found = {}
        for day in range(0, days, 3):
            self.clock.at = start + timedelta(days=day)
            for place, (name, decision) in enumerate(made.items()):
                if (day // 3 + place) % 4 == 0 or day >= days - 3:
                    at = {**decision.document, "decided_at": format_time(self.clock.at.replace(microsecond=0))}
                    purpose = ("draft", "pull_request", "deploy")[(day + place) % 3]
                    found[name] = self.record(replace(decision, document=at), purpose, run=f"run-{day}")
        return found

    def waivers(self, today: date) -> dict[str, str]:
        """Put a waiver of each state on record; their texts are hostile."""
        rule = self.policy.rules.rule(RULE)
        assert rule is not None
        digest = waivable_digest(rule_document(rule), self.policy.rules.values)
        found = {}
        for state, left in (("requested", 30), ("expired", -3), ("revoked", 20), ("active", 9)):
            since, until = today - timedelta(days=20), today + timedelta(days=left)
            said = {"reason": f"the team starts in March {SCRIPT} {EMOJI}", "ticket": f"OPS-{len(found)} {LINK}"[:100]}
            decided = {"policy": self.policy.digest}
            made = statement(digest=digest, valid_from=since, valid_until=until, decided=decided, **said)
            made = asked_for(self.ledger, made)
            found[state] = made.id
            if state != "requested":
                personal = {"approver": ANN.identity, "requester": "rita@acme.example"}
                self.ledger.append(granted_draft(made, signed(made, ANN), {}, personal, {}))
            if state == "revoked":
                self.ledger.append(revoked_draft(made, f"over {SCRIPT}", None, {}, {}))
        return found

    def waived(self, now: datetime) -> dict[str, str]:
        return {"waived": self.record(self.decided(DENIED, now - timedelta(minutes=4)))}

    def hostile(self, now: datetime) -> dict[str, str]:
        """Record a decision whose every text is hostile, as far as a file may say it, and as far as a forger could."""
        task = json.dumps(SCRIPT[:60])
        text = DENIED.replace("name: t,", f"name: {task},").replace(
            "o@acme.example", json.dumps(f"{SCRIPT} {EMOJI}", ensure_ascii=False)
        )
        text = text.replace("model: llama-3.1-8b", f"model: {json.dumps(LINK)}").replace(
            "name: triage", "name: hostile"
        )
        honest = self.decided(text, now - timedelta(minutes=3))
        found = {"named": self.record(honest, "draft", run=SCRIPT, repository=LINK)}
        for number, each in enumerate(HOSTILE):
            found[f"forged-{number}"] = self._forge(honest, each)
        return found

    def _forge(self, honest: Decision, text: str) -> str:
        """Append a decision that no engine made: a text in every place where a name or a sentence stands."""
        document = json.loads(honest.content)
        spoilt = dict(_spoilt(document, text))
        draft = self.recorder.draft(
            honest, Context("draft", text[:200], "asserted", {"run": text[:200], "ref": text[:200]})
        )
        content = json.dumps(spoilt, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
        blob = Blob(content)
        digest = blob.digest.removeprefix("sha256:")
        view = {**draft.view, "decision_id": digest, "workload": text[:250], "namespace": text[:200]}
        personal = {"owner": text, "actor": text}
        forged = Draft(
            EntryType.DECISION,
            body={**draft.body, "id": digest},
            context={**draft.context, "workload": text[:250], "namespace": text[:200]},
            personal=personal,
            blobs={**draft.blobs, "decision": blob},
            view=view,
            tags={**draft.tags, "rule": [*draft.tags.get("rule", ()), text[:200]]},
        )
        self.ledger.append(forged)
        return digest


_KEPT = frozenset({"apiVersion", "kind", "decided_at", "valid_until", "verdict", "digest", "status", "outcome", "op"})
_WORDS = frozenset({"deployment", "judged_option", "enforcement", "id", "grade", "of", "cheapest", "recommendation"})
_LISTS = frozenset({"rules", "forbid", "criteria"})


def _spoilt(document: Any, text: str) -> Iterator[tuple[str, Any]]:
    """Yield the members of a document with `text` after every value that is read by people alone."""
    for name, value in document.items():
        if name in _KEPT | _WORDS:
            yield name, copy.deepcopy(value)
        else:
            yield name, _spoilt_value(name, value, text)


def _spoilt_value(name: str, value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return dict(_spoilt(value, text))
    if isinstance(value, list):
        return [each if isinstance(each, str) and name in _LISTS else _spoilt_value(name, each, text) for each in value]
    return f"{value} {text}" if isinstance(value, str) else value
