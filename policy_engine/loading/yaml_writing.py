"""Write plain values as YAML that every reader takes for the same."""

from __future__ import annotations

from typing import Any


def to_yaml(value: Any, flow: bool = False) -> str:
    """Write one YAML document that YAML 1.2 and 1.1 read alike; with `flow`, what holds no collection on one line.

    PyYAML quotes what YAML 1.1 would take for something else than a string; `0o17` and `1e5` are numbers in 1.2 alone.
    """
    import yaml

    from policy_engine.loading.yaml_scalars import resolve_plain

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True  # what stands in two places is written twice: a reader should not have to look for it

    def string(dumper: Any, text: str) -> Any:
        style = None if resolve_plain(text) == text else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, string)
    layout: dict[str, Any] = {"default_flow_style": None} if flow else {}
    written: str = yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100, **layout)
    return written
