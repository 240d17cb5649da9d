"""`policy verify-deployment`: may this be deployed? For the deployer, who has attestations and pinned keys alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from policy_engine.cli.attestation_common import PublicKey, check_file, key_options, pinned
from policy_engine.cli.audit_verify_attestation import UNPROVEN, shown_check, shown_decision, step_section
from policy_engine.cli.help_alone import HelpAlone
from policy_engine.cli.options import PURPOSES, Time, now
from policy_engine.cli.sections import FORMATS, Section, report_writers
from policy_engine.cli.subjects import WantedSubject
from policy_engine.model.fields import Stage

if TYPE_CHECKING:
    from policy_engine.attesting.checking import Checked, Wanted
    from policy_engine.attesting.deploying import Answer

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class PolicyDigest(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The digest of a policy, as `policy rules list` has it."""

    name = "digest"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _DIGEST.fullmatch(str(value)):
            self.fail(f"`{value}` is not a digest such as sha256:2c26b46b...", param, ctx)
        return str(value)


@click.command(
    "verify-deployment",
    cls=HelpAlone,
    epilog="Example: policy verify-deployment out.intoto.jsonl --key policy-ledger.local/60ca5227+c0da0951+ATqN... "
    "--subject registry.example/app@sha256:2c26b46b...",
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@key_options
@click.option(
    "--subject",
    "subjects",
    metavar="[NAME@]sha256:HEX",
    multiple=True,
    required=True,
    type=WantedSubject(),
    help="What is about to be deployed; repeatable.",
)
@click.option("--workload", metavar="[NAMESPACE/]NAME", help="Count decisions on this workload alone.")
@click.option("--stage", type=click.Choice(get_args(Stage)), help="Refuse decisions for another stage.")
@click.option("--purpose", type=click.Choice(PURPOSES), help="Refuse decisions that were made for another purpose.")
@click.option(
    "--policy-digest",
    metavar="DIGEST",
    type=PolicyDigest(),
    envvar="POLICY_POLICY_DIGEST",
    help="Refuse decisions under any other policy than this sha256:...",
)
@click.option("--at", metavar="TIME", type=Time(), help="When it is deployed, RFC 3339.  [default: now]")
@click.option("-o", "--output", "outputs", metavar="FORMAT[=PATH]", multiple=True, help=f"{', '.join(FORMATS)}.")
def command(
    *,
    file: Path,
    keys: Sequence[PublicKey],
    logs: Sequence[str],
    no_receipt: bool,
    subjects: Sequence[Wanted],
    workload: str | None,
    stage: str | None,
    purpose: str | None,
    policy_digest: str | None,
    at: datetime | None,
    outputs: Sequence[str],
) -> int:
    """Say by attestations whether what they bind may be deployed.

    All that `policy audit verify-attestation` checks has to hold. Then the newest decision that binds the subject
    counts, of each workload, and the worst of them is the answer.

    0: allow or allow_with_conditions, and in force. 1: deny. 5: review, or past its valid_until. 3: decided under
    another policy than --policy-digest. 6: something does not verify, has no receipt, is of the future, or nothing
    binds the subject for this workload, stage and purpose. 2: FILE or an option is wrong. The first of 6, 3, 2, 1, 5, 0
    wins.
    """
    from policy_engine.cli.main import CONDITION, LEDGER, OK, REVIEW, RULES, first_of
    from policy_engine.cli.output import parse_outputs, spare, write_reports

    targets = parse_outputs(outputs, FORMATS)
    spare(targets, [file])
    found = check_file(file, pinned(keys, logs, no_receipt, subjects))
    answer = None
    if found.ok:
        from policy_engine.attesting.deploying import Asked, may_deploy

        asked = Asked(tuple(subjects), at or now(), policy_digest, workload, stage, purpose)
        answer = may_deploy([read for _, read in found.decisions], asked)
    shown = _shown(found, answer)
    write_reports(targets, report_writers(lambda: shown, lambda: _sections(shown, no_receipt)))
    if answer is None:
        return LEDGER
    by_kind = {
        "unbound": LEDGER,
        "clock": LEDGER,
        "policy": RULES,
        "deny": CONDITION,
        "review": REVIEW,
        "expired": REVIEW,
    }
    return first_of([OK, *(by_kind[finding.kind] for finding in answer.findings)])


def _shown(found: Checked, answer: Answer | None) -> dict[str, Any]:
    counted = answer.counted if answer is not None else ()
    findings = answer.findings if answer is not None else ()
    return {
        "kind": "DeploymentCheck",
        "ok": answer is not None and not findings,
        "findings": [{"kind": finding.kind, "message": finding.message} for finding in findings],
        "decisions": [shown_decision(read) for read in counted],
        "verified": found.ok,
        "steps": shown_check(found)["steps"],
    }


def _sections(shown: dict[str, Any], no_receipt: bool) -> list[Section]:
    if not shown["verified"]:
        failed = [step["name"] for step in shown["steps"] if step["status"] == "failed"]
        return [step_section(shown), Section(pairs=[("REFUSED", f"it does not verify: {', '.join(failed)}")])]
    counted = [
        f"{each['verdict']} {each['workload']}, {_period(each)}, {each['id'][:12]}" for each in shown["decisions"]
    ]
    if shown["ok"]:
        head = ("DEPLOY", counted[0] if len(counted) == 1 else f"all of {len(counted):,} decisions allow it")
    else:
        head = ("REFUSED", shown["findings"][0]["message"])
    sections = [Section(pairs=[head])]
    if more := [finding["message"] for finding in shown["findings"][1:]]:
        sections.append(Section(lines=more))
    if counted and not (shown["ok"] and len(counted) == 1):
        sections.append(Section(title="Decisions that count", lines=counted))
    return [*sections, Section(lines=[UNPROVEN])] if no_receipt else sections


def _period(decision: dict[str, Any]) -> str:
    return f"valid until {decision['valid_until']}" if decision["valid_until"] else "valid without end"
