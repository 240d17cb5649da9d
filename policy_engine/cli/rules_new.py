"""`policy rules new`: a rule and its cases to start from, which pass `lint` and `test` as they are."""

from __future__ import annotations

import re
from pathlib import Path

import click

from policy_engine.browsing.named import known
from policy_engine.errors import Problem, UsageError
from policy_engine.model.rule import TOPICS

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
SCHEMA = "rule.schema.json"


@click.command("new", epilog="Example: policy rules new eu-data-stays-in-eu --topic data-residency --origin 'GDPR 44'")
@click.argument("rule_id", metavar="ID")
@click.option("--topic", metavar="TOPIC", required=True, help=f"One of {', '.join(TOPICS)}.")
@click.option("--criterion", metavar="ID", help="The criterion of the register that the rule encodes.")
@click.option("--origin", metavar="TEXT", help="Where a rule of your own comes from.")
@click.option(
    "--to",
    "directory",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path(),
    help="The layer that the rule goes into.  [default: the working directory]",
)
def command(rule_id: str, topic: str, criterion: str | None, origin: str | None, directory: Path) -> None:
    """Write DIR/TOPIC/ID.yaml and its cases, to be edited.

    The two files pass `policy rules lint` and `policy rules test` as they are. Nothing is overwritten.
    """
    from policy_engine.cli.rules_template import cases_text, rule_text
    from policy_engine.loading.layers import CASES_SUFFIX

    known(topic, TOPICS, "topic")
    if (criterion is None) == (origin is None):
        message = "a rule has either `--criterion` or `--origin`"
        raise UsageError(Problem("usage", message, help="--criterion DATA-01, or --origin 'works agreement 2026-3'"))
    if not _ID.match(rule_id):
        message = f"`{rule_id}` cannot be the id of a rule"
        raise UsageError(Problem("usage", message, help="lower-case letters and digits, with hyphens between words"))
    if origin is not None and not (origin.strip() and origin.isprintable()):
        raise UsageError(Problem("usage", "`--origin` is empty, or more than a line of text"))
    _check_shipped(rule_id, criterion)
    _check_layer(rule_id, directory)
    folder = directory / topic
    files = {
        folder / f"{rule_id}.yaml": rule_text(rule_id, topic, criterion, origin),
        folder / f"{rule_id}{CASES_SUFFIX}": cases_text(topic),
    }
    _write(directory, files)
    for path in files:
        click.echo(f"wrote {path}")
    click.echo(f"next: edit them, then policy rules lint {directory} && policy rules test {directory}")


def _check_shipped(rule_id: str, criterion: str | None) -> None:
    from policy_engine.cli.options import load

    rules = load((), None).rules
    if criterion is not None:
        known(criterion, list(rules.criteria), "criterion")
    there = rules.rule(rule_id)
    if there is not None:
        message = f"`{rule_id}` is a shipped rule"
        help_ = f"choose another id; to replace the rule, copy {there.span.file if there.span else 'its file'}"
        raise UsageError(Problem("rule-exists", message, help=help_))


def _check_layer(rule_id: str, directory: Path) -> None:
    """Refuse an id that a rule in another topic of the layer has: the two would be refused together."""
    there = next(iter(sorted(directory.glob(f"*/{rule_id}.yaml"))), None)
    if there is not None:
        raise UsageError(
            Problem("file-exists", f"`{there}` is there already", help="choose another id, or edit that file")
        )


def _write(directory: Path, files: dict[Path, str]) -> None:
    from policy_engine.loading.rule_schema import rule_schema_text

    for path in files:
        if path.exists() or path.is_symlink():
            message = f"`{path}` is there already"
            raise UsageError(Problem("file-exists", message, help="choose another id, or edit that file"))
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
        schema = directory / SCHEMA
        if not schema.exists():
            schema.write_text(rule_schema_text(), encoding="utf-8", newline="\n")
    except OSError as error:
        message = f"cannot write `{error.filename or directory}`: {(error.strerror or str(error)).lower()}"
        raise UsageError(Problem("cannot-write", message)) from None
