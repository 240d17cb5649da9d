"""One rule file into a draft: everything but its conditions, which need the vocabulary of all layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from policy_engine.errors import Problem, Span
from policy_engine.loading.layers import LayerFiles
from policy_engine.loading.reader import Reader
from policy_engine.loading.wording import quoted
from policy_engine.loading.yaml_source import Document
from policy_engine.model.rule import ENFORCEMENTS, EVIDENCE_GRADES, PROPOSAL, STRENGTHS
from policy_engine.model.vocabulary import OPTIONS

KEYS = (
    "id",
    "title",
    "criteria",
    "origin",
    "when",
    "forbid",
    "prefer",
    "disfavour",
    "require",
    "derive",
    "advise",
    "enforcement",
    "grade",
    "message",
    "disputes",
    "owner",
    "review_by",
    "controls",
    "enforce_from",
    "locked",
    "disabled",
)
#: Words of lower-case letters and digits, joined by hyphens.
ID_PATTERN = "^[a-z0-9]+(-[a-z0-9]+)*$"
EFFECTS = ("forbid", "prefer", "disfavour", "require", "derive", "advise")


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule file as read: `document` for places, `layer` and `topic` from where it stands."""

    id: str
    topic: str
    layer: str
    disabled: bool
    locked: bool
    document: Document

    @property
    def value(self) -> dict[str, Any]:
        value: dict[str, Any] = self.document.value
        return value

    def span(self, *path: str | int) -> Span:
        return self.document.span(*path)


def read_rule_file(layer: LayerFiles, name: str, problems: list[Problem]) -> RuleDraft | None:
    """Read and check one rule file; problems are gathered, and a file with any gives None."""
    documents = layer.documents(name)
    before = len(problems)
    reader = Reader(documents[0], problems)
    if len(documents) > 1:
        problems.append(Problem("several-documents", "a rule file holds one rule", documents[1].span()))
    reader.only(KEYS)
    rule_id = reader.text("id", required=True) or ""
    topic, stem = name.partition("/")[0], name.rpartition("/")[2].removesuffix(".yaml")
    if rule_id and not re.fullmatch(ID_PATTERN, rule_id):
        hint = "lower-case letters and digits, with hyphens between words; the file is called so, too"
        reader.problem("bad-rule-id", f"{quoted(rule_id)} cannot be the id of a rule", "id", help_=hint)
    elif rule_id and rule_id != stem:
        reader.problem("id-not-file-name", f"the id `{rule_id}` is not the file's name `{stem}`", "id")
    disabled = reader.flag("disabled")
    if not disabled:
        _check_body(reader)
    if len(problems) > before:
        return None
    return RuleDraft(rule_id, topic, layer.layer.name, disabled, reader.flag("locked"), documents[0])


def _check_body(reader: Reader) -> None:
    reader.text("title", required=True)
    reader.text("message", required=True)
    reader.text("when", required=True)
    reader.text("origin")
    reader.text("owner")
    reader.text("advise")
    reader.texts("controls")
    reader.texts("disputes")
    reader.day("review_by")
    reader.day("enforce_from")
    reader.choice("grade", EVIDENCE_GRADES)
    if not reader.texts("criteria") and "origin" not in reader.value:
        reader.problem("no-criterion", "a rule cites `criteria:`, or says its `origin:`")
    if not any(reader.value.get(effect) for effect in EFFECTS):
        reader.problem("no-effect", "the rule has no effect", help_=f"give one of {', '.join(EFFECTS)}")
    for index, option in enumerate(reader.texts("forbid")):
        reader.known(option, (*OPTIONS, PROPOSAL), "forbid", index, what="deployment option")
    for effect in ("prefer", "disfavour"):
        _check_strengths(reader, effect)
    _check_require(reader)
    enforcing = "forbid" in reader.value or "require" in reader.value
    reader.choice("enforcement", ENFORCEMENTS, required=enforcing)
    for fact, expression in reader.mapping("derive").items():
        if not isinstance(expression, str):
            reader.problem("wrong-type", f"the value of `{fact}` must be a CEL expression", "derive", fact)


def _check_strengths(reader: Reader, effect: str) -> None:
    for option, strength in reader.mapping(effect).items():
        reader.known(option, OPTIONS, effect, option, what="deployment option", key=True)
        if not isinstance(strength, str) or strength not in STRENGTHS:
            reader.problem("unknown-value", "a strength is strong, normal or weak", effect, option)


def _check_require(reader: Reader) -> None:
    for evidence, options in reader.mapping("require").items():
        if not isinstance(options, list) or not options:
            reader.problem("wrong-type", f"`{evidence}` must list the options it is required on", "require", evidence)
            continue
        for index, option in enumerate(options):
            reader.known(str(option), OPTIONS, "require", evidence, index, what="deployment option")


def effects(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the effects of a checked rule in the model's types."""
    return {
        "criteria": tuple(value.get("criteria", ())),
        "origin": value.get("origin"),
        "forbid": tuple(value.get("forbid", ())),
        "prefer": {option: STRENGTHS[s] for option, s in value.get("prefer", {}).items()},
        "disfavour": {option: STRENGTHS[s] for option, s in value.get("disfavour", {}).items()},
        "require": {evidence: tuple(options) for evidence, options in value.get("require", {}).items()},
        "advise": value.get("advise"),
        "message": value["message"],
        "enforcement": value.get("enforcement", "advisory"),
        "grade": value.get("grade", "asserted"),
        "disputes": tuple(value.get("disputes", ())),
        "owner": value.get("owner"),
        "controls": tuple(value.get("controls", ())),
        "locked": value.get("locked", False),
    }
