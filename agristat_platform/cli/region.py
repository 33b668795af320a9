"""`agristat region …`: list, check, add and prepare regions."""

from __future__ import annotations

from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from agristat_platform.catalogue import add_region, check_region_file, describe_region
from agristat_platform.cli.platform import Platform

app = typer.Typer(help="List, check, add and prepare regions.", no_args_is_help=True)


@app.command("list")
def list_regions() -> None:
    """List the regions with their seasons."""
    platform = Platform.load()
    table = Table(box=None, pad_edge=False)
    for name in ("code", "name", "simulated", "seasons", "crops", "imagery", "survey", "km²", "grid"):
        table.add_column(name, justify="right" if name == "km²" else "left")
    for row in map(describe_region, platform.catalogue.regions.values()):
        simulated = "yes" if row.simulated else "no"
        seasons = "\n".join(row.seasons)
        table.add_row(
            row.code,
            row.name,
            simulated,
            seasons,
            row.crops,
            row.imagery,
            row.survey,
            f"{row.area_ha / 100:,.0f}",
            row.grid,
        )
    platform.console.print(table)


@app.command()
def check(
    files: list[Path] = typer.Argument(
        None, help="Region files or codes of regions; all of config/regions when left out.", show_default=False
    ),
) -> None:
    """Check region files; one line a problem."""
    from agristat_platform.operations.region_rules import imagery_problems

    console = Console(highlight=False, soft_wrap=True, markup=False)
    platform = Platform.load()
    folder = platform.settings.config_dir / "regions"
    registered = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    paths = [file if file.exists() else registered.get(str(file), file) for file in files or registered.values()]
    problems = [
        problem
        for path in paths
        for problem in check_region_file(path, platform.settings.config_dir, rule=imagery_problems)
    ]
    for problem in problems:
        console.print(problem)
    console.print(f"{len(paths)} region files checked, problems: {len(problems)}")
    if problems:
        raise typer.Exit(1)


@app.command()
def add(
    file: Path = typer.Argument(..., help="The new region file (YAML)."),
    replace: bool = typer.Option(False, "--replace", help="Take the place of a region with the same code."),
) -> None:
    """Check a region file and add it to config/regions."""
    from agristat_platform.operations.region_rules import imagery_problems

    platform = Platform.load()
    added = add_region(file, platform.settings.config_dir, replace=replace, rule=imagery_problems)
    platform.console.print(f"added {added.code}; the Dagster UI shows it after its code location is reloaded")


@app.command("prepare")
def prepare_region(region: str = typer.Argument(..., help="Code of the region.")) -> None:
    """Make the local imagery archive of a region: simulate it, or build a STAC catalogue over files."""
    from agristat_platform.operations.preparation import prepare
    from agristat_platform.operations.progress import Progress

    platform = Platform.load()
    with Progress(platform.console).shown() as progress:
        prepare(platform.catalogue, platform.catalogue.region(region), progress)
