"""A migration that goes to production, a golden dataset of 400 tickets, and what models answered."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.unit.cli.conftest import Outcome

IDENTITY = "support/tickets"
SECRET = "Frau Meier, Konto 4711"
LABELS = ("billing", "technical")
WORKLOAD = """\
apiVersion: policy-engine/v1
kind: Workload
metadata: {namespace: support, name: tickets, owner: o@acme.example}
spec:
  stage: production
  organisation: enterprise
  tasks:
    - {name: triage, kind: classification, complexity: simple, quality: sufficient, batch: false, latency_p95_ms: 3000,
       context_tokens: 4000, proposal: {deployment: open_api, model: qwen3-14b, region: eu}}
  data: {sensitivity: internal, regulations: [], residency: [eu], may_leave_network: true, must_own_logs: false,
    third_party_accepted: true}
  volume: {input_tokens_per_month: 400000000, output_tokens_per_month: 100000000}
  team: {mlops: mature, ml_engineers: 1, gpu_devops_engineers: 1, can_hire: true}
  needs: {}
  migration: {from: {deployment: proprietary_api, model: gpt-4o, provider: openai}, champion: c@acme.example}
  evidence: {}
"""
EVIDENCE = ("golden_dataset", "parallel_test")
#: Of every hundred answers these are wrong.
WRONG = {"gpt-4o": (3, 40), "qwen3-14b": (3, 71), "mistral-7b": tuple(range(0, 100, 3))}


class ParityScene:
    """A folder with `w.yaml`, the dataset and the answers, and the commands in one process."""

    def __init__(self, folder: Path, policy: Callable[..., Outcome], examples: int = 400) -> None:
        self.folder, self.run = folder, policy
        self.document: dict[str, Any] = yaml.safe_load(WORKLOAD)
        self.write()
        self.examples(examples)

    def examples(self, count: int) -> None:
        self.lines(
            "golden", ({"id": f"t{n}", "input": f"{SECRET} {n}", "expected": LABELS[n % 2]} for n in range(count))
        )
        for model, wrong in WRONG.items():
            answers = (LABELS[(n + (n % 100 in wrong)) % 2].title() for n in range(count))
            self.lines(model, ({"id": f"t{n}", "answer": answer, "meta": model} for n, answer in enumerate(answers)))

        again = (self.folder / "gpt-4o.jsonl").read_text(encoding="utf-8").splitlines()
        self.lines("alike", ({**json.loads(each), "meta": "another run"} for each in again))

    def lines(self, name: str, rows: Iterable[Any]) -> Path:
        path = self.folder / f"{name}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    def write(self) -> None:
        (self.folder / "w.yaml").write_text(yaml.safe_dump(self.document), encoding="utf-8")

    def name(self, **evidence: Any) -> None:
        """Name what is evidence of both, by these fields."""
        self.document["spec"]["evidence"] = dict.fromkeys(EVIDENCE, evidence)
        self.write()

    def parity(self, *arguments: str, of: Iterable[str] = ("qwen3-14b",), file: str | None = "w.yaml") -> Outcome:
        given = [file] if file is not None else []
        given += ["--golden", "golden.jsonl", "--current", "gpt-4o=gpt-4o.jsonl", "--resamples", "1000"]
        for model in of:
            given += ["--candidate", f"{model}={model}.jsonl"]
        return self.run("parity", *given, *arguments)

    def decide(self, *arguments: str) -> dict[str, Any]:
        found = self.run("evaluate", "w.yaml", "-o", "json", *arguments)
        assert found.status == 0, found.err
        value: dict[str, Any] = found.json
        return value
