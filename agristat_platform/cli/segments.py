"""`agristat segments …`: segments for other programs."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path

import typer

from agristat_platform.cli.platform import Platform

app = typer.Typer(help="Segments for other programs.", no_args_is_help=True)


@app.callback()
def segments() -> None:
    """Segments for other programs."""


@app.command("export")
def export(
    region: str = typer.Argument(..., help="Code of the region.", show_default=False),
    season: str = typer.Argument(..., help="Season as year and month of its start.", show_default=False),
    target: Path = typer.Argument(..., help="GeoParquet to write, such as fields.parquet.", show_default=False),
    collection: str = typer.Option(None, "--collection", help="Name of these boundaries; left out: region and season."),
) -> None:
    """Write the current segments of a season as field boundaries (fiboa 0.3), in longitude and latitude."""
    from agristat_platform.segmentation import write_field_boundaries

    platform = Platform.load()
    partition = platform.partition(region, season)
    stored = platform.store.current("segments", partition)
    of_register = stored.has("parcels")
    end = platform.catalogue.region(region).season(season).end
    origin = "parcels of a register along pixel edges" if of_register else "segments of satellite imagery"
    written = write_field_boundaries(
        target,
        stored.table("segments"),
        collection=collection or f"{region}-{season}",
        observed=datetime.combine(end, time(), UTC),
        method="unknown" if of_register else "auto-imagery",
        details=f"{'simulated ' if stored.simulated else ''}{origin}, version {stored.version}",
    )
    platform.console.print(f"{written.num_rows} field boundaries: {target}", soft_wrap=True)
