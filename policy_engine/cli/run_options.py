"""What `evaluate` and `gate` are told: the options that both have, and what these come down to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from policy_engine.cli.options import (
    LedgerChoice,
    Place,
    choose_ledger,
    decision_options,
    now,
    output_options,
    policy_options,
    recording_options,
)
from policy_engine.errors import PolicyError, Problem, UsageError
from policy_engine.sources.selection import Selection

if TYPE_CHECKING:
    from policy_engine.cli.output import Target

#: Formats that CI systems read; each is `policy_engine.ci.<name>.render`.
CI_FORMATS: tuple[str, ...] = ("sarif", "junit", "github", "gitlab")
FORMATS = ("text", "json", "yaml", "markdown", *CI_FORMATS)

Command = Callable[..., int]
Option = Callable[[Command], Command]

_PASSED_ON = ("layers", "policy_digest", "purpose", "cross_check", "waivers", "all_rules", "verbose", "quiet")
_DECIDING: tuple[Option, ...] = (
    click.argument("files", nargs=-1, metavar="[PATH]..."),
    click.option(
        "--since", metavar="REV", help="Judge what changed since REV and HEAD parted; without PATH, anywhere."
    ),
    click.option("--if-any", is_flag=True, help="Exit with 0 where PATH holds no workload, instead of 2."),
    click.option("--all-rules", is_flag=True, help="List the rules that did not fire, too."),
    click.option(
        "--cross-check", is_flag=True, help="Ask the CEL runtime the same conditions; differ, and nothing is decided."
    ),
    click.option(
        "--waivers",
        metavar="PATH",
        multiple=True,
        type=Place(),
        help="Signed waivers: a file that `policy waiver approve` wrote, or a folder of them; repeatable.",
    ),
)
#: What no end of a comment in HTML can be made of.
_COMMENT_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/]|-(?!-))*\Z")


def _comment_name(_ctx: click.Context, _option: click.Parameter, name: str) -> str:
    if not _COMMENT_NAME.match(name) or name.endswith("-"):
        message = "a comment's name is of letters, digits, `.`, `_`, `/` and single hyphens"
        raise UsageError(Problem("usage", message, help="for example --comment-name production"))
    return name


_COMMENT = click.option(
    "--comment-name",
    metavar="NAME",
    default="gate",
    show_default=True,
    envvar="POLICY_COMMENT_NAME",
    callback=_comment_name,
    help="What `-o markdown` is found by again, among other gates' comments.",
)
_SHARED: tuple[Option, ...] = (output_options(FORMATS), decision_options, policy_options, recording_options)


@dataclass(frozen=True)
class Run:
    """What the options of a run come down to: what is decided, when, by which rules, and where it goes.

    `unselected` is why it could not be told what is to be decided: the gate tells CI systems, too.
    """

    selection: Selection
    unselected: PolicyError | None
    layers: Sequence[Path]
    policy_digest: str | None
    ledger: LedgerChoice
    at: datetime
    purpose: str
    cross_check: bool
    waivers: Sequence[Path]
    targets: Sequence[Target]
    all_rules: bool
    verbose: int
    quiet: bool
    server: str | None = None
    """The address of the served engine that decides in place of this program."""
    comment: str | None = None
    """The name of the comment that markdown is for a gate; None: markdown is the decisions."""

    @property
    def for_ci(self) -> list[Target]:
        """The reports of findings: those that CI systems read, and a gate's comment."""
        formats = (*CI_FORMATS, *(("markdown",) if self.comment is not None else ()))
        return [target for target in self.targets if target.format in formats]

    @property
    def wants_findings(self) -> bool:
        """Whether a report is asked for that lists findings."""
        return bool(self.for_ci)

    @property
    def files(self) -> Sequence[str]:
        """The files that are judged."""
        return self.selection.names


def run_options(*own: Option, comment: bool = False) -> Option:
    """Give a command the files and options of a run, and call it with the `Run`; `own` are options of its own.

    They are given here, because the help tells them after those of deciding and before those of the report. With
    `comment`, markdown is one comment on a pull request.
    """

    def add(command: Command) -> Command:
        @click.pass_context
        @wraps(command)
        def call(
            ctx: click.Context,
            /,
            *,
            files: Sequence[str],
            since: str | None,
            if_any: bool,
            outputs: Sequence[str],
            at: datetime | None,
            ledger: str | None,
            ledger_key: Path | None,
            comment_name: str | None = None,
            **given: Any,
        ) -> int:
            from policy_engine.cli.output import parse_outputs
            from policy_engine.cli.run_places import check_places
            from policy_engine.cli.served_options import check_served, served_by, served_ledger
            from policy_engine.ways_wording import on_server

            targets = parse_outputs(outputs, FORMATS)
            shared = {name: given.pop(name) for name in _PASSED_ON}
            server = served_by(ctx)
            if server is not None:
                check_served(ctx, shared, given)
                shared |= {"layers": (), "waivers": ()}
                chosen, at = served_ledger(ctx, server), None
                ctx.with_resource(on_server(server))
            else:
                chosen = choose_ledger(ctx, ledger, ledger_key, spools=True)
            selection, unselected = Selection(), None
            try:
                by = [*shared["layers"], *shared["waivers"], *([given["baseline"]] if given.get("baseline") else [])]
                selection = _select(files, since, if_any, by)
            except PolicyError as error:
                if ctx.info_name != "gate":
                    raise
                unselected = error
            shared |= {"targets": targets, "ledger": chosen, "at": at or now(), "comment": comment_name}
            shared["server"] = server
            run = Run(selection, unselected, **shared)
            check_places(run, given, files)
            return command(run, **given)

        # click reads decorators from the last to the first: so does this
        for option in reversed((*_DECIDING, *own, *((_COMMENT,) if comment else ()), *_SHARED)):
            call = option(call)
        return call

    return add


def _select(files: Sequence[str], since: str | None, if_any: bool, by: Sequence[Path]) -> Selection:
    """Return what is judged; where something of what it is judged `by` changed since a revision, that is everything."""
    if since is not None:
        from policy_engine.sources.changes import select_changed

        return select_changed(files, since, by, if_any)
    from policy_engine.sources.selecting import select

    if not files:
        raise click.UsageError("missing argument 'PATH'", click.get_current_context())
    return select(files, if_any)
