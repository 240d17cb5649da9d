"""What GitHub's runner makes of a line of output, after `ActionCommand.TryParseV2` and `TryParse` of actions/runner."""

from __future__ import annotations

from dataclasses import dataclass

KNOWN = frozenset(
    "error warning notice debug add-mask add-matcher remove-matcher group endgroup set-output save-state set-env "
    "add-path echo stop-commands internal-set-repo-path".split()
)


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    data: str


def _data(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def _property(text: str) -> str:
    text = text.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",")
    return text.replace("%25", "%")


def command_of(line: str) -> Command | None:
    """Return the command that the runner takes a line for: `::name k=v::data`, or `##[name k=v]data` anywhere."""
    text = line.lstrip()
    if text.startswith("::") and (end := text.find("::", 2)) >= 0:
        found = _command(text[2:end], text[end + 2 :], ",")
        if found is not None:
            return found
    start = line.find("##[")
    if start >= 0 and (end := line.find("]", start)) >= 0:
        return _command(line[start + 3 : end], line[end + 1 :], ";")
    return None


def _command(head: str, data: str, between: str) -> Command | None:
    name, _, rest = head.partition(" ")
    if name not in KNOWN:
        return None
    pairs = [part.split("=", 1) for part in rest.strip().split(between) if "=" in part]
    return Command(name, {key: _property(value) for key, value in pairs}, _data(data))


def lines_of(output: str) -> list[str]:
    """Return lines as the runner reads them from a process: ended by CR, LF or both."""
    found = output.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return found[:-1] if found and not found[-1] else found
