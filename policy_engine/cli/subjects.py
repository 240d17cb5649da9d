"""`NAME@sha256:HEX` on the command line: what is deployed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from policy_engine.attesting.checking import Wanted
    from policy_engine.attesting.statements import Subject

_LONGEST = 500
_SUBJECT = re.compile(r"(?:(?P<name>.*)@)?sha256:(?P<digest>[0-9a-fA-F]{64})", re.DOTALL)
EXAMPLE = "registry.example/app@sha256:2c26b46b..."


class SubjectName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A subject with its name, for a statement."""

    name = "subject"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Subject:
        from policy_engine.attesting.statements import OWN_NAMES, Subject

        name, digest = _parts(value, param, ctx)
        if name is None:
            self.fail(f"`{value}` has no name before it: give it as {EXAMPLE}", param, ctx)
        if name.lower().startswith(OWN_NAMES):
            self.fail(f"`{name}` is how a workload is named, which the decision names itself", param, ctx)
        return Subject(name, digest)


class WantedSubject(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A subject that is asked for; without a name any name will do."""

    name = "subject"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Wanted:
        from policy_engine.attesting.checking import Wanted

        name, digest = _parts(value, param, ctx)
        return Wanted(digest, name)


def _parts(value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str | None, str]:
    found = _SUBJECT.fullmatch(str(value))
    name = found["name"] if found is not None else None
    if found is None or (name is not None and not _is_name(name)):
        from policy_engine.cli.printable import printable

        raise click.BadParameter(f"`{printable(str(value)[:80])}` is not a subject such as {EXAMPLE}", ctx, param)
    return name, found["digest"].lower()


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _LONGEST and name.isprintable() and name == name.strip()
