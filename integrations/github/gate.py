"""The step of action.yml that runs `policy gate`: inputs from the environment, outputs to GITHUB_OUTPUT.

The exit status is that of `policy gate`, but for what the input `fail-on` lets pass.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path

USAGE, RULES, UNEXPECTED = 2, 3, 7
#: Statuses with which each report that was asked for is there.
_REPORTED = (0, 1, 5)
#: What each value of `fail-on` lets pass.
LET_PASS: Mapping[str, tuple[int, ...]] = {"review": (), "deny": (5,), "none": (1, 5)}
#: What each other status means, for the annotation where no report has any.
MEANINGS: Mapping[int, str] = {
    1: "a denial",
    2: "an input or a file is wrong",
    3: "the rules are not valid, or policy is not installed as it should be",
    5: "a review is due",
    6: "the ledger, or something that was to be verified, refused",
    7: "an internal error",
}
FILES = {
    "json": "decisions.json",
    "sarif": "policy-gate.sarif",
    "junit": "policy-gate.junit.xml",
    "github": "annotations.txt",
    "gitlab": "gl-code-quality-report.json",
    "markdown": "policy-gate.md",
    "yaml": "decisions.yaml",
}
ATTESTATION = "policy-gate.intoto.jsonl"
_VERDICTS = ("none", "allow", "allow_with_conditions", "review", "deny")
#: Options whose input is one value, and those whose input is a line for each.
_ONE = {
    "since": "SINCE",
    "purpose": "PURPOSE",
    "policy-digest": "POLICY_DIGEST",
    "baseline": "BASELINE",
    "comment-name": "COMMENT_NAME",
}
_MANY = {"policy": "POLICY", "waivers": "WAIVERS", "subject": "SUBJECTS"}
#: Into the environment, not the command line, which everybody on the machine may read.
_PRIVATE = {
    "POLICY_LEDGER": "LEDGER",
    "POLICY_LEDGER_KEY": "LEDGER_KEY",
    "POLICY_LEDGER_VKEY": "LEDGER_VKEY",
    "POLICY_SERVER": "SERVER",
    "POLICY_TOKEN": "SERVER_TOKEN",
}
_NOT_PASSED_ON = ("INPUT_", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")


class BrokenGateError(Exception):
    """There is no verdict: the status to leave with, and why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class InputError(BrokenGateError):
    """An input of the action that says nothing."""

    def __init__(self, text: str) -> None:
        super().__init__(USAGE, text)


def given(name: str) -> str:
    return os.environ.get(f"INPUT_{name}", "")


def lines(name: str) -> list[str]:
    """Return the lines of an input, without those that are empty, and without the blanks around them."""
    return [line.strip() for line in given(name).splitlines() if line.strip()]


def switched_on(name: str) -> bool:
    value = given(name) or "false"
    if value not in ("true", "false"):
        raise InputError(f"the input {name.lower().replace('_', '-')} is true or false")
    return value == "true"


def formats() -> list[str]:
    """Return the formats that are asked for; the decisions are always written, because the verdict is read there."""
    asked = lines("FORMATS")
    if switched_on("COMMENT"):
        asked.append("markdown")
    unknown = [name for name in asked if name not in FILES]
    if unknown:
        raise InputError(f"the input formats takes {', '.join(FILES)}, a line each")
    return list(dict.fromkeys(["json", *asked]))


def arguments(reports: Path) -> list[str]:
    """Return the words of the command. No value can be an option: each stands behind `=`, the paths behind `--`."""
    words = ["policy", "gate", "--output=text"]
    words += [f"--output={name}={reports / FILES[name]}" for name in formats()]
    words += [f"--{option}={given(name)}" for option, name in _ONE.items() if given(name)]
    words += [f"--{option}={value}" for option, name in _MANY.items() for value in lines(name)]
    if switched_on("IF_ANY"):
        words.append("--if-any")
    if switched_on("ATTEST"):
        words.append(f"--attest={reports / ATTESTATION}")
        words += [f"--attest-key={given('ATTEST_KEY')}"] if given("ATTEST_KEY") else []
    return [*words, "--", *lines("PATHS")]


def environment() -> dict[str, str]:
    """Return what `policy` is given: the inputs that are nobody's to read, and nothing that leads to other code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    named = {name: given(own) for name, own in _PRIVATE.items()}
    return {**kept, **{name: value for name, value in named.items() if value}}


def run(words: Sequence[str]) -> int:
    """Run the gate and return its status, negative where a signal ended it.

    What it prints is text of workloads, and no command to the runner.

    Raises:
        BrokenGateError: there is no `policy` that can be run.
    """
    token = secrets.token_hex(16)
    say(f"::stop-commands::{token}")
    try:
        return subprocess.run(words, env=environment(), stdin=subprocess.DEVNULL, check=False).returncode
    except FileNotFoundError:
        text = "policy is not installed on this runner, or the Python that it was installed into is gone"
        raise BrokenGateError(RULES, text) from None
    except OSError as error:
        raise BrokenGateError(RULES, f"policy cannot be run: {error.strerror or error}") from None
    finally:
        say(f"\n::{token}::")


def broken(status: int, missing: bool) -> str:
    """Say what makes `status` none that a gate leaves with, `missing` reports among it; nothing where it is one."""
    if status < 0:
        return f"policy gate was ended by signal {-status}"
    if status and status not in MEANINGS:
        return f"policy gate left with {status}, which means nothing"
    return "a report is missing, and without it nothing passes" if status in _REPORTED and missing else ""


def worst_verdict(decisions: Path) -> str:
    if not decisions.is_file():
        return "none"
    found = json.loads(decisions.read_text(encoding="utf-8"))
    verdicts = [each["verdict"] for each in (found if isinstance(found, list) else [found])]
    return str(max(["none", *verdicts], key=_VERDICTS.index))


def say(text: str) -> None:
    print(text, flush=True)


def complain(text: str, kind: str = "error") -> None:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    say(f"::{kind} title=policy gate::{escaped}")


def write_outputs(values: Mapping[str, str]) -> None:
    """Write the outputs; a value ends at a line that nobody could know before."""
    with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as stream:
        for name, value in values.items():
            end = secrets.token_hex(16)
            stream.write(f"{name}<<{end}\n{value}\n{end}\n")


def gate() -> int:
    """Gate, hand the results on, and return the exit status of the step.

    Raises:
        BrokenGateError: there is no verdict, and why.
    """
    reports = Path(tempfile.mkdtemp(prefix="policy-gate-reports.", dir=os.environ.get("RUNNER_TEMP")))
    words, asked = arguments(reports), formats()
    let_pass = LET_PASS.get(given("FAIL_ON") or "review")
    if let_pass is None:
        raise InputError(f"the input fail-on is one of {', '.join(LET_PASS)}")
    status = run(words)
    there = {name: reports / FILES[name] for name in asked if (reports / FILES[name]).is_file()}
    if why := broken(status, missing=len(there) < len(asked)):
        complain(why)
        status = UNEXPECTED
        there.pop("markdown", None)  # it may say that all is well; the comment says that there is no verdict
    outputs = {"status": str(status), "verdict": worst_verdict(reports / FILES["json"]), "reports": str(reports)}
    outputs |= {"decisions" if name == "json" else name: str(path) for name, path in there.items() if name != "github"}
    if (reports / ATTESTATION).is_file():
        outputs["attestation"] = str(reports / ATTESTATION)
    write_outputs(outputs)
    if "github" in there:
        say(there["github"].read_text(encoding="utf-8"))
    elif status and not why:
        text = f"policy gate left with status {status}: {MEANINGS[status]}; the log says what"
        complain(text, "warning" if status in let_pass else "error")
    return 0 if status in let_pass else status


def main() -> int:
    """Gate, and return the exit status of the step; whatever breaks is told, and is no denial."""
    if isinstance(sys.stdout, TextIOWrapper):  # no letter of a report may end the step behind its outputs
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    try:
        return gate()
    except BrokenGateError as error:
        status, text = error.status, str(error)
    except Exception as error:  # noqa: BLE001 - Python itself would leave with 1
        status, text = UNEXPECTED, f"the gate broke: {type(error).__name__}: {error}"
    complain(text)
    with suppress(OSError, KeyError):  # where they cannot be written, the step fails all the same
        write_outputs({"status": str(status), "verdict": "none"})
    return status


if __name__ == "__main__":
    sys.exit(main())
