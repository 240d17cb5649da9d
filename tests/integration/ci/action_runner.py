"""Runs the steps of a composite action as GitHub's runner does, as far as a run needs it; what it does not know fails.

From https://docs.github.com/actions: expressions are replaced before a shell sees a step; `bash` is
`bash --noprofile --norc -e -o pipefail FILE`; a step that fails skips those behind it, but for `always()`; the outputs
are read after the last step in either case; lines that begin with `::` are commands until `::stop-commands::TOKEN`.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
_COMMAND = re.compile(r"^\s*::([a-z-]+)(?: ([^:]*(?::(?!:)[^:]*)*))?::(.*)$")
#: What the runner says to a step beside its `env`.
_STEP_KEYS = {"name", "id", "if", "shell", "env", "run", "working-directory"}


@dataclass
class Ran:
    """What a run left behind."""

    failed: bool = False
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    steps: dict[str, dict[str, str]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    path: list[str] = field(default_factory=list)
    summary: str = ""

    @property
    def commands(self) -> list[tuple[str, str, str]]:
        """The commands that the runner obeys: name, properties, message."""
        found, stopped = [], None
        for line in self.log.splitlines():
            match = _COMMAND.match(line)
            if stopped is not None:
                stopped = None if line.strip() == f"::{stopped}::" else stopped
            elif match and match[1] == "stop-commands":
                stopped = match[3]
            elif match:
                found.append((match[1], match[2] or "", match[3]))
            else:
                assert "##[" not in line, "the older form of a command, which the runner finds anywhere in a line"
        assert stopped is None, "commands were stopped, and never again obeyed"
        return found

    @property
    def errors(self) -> list[str]:
        return [message for name, _, message in self.commands if name == "error"]


class Action:
    """A composite action in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.document: dict[str, Any] = yaml.safe_load((folder / "action.yml").read_text(encoding="utf-8"))
        self.steps: list[dict[str, Any]] = self.document["runs"]["steps"]

    def run(
        self, workspace: Path, temp: Path, given: Mapping[str, str], environment: Mapping[str, str], most: int = 99
    ) -> Ran:
        """Run the first `most` steps with the inputs `given`, in a checkout at `workspace`."""
        assert given.keys() <= self.document["inputs"].keys()
        declared = {name: str(about.get("default", "")) for name, about in self.document["inputs"].items()}
        ran = Ran()
        inputs = {name: given.get(name, self._filled(text, {}, ran)) for name, text in declared.items()}
        for number, step in enumerate(self.steps[:most]):
            assert step.keys() <= _STEP_KEYS
            assert step["shell"] == "bash"
            if self._is_due(step, inputs, ran):
                self._run_step(step, number, workspace, temp, inputs, environment, ran)
        for name, about in self.document["outputs"].items():
            ran.outputs[name] = self._filled(about["value"], inputs, ran)
        return ran

    def _is_due(self, step: Mapping[str, Any], inputs: Mapping[str, str], ran: Ran) -> bool:
        terms = _EXPRESSION.fullmatch(step.get("if", "${{ success() }}"))
        assert terms
        due = not ran.failed
        for term in terms[1].split(" && "):
            if term in ("always()", "success()"):
                due = term == "always()" or due
                continue
            name, operator, value = term.split(" ")
            assert operator in ("==", "!=")
            due = due and (self._value(name, inputs, ran) == value.strip("'")) == (operator == "==")
        return due

    def _run_step(
        self,
        step: Mapping[str, Any],
        number: int,
        workspace: Path,
        temp: Path,
        inputs: Mapping[str, str],
        environment: Mapping[str, str],
        ran: Ran,
    ) -> None:
        files = {name: temp / f"{name}_{number}" for name in ("OUTPUT", "PATH", "ENV", "STEP_SUMMARY")}
        for file in files.values():
            file.write_bytes(b"")
        script = temp / f"step_{number}.sh"
        script.write_text(step["run"], encoding="utf-8")
        own = {name: self._filled(text, inputs, ran) for name, text in step.get("env", {}).items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=workspace / self._filled(step.get("working-directory", "."), inputs, ran),
            env={
                **environment,
                "PATH": ":".join([*ran.path, environment["PATH"]]),
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_WORKSPACE": str(workspace),
                "GITHUB_ACTION_PATH": str(self.folder),
                "RUNNER_TEMP": str(temp),
                **{f"GITHUB_{name}": str(file) for name, file in files.items()},
                **own,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        ran.log += done.stdout.decode("utf-8", "replace") + "\n"
        ran.failed = ran.failed or done.returncode != 0
        name = step.get("id", step["name"])
        ran.statuses[name] = done.returncode
        ran.steps[name] = outputs_of(files["OUTPUT"].read_text(encoding="utf-8"))
        ran.path = [*files["PATH"].read_text(encoding="utf-8").split(), *ran.path]
        ran.summary += files["STEP_SUMMARY"].read_text(encoding="utf-8")
        assert files["ENV"].read_bytes() == b""

    def _filled(self, text: str, inputs: Mapping[str, str], ran: Ran) -> str:
        return _EXPRESSION.sub(lambda match: self._value(match[1], inputs, ran), text)

    def _value(self, expression: str, inputs: Mapping[str, str], ran: Ran) -> str:
        match expression.split("."):
            case ["github", "token"]:
                return "ghs_token"
            case ["inputs", name]:
                return inputs[name]
            case ["steps", step, "outputs", name]:
                return ran.steps.get(step, {}).get(name, "")
        raise AssertionError(f"the test's runner does not know {expression}")


def outputs_of(text: str) -> dict[str, str]:
    """Read GITHUB_OUTPUT: `name=value`, or `name<<END`, lines, `END`."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, sign, value = re.split(r"(=|<<)", line, maxsplit=1)
        assert name not in found, f"the output {name} is written twice"
        if sign == "<<":
            value = "\n".join(iter(lambda end=value: _until(lines, end), None))
        found[name] = value
    return found


def _until(lines: Any, end: str) -> str | None:
    line: str = next(lines)
    return None if line == end else line
