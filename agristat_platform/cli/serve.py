"""`agristat demo`, `agristat up`, `agristat home`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack

import typer

from agristat_platform.catalogue import Partition
from agristat_platform.cli.platform import Platform
from agristat_platform.operations.progress import Progress
from agristat_platform.operations.serving import dagster_ui, require_free_port, wait_for_interrupt

DEMO = "demo-valley"


def demo(
    serve: bool = typer.Option(True, "--serve/--no-serve", help="Serve the Dagster UI afterwards, until Ctrl+C."),
    port: int = typer.Option(None, min=1, max=65535, help="Port of the UI; the configuration's (3000) by default."),
    host: str = typer.Option(None, help="Address of the UI; the configuration's (127.0.0.1) by default."),
) -> None:
    """Run the simulated demo and serve the UI.

    Both seasons go through Dagster from scenes to official estimates, which are printed beside the truth.
    """
    from agristat_platform.cli.estimate_table import print_estimates
    from agristat_platform.operations.preparation import prepare_all
    from resources.wiring import refresh_warehouse

    platform = Platform.load()
    console, started = platform.console, time.monotonic()
    host, port = host or platform.settings.webserver_host, port or platform.settings.webserver_port
    if serve:
        require_free_port(host, port)
    region = platform.catalogue.region(DEMO)
    partitions = [Partition(region=DEMO, season=season) for season in sorted(region.seasons)]
    console.print(f"{region.name['en']}, {len(partitions)} seasons. Everything in it is SIMULATED.")
    with ExitStack() as stack:
        with Progress(console).shown() as progress:
            prepare_all(platform.catalogue, [DEMO], progress)
            _materialise_all(platform, partitions, progress)
            with progress.stage("DuckDB views over the current versions"):
                refresh_warehouse(platform.settings)
        for partition in partitions:
            console.print()
            print_estimates(platform, platform.store.current("official_estimates", partition))
        console.print(
            f"\nDone in {time.monotonic() - started:.0f} s: {len(partitions)} seasons from scenes to estimates, all figures SIMULATED."
        )
        if serve:
            _serve(stack, platform, host, port)


def _materialise_all(platform: Platform, partitions: Sequence[Partition], progress: Progress) -> None:
    """Every asset of every partition, one partition a run, oldest season first."""
    from agristat_platform.definitions import build_definitions
    from agristat_platform.operations.instance import open_instance
    from agristat_platform.operations.materialisation import materialise, select_assets

    definitions = build_definitions(platform.settings)
    with open_instance(platform.settings) as instance:
        for partition in partitions:
            assets = select_assets(definitions, platform.catalogue, partition, None)
            materialise(definitions, partition, assets, instance=instance, progress=progress)


def up(
    port: int = typer.Option(None, min=1, max=65535, help="Port of the UI; the configuration's (3000) by default."),
    host: str = typer.Option(None, help="Address of the UI; the configuration's (127.0.0.1) by default."),
) -> None:
    """Serve the Dagster UI with its daemon.

    Local regions are prepared first; it runs until Ctrl+C.
    """
    from agristat_platform.operations.preparation import prepare_what_is_here

    platform = Platform.load()
    host, port = host or platform.settings.webserver_host, port or platform.settings.webserver_port
    require_free_port(host, port)
    with ExitStack() as stack:
        with Progress(platform.console).shown() as progress:
            left_out = prepare_what_is_here(platform.catalogue, progress)
        for sentence in left_out:
            platform.console.print(sentence, soft_wrap=True)
        _serve(stack, platform, host, port)


def _serve(stack: ExitStack, platform: Platform, host: str, port: int) -> None:
    with Progress(platform.console).shown() as progress, progress.stage("start the Dagster UI and its daemon"):
        url = stack.enter_context(dagster_ui(platform.settings, host=host, port=port))
    platform.console.print(f"Dagster UI: {url}   (Ctrl+C stops it)")
    wait_for_interrupt()
    platform.console.print("stopping")


def home() -> None:
    """Print DAGSTER_HOME, for `dagster` by hand."""
    from agristat_platform.operations.dagster_home import prepare_dagster_home

    print(prepare_dagster_home(Platform.load().settings))
