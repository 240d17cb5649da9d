"""The command group: lazy commands, the exit statuses, and how errors are shown.

Exit statuses live here and nowhere else (contract: the command `policy`, "Exit status"). Where several apply, the
first of 7, 6, 3, 2, 1, 5, 0 wins.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from types import ModuleType

import click

from policy_engine import __version__
from policy_engine.cli.printable import printable
from policy_engine.errors import (
    BrokenOutputError,
    CaseError,
    InputError,
    PolicyError,
    RecordingError,
    RulesError,
    UsageError,
)

OK, CONDITION, USAGE, RULES, CASES, REVIEW, LEDGER, UNEXPECTED = 0, 1, 2, 3, 4, 5, 6, 7
#: What click's completion of the shell is asked by.
_COMPLETE = "_POLICY_COMPLETE"
_PRECEDENCE = (UNEXPECTED, LEDGER, RULES, CASES, USAGE, CONDITION, REVIEW, OK)

#: Commands by who uses them: name -> (module, one line).
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "decide": {
        "evaluate": ("evaluate", "Decide workloads, record the decisions, explain them."),
        "gate": ("gate", "The same for CI: the exit status is the verdict."),
        "verify-deployment": ("verify_deployment", "Say by the gate's attestations whether something may be deployed."),
        "sweep": ("sweep", "Decide a fleet of workloads by columns, into a table."),
        "new": ("new", "Ask the questions that matter and write a workload file."),
        "recheck": ("recheck", "Decide again what expired, or was decided on something else."),
        "explain": ("explain", "Show one recorded decision again, in full."),
    },
    "rules": {
        "rules": ("rules", "List, show, check, test and scaffold rules."),
        "prove": ("prove", "Prove what holds for every workload, or show one for which it does not."),
        "diff": ("diff", "Say what a change of rules changes."),
    },
    "models and money": {
        "catalog": ("catalog", "List, show, compare and size models; bring prices up to date."),
        "cost": ("cost", "Say what each option costs, when it pays back, and from which volume on."),
        "route": ("route", "Say which model serves each task, and what stands in for it."),
    },
    "migration": {
        "parity": ("parity", "Compare the answers of two models on a golden dataset."),
        "rollout": ("rollout", "Plan a rollout by stages, and decide each next step by what was observed."),
        "migrate": ("migrate", "Say what of the migration playbook is done, and what is missing."),
    },
    "audit": {
        "audit": ("audit", "List, show, verify, replay and export what is on record."),
        "waiver": ("waiver", "Ask for, approve, list and revoke waivers."),
        "evidence": ("evidence", "Approve, record, check and revoke the evidence of a workload."),
    },
    "operate": {
        "probe": ("probe", "Measure this host's devices, and judge hardware claims by it."),
        "serve": ("serve", "Serve the HTTP API and the console."),
        "token": ("token", "Make, list and revoke the tokens of the served engine."),
        "db": ("db", "Migrate the ledger's database, say where it stands, give rights."),
    },
}


#: The commands that a server can be asked to do.
SERVED = ("evaluate", "gate")


def status_of(error: PolicyError) -> int:
    """Return the exit status of an error."""
    for kind, status in ((RecordingError, LEDGER), (RulesError, RULES), (CaseError, CASES)):
        if isinstance(error, kind):
            return status
    return USAGE if isinstance(error, InputError | UsageError) else UNEXPECTED


def first_of(statuses: Iterable[int]) -> int:
    """Return the status that wins among those that apply."""
    return min(statuses, key=_PRECEDENCE.index, default=OK)


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called or asked for help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for commands in SECTIONS.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for commands in SECTIONS.values():
            if cmd_name in commands:
                module = import_module(f"policy_engine.cli.{commands[cmd_name][0]}")
                command: click.Command = module.command
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.list_commands(ctx) and not args[0].startswith("-"):
            from policy_engine.errors import Problem, did_you_mean

            hint = did_you_mean(args[0], self.list_commands(ctx)) or "`policy --help` lists the commands"
            raise UsageError(Problem("unknown-command", f"there is no command `{args[0]}`", help=hint))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, commands in SECTIONS.items():
            with formatter.section(section.capitalize()):
                formatter.write_dl([(name, line) for name, (_, line) in commands.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: policy evaluate workload.yaml",
)
@click.version_option(__version__, prog_name="policy")
@click.option(
    "--server",
    metavar="URL",
    envvar="POLICY_SERVER",
    help="For evaluate and gate: have this served engine decide and record, under its rules and in its ledger.",
)
@click.pass_context
def command(ctx: click.Context, server: str | None) -> None:
    """Decide where an AI workload may run, and prove why."""
    source = ctx.get_parameter_source("server")
    typed = source is not None and source.name == "COMMANDLINE"
    if typed and ctx.invoked_subcommand not in SERVED:
        from policy_engine.errors import Problem

        message = f"`--server` is for {' and '.join(SERVED)}, and not for `{ctx.invoked_subcommand}`"
        hint = "leave it out; what a server has on record is asked over its API, or in its console"
        raise UsageError(Problem("usage", message, help=hint))


def show_error(error: PolicyError) -> None:
    """Write each problem on standard error: its place, what is wrong, what to do."""
    for problem in error.problems:
        place = f"{problem.span}: " if problem.span else ""
        _say(f"{place}error: {problem.message} [{problem.code}]")
        if problem.help:
            _say(f"  help: {problem.help}")


def _say(line: str) -> None:
    """Write one line on standard error; that nobody reads it there changes no status."""
    # a line break in a file's name would begin a line of its own, which a CI system may take for a command
    line = line.replace("\n", "\\n").replace("\r", "\\r")
    with suppress(OSError):
        click.echo(printable(line), err=True)


def run(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    # a plugin that happens to be installed may not change what a workload file means; looking for one costs, too
    os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
    gc.set_threshold(50_000, 20, 50)  # while modules load there is nothing to collect, and the default looks 300 times
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without the character gets its number
    status = call(arguments)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        status = _broken_output(error)
    gc.freeze()  # the process gives everything back; to look through it for garbage first took a sixth of a run
    sys.exit(status)


def call(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status; no traceback reaches a user."""
    telemetry = _telemetry()
    try:
        return _call(arguments)
    finally:
        if telemetry is not None:
            with suppress(KeyboardInterrupt):
                telemetry.shutdown()


def _telemetry() -> ModuleType | None:
    """Turn telemetry on where the environment asks for it; nothing is imported where it does not."""
    if not any(name.startswith("OTEL_") for name in os.environ):
        return None
    from policy_engine import telemetry

    telemetry.configure_from_environment()
    return telemetry


def _call(arguments: list[str] | None) -> int:
    if sys.argv[1:] if arguments is None else arguments:
        os.environ.pop(
            _COMPLETE, None
        )  # a shell asks without arguments; with them nothing is to be done but the command
    try:
        result = command.main(arguments, prog_name="policy", standalone_mode=False)
        return result if isinstance(result, int) else OK
    except PolicyError as error:
        show_error(error)
        return status_of(error)
    except BrokenOutputError as error:
        return _broken_output(error.cause)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        usage = getattr(error, "ctx", None)
        _say(f"error: {_lower(error.format_message())} [usage]")
        if usage is not None:
            _say(f"  help: try `{usage.command_path} --help`")
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        _say("error: interrupted [interrupted]")
        return UNEXPECTED
    except SystemExit:
        if _COMPLETE in os.environ:
            return OK
        # click leaves this way where the reader of standard output is gone: its status would read as a deny
        return _broken_output(BrokenPipeError())
    except BaseException as error:  # noqa: BLE001 - the last line of defence: a panic in Rust is no Exception
        return _unexpected(error)


def _lower(message: str) -> str:
    """Bring click's message into the project's tone."""
    text = message.rstrip(".").replace("'", "`")
    return text[:1].lower() + text[1:]


def _unexpected(error: BaseException) -> int:
    if os.environ.get("POLICY_TRACE"):
        import traceback

        traceback.print_exc()
    text = " ".join(str(error).split())[:300]
    _say(f"error: unexpected {type(error).__name__}: {text} [unexpected]")
    _say("  help: set POLICY_TRACE=1 for the trace, and report it")
    return UNEXPECTED


def _broken_output(error: OSError) -> int:
    """Standard output is gone: whoever read it has not seen the whole report, so that the status is no verdict."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(devnull, sys.__stdout__.fileno())  # type: ignore[union-attr]
    reason = (error.strerror or "its reader is gone").lower()
    _say(f"error: cannot write the report to standard output: {reason} [broken-output]")
    return UNEXPECTED
