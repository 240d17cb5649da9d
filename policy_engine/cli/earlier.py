"""Reports that an earlier run of this program left behind, told from everything else by how they begin."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOST = 32 * 1024 * 1024
_VERDICT = rb"(?:allow|allow_with_conditions|review|deny)"
#: How the reports of `gate` and `evaluate` begin, by format; what several begin with has to say more in the end.
_BEGINNINGS = (
    rb'(?:\[\n  )?\{\n +"apiVersion": "policy-engine/v1",\n +"kind": "Decision",\n',
    rb"(?:- )?apiVersion: policy-engine/v1\n *kind: Decision\n",
    rb'\{\n  "\$schema": "[^"\n]*",\n  "version": "2\.1\.0",\n'
    rb'\W*"runs"\W*"tool"\W*"driver"\W*"name": "policy-engine"',
    rb'<\?xml [^\n]*\n<testsuites name="policy gate"',
    rb"<!-- policy-gate:[A-Za-z0-9._/-]+ -->\n",
    rb"(?:ALLOW|ALLOW WITH CONDITIONS|REVIEW|DENY)  [^\s/]+/\S+  \(",
    rb"%s [^\s/]+/\S+\n" % _VERDICT,
    rb"\[\]\n\Z",  # nothing was judged
    rb"[\d,]+ workloads? judged(?:, |\n)",
    rb"## (?:ALLOW|ALLOW WITH CONDITIONS|REVIEW|DENY): [^\n]+\n\n### Task ",
    rb"\n?- [\d,]+ workloads? judged(?:, |\n)",
    rb'\[\n  \{\n    "description": (?=[\s\S]*"check_name": "policy-gate-totals")',
    rb"(?=::(?:error|warning|notice) )(?:[^\n]*\n)*?::notice title=policy gate::",
)
_REPORT = re.compile(rb"(?:%s)" % b"|".join(_BEGINNINGS))


def is_report(path: Path) -> bool:
    """Whether a report of `gate` or `evaluate` stands there, of whatever format."""
    if not os.path.isfile(path):
        return False
    try:
        with path.open("rb") as stream:
            return _REPORT.match(stream.read(_MOST)) is not None
    except OSError:
        return False
