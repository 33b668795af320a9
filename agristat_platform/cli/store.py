"""`agristat store …`: what is in the store, and whether it is what was published."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from agristat_platform.cli.platform import Platform

app = typer.Typer(help="The store of record: versions of every asset, never overwritten.", no_args_is_help=True)


@app.command("ls")
def list_versions(
    asset: str = typer.Option(None, help="Only this asset."),
    region: str = typer.Option(None, help="Only this region."),
    season: str = typer.Option(None, help="Only this season."),
    every: bool = typer.Option(False, "--all", help="Also versions that are no longer current."),
) -> None:
    """List versions with their size and the run that made them."""
    platform = Platform.load()
    current = {(version.place, version.version) for version in platform.store.list()}
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "asset", "region", "season", "version", "published (UTC)", "files", "MB", "simulated", "run"):
        table.add_column(name, justify="right" if name in ("files", "MB") else "left")
    count = 0
    for version in platform.store.list(all_versions=every):
        partition = version.partition
        if any(
            want and want != got
            for want, got in ((asset, version.asset), (region, partition.region), (season, partition.season))
        ):
            continue
        count += 1
        manifest = version.manifest
        mark = "" if (version.place, version.version) in current else " (past)"
        table.add_row(
            version.stage,
            version.asset,
            partition.region,
            partition.season,
            version.version[:12] + mark,
            f"{manifest.created:%Y-%m-%d %H:%M}",
            str(len(manifest.files)),
            f"{sum(file.bytes for file in manifest.files) / 1e6:.1f}",
            "yes" if version.simulated else "no",
            version.run_id[:8],
        )
    platform.console.print(table)
    platform.console.print(f"{count} versions in {platform.settings.store_uri}")


@app.command()
def verify() -> None:
    """Compare every file with its recorded hash; a flipped byte, a missing or an unknown file is named."""
    platform = Platform.load()
    console = Console(highlight=False, soft_wrap=True, markup=False)
    report = platform.store.verify()
    for problem in report.problems:
        console.print(str(problem))
    console.print(
        f"{report.versions} versions, {report.files} files, {report.bytes / 1e6:.0f} MB compared: {len(report.problems)} problems"
    )
    if report.problems:
        raise typer.Exit(1)
