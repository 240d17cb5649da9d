"""The catalog: models, prices, benchmarks, licences, hardware; which model an option may use, and what it costs."""

from policy_engine.catalog.build import build_catalog
from policy_engine.catalog.catalog import Catalog
from policy_engine.catalog.choice import choose, other_choices, qualify
from policy_engine.catalog.claims import GpuClaim, HardwareClaim, ServesClaim
from policy_engine.catalog.cost import Cost, CostPart, api_price
from policy_engine.catalog.findings import judge_claim, judge_hardware, summed
from policy_engine.catalog.hardware import judge_serving
from policy_engine.catalog.masks import Masks, View, masks_of
from policy_engine.catalog.needs import Considered, Needs
from policy_engine.catalog.outcome import OptionModels
from policy_engine.catalog.roofline import judge_price
from policy_engine.catalog.verdicts import ClaimFinding, Number, Verdict

__all__ = [
    "Catalog",
    "ClaimFinding",
    "Considered",
    "Cost",
    "CostPart",
    "GpuClaim",
    "HardwareClaim",
    "Masks",
    "Needs",
    "Number",
    "OptionModels",
    "ServesClaim",
    "Verdict",
    "View",
    "api_price",
    "build_catalog",
    "choose",
    "judge_claim",
    "judge_hardware",
    "judge_price",
    "judge_serving",
    "masks_of",
    "other_choices",
    "qualify",
    "summed",
]
