"""`policy probe`: measures this host, and holds hardware claims to what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.evidence_common import one_workload, workload_option
from policy_engine.cli.options import policy_options
from policy_engine.cli.probe_attest import attest, attest_options, prepare
from policy_engine.cli.sections import FORMATS, report_writers
from policy_engine.errors import InputError, Problem, UsageError

if TYPE_CHECKING:
    from policy_engine.catalog.claims import HardwareClaim
    from policy_engine.cli.output import Target
    from policy_engine.loading.policy import Policy
    from policy_engine.model.workload import Workload
    from policy_engine.probe.report import Report
    from policy_engine.probe.verdict import ClaimVerdict

CONTRADICTED, UNVERIFIABLE = "contradicted", "unverifiable"
#: How long the interpreter took before the command began: it counts, for the user waits for it.
_STARTED_SECONDS = 0.3


class Seconds(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A time such as `30s`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from policy_engine.probe.asking import parse_seconds

        if isinstance(value, float):
            return value
        try:
            return parse_seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command("probe", epilog="Example: policy probe --claims workload.yaml --plot roofline.svg -o json")
@click.option(
    "--claims", metavar="FILE", help="Judge what this workload claims of its hardware; `-` is standard input."
)
@workload_option
@click.option("--device", metavar="NAME", help="cpu, cuda, cuda:1, mps or xpu.  [default: all accelerators, else cpu]")
@click.option(
    "--budget", metavar="TIME", type=Seconds(), default="30s", show_default=True, help="What the run may take."
)
@click.option(
    "--seed", metavar="N", type=click.IntRange(0, 2**31), default=1, show_default=True, help="Of random data."
)
@click.option(
    "--fail-on",
    type=click.Choice([CONTRADICTED, UNVERIFIABLE]),
    help="Exit with 1 where a claim is contradicted, or (unverifiable) one that can be measured is not verified.",
)
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Draw the roofline: .svg or .png.")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
@attest_options
@policy_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    claims: str | None,
    chosen: str | None,
    device: str | None,
    budget: float,
    seed: int,
    fail_on: str | None,
    plot: Path | None,
    outputs: Sequence[str],
    layers: Sequence[Path],
    policy_digest: str | None,
    recording: bool,
    key: Path | None,
    until: date | None,
    target: Path | None,
    ledger: str | None,
    ledger_key: Path | None,
) -> int:
    """Measure this host's devices with torch, and judge hardware claims by it.

    Measured are memory that was written and read back, copies, matrix products, a decode step, and what a device keeps
    up; the same on CUDA, ROCm, Apple's and Intel's devices and CPUs. Each claim is then verified, contradicted, or
    unverifiable with the reason. A device that others use is measured with that said, and contradicts a claim only
    where it misses it by far. It needs the extra `probe`, and exits with 0 whatever the verdicts are.

    What was found is put on record as an attestation, which workloads name as evidence hardware_attestation: with
    --claims for that workload, else for every workload that names this host (hardware.host).
    """
    import time

    began = time.perf_counter() - _STARTED_SECONDS
    from policy_engine.cli.main import CONDITION, OK
    from policy_engine.cli.options import choose_ledger, load
    from policy_engine.cli.output import parse_outputs, write_reports
    from policy_engine.cli.probe_shown import document, sections
    from policy_engine.probe.device import choose, torch
    from policy_engine.probe.verdicts import claimed_memory_bytes, judge_measured

    targets = parse_outputs(outputs, FORMATS)
    _keep_apart(targets, claims, plot, key, target)
    _check_options(claims, chosen, fail_on, plot)
    _check_recording(recording, {"--key": key, "--to": target, "--valid-until": until})
    policy = load(layers, policy_digest) if claims is not None or plot is not None else None
    workload, folder, claim = _claimed(claims, chosen, policy)
    choose(torch(), device)  # what is not there is said before a ledger is made
    attesting = None
    if recording:
        choice = choose_ledger(ctx, ledger, ledger_key)
        attesting = prepare(choice, workload, folder, key=key, until=until, target=target)

    from policy_engine.probe.run import probe

    memory_bytes = claimed_memory_bytes(policy.catalog, claim) if policy is not None and claim is not None else None
    report = probe(device, budget, seed, began, memory_bytes)
    verdicts = judge_measured(policy.catalog, claim, report) if policy is not None and claim is not None else ()
    attestation = attest(attesting, report, verdicts) if attesting is not None else None
    if plot is not None and policy is not None:
        _draw(plot, policy, report, claim, verdicts)
    value = document(report, verdicts, attestation)
    write_reports(targets, report_writers(lambda: value, lambda: sections(report, verdicts, attestation)))
    return CONDITION if fail_on and _is_met(fail_on, verdicts) else OK


def _check_recording(recording: bool, given: Mapping[str, object]) -> None:
    """Refuse options of an attestation that is not to be made."""
    if not recording and (names := [name for name, value in given.items() if value is not None]):
        raise UsageError(Problem("usage", f"`{names[0]}` goes with `--record`", help="leave one of the two out"))


def _is_met(fail_on: str, verdicts: Sequence[ClaimVerdict]) -> bool:
    """Whether a claim is contradicted, or (unverifiable) one that can be measured is not verified."""
    from policy_engine.probe.verdict import MEASURABLE

    if any(each.verdict == "contradicted" for each in verdicts):
        return True
    return fail_on == UNVERIFIABLE and any(each.name in MEASURABLE and each.verdict != "verified" for each in verdicts)


def _keep_apart(
    targets: Sequence[Target], claims: str | None, plot: Path | None, key: Path | None, receipt: Path | None
) -> None:
    """Refuse to write two things to one file, or over what is read."""
    from policy_engine.cli.output import Target, spare

    read = [Path(claims)] if claims not in (None, "-") else []
    read += [key] if key is not None else []
    receipts = [receipt, receipt.with_suffix(".entry.json")] if receipt is not None else []
    pictures = [plot] if plot is not None else []
    spare(targets, [*read, *receipts, *pictures])
    spare([Target("picture", each) for each in pictures], [*read, *receipts])
    spare([Target("receipt", each) for each in receipts], read)


def _check_options(claims: str | None, chosen: str | None, fail_on: str | None, plot: Path | None) -> None:
    """Refuse what cannot work before anything is measured."""
    if claims is None and (fail_on is not None or chosen is not None):
        name = "--fail-on" if fail_on is not None else "--workload"
        raise UsageError(Problem("usage", f"`{name}` goes with `--claims`", help="name the workload's file"))
    if plot is not None:
        from policy_engine.plots.canvas import check_picture

        check_picture(plot)


def _claimed(
    claims: str | None, chosen: str | None, policy: Policy | None
) -> tuple[Workload | None, Path, HardwareClaim | None]:
    """Return the workload, the folder that it names files in, and what it claims.

    Raises:
        InputError: the file is invalid, or claims no hardware.
    """
    if claims is None or policy is None:
        return None, Path.cwd(), None
    from policy_engine.claims import claim_of

    workload, folder = one_workload(claims, chosen, policy)
    claim = claim_of(workload.spec.hardware)
    if claim is None or not claim.gpus:
        message = f"`{workload.identity}` claims no hardware"
        raise InputError(Problem("no-claims", message, help="say under `spec.hardware.gpus` what it claims"))
    return workload, folder, claim


def _draw(
    plot: Path, policy: Policy, report: Report, claim: HardwareClaim | None, verdicts: Sequence[ClaimVerdict]
) -> None:
    from policy_engine.cli.probe_plot import points, roofs
    from policy_engine.plots.roofline import draw_roofline

    title = f"{report.host.name}, {report.measured_at}"
    draw_roofline(plot, title, roofs(policy.catalog, report, claim), points(report, verdicts))
