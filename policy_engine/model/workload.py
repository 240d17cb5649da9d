"""The workload file as a frozen model; its shape, defaults and unknowns are the public contract.

None stands for unknown, but for `proposal`, `hardware`, `fallback` and evidence, where it stands for absent, and for
`labels`, `custom` and `share`. A field with a default is the default where it is left out, and unknown where it is
null; `model_fields_set` tells what was given. Meanings and units of the facts are the vocabulary's.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from policy_engine.model.fields import (
    MOST_ITEMS,
    MOST_TASKS,
    Complexity,
    Count,
    Date,
    Days,
    Deployment,
    DeviceFigure,
    Devices,
    Finding,
    Line,
    Margin,
    Milliseconds,
    Mlops,
    Modality,
    Name,
    Organisation,
    Pattern,
    People,
    Percent,
    Quality,
    Quantization,
    Ratio,
    Score,
    Sensitivity,
    Sha256,
    ShortLine,
    SomeTokens,
    Stage,
    Strict,
    TaskKind,
    Tokens,
    TokensPerHour,
    Usd,
    Weeks,
    refused,
)

ANYWHERE = "anywhere"
DEFAULT_NAMESPACE = "default"
SHARE_TOLERANCE = 1e-6


class Metadata(Strict):
    """Who and what the workload is."""

    namespace: Name | None = DEFAULT_NAMESPACE
    name: Name
    owner: Line = Field(description="Who answers for the workload; recorded only as present.")
    labels: dict[str, str] | None = Field(None, description="Free labels; no rule reads them.")


class Fallback(Strict):
    """Where a proposed deployment turns to when it fails; judged as strictly as the proposal."""

    deployment: Deployment
    model: Line | None = None
    provider: Line | None = None
    region: Line | None = None


class Proposal(Strict):
    """What the team wants to deploy for a task."""

    deployment: Deployment
    model: Line | None = None
    provider: Line | None = None
    region: Line | None = None
    quantization: Quantization | None = "bf16"
    fallback: Fallback | None = None


class Task(Strict):
    """One task of the workload; each gets a decision of its own."""

    name: ShortLine
    kind: TaskKind
    complexity: Complexity | None = None
    quality: Quality | None = None
    share_given: Ratio | None = Field(None, alias="share")
    modalities: Annotated[tuple[Modality, ...], Field(strict=False, min_length=1, max_length=MOST_ITEMS)] | None = (
        "text",
    )
    batch: bool | None = None
    customer_facing: bool | None = None
    well_defined: bool | None = None
    specialised_domain: bool | None = None
    edge_cases_matter: bool | None = None
    latency_p95_ms: Milliseconds | None = None
    context_tokens: SomeTokens | None = None
    min_scores: dict[str, Score | None] | None = Field(
        default_factory=dict, description="Benchmark floors, by the catalog's benchmark names; {} where left out."
    )
    proposal: Proposal | None = None

    @property
    def share(self) -> float:
        """The task's part of the volume; 1.0 for a task that is alone and does not say."""
        return 1.0 if self.share_given is None else self.share_given


class Data(Strict):
    """What the workload's data is and where it may go."""

    sensitivity: Sensitivity | None = None
    regulations: Annotated[tuple[Line, ...], Field(strict=False, max_length=MOST_ITEMS)] | None = None
    may_leave_network: bool | None = None
    residency: Annotated[tuple[Line, ...], Field(strict=False, max_length=MOST_ITEMS)] | None = None
    must_own_logs: bool | None = None
    third_party_accepted: bool | None = None

    @field_validator("residency")
    @classmethod
    def _says_something(cls, regions: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if regions == ():
            hint = "write `[anywhere]` for no restriction, or leave it out where it is not known"
            raise refused([Finding((), "lists no region", hint)])
        if regions and ANYWHERE in regions and len(regions) > 1:
            where = regions.index(ANYWHERE)
            raise refused([Finding((where,), "says `anywhere` beside other regions", "keep one of the two")])
        return regions


class Volume(Strict):
    """How much, for the whole workload."""

    input_tokens_per_month: Count | None = None
    output_tokens_per_month: Count | None = None
    requests_per_day: Count | None = None
    pattern: Pattern | None = None


class Budget(Strict):
    """What it may cost, and costs today."""

    monthly_usd: Usd | None = None
    api_spend_usd_per_month: Usd | None = None
    margin: Margin | None = None


class Team(Strict):
    """Who would operate it."""

    mlops: Mlops | None = None
    ml_engineers: People | None = None
    gpu_devops_engineers: People | None = None
    can_hire: bool | None = None


class Needs(Strict):
    """What the workload cannot do without; a need not stated is not a need."""

    fine_tuning: bool | None = False
    change_architecture: bool | None = False
    choose_serving: bool | None = False
    see_weights: bool | None = False
    vendor_independence: bool | None = False
    no_rate_limits: bool | None = False
    newest_capabilities: bool | None = False
    edge: bool | None = False


class Gpu(Strict):
    """GPUs of one kind that are claimed; a host without one is `name: cpu`."""

    name: Line | None = Field(None, description="The driver's name of the device, or `cpu`.")
    count: Devices | None = Field(None, description="How many of them.")
    memory_gb: DeviceFigure | None = Field(None, description="Memory of each, in GB as sold.")
    memory_gib: DeviceFigure | None = Field(None, description="Memory of each, in GiB; instead of memory_gb.")
    memory_mib: DeviceFigure | None = Field(None, description="Memory of each, in MiB; instead of memory_gb.")
    bandwidth_gb_s: DeviceFigure | None = Field(None, description="Memory bandwidth of each, in GB/s.")
    bf16_tflops: DeviceFigure | None = Field(None, description="Dense bf16 matrix product of each, in TFLOP/s.")
    fp32_tflops: DeviceFigure | None = Field(None, description="fp32 matrix product of each, in TFLOP/s.")

    @model_validator(mode="after")
    def _one_memory(self) -> Gpu:
        given = [name for name in ("memory_gb", "memory_gib", "memory_mib") if getattr(self, name) is not None]
        if len(given) > 1:
            message = f"claims its memory twice, as `{given[0]}` and as `{given[1]}`"
            raise refused([Finding((given[1],), message, "keep one of them")])
        return self


class Serves(Strict):
    """What the claimed hardware is said to serve, and how fast."""

    model: Line | None = None
    quantization: Quantization | None = None
    tokens_per_hour: TokensPerHour | None = None
    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None


class Hardware(Strict):
    """Hardware that the team claims to have."""

    gpus: Annotated[tuple[Gpu, ...], Field(strict=False, min_length=1)] | None = Field(
        None, description="The GPUs claimed; a host without one is [{name: cpu}]."
    )
    host: Line | None = Field(None, description="The host that it is in, as `policy probe` names it there.")
    usd_per_hour: Usd | None = None
    region: Line | None = None
    serves: Serves | None = Field(None, description="What the hardware is said to serve.")


class Replaced(Strict):
    """The deployment that is in use today."""

    deployment: Deployment | None = None
    model: Line | None = None
    provider: Line | None = None


class Migration(Strict):
    """The move away from a deployment in use."""

    replaces: Replaced | None = Field(None, alias="from")
    champion: Line | None = Field(None, description="Who leads the migration; recorded only as present.")
    rollout_start_percent: Percent | None = None
    weeks_planned: Weeks | None = None


class Evidence(Strict):
    """What stands behind an obligation; without any field it is not evidence."""

    reference: Line | None = Field(None, description="A contract's or ticket's number; grade asserted.")
    file: Line | None = Field(None, description="A file, with sha256; grade attached.")
    sha256: Sha256 | None = Field(None, description="The file's SHA-256, in lower-case hexadecimal.")
    signature: Line | None = Field(None, description="An approver's signature file; grade approved.")
    receipt: Line | None = Field(None, description="A tlog-proof file; grade recorded.")
    entry: Line | None = Field(None, description="The entry that the receipt proves.")
    ledger_index: Count | None = Field(None, description="An entry's index; counts in the same ledger alone.")
    issued: Date | None = Field(None, description="The day from which it counts.")
    valid_until: Date | None = Field(None, description="The last day on which it counts.")


def _migration_tag(value: Any) -> str:
    return "<word>" if isinstance(value, str) else "<mapping>"


MigrationOrNone = Annotated[
    Annotated[Literal["none"], Tag("<word>")] | Annotated[Migration, Tag("<mapping>")],
    Discriminator(_migration_tag),
]


class Spec(Strict):
    """What the workload does, with what, for how much."""

    stage: Stage
    organisation: Organisation | None = None
    deploy_within_days: Days | None = None
    tasks: Annotated[tuple[Task, ...], Field(strict=False, min_length=1, max_length=MOST_TASKS)] = Field(
        description="The tasks, each with a decision of its own; the shares of several sum to 1."
    )
    data: Data | None = None
    volume: Volume | None = None
    budget: Budget | None = None
    team: Team | None = None
    needs: Needs | None = Needs()
    hardware: Hardware | None = None
    migration: MigrationOrNone | None = Field(
        None, description="What is replaced; `none` where nothing is; left out is unknown."
    )
    evidence: dict[str, Evidence | None] | None = Field(
        None, description="What satisfies obligations, by the evidence's name."
    )
    custom: dict[str, Any] | None = Field(None, description="Facts that a layer's vocabulary declares.")

    @field_validator("tasks")
    @classmethod
    def _tasks_agree(cls, tasks: tuple[Task, ...]) -> tuple[Task, ...]:
        if findings := [*_repeated_names(tasks), *_wrong_shares(tasks)]:
            raise refused(findings)
        return tasks


class Workload(Strict):
    """One AI workload, as its team describes it."""

    apiVersion: Literal["policy-engine/v1"] = Field(description="The version of this format.")  # noqa: N815
    kind: Literal["Workload"] = Field(description="What the file describes.")
    metadata: Metadata
    spec: Spec

    @property
    def namespace(self) -> str:
        return self.metadata.namespace or DEFAULT_NAMESPACE

    @property
    def identity(self) -> str:
        """Namespace and name, by which a workload is known from one decision to the next."""
        return f"{self.namespace}/{self.metadata.name}"


def _repeated_names(tasks: tuple[Task, ...]) -> list[Finding]:
    counts = Counter(task.name for task in tasks)
    first = {task.name: index for index, task in reversed(list(enumerate(tasks)))}
    return [
        Finding((index, "name"), f"is the name of `spec.tasks[{first[task.name]}]` too", "give each task its own name")
        for index, task in enumerate(tasks)
        if counts[task.name] > 1 and first[task.name] != index
    ]


def _wrong_shares(tasks: tuple[Task, ...]) -> list[Finding]:
    if len(tasks) == 1:
        if abs(tasks[0].share - 1.0) <= SHARE_TOLERANCE:
            return []
        hint = "leave it out, or add the other tasks"
        return [Finding((0, "share"), f"is {tasks[0].share:g}, and the only task has all of the volume", hint)]
    silent = [index for index, task in enumerate(tasks) if task.share_given is None]
    if silent:
        hint = "with several tasks every one gives its share, and they sum to 1"
        return [Finding((index, "share"), "is required where there are several tasks", hint) for index in silent]
    total = math.fsum(task.share for task in tasks)
    if abs(total - 1.0) > SHARE_TOLERANCE:
        return [Finding((), f"have shares that sum to {total:.9g}", "the shares of the tasks sum to 1")]
    return []
