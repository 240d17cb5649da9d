"""`policy prove`: what holds for every workload, proved, or a workload for which it does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import Folder, at_option, policy_options
from policy_engine.cli.sections import FORMATS
from policy_engine.errors import Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.proofs.results import Result


class Seconds(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A time such as `10s`, `0.5s` or `2m`, in seconds."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,4}(?:\.\d{1,3})?)\s*([sm]?)", str(value).strip(), re.ASCII)
        if found is None or float(found[1]) == 0:
            self.fail(f"`{value}` is not a time such as 10s, 0.5s or 2m", param, ctx)
        return float(found[1]) * (60.0 if found[2] == "m" else 1.0)


@click.command("prove", epilog="Example: policy prove --policy acme-rules --counterexamples found/")
@click.argument("names", nargs=-1, metavar="[PROPERTY]...")
@click.option(
    "--timeout", metavar="TIME", type=Seconds(), default="10s", show_default=True, help="What one question may take."
)
@click.option(
    "--counterexamples",
    "folder",
    metavar="DIR",
    type=Folder(path_type=Path),
    help="Write each as a workload file there.",
)
@at_option("The time of the decisions that are proved of, RFC 3339.  [default: now]")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@policy_options
def command(
    *,
    names: Sequence[str],
    timeout: float,
    folder: Path | None,
    at: datetime | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
) -> int:
    """Prove with Z3 what has to hold for every workload that there could be.

    Properties stand in properties.yaml, of the shipped rules and of layers; others hold of any rules: each can fire and
    changes something, thresholds meet, collisions are said, and less knowledge never allows. What does not hold is
    shown with a workload file that the engine decides so. What is not answered in time is not proved. It needs the
    extra `prove`, and exits with 4 where anything is not proved.
    """
    _need_z3()
    from policy_engine.cli.main import CASES, OK
    from policy_engine.cli.options import load, now
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.prove_shown import writers
    from policy_engine.proofs.proving import prove_all

    targets = parse_outputs(outputs, FORMATS)
    _check_folder(folder)
    when = at or now()
    policy = load(layers, policy_digest)
    results = prove_all(policy, layers, when, names, timeout)
    files = _written(results, folder) if folder is not None else {}
    write_reports(targets, writers(policy, when, results, files))
    return OK if all(each.status == "proved" for each in results) else CASES


def _need_z3() -> None:
    """Refuse where the extra is not installed.

    Raises:
        UsageError: with how to install it.
    """
    try:
        import policy_engine.lowering.to_z3  # noqa: F401 - whether it can be loaded is all that is asked
    except ModuleNotFoundError as error:
        if error.name != "z3":
            raise
        hint = "install it with: pip install 'policy-engine[prove]'"
        raise UsageError(Problem("extra-missing", "proving needs Z3, which is not installed", help=hint)) from None


def _check_folder(folder: Path | None) -> None:
    """Refuse what is no folder before anything is proved; one that is not there is made."""
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot write to `{folder}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message, help="name a folder")) from None


def _written(results: Sequence[Result], folder: Path) -> dict[tuple[str, int], Path]:
    """Write each counterexample, and return its file by property and place."""
    from policy_engine.cli.output import write_file

    files = {}
    for result in results:
        for place, failure in enumerate(result.failures):
            if failure.counterexample is None:
                continue
            path = folder / (f"{result.id}.yaml" if place == 0 else f"{result.id}-{place + 1}.yaml")
            try:
                write_file(path, failure.counterexample.text())
            except OSError as error:
                message = f"cannot write `{path}`: {(error.strerror or str(error)).lower()}"
                raise UsageError(Problem("cannot-write", message)) from None
            files[result.id, place] = path
    return files
