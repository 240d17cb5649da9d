"""Write a counterexample as the workload file that `policy evaluate` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from policy_engine.loading.yaml_scalars import resolve_plain

if TYPE_CHECKING:
    from policy_engine.proofs.confirming import Counterexample


class _Dumper(yaml.SafeDumper):
    pass


def _string(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = None if resolve_plain(text) == text else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _double(dumper: yaml.SafeDumper, value: float) -> yaml.Node:
    text = repr(value)
    # without a point YAML 1.1 takes an exponent for a string
    return dumper.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text.replace("e", ".0e"))


_Dumper.add_representer(str, _string)
_Dumper.add_representer(float, _double)


def workload_text(found: Counterexample) -> str:
    """Return the file's text; what it cannot say stands in comments at its head."""
    lines = [f"# decided here: {found.verdict}"]
    lines += [f"# besides, {line}" for line in found.beyond]
    body: str = yaml.dump(found.workload, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return "\n".join(lines) + "\n" + body
