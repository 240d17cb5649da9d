"""A task's facts with some of them changed, and what is computed from those: only that, and only when it is read.

It takes the functions of `completing` and the catalog; what it leaves out is what the change cannot reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from typing import Any

from msgspec.structs import replace

from policy_engine.catalog import Needs, OptionModels, View, judge_serving, masks_of
from policy_engine.combining import OptionInput
from policy_engine.completing import api_spend, choice_waits, commercial_use, edge_wanted, option_input
from policy_engine.facts import region_allowed, volumes
from policy_engine.judging import Judge
from policy_engine.model.task_case import TaskCase
from policy_engine.model.vocabulary import OPEN_OPTIONS, OPTIONS
from policy_engine.probe.overlay import held_to

MIN_SCORES = "task.min_scores"
SPEND = "cost.api_spend_usd_per_month"
VOLUME = ("volume.input_tokens_per_month", "volume.output_tokens_per_month")
VOLUMES = ("volume.tokens_per_month", "volume.tokens_per_day", "task.tokens_per_month")
COSTS = {option: f"cost.{option}_usd_per_month" for option in OPTIONS}
LICENCES = {option: f"licence.{option}" for option in OPEN_OPTIONS}
#: The declared facts that the choice of a model reads.
NEEDED = frozenset(
    {
        "task.kind",
        "task.complexity",
        "task.quality",
        "task.modalities",
        "task.context_tokens",
        "task.latency_p95_ms",
        "workload.stage",
        "workload.organisation",
        "data.residency",
        "needs.edge",
        MIN_SCORES,
        *VOLUME,
    }
)
#: Those that are a field of the needs by themselves.
_SAID_ALONE = {
    "task.kind": "kind",
    "task.complexity": "complexity",
    "task.quality": "quality",
    "task.modalities": "modalities",
    "task.context_tokens": "context_tokens",
    "data.residency": "residency",
    MIN_SCORES: "min_scores",
}
_TOKENS = dict(zip(VOLUME, ("input_tokens_per_month", "output_tokens_per_month"), strict=True))
_OPTION_OF = {name: option for named in (COSTS, LICENCES) for option, name in named.items()}
#: What is computed of the models that the catalog chooses.
CHOSEN = frozenset((*COSTS.values(), *LICENCES.values()))
#: The facts that are computed of a declared one.
COMPUTED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(NEEDED, CHOSEN),
    **{name: CHOSEN | {SPEND, *VOLUMES} for name in VOLUME},
    "data.residency": CHOSEN | {"proposal.region_allowed"},
    "task.context_tokens": CHOSEN | {"proposal.hardware_verdict"},
    "proposal.region": frozenset({"proposal.region_allowed"}),
    "proposal.provider": frozenset({"proposal.region_allowed"}),
    "proposal.deployment": CHOSEN | {"proposal.licence", "proposal.hardware_verdict", "proposal.region_allowed"},
    "proposal.model": CHOSEN | {"proposal.licence", "proposal.hardware_verdict"},
    "proposal.quantization": frozenset({"proposal.hardware_verdict"}),
    "budget.api_spend_usd_per_month": frozenset({SPEND}),
    "migration.from.model": frozenset({SPEND}),
    "migration.present": frozenset({SPEND}),
}
_SPENT = frozenset({"budget.api_spend_usd_per_month", "migration.from.model", "migration.present", *VOLUME})
_SERVED = frozenset({"proposal.model", "proposal.deployment", "proposal.quantization", "task.context_tokens"})
_PROPOSED = frozenset({"proposal.model", "proposal.deployment"})
_OWN_HARDWARE = ("self_hosted", "edge")
_PLACED = frozenset({"data.residency", "proposal.region", "proposal.provider", "proposal.deployment"})
_OF_PROPOSAL = _SERVED | _PLACED
#: The declared facts of which something else is computed, or on which it hangs what the catalog says of the options.
_WORKED_WITH = NEEDED | _SPENT | _OF_PROPOSAL


def stands_alone(name: str) -> bool:
    """Whether a changed fact changes nothing but itself: neither what is computed, nor what the catalog says.

    INVARIANT: `Changed` with such a fact has the facts of its world but for that one, and what it says of the options
    and of the proposed model is what the world says.
    """
    return name not in _WORKED_WITH and name not in COMPUTED and not name.startswith("proposal.")


#: What is to be computed anew where some facts change, as bits, and by fact which of that.
_VOLUMES, _SPEND, _PROPOSAL, _NEEDS, _DEPLOYMENT = (1 << place for place in range(5))
_STEPS = {
    name: (_VOLUMES if name in VOLUME else 0)
    | (_SPEND if name in _SPENT else 0)
    | (_PROPOSAL if name in _OF_PROPOSAL else 0)
    | (_NEEDS if name in NEEDED else 0)
    | (_DEPLOYMENT if name == "proposal.deployment" else 0)
    for name in _WORKED_WITH
}


class World:
    """A task as it was judged: the facts in full, what the catalog said, and the outcomes of the rules."""

    def __init__(
        self,
        judge: Judge,
        case: TaskCase,
        facts: Mapping[str, Any],
        outcomes: list[bool | None],
        models: Mapping[str, OptionModels],
        inputs: Mapping[str, OptionInput],
        read: AbstractSet[str],
    ) -> None:
        #: Of what is computed of the choice of models, what rules read.
        self.read_costs = frozenset(COSTS.values()) & read
        self.read_licences = frozenset(LICENCES.values()) & read
        self.judge, self.case, self.facts, self.outcomes = judge, case, facts, outcomes
        self.models, self.inputs = models, inputs
        self.catalog = judge.policy.catalog
        self.masks = masks_of(self.catalog, case.day)
        claim = case.hardware
        self.held = held_to(self.catalog, claim, case.measured) if case.measured else claim
        self.needs: Needs = models[OPTIONS[0]].asked.needs
        self.available = tuple(inputs[option].available for option in OPTIONS)
        self._holds: tuple[bool | None] | None = None
        self._view: View | None = None
        self._allowed: dict[tuple[Any, ...], bool | None] = {}

    @property
    def view(self) -> View:
        """What the catalog makes of the needs as they are."""
        if self._view is None:
            self._view = self.masks.view(self.needs)
        return self._view

    def region_allowed(self, get: Callable[[str], Any]) -> bool | None:
        """Say whether the proposed region lies inside the residency, of the facts behind a function."""
        residency, region = get("data.residency"), get("proposal.region")
        of = (get("proposal.deployment"), get("proposal.provider"))
        key = (None if residency is None else tuple(residency), region, *of)
        if key not in self._allowed:
            places = self.catalog.places(*of)
            self._allowed[key] = region_allowed(residency, region, self.catalog.regions, places)
        return self._allowed[key]

    def holds(self) -> bool | None:
        """Say what the catalog makes of the proposed model as it is."""
        if self._holds is None:
            found = self.catalog.model(self.facts.get("proposal.model"))
            option = self.facts.get("proposal.deployment", "")
            self._holds = (None if found is None else self.masks.qualifies(option, found.key, self.view),)
        return self._holds[0]


class Changed(MutableMapping[str, Any]):
    """The facts of a world with `changes`; what is computed of the choice of models is found when it is read.

    `names` are the facts that are others than before, or may be. `needs` is None where they are the same. `like` is
    another world with the same changes, which may have worked out the needs.
    """

    def __init__(self, world: World, changes: Mapping[str, Any], like: Changed | None = None) -> None:
        self.world, self._like = world, like
        self._base = world.facts
        self._stated = changes
        self._values: dict[str, Any] = {**world.facts, **changes}
        self._pending: frozenset[str] = frozenset()
        self._view: View | None = None
        self._models: dict[str, OptionModels] = {}
        self.needs: Needs | None = None
        #: The options whose cost was asked for, and those whose licence was.
        self.weighed: set[str] = set()
        self.licensed: set[str] = set()
        self.names = set(changes)
        #: Whether the same models meet the needs: of a volume only the cost changes.
        self.same_models = self.names.issubset(VOLUME)
        self._compute()

    def get(self, name: str, default: Any = None) -> Any:
        found = self._values.get(name)
        if found is None and name in self._pending:
            self._pending -= {name}
            found = self._values[name] = self._chosen(name)
        return default if found is None else found

    @property
    def plain(self) -> Callable[[str], Any]:
        """What returns the value of any fact but those that are computed of a choice of models."""
        return self._values.get

    def __getitem__(self, name: str) -> Any:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def declared(self, name: str) -> Any:
        """Return what is stated, which no derivation replaces; None where nothing is."""
        return self._stated[name] if name in self._stated else self.world.case.facts.get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        self._values[name] = None

    def __iter__(self) -> Iterator[str]:
        return (name for name in {*self._values, *self._pending} if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _compute(self) -> None:
        steps, changed = 0, self._stated
        for name in changed:
            steps |= _STEPS.get(name, 0)
        if steps & _VOLUMES:
            self._volume()
        if steps & _SPEND:
            self._spend()
        if steps & _PROPOSAL and self._base["proposal.present"]:
            self._proposal(changed.keys())
        if steps & _NEEDS and not (len(changed) == 1 and self._no_need()):
            self._choices()
        elif steps & _DEPLOYMENT:
            self._wait_for_licences()

    def _put(self, name: str, value: Any) -> None:
        if value != self._base.get(name):
            self._values[name] = value
            self.names.add(name)

    def _volume(self) -> None:
        get = self._values.get
        for name, value in zip(VOLUMES, volumes(get(VOLUME[0]), get(VOLUME[1]), get("task.share")), strict=True):
            self._put(name, value)

    def _spend(self) -> None:
        world = self.world
        usd, _ = api_spend(self._values.get, world.catalog, world.judge.parameters, world.case.day)
        self._put(SPEND, usd)

    def _proposal(self, changed: AbstractSet[str]) -> None:
        world, get = self.world, self._values.get
        if not _PLACED.isdisjoint(changed):
            self._put("proposal.region_allowed", world.region_allowed(get))
        if not _PROPOSED.isdisjoint(changed):
            licence = world.catalog.licence(get("proposal.model"))
            self._put("proposal.licence", licence)
            proposed = get("proposal.deployment")
            if proposed in OPEN_OPTIONS:
                self._put(f"licence.{proposed}", None if licence == "proprietary" else licence)
        if world.case.hardware is not None and not _SERVED.isdisjoint(changed):
            self._put("proposal.hardware_verdict", self._hardware_verdict())

    def _hardware_verdict(self) -> str | None:
        world, get = self.world, self.get
        if get("proposal.deployment") not in _OWN_HARDWARE or get("proposal.model") is None:
            return None
        if get("hardware.measured") == "contradicted":
            found: str | None = get("hardware.verdict")
            return found
        claim, model, quantization = world.held, get("proposal.model"), get("proposal.quantization")
        return judge_serving(world.catalog, claim, model, quantization, get("task.context_tokens")).verdict

    def _choices(self) -> None:
        world = self.world
        if self._like is not None and self._like.needs is not None:
            needs = self._like.needs  # what is needed of a model hangs on no proposal
        else:
            needs = self._needs()
        # a fact that was not known may have kept a cost or licence unknown, whatever is needed
        if needs == world.needs and all(self._base.get(name) is not None for name in self.names):
            return
        self.needs = needs
        self._wait_for(world.read_costs)
        self._wait_for_licences()

    def _needs(self) -> Needs:
        """Return what is needed of a model: as `needs_of` says, but only the fields that come from a changed fact."""
        get, fields = self._values.get, dict[str, Any]()
        for name, value in self._stated.items():
            if name in _SAID_ALONE:
                fields[_SAID_ALONE[name]] = tuple(value) if isinstance(value, list) else value
            elif name in ("workload.stage", "workload.organisation"):
                fields["commercial_use"] = commercial_use(get("workload.stage"), get("workload.organisation"))
            elif name in _TOKENS:
                share = get("task.share")
                fields[_TOKENS[name]] = None if value is None or share is None else value * share
            elif name in ("needs.edge", "task.latency_p95_ms"):
                limit = self.world.judge.parameters["edge_latency_ms"]
                fields["edge_wanted"] = edge_wanted(get("needs.edge"), get("task.latency_p95_ms"), limit)
        return replace(self.world.needs, **fields)

    def _no_need(self) -> bool:
        """Whether the one fact that changed is none that a model of a task that is alone is chosen by."""
        if self.world.needs.routed:
            return False
        if "task.kind" in self._stated:
            return bool((self._stated["task.kind"] == "coding") == (self._base["task.kind"] == "coding"))
        return "task.complexity" in self._stated

    def _wait_for_licences(self) -> None:
        proposed = LICENCES.get(self.get("proposal.deployment") or "")
        self._wait_for(self.world.read_licences - {proposed} if proposed else self.world.read_licences)

    def _wait_for(self, names: frozenset[str]) -> None:
        """Leave to whoever reads them what is computed of a choice of models."""
        if names:
            self._pending |= names
            self.names |= names
            for name in names:
                self._values.pop(name, None)

    def _chosen(self, name: str) -> Any:
        option = _OPTION_OF[name]
        return self._cost(option) if name == COSTS[option] else self._licence(option)

    def models(self, option: str) -> OptionModels:
        """Return what the catalog chooses for `option` now."""
        if self.needs is None:
            return self.world.models[option]
        found = self._models.get(option)
        if found is None:
            found = self._models[option] = self.world.masks.choose(option, self.needs)
        return found

    def _settled(self, option: str) -> OptionModels | None:
        """Return the choice for `option` where nothing that is unknown could change it."""
        found = self.models(option)
        return found if found.available and not choice_waits(found, self) else None

    def _cost(self, option: str) -> float | None:
        self.weighed.add(option)
        found = self._settled(option)
        return found.monthly_usd if found is not None else None

    def _licence(self, option: str) -> str | None:
        self.licensed.add(option)
        found = self._settled(option)
        licence = self.world.catalog.licence(found.model) if found is not None else None
        return None if licence == "proprietary" else licence

    def available(self) -> tuple[bool | None, ...]:
        """Return, for each option, whether a model surely meets the needs."""
        if self.needs is None or self.same_models:
            return self.world.available
        return self.view.available

    @property
    def view(self) -> View:
        """What the catalog makes of the needs as they are now."""
        if self.needs is None:
            return self.world.view
        if self._view is None:
            self._view = self.world.masks.view(self.needs)
        return self._view

    def input(self, option: str) -> OptionInput:
        """Return what the catalog says of `option`, its cost with it."""
        if self.needs is None:
            return self.world.inputs[option]
        self.weighed.add(option)
        return option_input(self.models(option), self)

    def model_holds(self) -> bool | None:
        """Say what the catalog makes of the proposed model on the proposed option."""
        if (self.needs is None or self.same_models) and self.names.isdisjoint(_PROPOSED):
            return self.world.holds()
        model = self.get("proposal.model")
        found = self.world.catalog.model(model)
        if found is None:
            return None
        return self.world.masks.qualifies(self.get("proposal.deployment"), found.key, self.view)
