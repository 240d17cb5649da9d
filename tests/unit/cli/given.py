"""What several tests of the command line are given."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
ALLOWED = EXAMPLES / "writing-assistant.yaml"
DENIED = EXAMPLES / "leaking-fallback.yaml"
REVIEWED = EXAMPLES / "hospital.yaml"
ROUTER = EXAMPLES / "model-router.yaml"
MEMORY = ("--ledger", "sqlite:///:memory:")
AT = ("--at", "2026-11-22T09:00:00Z")
#: A workload of which much is not known, with comments and a layout that have to stay.
INVOICES = """\
# who: the finance team
apiVersion: policy-engine/v1
kind: Workload
metadata: {name: invoices, owner: finance@acme.example} # one line
spec:
  stage: production
  tasks:
    - name: extraction # the only one
      kind: extraction
      batch: null # ask Ann
      proposal: {deployment: proprietary_api, model: gpt-4o-mini, provider: openai, region: us}

  data:
    sensitivity: internal
    residency:   # nobody knows
  team:
    mlops: mature
"""
