"""Read what stands at the root of a layer: vocabulary, parameters, policy set, disputes, criteria, sources."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, cast

from msgspec.structs import replace

from policy_engine.errors import Problem
from policy_engine.loading.fact_declaration import RESERVED, SCALARS, read_fact, read_scalar
from policy_engine.loading.layers import POLICY_SET, LayerFiles
from policy_engine.loading.reader import Reader
from policy_engine.loading.wording import quoted
from policy_engine.model.rule import ENFORCEMENTS, Alternative, Dispute, Enforcement, Parameter, Party
from policy_engine.model.vocabulary import Fact

_PARAMETER_KEYS = ("value", "type", "unit", "meaning", "criterion", "source", "disputes", "locked")
_PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
#: What a policy set says that it is; both, or neither.
_HEADER = {"apiVersion": "policy-engine/v1", "kind": "PolicySet"}


@dataclass
class Registers:
    """What the layers read so far put in force."""

    facts: dict[str, Fact] = field(default_factory=dict)
    redeclared: list[tuple[str, str, Problem]] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)
    regulations: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    reparameterised: list[tuple[str, str, Problem]] = field(default_factory=list)
    overrides: dict[tuple[str, str], Enforcement] = field(default_factory=dict)
    override_places: list[tuple[str, str, Enforcement, Problem]] = field(default_factory=list)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    criteria: dict[str, str] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    mechanisms: dict[str, str] = field(default_factory=dict)
    version: str = ""


def read_registers(layer: LayerFiles, into: Registers, problems: list[Problem]) -> None:
    """Read the root files of `layer` over what is in force."""
    readers = {
        "vocabulary.yaml": _vocabulary,
        "parameters.yaml": _parameters,
        POLICY_SET: _policy_set,
        "disputes.yaml": _disputes,
        "criteria.yaml": _criteria,
        "sources.yaml": _sources,
    }
    for name, read in readers.items():
        if name in layer.files:
            read(Reader(layer.document(name), problems), layer.layer.name, into)


def _vocabulary(reader: Reader, layer: str, into: Registers) -> None:
    reader.only(("facts", "evidence", "regulations"))

    def fact(entry: Reader, name: str) -> None:
        read = read_fact(entry, name, layer)
        if read is None:
            return
        before = into.facts.get(name)
        if before is not None and replace(before, meaning=read.meaning, layer=layer) != read:
            message = f"`{name}` is read by a locked rule and may not be declared otherwise by a later layer"
            into.redeclared.append((name, layer, Problem("locked", message, entry.document.key_span(*entry.path))))
        into.facts[name] = read

    reader.each("facts", fact)
    for section, target in (("evidence", into.evidence), ("regulations", into.regulations)):
        for name, meaning in reader.mapping(section).items():
            if isinstance(meaning, str):
                target[name] = meaning
            else:
                reader.problem("wrong-type", f"`{name}` needs its meaning as a string", section, name)


def _parameters(reader: Reader, layer: str, into: Registers) -> None:
    reader.only(("parameters",))

    def parameter(entry: Reader, name: str) -> None:
        entry.only(_PARAMETER_KEYS)
        if not _PARAMETER_NAME.match(name) or name in RESERVED:
            hint = "lower-case letters, digits and underscores, a letter first"
            entry.problem("bad-parameter-name", f"`{name}` cannot be the name of a parameter", help_=hint, key=True)
            return
        before = into.parameters.get(name)
        type_ = entry.choice("type", tuple(SCALARS), required=before is None) or (before.type if before else None)
        if type_ is None:
            return
        if before is not None and (before.locked or type_ != before.type):
            what = "is locked" if before.locked else f"is a {before.type}"
            entry.problem("locked" if before.locked else "wrong-type", f"`param.{name}` {what}", key=True)
            return
        if before is not None:
            span = entry.document.key_span(*entry.path)
            message = f"`param.{name}` is read by a locked rule and may not be set by a later layer"
            into.reparameterised.append((name, layer, Problem("locked", message, span)))
        value = read_scalar(entry, "value", type_)
        if value is None:
            return
        into.parameters[name] = Parameter(
            name=name,
            value=value,
            type=type_,
            unit=entry.text("unit") or (before.unit if before else None),
            meaning=entry.text("meaning") or (before.meaning if before else ""),
            criterion=entry.text("criterion") or (before.criterion if before else None),
            source=entry.text("source") or ("project" if layer == "shipped" else layer),
            alternatives=_alternatives(entry, type_),
            locked=entry.flag("locked"),
            layer=layer,
        )

    reader.each("parameters", parameter)


def _alternatives(entry: Reader, type_: str) -> tuple[Alternative, ...]:
    found = []
    for side in entry.items("disputes"):
        side.only(("id", "source", "value", "says"))
        value = read_scalar(side, "value", type_)
        dispute, source = side.text("id", required=True), side.text("source", required=True)
        if value is not None and dispute and source:
            found.append(Alternative(dispute, source, value, side.text("says") or ""))
    return tuple(found)


def _policy_set(reader: Reader, layer: str, into: Registers) -> None:
    reader.only((*_HEADER, "name", "version", "description", "enforcement", "mechanisms"))
    for key, wanted in _HEADER.items() if _HEADER.keys() & reader.value.keys() else ():
        hint = f"write `{key}: {wanted}`"
        if key not in reader.value:
            reader.problem("missing-key", f"`{key}` is missing", help_=hint)
        elif reader.value[key] != wanted:
            message = f"`{key}` is {quoted(reader.value[key])}, and only `{wanted}` is read here"
            reader.problem("policy-set-kind", message, key, help_=hint)
    version = reader.text("version")
    if version:
        into.version = f"{into.version}+{layer}.{version}" if into.version else version
    into.mechanisms |= {key: str(value) for key, value in reader.mapping("mechanisms").items()}
    for item in reader.items("enforcement"):
        item.only(("rule", "namespace", "enforcement"))
        rule = item.text("rule", required=True)
        enforcement = item.choice("enforcement", ENFORCEMENTS, required=True)
        if rule and enforcement:
            chosen = cast(Enforcement, enforcement)
            into.overrides[(rule, item.text("namespace") or "*")] = chosen
            problem = Problem(
                "locked", f"the rule `{rule}` is locked and may not be weakened", item.document.span(*item.path)
            )
            into.override_places.append((rule, layer, chosen, problem))


def _disputes(reader: Reader, layer: str, into: Registers) -> None:
    reader.only(("disputes",))
    own: set[str] = set()
    for item in reader.items("disputes"):
        item.only(("id", "about", "sides", "kind"))
        name = item.text("id", required=True) or ""
        if name in own:
            item.problem("duplicate-id", f"two disputes are called `{name}`", "id", help_="keep one of them")
        own.add(name)
        parties = []
        for side in item.items("sides"):
            side.only(("sources", "says"))
            parties.append(Party(tuple(side.texts("sources")), str(side.text("says", required=True))))
        if not parties:
            item.problem("missing-key", "`sides` is missing", help_="a dispute says what each side states")
        about = item.text("about", required=True) or ""
        sides = " ".join(f"{', '.join(each.sources)}: {each.says}" for each in parties)
        into.disputes[name] = Dispute(name, about, sides, item.text("kind") or "other", tuple(parties))


def _criteria(reader: Reader, layer: str, into: Registers) -> None:
    reader.only(("criteria",))

    def criterion(entry: Reader, name: str) -> None:
        entry.only(("title", "sources"))
        into.criteria[name] = entry.text("title", required=True) or ""

    reader.each("criteria", criterion)


def _sources(reader: Reader, layer: str, into: Registers) -> None:
    reader.only(("sources",))

    def source(entry: Reader, name: str) -> None:
        entry.only(("description", "as_of"))
        description, day = entry.text("description", required=True), entry.day("as_of", required=True)
        if description and day:
            into.sources[name] = {"description": description, "as_of": day.isoformat()}

    reader.each("sources", source)
