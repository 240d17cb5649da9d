"""What a server counts, each metric once by its name; the exposition, the dashboard and the alerts read it here.

Names follow Prometheus: base units as suffix, `_total` where it counts. Labels have few values: routes as they are
written and not as they are asked for, verdicts, codes, ids of rules; never a person, a workload or an address.
"""

from __future__ import annotations

from msgspec import Struct

#: Label values of one metric; what goes beyond is counted under `other`.
MOST_SERIES = 500
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metric(Struct, frozen=True):
    """A metric. `name` is without `_total`; `kind` is counter, histogram or gauge.

    `across` says what a gauge of a host is: the sum, the greatest or the least of its workers'. `unit` is the suffix.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    across: str = "sum"

    @property
    def series(self) -> str:
        """The name that is asked for in queries; of a histogram without `_bucket`, `_sum` and `_count`."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


REQUESTS = Metric("policy_http_requests", "counter", "Requests answered.", ("route", "method", "status"))
REQUEST_SECONDS = Metric(
    "policy_http_request_duration_seconds", "histogram", "Time from a request's first line to its answer's last byte.",
    ("route", "method"), "seconds", _SECONDS,
)  # fmt: skip
IN_PROGRESS = Metric("policy_http_requests_in_progress", "gauge", "Requests that are worked on now.")
SERVER_ERRORS = Metric("policy_server_errors", "counter", "Requests answered 500: errors of the engine.")
DECISIONS = Metric("policy_decisions", "counter", "Decisions recorded and answered.", ("verdict", "purpose"))
REMEMBERED = Metric("policy_decisions_remembered", "counter", "Requests for what was decided earlier the same day.")
RULES_FIRED = Metric("policy_rules_fired", "counter", "Recorded decisions in which a rule fired.", ("rule",))
EVALUATION_SECONDS = Metric(
    "policy_evaluation_duration_seconds", "histogram", "Time to decide a request's workloads.", (), "seconds", _SECONDS,
)  # fmt: skip
COMMITS = Metric("policy_commits", "counter", "Commits to the ledger.", ("result",))
COMMIT_SECONDS = Metric(
    "policy_commit_duration_seconds", "histogram", "Time of a commit to the ledger.", (), "seconds", _SECONDS,
)  # fmt: skip
COMMIT_ENTRIES = Metric(
    "policy_commit_entries", "histogram", "Entries in one commit.", (), "", (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)  # fmt: skip
LEDGER_REFUSALS = Metric(
    "policy_ledger_refusals", "counter", "Requests that were answered 503 since the ledger refused.", ("code",)
)
LEDGER_ENTRIES = Metric("policy_ledger_entries", "gauge", "Size of the ledger, as last seen.", across="max")
QUEUE = Metric("policy_queue_length", "gauge", "What waits for a thread of a kind.", ("queue",))
BUSY = Metric("policy_busy_refusals", "counter", "Requests told to come back later.", ("code",))
LOG_INS_FAILED = Metric("policy_log_ins_failed", "counter", "Requests of nobody known.", ("code",))
ACCESS_REFUSED = Metric("policy_access_refused", "counter", "Requests that somebody known may not make.", ("code",))
RELOADS = Metric("policy_reloads", "counter", "Reloads of the rules, as each worker met them.", ("result",))
RELOAD_FAILED = Metric(
    "policy_reload_failed", "gauge", "1 while older rules are in force than were given.", (), "", (), "max"
)
READY = Metric("policy_ready", "gauge", "1 where rules and ledger are usable.", (), "", (), "min")
WORKERS = Metric("policy_workers", "gauge", "Workers that answer on this host.")
POLICY_INFO = Metric(
    "policy_in_force_info", "gauge", "The policy in force, by its digest.", ("digest", "policy_version"), "", (), "max"
)  # fmt: skip
BUILD_INFO = Metric(
    "policy_build_info", "gauge", "The engine's version.", ("version", "semantics", "python"), "", (), "max"
)  # fmt: skip
CPU_SECONDS = Metric("policy_worker_cpu_seconds", "counter", "Processor time of a worker.", ("worker",), "seconds")
MEMORY = Metric("policy_worker_resident_memory_bytes", "gauge", "Memory of a worker.", ("worker",), "bytes")
OPEN_FILES = Metric("policy_worker_open_fds", "gauge", "Open file descriptors of a worker.", ("worker",))
STARTED = Metric(
    "policy_worker_start_time_seconds", "gauge", "When a worker started, in Unix time.", ("worker",), "seconds"
)  # fmt: skip
LOOP_LAG = Metric(
    "policy_worker_loop_lag_seconds", "gauge", "How late a worker's event loop came to a call.", ("worker",), "seconds"
)  # fmt: skip
LOG_LINES_LOST = Metric("policy_log_lines_lost", "counter", "Log lines that standard error did not take.")

METRICS: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
BY_NAME = {each.name: each for each in METRICS}
