"""The formats of decisions, as functions from the judged workloads to text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from policy_engine.cli.deciding import Judged
from policy_engine.cli.output import Writer, to_json, to_yaml
from policy_engine.explain import used_rules


def trimmed(document: Mapping[str, Any], all_rules: bool) -> dict[str, Any]:
    """Return the document with the rules that did not fire left out, unless all are asked for."""
    if all_rules:
        return dict(document)
    tasks = [{**task, "rules": used_rules(task["rules"])} for task in document["tasks"]]
    return {**document, "tasks": tasks}


def writers(judged: Judged, all_rules: bool, verbose: int, quiet: bool) -> dict[str, Writer]:
    """Return a writer for each format."""
    shown = Judged([(file, trimmed(d, all_rules)) for file, d in judged.decisions], [], judged.documents)

    def text(stream: IO[str]) -> str:
        from policy_engine.cli.text import decision, render

        if quiet:
            return "\n".join(f"{d['verdict']} {d['workload']['namespace']}/{d['workload']['name']}" for d in _documents(shown))
        rendered = [render(decision(d, file, verbose), stream).rstrip("\n") for file, d in shown.decisions]
        return "\n\n".join(rendered) + "\n"

    def markdown(stream: IO[str]) -> str:
        from policy_engine.cli.markdown import decisions

        return decisions(shown.decisions)

    return {
        "text": text,
        "json": lambda stream: to_json(shown.value()),
        "yaml": lambda stream: to_yaml(shown.value()),
        "markdown": markdown,
    }


def _documents(judged: Judged) -> list[dict[str, Any]]:
    return [document for _, document in judged.decisions]
