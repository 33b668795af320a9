"""`agristat`: the commands put together, and errors as one clean message."""

from __future__ import annotations

import sys
import warnings

import typer
from rich.console import Console

from agristat_platform import __version__
from agristat_platform.cli import features, region, review, run, scenes, segments, serve, store
from agristat_platform.errors import AgristatError

INTERRUPTED = 130

app = typer.Typer(
    name="agristat",
    help="From satellite scenes and a probability sample to official crop estimates an auditor can take apart.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(serve.demo)
app.command("up")(serve.up)
app.command("run")(run.run)
app.command("estimates")(run.estimates)
app.command("home")(serve.home)
app.add_typer(region.app, name="region")
app.add_typer(features.app, name="features")
app.add_typer(review.app, name="review")
app.add_typer(scenes.app, name="scenes")
app.add_typer(segments.app, name="segments")
app.add_typer(store.app, name="store")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"agristat {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and stop."
    ),
) -> None:
    """Options every command has."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0 when it succeeded, 1 when it could not, 2 when it was called wrongly, 130 when it was interrupted."""
    # by its words: naming the category would load Dagster for every --help
    warnings.filterwarnings("ignore", message=".*is currently in beta")
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        app(args=arguments, prog_name="agristat")
    except AgristatError as error:
        errors.print(f"agristat: {error}")
        return 1
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            errors.print("agristat: interrupted; what was published stays, run the same command again to go on")
        return stop.code if isinstance(stop.code, int) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
