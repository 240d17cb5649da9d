"""What `policy parity` is asked: models, files and tasks, all of it read and checked before anything is compared."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from msgspec import Struct

from policy_engine.cli.evidence_common import one_workload
from policy_engine.errors import Problem, UsageError, did_you_mean
from policy_engine.loading.wording import listed, quoted
from policy_engine.model.fields import TaskKind
from policy_engine.parity.comparing import Terms
from policy_engine.parity.reading import AnswerFile, Example, GoldenFile, Problems, read_answers, read_golden
from policy_engine.parity.scoring import Asked
from policy_engine.vouching.evaluated import CONFIDENCE, MARGIN, is_same, parameter
from policy_engine.vouching.evaluation import ANSWERS, FAMILIES, METRICS, MOST_CANDIDATES, alpha_of, draws_needed

if TYPE_CHECKING:
    from policy_engine.catalog.catalog import Catalog
    from policy_engine.cli.output import Target
    from policy_engine.loading.policy import Policy
    from policy_engine.model.workload import Workload


class Given(Struct, frozen=True):
    """What stands on the command line."""

    file: str | None
    chosen: str | None
    golden: Path
    current: str
    candidates: tuple[str, ...]
    task: str | None
    kind: str | None
    metric: str | None
    schemas: tuple[str, ...]


class Question(Struct, frozen=True):
    """What is compared, by which terms; `workload` is None where none says of which kind the tasks are."""

    workload: Workload | None
    folder: Path
    golden: GoldenFile
    files: tuple[AnswerFile, ...]
    tasks: tuple[Asked, ...]
    left_out: tuple[str, ...]
    terms: Terms
    problems: Problems


def check_given(given: Given, recording: bool, with_record: Mapping[str, object]) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: they do not.
    """
    if not recording and (names := [name for name, value in with_record.items() if value is not None]):
        raise _usage(f"`{names[0]}` goes with `--record`", "leave it out, or record the report")
    if given.file is None:
        if recording:
            raise _usage("`--record` needs a workload, of which the report is evidence", "name the workload's file")
        if given.chosen is not None:
            raise _usage("`--workload` goes with a workload's file", "name that file")
        if given.kind is None and given.metric is None:
            raise _usage("nothing says of which kind the task is", "name a workload's file, or give --kind or --metric")
    elif given.kind is not None:
        raise _usage("`--kind` goes with no workload's file, which says the kinds of its tasks", "leave one out")
    if recording and given.task is not None:
        raise _usage("a report of one task is no evidence of a workload", "record without --task")
    if given.kind is not None and given.kind not in get_args(TaskKind):
        kinds = list(get_args(TaskKind))
        raise _usage(f"there is no kind of task `{given.kind}`", did_you_mean(given.kind, kinds) or listed(kinds))
    names = [name for each in FAMILIES for name in each]
    if given.metric is not None and given.metric not in names:
        raise _usage(f"there is no metric `{given.metric}`", did_you_mean(given.metric, names) or f"{listed(names)}")
    if len(given.candidates) > MOST_CANDIDATES:
        raise _usage(f"{len(given.candidates)} candidates are more than {MOST_CANDIDATES}", "shorten the list first")


def keep_apart(targets: Sequence[Target], given: Given, plot: Path | None, receipt: Path | None) -> None:
    """Refuse to write two things to one file, or over what is read; and a picture that cannot be drawn."""
    from policy_engine.cli.output import Target, spare
    from policy_engine.plots.canvas import check_picture

    read = [given.golden, *(_named(each)[1] for each in (given.current, *given.candidates))]
    read += [Path(each.partition("=")[2] or each) for each in given.schemas]
    read += [Path(given.file)] if given.file not in (None, "-") else []
    receipts = [receipt, receipt.with_suffix(".entry.json")] if receipt is not None else []
    pictures = [plot] if plot is not None else []
    spare(targets, [*read, *receipts, *pictures])
    spare([Target("picture", each) for each in pictures], [*read, *receipts])
    spare([Target("receipt", each) for each in receipts], read)
    if plot is not None:
        check_picture(plot)


def ask(given: Given, policy: Policy, margin: float | None, confidence: float | None, resamples: int,
        seed: int) -> Question:  # fmt: skip
    """Read all that is compared.

    Raises:
        UsageError: models, tasks or metrics are not there, or do not go together.
        InputError: a file is not what it should be; every problem of all of them is said.
    """
    workload, folder = (None, Path.cwd()) if given.file is None else one_workload(given.file, given.chosen, policy)
    for option, share in (("--margin", margin), ("--confidence", confidence)):
        if share is not None and math.isnan(share):
            raise _usage(f"`{option}` is no number", "give a share, such as 0.02 or 0.95")
    named = [_named(each) for each in (given.current, *given.candidates)]
    _check_models(policy.catalog, [name for name, _ in named])
    terms = Terms(
        margin=parameter(policy, MARGIN) if margin is None else margin,
        confidence=parameter(policy, CONFIDENCE) if confidence is None else confidence,
        resamples=resamples,
        seed=seed,
    )
    _check_terms(terms, len(given.candidates))
    problems = Problems()
    golden = read_golden(given.golden, problems)
    files = tuple(read_answers(model, path, golden, problems) for model, path in named)
    _tell_apart(files, problems)
    groups = _groups(given, golden, workload, problems)
    problems.raise_any()
    kinds = {task.name: task.kind for task in workload.spec.tasks} if workload is not None else {}
    found = {name: kinds.get(str(name), given.kind) for name in groups}
    metrics = {name: _metric(kind, given.metric, name) for name, kind in found.items()}
    schemas = _schemas(given.schemas, metrics)
    tasks = tuple(
        Asked(name, found[name], metrics[name], tuple(examples), golden, files, schemas.get(name))
        for name, examples in groups.items()
    )
    left_out = tuple(name for name in kinds if name not in groups)
    return Question(workload, folder, golden, files, tasks, left_out, terms, problems)


def _named(text: str) -> tuple[str, Path]:
    name, sep, path = text.partition("=")
    if not (name.strip() and sep and path):
        raise _usage(f"`{text}` names no model and its file", "write MODEL=FILE, such as gpt-4o=gpt-4o.jsonl")
    return name.strip(), Path(path)


def _tell_apart(files: Sequence[AnswerFile], problems: Problems) -> None:
    """Refuse one file for two models, however it is written: what was answered twice is not all the same."""
    for place, file in enumerate(files):
        for other in files[:place]:
            if file.said_sha256 == other.said_sha256 and not problems.found(file.path):
                message = f"it says what the answers say of `{other.model}`, `{other.path}`"
                hint = "give each model its own answers; where they are all alike, tell the two runs apart under `meta`"
                problems.add(file.path, "same-answers", message, hint=hint)
                break


def _check_models(catalog: Catalog, names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        for other in names[:place]:
            if is_same(catalog, name, other):
                raise _usage(f"`{name}` and `{other}` are one model", "name each once")


def _check_terms(terms: Terms, candidates: int) -> None:
    if not (0 < terms.margin <= 1 and 0 < terms.confidence < 1):
        raise _usage("`parity_margin` and `parity_confidence` of the policy are no shares", "give both as options")
    least = draws_needed(alpha_of(terms.confidence, candidates))
    if terms.resamples < least:
        message = f"{terms.resamples:,} draws are too few for a confidence of {terms.confidence:g}"
        raise _usage(message, f"give --resamples {least} or more")


def _groups(given: Given, golden: GoldenFile, workload: Workload | None,
            problems: Problems) -> dict[str | None, list[Example]]:  # fmt: skip
    """Return the examples by task: by the workload's tasks in their order, else in the order of the file."""
    names = [task.name for task in workload.spec.tasks] if workload is not None else None
    if names is not None and given.task is not None and given.task not in names:
        raise _usage(f"the workload has no task `{given.task}`", did_you_mean(given.task, names) or listed(names))
    alone = names[0] if names is not None and len(names) == 1 else None
    found: dict[str | None, list[Example]] = {name: [] for name in names or ()}
    for each in golden.examples.values():
        name = each.task if each.task is not None else alone
        if name is None and names is not None:
            problems.add(golden.path, "no-task", f"it names no `task`, and the workload has {len(names)}", each.line)
        elif names is not None and name not in names:
            hint = did_you_mean(str(name), names) or f"it has {listed(names, 'and')}"
            problems.add(golden.path, "no-task", f"the workload has no task {quoted(name)}", each.line, hint=hint)
        else:
            found.setdefault(name, []).append(each)
    if given.task is not None:
        # a dataset that names no tasks is of one, and this is its name
        only = found.get(given.task) or (found.get(None) if found.keys() == {None} else None)
        found = {given.task: only or []}
        if not only and not problems.found(golden.path):
            raise _usage(f"no example is of the task `{given.task}`", "its lines say so under `task`")
    return {name: examples for name, examples in found.items() if examples}


def _metric(kind: str | None, metric: str | None, task: str | None) -> str:
    """Return the metric that decides for a kind of task (MIGRATE-03)."""
    of = f" of the task `{task}`" if task is not None else ""
    known = METRICS.get(kind) if kind is not None else None
    if metric is None:
        if known is None:
            raise _usage(f"no metric is published for the kind `{kind}`{of}", "choose one with --metric")
        return known[0]
    if known is not None and metric not in known:
        raise _usage(f"`{metric}` is no metric for the kind `{kind}`{of}", f"it is compared by {listed(known)}")
    return metric


def _schemas(given: Sequence[str], metrics: Mapping[str | None, str]) -> dict[str | None, Callable[[Any], bool]]:
    from policy_engine.parity.schemas import read_schema

    found: dict[str | None, Callable[[Any], bool]] = {}
    takes = [name for name, metric in metrics.items() if metric in ANSWERS]
    for text in given:
        task, sep, path = text.partition("=")
        names = [task] if sep and task in metrics else takes
        if not names or any(name not in takes or name in found for name in names):
            raise _usage(f"`--schema {text}` is of no task whose answers are extracted, or of one that has another",
                         "write TASK=FILE, once for each task")  # fmt: skip
        holds = read_schema(Path(path if sep and task in metrics else text))
        found |= dict.fromkeys(names, holds)
    if "schema_valid" in metrics.values() and not found:
        raise _usage("`schema_valid` needs a schema", "give it with --schema")
    return found


def _usage(message: str, hint: str) -> UsageError:
    return UsageError(Problem("usage", message, help=hint))
