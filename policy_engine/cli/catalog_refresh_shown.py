"""What `policy catalog refresh` answers: what changed, what was skipped and why; prices in US dollars per million."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from policy_engine.catalog.entries import Price
from policy_engine.cli.audit_show_refreshed import arrow
from policy_engine.cli.sections import Section
from policy_engine.pricing.generated import FILE
from policy_engine.pricing.history import Change
from policy_engine.pricing.recording import change_document, entry_document
from policy_engine.pricing.refreshing import Refresh

MOST_ROWS = 40
MOST_REASONS = 12
_WORDS = {"added": "added", "back": "back again", "changed": "changed", "gone": "gone"}


def as_value(found: Refresh, index: int | None, dry_run: bool) -> dict[str, Any]:
    """Return the answer for programs; None is unknown, or none."""
    data = found.data
    return {
        "apiVersion": "policy-engine/v1",
        "kind": "CatalogRefresh",
        "status": _status(found, dry_run),
        "entry": index,
        "at": found.at.isoformat().replace("+00:00", "Z"),
        "source": {"name": data.name, "version": data.version, "data_day": data.day.isoformat(), "sha256": data.sha256},
        "layer": found.scene.name,
        "file": FILE,
        "file_sha256": {"before": found.sha256_before, "after": found.sha256_after},
        "catalog": {"before": found.before.digest, "after": found.after.digest},
        "providers": list(found.named),
        "counts": found.counts(),
        "changes": [_change_value(found, each) for each in found.changes if each.what != "same"],
        "entry_counts": found.entry_counts(),
        "entry_changes": [entry_document(each) for each in found.entry_changes],
        "retirements": [
            {
                "model": each.model,
                "retires_on_before": None if each.before is None else each.before.isoformat(),
                "retires_on_after": each.after.isoformat(),
            }
            for each in found.retirements
        ],
        "new_models": list(found.new_models),
        "new_providers": list(found.new_providers),
        "skipped": [each._asdict() for each in found.placed.skipped],
        "not_asked": found.placed.not_asked,
    }


def _status(found: Refresh, dry_run: bool) -> str:
    if found.is_same:
        return "unchanged"
    return "dry_run" if dry_run else "written"


def _change_value(found: Refresh, change: Change) -> dict[str, Any]:
    counted = [_counted(found, change, after) for after in (False, True)]
    return {
        **change_document(change),
        "input_percent": _percent(change, 0),
        "output_percent": _percent(change, 1),
        "counted_before": _price_value(counted[0]),
        "counts_after": _price_value(counted[1]),
    }


def _price_value(price: Price | None) -> dict[str, Any] | None:
    if price is None:
        return None
    return {
        "input_usd_per_million": price.input_usd_per_million,
        "output_usd_per_million": price.output_usd_per_million,
        "source": price.source,
        "as_of": price.as_of.isoformat(),
        "disputes": list(price.disputes),
    }


def _counted(found: Refresh, change: Change, after: bool) -> Price | None:
    """Return the price that counts at this seller on the day of the refresh, of all layers, without or with it."""
    catalog, slot = found.after if after else found.before, change.slot
    price = catalog.price(slot.model, slot.option, found.at.date(), slot.provider)
    own = price is not None and (price.provider == slot.provider or catalog.sells_own(slot.model, slot.provider))
    return price if own else None


def _percent(change: Change, way: int) -> float | None:
    if change.before is None or change.after is None:
        return None
    return (change.after[way] / change.before[way] - 1) * 100


def as_sections(found: Refresh, index: int | None, dry_run: bool) -> list[Section]:
    """Return what people read."""
    changed = [each for each in found.changes if each.what != "same"]
    rows = [_row(each) for each in changed[:MOST_ROWS]]
    header = ("Model", "Provider", "Price", ">USD/1M in", ">USD/1M out", ">Change")
    parts = [
        _head(found, index, dry_run),
        Section("REGIONS CHANGED: residency is decided by them", lines=_regions(found)),
    ]
    if rows:
        parts.append(Section("Prices, before -> after", header=header, rows=rows))
        parts.append(Section(lines=_more(len(changed), MOST_ROWS)))
    moved = [f"{each.model}: {each.before or 'no day known'} -> {each.after}" for each in found.retirements]
    parts.append(Section("Retirement", lines=[*moved[:MOST_ROWS], *_more(len(moved), MOST_ROWS)]))
    parts.append(Section("Models and providers, before -> after", lines=_entries(found)))
    parts.append(Section("What counts now", lines=_disputed(found, changed)))
    parts.append(Section("Skipped", lines=_skipped(found)))
    return [each for each in parts if each.pairs or each.rows or each.lines]


def _head(found: Refresh, index: int | None, dry_run: bool) -> Section:
    data, counts = found.data, found.counts()
    said = [f"{counts[what]:,} {word}" for what, word in (*_WORDS.items(), ("same", "unchanged"))]
    if counts["same"] and found.is_confirmed:
        said[-1] += " (and stated by newer data)"
    ends = {
        "unchanged": "nothing changed: the file stays as it is, and nothing is recorded",
        "dry_run": "dry run: nothing is written, and nothing recorded",
        "written": f"written, and recorded as entry {index}",
    }
    pairs = [
        (
            "source",
            f"{data.title}, of {data.day.isoformat()} or later" if data.version else f"{data.title}, of {data.day}",
        ),
        ("file", f"{found.scene.name}/{FILE}"),
        ("prices", ", ".join(said)),
        *((section, _counted_words(each)) for section, each in found.entry_counts().items()),
        ("models added", f"{len(found.new_models):,}"),
        ("providers added", ", ".join(found.new_providers) or "none"),
        ("catalog", f"{found.before.digest[:19]} -> {found.after.digest[:19]}"),
        ("result", ends[_status(found, dry_run)]),
    ]
    return Section(f"Prices as of {found.at.date().isoformat()}", pairs=pairs)


def _counted_words(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def _regions(found: Refresh) -> list[str]:
    """Say which providers have other regions than before: what may run there may have changed."""
    moved = ((each.key, each.regions) for each in found.entry_changes)
    return [f"{key}: {arrow(each.before, each.after)}" for key, each in moved if each is not None]


def _entries(found: Refresh) -> list[str]:
    """Say what else of an entry that was there before is another; the new ones are named above."""
    lines = [
        f"{each.key}: {field.name} {arrow(field.before, field.after)}"
        for each in found.entry_changes
        for field in each.fields
        if each.what == "changed" and field is not each.regions and field.name != "retires_on"
    ]
    lines += [f"{each.key}: gone" for each in found.entry_changes if each.what == "gone"]
    return [*lines[:MOST_ROWS], *_more(len(lines), MOST_ROWS)]


def _row(change: Change) -> tuple[str, ...]:
    slot = change.slot
    percents = sorted({each for way in (0, 1) if (each := _percent(change, way)) is not None})
    moved = "" if not percents else " to ".join(f"{each:+.1f} %" for each in percents)
    return (slot.model, slot.provider, _WORDS[change.what], _arrow(change, 0), _arrow(change, 1), moved)


def _arrow(change: Change, way: int) -> str:
    before, after = (None if each is None else f"{each[way]:g}" for each in (change.before, change.after))
    if before is None or before == after:
        return after or "-"
    return f"{before} -> {after or 'none'}"


def _disputed(found: Refresh, changed: list[Change]) -> list[str]:
    """Say where another source's figure counted, or counts all the same: a later layer's."""
    lines = []
    for each in changed:
        before, after = _counted(found, each, False), _counted(found, each, True)
        if after is not None and each.after not in (None, (after.input_usd_per_million, after.output_usd_per_million)):
            lines.append(f"{each.slot.model}: another price counts, {_said(after)}")
        elif (
            each.what in ("added", "gone")
            and before is not None
            and after is not None
            and before.source != after.source
        ):
            names = f" ({', '.join(after.disputes)})" if after.disputes else ""
            lines.append(f"{each.slot.model}: {_said(before)} counted, now {_said(after)}{names}")
    return [*lines[:MOST_ROWS], *_more(len(lines), MOST_ROWS)]


def _said(price: Price) -> str:
    return f"{price.input_usd_per_million:g} in, {price.output_usd_per_million:g} out ({price.source}, {price.as_of})"


def _skipped(found: Refresh) -> list[str]:
    reasons = Counter(each.reason for each in found.placed.skipped).most_common()
    lines = [f"{count:,}: {reason}" for reason, count in reasons[:MOST_REASONS]]
    lines += (
        [f"{sum(count for _, count in reasons[MOST_REASONS:]):,} for other reasons"] if reasons[MOST_REASONS:] else []
    )
    if found.placed.not_asked:
        lines.append(f"{found.placed.not_asked:,} of providers that nobody asked for; --provider NAME does")
    if found.placed.skipped:
        lines.append("`-o json` lists each by name")
    return lines


def _more(count: int, most: int) -> list[str]:
    return [f"and {count - most:,} more; `-o json` has all"] if count > most else []
