"""What people are told of hardware claims: each with its verdict, and what to do about those that do not stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policy_engine.wording import listed, value_text

Document = Mapping[str, Any]
_STANDS = ("holds", "verified")
_DEVICES = "hardware.gpus"
_STDIN = (None, "-", "<stdin>")


def claim_lines(task: Document) -> list[tuple[str, str]]:
    """Return each hardware claim as its verdict and a line; those of one device that stand alike share a line.

    A decision that was made before claims were judged one by one has only the lines without a verdict.
    """
    rows = task.get("hardware_claims")
    if rows is None:
        return [("-", line) for line in task["hardware"]]
    alike: dict[Any, list[Document]] = {}
    for place, row in enumerate(rows):
        # what holds of a device holds by its published figures, which the line of its name has
        what = place if row["row"] is None else (row["row"], row["verdict"] in _STANDS or row["why"])
        alike.setdefault((row["verdict"], what), []).append(row)
    return [(verdict, _line(together, rows)) for (verdict, _), together in alike.items()]


def claim_text(row: Document) -> str:
    """Name a claim: what is claimed, how much, and of which device."""
    if row["name"] == "proposal.model":
        return f"the proposed model {row['claimed']}"
    # the name of a claim has its unit in it
    said = row["name"] if row["claimed"] is None else f"{row['name']} {value_text(row['claimed'])}"
    return f"{said} of {row['gpu']}" if row["gpu"] is not None and row["name"] != "name" else said


def claim_steps(task: Document, file: str | None) -> list[str]:
    """Say what to do about claims that are contradicted, or that nothing known decides."""
    rows = [row for row in task.get("hardware_claims", ()) if row["name"] != "proposal.model"]
    wrong = [f"correct the claim {claim_text(row)}" for row in rows if row["verdict"] == "contradicted"]
    open_rows = [row for row in rows if row["verdict"] == "unverifiable"]
    asked = {*task["decisive_facts"], *facts_to_state(task)}
    names = [name for row in open_rows for name in row["missing"] if name.startswith("hardware.")]
    said = (_of_devices(name, task) for name in dict.fromkeys(names) if name not in asked)
    unstated = [name for name in said if name not in asked]
    steps = [f"state {listed(unstated)}, on which hardware claims rest"] if unstated else []
    measured: dict[str, list[str]] = {}
    for row in open_rows:
        # what is measured is a device of some name, and no name
        if row["row"] is not None and row["claimed"] is not None and row["name"] != "name":
            measured.setdefault(row["gpu"] or "the device", []).append(row["name"])
    if measured:
        what = listed([f"{listed(names)} of {device}" for device, names in measured.items()])
        given = "FILE" if file in _STDIN else file
        steps.append(f"run `policy probe --claims {given}` on the host, which measures {what}")
    return wrong + steps


def facts_to_state(task: Document) -> list[str]:
    """Return the decisive facts; of devices that are claimed, which of their figures, and of which of them."""
    found: dict[str, None] = {}
    for name in task["decisive_facts"]:
        rows = task.get("hardware_claims", ()) if name == _DEVICES else ()
        proposed = [row for row in rows if row["name"] == "proposal.model" and row["verdict"] == "unverifiable"]
        lacking = [leaf for row in proposed or rows for leaf in row["missing"] if leaf.startswith(f"{_DEVICES}.")]
        found.update(dict.fromkeys([_of_devices(leaf, task) for leaf in lacking] or [name]))
    return list(found)


def _of_devices(name: str, task: Document) -> str:
    """Name a figure of devices with those that lack it: they are named, and not known to the catalog."""
    leaf = name.removeprefix(f"{_DEVICES}.")
    rows = [row for row in task["hardware_claims"] if row["row"] is not None]
    if leaf == name or not rows:
        return name
    lacking = [row for row in rows if name in row["missing"]]
    if not lacking:
        said = {row["row"] for row in rows if row["claimed"] is not None and row["name"].startswith(leaf.split("_")[0])}
        lacking = [row for row in rows if row["name"] == "name" and row["row"] not in said and _is_unknown(row)]
    devices = list(dict.fromkeys(row["gpu"] for row in lacking if row["gpu"] is not None))
    return f"{name} of {listed(devices)}" if devices else name


def _is_unknown(row: Document) -> bool:
    return any(name.startswith("catalog.gpus.") for name in row["missing"])


def _why(row: Document, rows: Sequence[Document]) -> str:
    """Return what decides a claim; of the proposed model not all over again where it is what is served."""
    if row["name"] == "proposal.model":
        served = [each for each in rows if each["name"].startswith("serves.") and each["verdict"] == row["verdict"]]
        if served and row["why"] == "; ".join(dict.fromkeys(each["why"] for each in served)):
            return "by what it is said to serve"
    return str(row["why"])


def _line(together: Sequence[Document], rows: Sequence[Document]) -> str:
    first = together[0]
    if first["row"] is None:
        return f"{claim_text(first)}: {_why(first, rows)}"
    said = ", ".join(claim_text({**row, "gpu": None}) for row in together if row["name"] != "name")
    device = "a device" if first["gpu"] is None else first["gpu"]
    why = first["why"] if first["name"] == "name" or first["verdict"] not in _STANDS else None
    return f"{device}{', ' if said else ''}{said}{f': {why}' if why else ''}"


def decided_by(task: Document, rule: Document, ruling: Document) -> str:
    """Return, for a rule that read whether the hardware can serve the proposed model, the figures that decide it."""
    read = "proposal.hardware_verdict"
    if ruling is not task["proposal"] or (read not in rule["facts"] and read not in rule["missing"]):
        return ""
    rows = task.get("hardware_claims", ())
    return "".join(f": {row['why']}" for row in rows if row["name"] == "proposal.model")
