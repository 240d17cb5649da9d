"""Run conditions on durable_rules: the only place that imports `durable_rules_engine`.

The extension module is used directly and narrowly, because the package's own `Host` runs actions on timer threads
and swallows their errors. One network per thread, one fact per session, `assert_fact` alone (`assert_facts` drops
errors), a warm-up firing at creation (deleting a state in which nothing fired crashes a fresh process). A session that
nothing holds any more gives its memory back; the engine keeps it otherwise, about 5 MB for the shipped rules.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from policy_engine.errors import Problem, RulesError
from policy_engine.lowering.network import NetworkSpec
from policy_engine.lowering.values import encode

MENDING = (
    'CC="gcc -O2 -DPyEval_CallObject=PyObject_CallObject" '
    "pip install --force-reinstall --no-binary durable-rules --no-cache-dir durable-rules==2.0.28"
)

#: Evaluates an atom (CEL text) on the facts: true, false, or None for unknown.
AtomEvaluator = Callable[[str, Mapping[str, Any]], bool | None]


class EngineUnavailableError(RulesError):
    """durable_rules is not importable on this Python."""


def _module() -> Any:
    try:
        import durable_rules_engine
    except ImportError as error:
        raise EngineUnavailableError(
            Problem("engine-unavailable", f"durable_rules does not import: {error}", help=f"run: {MENDING}")
        ) from None
    return durable_rules_engine


class _Session:
    """One network in one thread."""

    def __init__(self, definition: str) -> None:
        self.engine = _module()
        warm = '"_w":{"all":[{"m":{"_w":1}}],"cap":65535}'
        body = definition[:-1] + ("," if len(definition) > 2 else "") + warm + "}"
        self.handle = self.engine.create_ruleset("p", body)
        try:
            fired = self._fire('"_w":1') == ["_w"]
        except BaseException:
            # interrupted: the state stays, because nothing may have fired in it yet
            with suppress(self.engine.error):
                self.engine.delete_ruleset(self.handle)
            raise
        if not fired:
            raise RuntimeError("the durable_rules engine did not fire its warm-up rule")
        # not at exit: the process gives everything back then, and the extension may be half gone
        weakref.finalize(self, _release, self.engine, self.handle).atexit = False

    def run(self, body: str) -> list[str]:
        """Assert one fact and return the names of the rules that fired."""
        try:
            return self._fire(body)
        except BaseException:
            self._reset()
            raise

    def _fire(self, body: str) -> list[str]:
        engine, handle = self.engine, self.handle
        fired: list[str] = []
        code, state = engine.assert_fact(handle, '{"sid":"s","id":"w",' + body + "}")
        if code > 1:
            raise RuntimeError("a stale durable_rules session")
        first = engine.start_action_for_state(handle, state)
        message = first[1] if first else None
        while message:
            fired.append(message[2 : message.index('"', 2)])
            message = engine.complete_and_start_action(handle, state)
        engine.retract_facts(handle, '[{"sid":"s","id":"w"}]')
        return fired

    def _reset(self) -> None:
        try:
            self.engine.delete_state(self.handle, "s")
        except self.engine.error:
            return
        self._fire('"_w":1')


def _release(engine: Any, handle: int) -> None:
    """Give a ruleset's memory back, its state first: deleting the ruleset forgets the state without freeing it.

    INVARIANT: nobody holds the handle any more, and the state has fired once.
    """
    with suppress(engine.error):
        engine.delete_state(handle, "s")
    with suppress(engine.error):
        engine.delete_ruleset(handle)


class Network:
    """A compiled set of conditions, ready to be asked in any thread."""

    def __init__(self, spec: NetworkSpec, atoms: AtomEvaluator) -> None:
        self.spec = spec
        self._atoms = atoms
        self._local = threading.local()
        self._tags = ",".join(f'"{tag}":1' for tag in spec.tags) or '"_t":1'
        self._fields = [(f, key, spec.lengths.get(f)) for f, (key, _) in spec.fields.items()]

    def _session(self) -> _Session:
        session: _Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = _Session(self.spec.definition)
        return session

    def evaluate(self, facts: Mapping[str, Any], outcomes: list[bool | None]) -> None:
        """Set `outcomes[i]` for each condition i of this network; what stands there must be False."""
        spec = self.spec
        for name in self._session().run(self._assertion(facts)):
            for index in spec.possible_rules.get(name, ()):
                if outcomes[index] is False:
                    outcomes[index] = None
            for index in spec.true_rules.get(name, ()):
                outcomes[index] = True
        for index in spec.always:
            outcomes[index] = True

    def _assertion(self, facts: Mapping[str, Any]) -> str:
        """Write the one fact to assert: known values, atoms, and the tags of the groups that have to wake."""
        spec = self.spec
        parts = [self._tags]
        missing: set[str] = set()
        for fact, key, length in self._fields:
            value = facts.get(fact)
            if value is None:
                missing.add(fact)
                continue
            if key:
                parts.append(f'"{key}":{encode(value)}')
            if length is not None:
                parts.append(f'"{length}":{len(value)}')
        unknown_atoms: set[str] = set()
        for text, key in spec.atoms.items():
            value = self._atoms(text, facts)
            if value is None:
                unknown_atoms.add(key)
            else:
                parts.append(f'"{key}":{"true" if value else "false"}')
        if missing or unknown_atoms:
            parts.extend(
                f'"{g.tag}":1'
                for g in spec.guards
                if not g.facts.isdisjoint(missing) or not g.atoms.isdisjoint(unknown_atoms)
            )
        return ",".join(parts)


def evaluate_all(networks: Sequence[Network], count: int, facts: Mapping[str, Any]) -> list[bool | None]:
    """Return the outcome of each of `count` conditions: true, false, or None for unknown."""
    outcomes: list[bool | None] = [False] * count
    for network in networks:
        network.evaluate(facts, outcomes)
    return outcomes
