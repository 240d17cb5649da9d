"""The gate on many files at once, against a call for each: what a pipeline saves that judges its fleet in one step."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.cold import POLICY

FILES, CALLS, AIM = 1000, 15, 20
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
_NAME = re.compile(r"(metadata:\n  name: )\S+")
_TOKENS = re.compile(r"(input_tokens_per_month: )\d+")


def report() -> None:
    """Print how long FILES files take in one call, and as many calls of one file, of which CALLS are made."""
    with tempfile.TemporaryDirectory() as folder:
        files = _fleet(Path(folder) / "fleet")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("POLICY_", "OTEL_", "XDG_", "CI"))}
        environment = {**kept, "HOME": folder}
        ledger = ("--ledger", f"sqlite:///{folder}/ledger.db", "-q")
        _seconds((POLICY, "gate", files[0], *ledger), environment)  # makes the ledger, and does not count
        alone = [_seconds((POLICY, "gate", file, *ledger), environment) for file in files[:CALLS]]
        together = _seconds((POLICY, "gate", *files, *ledger), environment)
    ratio = median(alone) * FILES / together
    print(f"  one call of {FILES:,} files           {together:9.2f} s, each {together / FILES * 1e3:.1f} ms, recorded")
    print(f"  {FILES:,} calls, by {CALLS} of them     {median(alone) * FILES:9.1f} s")
    print(f"    {ratio:40.1f} times, at least {AIM} are asked for")


def _fleet(folder: Path) -> list[str]:
    """Write FILES workloads: the examples with other names and volumes."""
    folder.mkdir()
    texts = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))]
    for number in range(FILES):
        named = _NAME.sub(rf"\g<1>workload-{number}", texts[number % len(texts)], count=1)
        tokens = 10**6 + number * 999_983 % 10**9
        text = _TOKENS.sub(rf"\g<1>{tokens}", named)
        (folder / f"{number:04}.yaml").write_text(text, encoding="utf-8")
    return [str(path) for path in sorted(folder.iterdir())]


def _seconds(command: tuple[str, ...], environment: dict[str, str]) -> float:
    started = perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode not in (0, 1, 5):
        raise RuntimeError(done.stderr.decode())
    return perf_counter() - started
