"""`agristat features …`: describe what lies on this machine without a region or a run."""

from __future__ import annotations

from pathlib import Path

import typer

app = typer.Typer(help="Describe polygons of your own by a raster.", no_args_is_help=True)


@app.callback()
def features() -> None:
    """Describe polygons of your own by a raster."""


@app.command("polygons")
def polygons(
    raster: Path = typer.Argument(..., help="File that GDAL reads, such as a composite.", show_default=False),
    polygons: Path = typer.Argument(..., help="GeoParquet or a vector file that GDAL reads.", show_default=False),
    target: Path = typer.Argument(..., help="Table to write: .parquet or .csv.", show_default=False),
    statistics: str = typer.Option(
        "count,mean,std", "--statistics", help="count, sum, mean, std, min, max, p0 … p100."
    ),
    band: list[int] = typer.Option(None, "--band", help="From 1; may be given again. Left out: all."),
    id_column: str = typer.Option(None, "--id", help="Column with an identifier; left out: numbered from 1."),
    layer: str = typer.Option(None, "--layer", help="Of a file with several."),
) -> None:
    """Statistics within polygons, each pixel counted by the share of it that lies inside; needs the extra `polygons`."""
    from agristat_platform.features import polygon_file_statistics

    wanted = tuple(name.strip() for name in statistics.split(",") if name.strip())
    table = polygon_file_statistics(
        raster, polygons, target, wanted, bands=band or None, id_column=id_column, layer=layer
    )
    typer.echo(f"{table.num_rows} polygons, {table.num_columns - 1} columns: {target}")
