"""`agristat store …`: what is in the store, and whether it is what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from agristat_platform.cli.platform import Platform
from agristat_platform.operations.errors import NoMirrorError

if TYPE_CHECKING:
    from resources.storage import StoredVersion

app = typer.Typer(help="List and verify what was published.", no_args_is_help=True)


@app.command("ls")
def list_versions(
    asset: str = typer.Option(None, help="Only this asset."),
    region: str = typer.Option(None, help="Only this region."),
    season: str = typer.Option(None, help="Only this season."),
    every: bool = typer.Option(False, "--all", help="Also versions that are no longer current."),
) -> None:
    """List versions with their size and the run that made them."""
    platform = Platform.load()
    table = Table(box=None, pad_edge=False)
    for name in ("asset", "region", "season", "version", "published (UTC)", "files", "MB", "", "run"):
        table.add_column(name, justify="right" if name in ("files", "MB") else "left", no_wrap=True)
    wanted = {"asset": asset, "region": region, "season": season}
    current = {version.manifest_sha256 for version in platform.store.list()}
    rows = [
        _row(version, past=version.manifest_sha256 not in current)
        for version in platform.store.list(all_versions=every)
    ]
    rows = [row for row in rows if all(value in (None, row[name]) for name, value in wanted.items())]
    for row in rows:
        table.add_row(*row.values())
    platform.console.print(table)
    platform.console.print(f"{len(rows)} versions in {platform.settings.store_uri}", soft_wrap=True)


def _row(version: StoredVersion, *, past: bool) -> dict[str, str]:
    manifest = version.manifest
    return {
        "asset": version.asset,
        "region": version.partition.region,
        "season": version.partition.season,
        "version": version.version[:12] + (" (past)" if past else ""),
        "published": f"{manifest.created:%Y-%m-%d %H:%M}",
        "files": str(len(manifest.files)),
        "MB": f"{sum(file.bytes for file in manifest.files) / 1e6:.1f}",
        "simulated": "simulated" if version.simulated else "",
        "run": version.run_id[:8],
    }


@app.command()
def verify() -> None:
    """Compare every file with its recorded hash; a flipped byte, a missing or an unknown file is named."""
    platform = Platform.load()
    console = Console(highlight=False, soft_wrap=True, markup=False)
    report = platform.store.verify()
    for problem in report.problems:
        console.print(str(problem))
    console.print(
        f"{report.versions} versions, {report.files} files, {report.bytes / 1e6:.0f} MB compared, problems: {len(report.problems)}"
    )
    if report.problems:
        raise typer.Exit(1)


@app.command()
def views() -> None:
    """Rebuild the DuckDB views over the current versions (a running UI does it after every run)."""
    from resources.wiring import open_warehouse

    platform = Platform.load()
    names = open_warehouse(platform.settings).refresh(platform.store)
    platform.console.print(f"{platform.settings.warehouse_path}: {', '.join(names)}", soft_wrap=True)


@app.command()
def mirror() -> None:
    """Copy to the mirror what it missed while it could not be reached."""
    platform = Platform.load()
    if platform.settings.mirror_uri is None:
        raise NoMirrorError(
            "no mirror is configured", remedy="Set mirror_uri in config/agristat.yaml or AGRISTAT_MIRROR_URI"
        )
    caught_up = platform.store.catch_up_mirror()
    for place, reason in caught_up.failed.items():
        platform.console.print(f"{place}: {reason}", soft_wrap=True)
    platform.console.print(f"{len(caught_up.copied)} files copied, {len(caught_up.failed)} partitions still missing")
    if caught_up.failed:
        raise typer.Exit(1)
