"""The command line from a cold start, against the imports that it cannot do without."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.timing import interleaved, paired_ratio

RUNS = 15
WORKLOAD = Path(__file__).resolve().parent.parent / "examples" / "support-tickets.yaml"
POLICY = str(Path(sys.executable).with_name("policy"))
IMPORTS = "import click, sqlmodel, durable_rules_engine; from cel_expr_python import cel"

#: what is timed, what it is held against, and the ratio that is aimed at
PAIRS = (
    ("policy evaluate FILE, recorded", (POLICY, "evaluate", str(WORKLOAD)), (sys.executable, "-c", IMPORTS), 1.3),
    ("policy --help", (POLICY, "--help"), (sys.executable, "-c", "import click"), 2.0),
)
#: What the probe and its pictures take, and no decision does.
HEAVY = ("torch", "pynvml", "matplotlib", "numpy")
LOADED = (
    "import sys; from policy_engine.cli.main import call;"
    f"status = call(['evaluate', {str(WORKLOAD)!r}, '--ledger', 'sqlite:///:memory:', '-q']);"
    f"print(*sorted(set({HEAVY!r}) & set(sys.modules))); sys.exit(status)"
)


def report() -> None:
    """Print each pair, medians of RUNS runs and the median of the paired ratios; and what heavy is imported."""
    with tempfile.TemporaryDirectory() as home:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("POLICY_", "OTEL_", "XDG_", "PYTHON"))}
        environment = {**kept, "HOME": home}
        # the first run makes ledger, key and cache, and does not count
        commands = [command for _, *both, _ in PAIRS for command in both]
        loaded = subprocess.run(
            (sys.executable, "-c", LOADED), env=environment, check=True, capture_output=True, text=True
        )
        times = interleaved([_runner(command, environment) for command in commands], RUNS)
    for number, (name, _, reference, aim) in enumerate(PAIRS):
        runs, others = times[2 * number], times[2 * number + 1]
        print(f"  {name:<34} {median(runs) * 1e3:7.1f} ms")
        print(f"    python -c '{reference[2]}'")
        ratio = paired_ratio(runs, others)
        print(f"    {median(others) * 1e3:40.1f} ms    ratio {ratio:.2f}, at most {aim} is aimed at")
    heavy = loaded.stdout.splitlines()[-1]
    print(f"  of {', '.join(HEAVY)}, judging hardware claims imports {heavy or 'none'}")


def _runner(command: tuple[str, ...], environment: dict[str, str]) -> Callable[[], object]:
    def run() -> object:
        return subprocess.run(command, env=environment, check=True, capture_output=True)

    return run
