"""The officer's questions on a large ledger: every filter of `audit list`, alone and together, and counts.

`python -m bench.queries --entries 1000000` builds a ledger of that many decisions first, which takes minutes.
"""

from __future__ import annotations

import random
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from policy_audit.entry import Draft, EntryType
from policy_audit.ledger import open_ledger
from policy_audit.records import DecisionQuery
from policy_audit.snapshot import open_snapshot

ENTRIES, BATCH, ROUNDS, AIM_MS, PAGE = 100_000, 2_000, 7, 50, 50
PROFILES, WORKLOADS, NAMESPACES, POLICIES, OWNERS = 3_000, 4_000, 60, 40, 500
START = datetime(2023, 1, 1, tzinfo=UTC)
YEARS = 3
_RULES = [f"rule-{number:03}" for number in range(120)]
_CRITERIA = [f"DATA-{number:02}" for number in range(80)]
_MODELS = [f"model-{number}" for number in range(40)]


def report(entries: int, folder: Path | None = None) -> bool:
    """Build a ledger, print the median time of each question; tell whether all kept to the aim."""
    with TemporaryDirectory(dir=folder) as place:
        url = f"sqlite:///{place}/ledger.db"
        seconds = build(url, entries)
        size = Path(place, "ledger.db").stat().st_size / 1e6
        rate = f"{entries / seconds:,.0f}/s"
        print(f"  {entries:,} decisions built in {seconds:,.0f} s ({rate}), {size:,.0f} MB; medians of {ROUNDS} runs")
        kept = [_measured(url, name, query) for name, query in questions(entries).items()]
        return all(kept)


def _measured(url: str, name: str, query: DecisionQuery) -> bool:
    with open_ledger(url, read_only=True) as ledger:

        def page() -> int:
            with open_snapshot(ledger) as snapshot:
                return len(snapshot.select(query).page(PAGE).decisions)

        def count() -> int:
            with open_snapshot(ledger) as snapshot:
                return snapshot.select(query).count()

        rows, listed = _timed(page)
        found, counted = _timed(count)
    kept = listed <= AIM_MS
    mark = "" if kept else f"   above the aim of {AIM_MS} ms"
    print(f"  {name:<46} {rows:3} rows {listed:7.1f} ms   --count {found:9,} {counted:7.1f} ms{mark}")
    return kept


def _timed(task: Callable[[], int]) -> tuple[int, float]:
    runs = []
    for _ in range(ROUNDS):
        started = perf_counter()
        found = task()
        runs.append(perf_counter() - started)
    return found, median(runs) * 1000


def questions(entries: int) -> dict[str, DecisionQuery]:
    """Return what is asked, by the options of `audit list` in words."""
    now, middle = START + timedelta(days=365 * YEARS), START + timedelta(days=365 * YEARS / 2)
    since, until = START + timedelta(days=30), START + timedelta(days=60)
    return {
        "(nothing)": DecisionQuery(),
        "--workload (common)": DecisionQuery(namespace="ns-00", workload="w-0"),
        "--workload, in any namespace": DecisionQuery(workload="w-61"),
        "--namespace": DecisionQuery(namespace="ns-07"),
        "--namespace (none such)": DecisionQuery(namespace="nowhere"),
        "--verdict": DecisionQuery(verdicts=("deny",)),
        "--verdict, twice": DecisionQuery(verdicts=("deny", "review")),
        "--purpose": DecisionQuery(purpose="deploy"),
        "--stage": DecisionQuery(stage="pilot"),
        "--stage (none such)": DecisionQuery(stage="prototype"),
        "--policy-digest (in force)": DecisionQuery(policy_digest=_digest(POLICIES - 1)),
        "--policy-digest (long ago)": DecisionQuery(policy_digest=_digest(1)),
        "--run": DecisionQuery(run=f"run-{entries // 75}"),
        "--run (none such)": DecisionQuery(run="run-nowhere"),
        "--rule (common)": DecisionQuery(tags=(("rule", "rule-001"),)),
        "--rule (rare)": DecisionQuery(tags=(("rule", "rule-119"),)),
        "--rule (retired long ago)": DecisionQuery(tags=(("rule", "rule-retired"),)),
        "--rule (none such)": DecisionQuery(tags=(("rule", "nope"),)),
        "--criterion": DecisionQuery(tags=(("criterion", "DATA-07"),)),
        "--regulation": DecisionQuery(tags=(("regulation", "hipaa"),)),
        "--model": DecisionQuery(tags=(("model", "model-7"),)),
        "--deployment": DecisionQuery(tags=(("deployment", "self_hosted"),)),
        "--missing-evidence": DecisionQuery(tags=(("evidence", None),)),
        "--missing-evidence dpa": DecisionQuery(tags=(("evidence", "dpa"),)),
        "--since, --until (a month long ago)": DecisionQuery(since=since, until=until),
        "--until (the middle)": DecisionQuery(until=middle),
        "--expired": DecisionQuery(expired_at=now),
        "--expired (at the beginning)": DecisionQuery(expired_at=START + timedelta(days=92)),
        "--verdict --since --until (long ago)": DecisionQuery(verdicts=("deny",), since=since, until=until),
        "--rule --verdict": DecisionQuery(verdicts=("deny",), tags=(("rule", "rule-001"),)),
        "--rule (rare) --verdict --purpose": DecisionQuery(
            verdicts=("deny",), purpose="deploy", tags=(("rule", "rule-119"),)
        ),
        "--rule --criterion --regulation": DecisionQuery(
            tags=(("rule", "rule-003"), ("criterion", "DATA-02"), ("regulation", "hipaa"))
        ),
        "--rule --since --until (long ago)": DecisionQuery(tags=(("rule", "rule-001"),), since=since, until=until),
        "--namespace --verdict --stage": DecisionQuery(namespace="ns-07", verdicts=("review",), stage="pilot"),
        "--policy-digest --verdict (long ago)": DecisionQuery(policy_digest=_digest(1), verdicts=("deny",)),
        "--workload --rule": DecisionQuery(namespace="ns-00", workload="w-0", tags=(("rule", "rule-002"),)),
        "--expired --verdict": DecisionQuery(expired_at=now, verdicts=("allow",)),
        "--owner": DecisionQuery(owner="owner-77@acme.example"),
    }


def build(url: str, entries: int, seed: int = 1) -> float:
    """Append decisions such as a fleet makes over three years; return the seconds that it took."""
    step = timedelta(days=365 * YEARS) / max(entries, 1)
    moment = [START]
    with open_ledger(url, clock=lambda: moment[0]) as ledger:
        started = perf_counter()
        drafts = _drafts(entries, seed)
        for first in range(0, entries, BATCH):
            moment[0] = START + step * first
            ledger.append_many(draft for _, draft in zip(range(min(BATCH, entries - first)), drafts, strict=False))
        return perf_counter() - started


def _drafts(entries: int, seed: int) -> Iterator[Draft]:
    draw = random.Random(seed)  # noqa: S311 - figures, not secrets
    profiles = [_profile(draw) for _ in range(PROFILES)]
    step = timedelta(days=365 * YEARS) / max(entries, 1)
    for number in range(entries):
        # a fleet is decided again and again: the first workloads most often, each mostly with one outcome
        workload = min(int(draw.expovariate(1 / 700)), WORKLOADS - 1)
        profile = profiles[(workload * 7 + draw.randrange(4)) % PROFILES]
        verdict = ("allow", "allow_with_conditions", "review", "deny")[len(profile["rule"]) % 4]
        at = START + step * number
        tags = {**profile, "rule": [*profile["rule"], "rule-retired"]} if number * 50 < entries else profile
        yield Draft(
            EntryType.DECISION,
            body={"id": f"{number:064x}", "verdict": verdict, "engine": {"semantics": "1", "version": "0.1.0"}},
            context={"purpose": "deploy", "actor_known_by": "ci", "run": f"run-{number // 25}"},
            personal={"owner": f"owner-{workload % OWNERS}@acme.example"},
            tags=tags,
            view={
                "decision_id": f"{draw.getrandbits(256):064x}",
                "namespace": f"ns-{workload % NAMESPACES:02}",
                "workload": f"w-{workload}",
                "verdict": verdict,
                "policy_digest": _digest(number * POLICIES // entries),
                "catalog_digest": _digest(99),
                "decided_at": at.isoformat(),
                "workload_digest": _digest(workload),
                "valid_until": (at + timedelta(days=90)).isoformat(),
                "purpose": draw.choice(("draft", "pull_request", "deploy")),
                "stage": "production" if workload % 5 else "pilot",
                "run": f"run-{number // 25}",
            },
        )


def _profile(draw: random.Random) -> dict[str, list[str]]:
    def some(values: list[str], most: int) -> list[str]:
        # the first values are common, the last ones rare
        return sorted({values[min(int(draw.expovariate(5 / len(values))), len(values) - 1)] for _ in range(most)})

    return {
        "rule": some(_RULES, draw.randrange(8, 28)),
        "criterion": some(_CRITERIA, draw.randrange(6, 20)),
        "regulation": draw.sample(["hipaa", "gdpr", "soc2", "eu_ai_act"], draw.randrange(3)),
        "deployment": [draw.choice(("proprietary_api", "open_api", "self_hosted", "edge"))],
        "model": [draw.choice(_MODELS)],
        "evidence": draw.sample(["dpa", "baa", "hardware_measured"], draw.choice((0, 0, 0, 1, 2))),
    }


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


def main() -> int:
    """Exit with 1 where a question took longer than is aimed at."""
    parser = ArgumentParser(prog="python -m bench.queries", description="Time the officer's questions.")
    parser.add_argument("--entries", type=int, default=ENTRIES, help="how many decisions (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the ledger is built and removed (default: the system's)")
    arguments = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}, SQLite")
    return 0 if report(arguments.entries, arguments.folder) else 1


if __name__ == "__main__":
    raise SystemExit(main())
