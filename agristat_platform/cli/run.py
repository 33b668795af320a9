"""`agristat run` and `agristat estimates`: materialise a season, read its figures."""

from __future__ import annotations

import csv
import io
import json
import sys
from enum import StrEnum

import typer

from agristat_platform.cli.platform import Platform
from agristat_platform.operations.progress import Progress


class Format(StrEnum):
    """How estimates are written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def run(
    region: str = typer.Argument(..., help="Code of the region."),
    season: str = typer.Argument(..., help="Season as year and month of its start, such as 2024-10."),
    select: str = typer.Option(
        None,
        "--select",
        help='Assets to materialise, as Dagster selects them: "features+", "scenes,composites". All by default.',
    ),
) -> None:
    """Materialise a region and season by Dagster."""
    from agristat_platform.definitions import build_definitions
    from agristat_platform.operations.instance import open_instance
    from agristat_platform.operations.materialisation import materialise, select_assets
    from agristat_platform.operations.preparation import prepare_all
    from resources.wiring import refresh_warehouse

    platform = Platform.load()
    partition = platform.partition(region, season)
    with Progress(platform.console).shown() as progress:
        definitions = build_definitions(platform.settings)
        assets = select_assets(definitions, platform.catalogue, partition, select)
        prepare_all(platform.catalogue, [partition.region], progress)
        with open_instance(platform.settings) as instance:
            run_id = materialise(definitions, partition, assets, instance=instance, progress=progress)
    refresh_warehouse(platform.settings)
    platform.console.print(f"{len(assets)} assets of {partition} materialised in run {run_id}", soft_wrap=True)
    if waiting := platform.store.mirror_pending():
        platform.console.print(
            f"not in the mirror yet: {len(waiting)} asset partitions. Catch up with: agristat store mirror",
            soft_wrap=True,
        )


def estimates(
    region: str = typer.Argument(..., help="Code of the region."),
    season: str = typer.Argument(..., help="Season as year and month of its start, such as 2024-10."),
    form: Format = typer.Option(Format.TABLE, "--format", help="table for reading; csv or json for other programs."),
) -> None:
    """Print official estimates with standard errors."""
    from agristat_platform.cli.estimate_table import estimate_rows, print_estimates

    platform = Platform.load()
    partition = platform.partition(region, season)
    stored = platform.store.current("official_estimates", partition)
    if form is Format.TABLE:
        print_estimates(platform, stored)
        return
    rows = estimate_rows(stored)
    if form is Format.JSON:
        print(
            json.dumps(
                {
                    "region": region,
                    "season": season,
                    "simulated": stored.simulated,
                    "version": stored.version,
                    "estimates": rows,
                },
                indent=1,
            )
        )
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=["region", "season", "simulated", *stored.table("estimates").column_names])
    writer.writeheader()
    writer.writerows({"region": region, "season": season, "simulated": stored.simulated, **row} for row in rows)
    sys.stdout.write(text.getvalue())
