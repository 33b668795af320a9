"""Official estimates as a person reads them, beside the truth where the landscape is simulated."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table

from agristat_platform import simulation
from agristat_platform.cli.platform import Platform
from resources.storage import StoredVersion

MISSING = "–"


def estimate_rows(stored: StoredVersion) -> list[dict[str, Any]]:
    """The rows of the estimates table, NaN as None."""
    rows = stored.table("estimates").to_pylist()
    return [
        {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in rows
    ]


def print_estimates(platform: Platform, stored: StoredVersion) -> None:
    """The table, or the statement that there is none and why."""
    partition, console = stored.partition, platform.console
    region = platform.catalogue.region(partition.region)
    season = region.season(partition.season)
    rows = estimate_rows(stored)
    title = f"{region.name.get('en', region.code)}, {season.name.get('en', partition.season)}"
    if not rows:
        console.print(f"{title}: no official estimate. {stored.manifest.parameters.get('reason', '')}")
        return
    truth = _truth(platform, stored)
    table = Table(
        title=title + ("   [SIMULATED DATA]" if stored.simulated else ""),
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
    )
    numeric = ["estimate", "SE", "CV %", "95 % from", "to", "RE", *(["true"] if truth else [])]
    table.add_column("variable")
    table.add_column("domain")
    table.add_column("estimator")
    for name in numeric:
        table.add_column(name, justify="right")
    table.add_column("unit")
    table.add_column("flags")
    for row in rows:
        cells = [
            row["estimate"],
            row["standard_error"],
            None if row["cv"] is None else 100 * row["cv"],
            row["ci_low"],
            row["ci_high"],
        ]
        shown = [_number(value) for value in cells] + [_number(row.get("relative_efficiency"), 2)]
        if truth:
            shown.append(_number(truth.get(row["variable"])))
        table.add_row(
            row["variable"], row["domain"] or "", row["estimator"], *shown, row.get("unit") or "", row["flags"] or ""
        )
    console.print(table)
    console.print(f"version {stored.version[:12]}, run {stored.run_id[:8]}; {stored.uri}", style="dim", soft_wrap=True)


def _truth(platform: Platform, stored: StoredVersion) -> dict[str, float]:
    """True areas by variable name; empty for real regions."""
    if not stored.simulated:
        return {}
    region = platform.catalogue.region(stored.partition.region)
    totals = simulation.true_totals(platform.settings.archive_dir, region, stored.partition.season)
    return {row["crop_code"]: row["area_ha"] for row in totals.to_pylist()}


def _number(value: float | None, digits: int = 1) -> str:
    return MISSING if value is None else f"{value:,.{digits}f}"
