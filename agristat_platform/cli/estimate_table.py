"""Official estimates as a person reads them, beside the truth where the landscape is simulated."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
from rich.table import Table

from agristat_platform import estimation, simulation
from agristat_platform.cli.platform import Platform
from resources.storage import StoredVersion

MISSING = "–"
WHOLE = "all"
PUBLISH = "publish"
GROUND_ONLY = "expansion total"
INTERVAL = "{:g} % from"
ESTIMATE_COLUMNS = (
    ("estimate", None),
    ("SE", None),
    ("CV %", None),
    (INTERVAL, None),
    ("to", None),
    ("SE ground", "ground"),
    ("RE", "ground"),
    ("truth", "truth"),
)


def estimate_rows(stored: StoredVersion) -> list[dict[str, Any]]:
    """The rows of the estimates table, NaN as None."""
    return without_nan(stored.table("estimates"))


def without_nan(table: pa.Table) -> list[dict[str, Any]]:
    """Rows of a table as dictionaries, NaN as None."""
    return [
        {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in table.to_pylist()
    ]


def print_estimates(platform: Platform, stored: StoredVersion) -> None:
    """The table, or the statement that there is none and why."""
    partition, console = stored.partition, platform.console
    region = platform.catalogue.region(partition.region)
    season = region.season(partition.season)
    rows = estimate_rows(stored)
    title = f"{region.name.get('en', region.code)}, {season.name.get('en', partition.season)}"
    if not rows:
        console.print(f"{title}. {stored.manifest.parameters.get('reason') or 'No official estimate.'}", soft_wrap=True)
        return
    names = {crop.code: crop.name.get("en", crop.code) for crop in platform.catalogue.nomenclature(region.code).crops}
    console.print(
        f"{title}{', SIMULATED data' if stored.simulated else ''}; areas in {rows[0].get('unit') or '?'}",
        style="bold",
        soft_wrap=True,
    )
    level = 100 * float(str(stored.manifest.parameters["confidence"]))
    chosen = without_nan(estimation.published_rows(stored.table("estimates")))
    console.print(_table(rows, chosen, names, _truth(platform, stored), level))
    if any(row["estimator"] == GROUND_ONLY for row in chosen):
        console.print("  * from the ground alone: the map gives no assistance")
    for sentence in _remarks(chosen, names):
        console.print(f"  {sentence}", soft_wrap=True)
    if stored.manifest.parameters.get("reason"):
        console.print(f"  {stored.manifest.parameters['reason']}", soft_wrap=True)
    console.print(f"  version {stored.version[:12]}, run {stored.run_id[:8]}", style="dim")


def _table(
    rows: list[dict[str, Any]],
    chosen: list[dict[str, Any]],
    names: dict[str, str],
    truth: dict[str, float],
    level: float,
) -> Table:
    """One line a crop and domain of `chosen`, with the ground-only standard error from `rows` to compare it with.

    `level` is the confidence of the intervals in per cent.
    """
    domains = any(row["domain"] != WHOLE for row in rows)
    ground = {(row["variable"], row["domain"]): row for row in rows if row["estimator"] == GROUND_ONLY}
    table = Table(
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("crop", no_wrap=True)
    if domains:
        table.add_column("domain", no_wrap=True)
    for name, only_with in ESTIMATE_COLUMNS:
        if only_with is None or (only_with == "ground" and ground) or (only_with == "truth" and truth):
            table.add_column(name.format(level), justify="right", no_wrap=True)
    for row in chosen:
        code = row["variable"].removeprefix("area:")
        mark = " *" if row["estimator"] == GROUND_ONLY else ""
        cells = [names.get(code, code) + mark, *([row["domain"]] if domains else [])]
        cells += [_number(row[name]) for name in ("estimate", "standard_error")]
        cells += [
            _number(None if row["cv"] is None else 100 * row["cv"]),
            _number(row["ci_low"]),
            _number(row["ci_high"]),
        ]
        alone = ground.get((row["variable"], row["domain"]))
        if ground:
            cells += [_number(alone["standard_error"] if alone else None), _number(row.get("relative_efficiency"))]
        if truth:
            cells.append(_number(truth.get(code)))
        table.add_row(*cells)
    return table


def _remarks(rows: list[dict[str, Any]], names: dict[str, str]) -> list[str]:
    """Flags of the estimates that say more than "publish"; equal ones together."""
    said: dict[str, list[str]] = {}
    for row in rows:
        code = row["variable"].removeprefix("area:")
        for flag in filter(None, (row["flags"] or "").split("; ")):
            if flag != PUBLISH:
                said.setdefault(flag, []).append(names.get(code, code))
    return [f"{', '.join(dict.fromkeys(crops))}: {flag}" for flag, crops in said.items()]


def _truth(platform: Platform, stored: StoredVersion) -> dict[str, float]:
    """True areas by crop; empty for real regions, and where the store is read without the landscape beside it."""
    if not stored.simulated:
        return {}
    region = platform.catalogue.region(stored.partition.region)
    try:
        totals = simulation.true_totals(platform.settings.archive_dir, region, stored.partition.season)
    except simulation.LandscapeNotPreparedError:
        return {}  # the estimates stand without it: the column is left out
    return {row["crop_code"]: row["area_ha"] for row in totals.to_pylist()}


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.1f}"
