"""`agristat scenes …`: put scenes that lie on this machine into a region's archive."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from agristat_platform.cli.platform import Platform

if TYPE_CHECKING:
    from agristat_platform.operations.progress import Progress, Stage

app = typer.Typer(help="Put scenes that lie on this machine into a region's archive.", no_args_is_help=True)


@app.callback()
def scenes() -> None:
    """Put scenes that lie on this machine into a region's archive."""


@app.command("add")
def add_scenes(
    products: list[Path] = typer.Argument(
        ..., help="Folders S2?_MSIL1C_….SAFE or S2?_MSIL2A_….SAFE.", show_default=False
    ),
    region: str = typer.Option(..., "--region", help="Code of the region."),
    resolution: int = typer.Option(
        None, "--resolution", help="Metres, as Sen2Cor takes it; left out: 20 and 10, which composites need."
    ),
    hours: float = typer.Option(4.0, "--hours", min=0.01, help="Sen2Cor is stopped after that many hours a scene."),
) -> None:
    """Add Sentinel-2 products; Level-1C goes through Sen2Cor (SEN2COR_HOME or the PATH) first.

    A region finds them when the collection's catalogue is `embedded`.
    """
    from agristat_platform import imagery
    from agristat_platform.operations.dagster_home import require_writable_home
    from agristat_platform.operations.progress import Progress

    platform = Platform.load()
    code = platform.catalogue.region(region).code
    require_writable_home(platform.settings)
    with Progress(platform.console).shown() as progress:
        for product in products:
            with progress.stage(product.name) as stage:
                item = imagery.add_safe_product(
                    product,
                    platform.settings.archive_dir,
                    code,
                    resolution=resolution,
                    timeout_s=3600 * hours,
                    log=partial(_shown, progress, stage),
                )
                progress.note(stage, f"{item.id}, {len(item.assets)} images")


def _shown(progress: Progress, stage: Stage, line: str) -> None:
    progress.note(stage, line[:100])
