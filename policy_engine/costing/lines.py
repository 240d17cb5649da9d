"""What a model on an option costs for one task: by the token, or by machines and people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from msgspec import Struct
from msgspec.structs import replace

from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.claims import HardwareClaim
from policy_engine.catalog.cost import SELF_RUN
from policy_engine.catalog.entries import Entry, Price
from policy_engine.catalog.needs import Considered
from policy_engine.costing.curve import Curve
from policy_engine.costing.disputed import other_prices
from policy_engine.costing.machines import Machine, Wanted, machines_of
from policy_engine.costing.moving import Move
from policy_engine.costing.returns import Outlay
from policy_engine.costing.speeds import Assumptions
from policy_engine.model.ranges import ONE, ZERO, Range, exactly, total
from policy_engine.wording import price_text

#: The parts of a month, in the order of a stack.
PARTS = ("tokens", "machines", "power_and_space", "engineers", "operations")


class Load(Struct, frozen=True):
    """Tokens of a month, None where not known; the part that is read; tokens of one request."""

    prompt: float | None
    answer: float | None
    prompt_share: Range
    tokens_per_request: Range

    @property
    def tokens(self) -> float | None:
        return None if self.prompt is None or self.answer is None else self.prompt + self.answer


class Setting(Struct, frozen=True):
    """What all lines of a task share."""

    catalog: Catalog
    at: date
    assumed: Assumptions
    load: Load
    claim: HardwareClaim | None
    move: Move


class Line(Struct, frozen=True, kw_only=True):
    """A model on an option. Dollars; None is unknown.

    `way` says what is paid, `curve` what it costs at any volume, `parts` what makes up the month at the stated one.
    `unknown` says why there is no monthly cost, `floors` why it is at least what stands there, `stale` that a figure is
    older than one may be, and `decision_usd` is what a decision reckons for the same model.
    """

    option: str
    model: str
    qualifies: bool | None
    chosen: bool
    reasons: tuple[str, ...]
    provider: str | None
    decision_usd: float | None
    prompt_usd_per_million: Range | None = None
    answer_usd_per_million: Range | None = None
    way: str | None = None
    machine: Machine | None = None
    curve: Curve | None = None
    parts: Mapping[str, Range] | None = None
    replicas: Range | None = None
    once: Mapping[str, Range] = {}
    outlay: Outlay | None = None
    floors: tuple[str, ...] = ()
    unknown: str | None = None
    figures: tuple[Entry, ...] = ()
    stale: bool = False

    @property
    def monthly(self) -> Range | None:
        return None if self.parts is None else total(self.parts.values())

    @property
    def at_least(self) -> bool:
        return bool(self.floors)

    @property
    def self_run(self) -> bool:
        return self.option in SELF_RUN


def lines_of(setting: Setting, option: str, found: Considered, chosen: bool) -> tuple[Line, ...]:
    """Return the ways to pay for a model: one by the token; of machines the cheapest rented and the cheapest bought."""
    bare = Line(
        option=option,
        model=found.name,
        qualifies=found.qualifies,
        chosen=chosen,
        reasons=found.reasons,
        provider=found.provider,
        decision_usd=found.monthly_usd,
        once=setting.move.once(option, found.name),
    )
    if option in SELF_RUN:
        return _machine_lines(setting, bare, found)
    return (_token_line(setting, bare),)


def _token_line(setting: Setting, bare: Line) -> Line:
    price = setting.catalog.price(bare.model, bare.option, setting.at, bare.provider)
    if price is None:
        return _with(bare, unknown="no source states a price")
    others = other_prices(setting.catalog, price, bare.model, bare.option, setting.at, bare.provider)
    sides = [price, *others]
    share, load = setting.load.prompt_share, setting.load
    # of a disputed price each side counts as a whole: the dearer prompt of one never meets the dearer answer of another
    blended = [_per_million(each, share) for each in sides]
    curve = Curve(usd_per_million=_around(blended[0], blended))
    prompt = _around(exactly(price.input_usd_per_million), [exactly(each.input_usd_per_million) for each in sides])
    answer = _around(exactly(price.output_usd_per_million), [exactly(each.output_usd_per_million) for each in sides])
    shown = f"{price_text(price.input_usd_per_million)} USD per million tokens"
    if not price.blended:
        both = f"{price_text(price.input_usd_per_million)} and {price_text(price.output_usd_per_million)}"
        shown = f"{both} USD per million tokens in and out"
    line = _with(
        bare,
        way=shown,
        curve=curve,
        prompt_usd_per_million=prompt,
        answer_usd_per_million=answer,
        figures=(price,),
        stale=setting.catalog.is_stale(price, setting.at),
    )
    if load.prompt is None or load.answer is None:
        return _with(line, unknown="the volume is not stated")
    bills = [exactly(each.usd(load.prompt, load.answer)) for each in sides]
    parts = {"tokens": _around(bills[0], bills)}
    outlay = Outlay(parts["tokens"], total(bare.once.values()), ZERO, ONE)
    return _with(line, parts=parts, outlay=outlay)


def _per_million(price: Price, share: Range) -> Range:
    ends = [_blend(price, share.low), _blend(price, share.high)]
    return Range(min(ends), _blend(price, share.central), max(ends))


def _blend(price: Price, share: float) -> float:
    return share * price.input_usd_per_million + (1 - share) * price.output_usd_per_million


def _around(counts: Range, sides: list[Range]) -> Range:
    """Return the figure that counts, between what the lowest and the highest side say."""
    return Range(min(each.low for each in sides), counts.central, max(each.high for each in sides))


def _machine_lines(setting: Setting, bare: Line, found: Considered) -> tuple[Line, ...]:
    catalog, model = setting.catalog, setting.catalog.models[bare.model]
    per_request = setting.load.tokens_per_request
    if model.context_tokens is not None:
        window = float(model.context_tokens)
        per_request = per_request.each(lambda tokens: min(tokens, window))
    wanted = Wanted(
        catalog=catalog,
        model=model,
        option=bare.option,
        quantization=found.quantization,
        claim=setting.claim,
        tokens_per_request=per_request,
        assumed=setting.assumed,
        at=setting.at,
    )
    lines = [_machine_line(setting, bare, each) for each in machines_of(wanted)]
    best = []
    for owned in (False, True):
        of_kind = [each for each in lines if each.machine is not None and each.machine.owned is owned]
        best += sorted(of_kind, key=lambda line: _central(line, setting))[:1]
    if best:
        return tuple(best)
    if setting.claim is not None and setting.claim.usd_per_hour is None:
        why = "`hardware.usd_per_hour` is not stated, and no source says what it costs to buy, or it does not fit"
    elif setting.claim is not None:
        why = "it does not fit the claimed hardware, or is not known to"
    elif model.parameters is None:
        why = "the number of its parameters is not known, and so not which hardware it takes"
    else:
        why = "no source states what hardware costs that it fits"
    return (_with(bare, unknown=why),)


def _central(line: Line, setting: Setting) -> tuple[float, str]:
    cost = line.curve.at(setting.load.tokens or 0.0).central if line.curve is not None else 0.0
    return cost, line.way or ""


def _machine_line(setting: Setting, bare: Line, machine: Machine) -> Line:
    assumed, load = setting.assumed, setting.load
    life = assumed["hardware_life_months"].range
    people, operations = running_people(assumed, bare.option)
    spare = assumed["spare_replicas"].range if bare.option == "self_hosted" else ZERO
    capacity = machine.capacity(load.prompt_share, assumed)
    curve = Curve(fixed=people + operations, replica=machine.monthly(life), capacity=capacity, spare=spare)
    line = _with(
        bare,
        way=machine.what,
        machine=machine,
        curve=curve,
        floors=_floors(machine),
        figures=machine.figures,
        stale=any(setting.catalog.is_stale(each, setting.at) for each in machine.figures),
    )
    if load.tokens is None:
        return _with(line, unknown="the volume is not stated")
    replicas = curve.replicas(load.tokens)
    parts = {
        "machines": total((machine.rent, machine.purchase / life, machine.maintenance)) * replicas,
        "power_and_space": (machine.power + machine.space) * replicas,
        "engineers": people,
        "operations": operations,
    }
    running = people + operations + machine.running * replicas
    once = {**bare.once, **({"purchase": machine.purchase * replicas} if machine.owned else {})}
    outlay = Outlay(running, total(bare.once.values()), machine.purchase * replicas, life)
    return _with(line, parts=parts, replicas=replicas, once=once, outlay=outlay)


def _floors(machine: Machine) -> tuple[str, ...]:
    """Say what makes the cost of a machine a floor; empty where nothing does."""
    found = []
    if machine.owned:
        found.append("the price to buy it is a floor")
    elif machine.at_least:
        found.append("its source states the least price")
    if machine.speed is None:
        found.append("its speed is not known, and one replica counts as enough")
    elif machine.speed.at_most:
        found.append("the cache that each token takes is not known, and counts as nothing")
    return tuple(found)


def running_people(assumed: Assumptions, option: str) -> tuple[Range, Range]:
    """Return what engineers, and operations, cost a month on an option that one runs oneself."""
    who = "self_run_engineers" if option == "self_hosted" else "edge_engineers"
    people = assumed[who].range * assumed["engineer_usd_per_month"].range
    down = assumed["downtime_hours_per_month"].range * assumed["downtime_usd_per_hour"].range
    return people, assumed["monitoring_usd_per_month"].range + down


def _with(line: Line, **changed: object) -> Line:
    return replace(line, **changed)
