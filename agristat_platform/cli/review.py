"""`agristat review …`: parcels out to reviewers, decisions back in, and how far the review has come."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from agristat_platform.cli.platform import Platform

if TYPE_CHECKING:
    import pyarrow as pa

    from agristat_platform.operations.review_desk import Receipt, ReviewDesk

SHOWN_ROWS = 40
REGION = typer.Argument(..., help="Code of the region.", show_default=False)
SEASON = typer.Argument(..., help="Season as year and month of its start, such as 2024-10.", show_default=False)

app = typer.Typer(
    help="Send parcels to reviewers, take their decisions back, see how far they are.", no_args_is_help=True
)


@app.callback()
def review() -> None:
    """Send parcels to reviewers, take their decisions back, see how far they are."""


@app.command("export")
def export(
    region: str = REGION,
    season: str = SEASON,
    target: Path = typer.Option(
        None, "--to", help="File to write: .csv, .gpkg or .parquet. Left out: review_REGION_SEASON.csv."
    ),
    waiting: bool = typer.Option(False, "--waiting", help="Only parcels that nobody has decided."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace a file that is there."),
) -> None:
    """Write the parcels to review: where they are, what the map says of them, and empty columns for the decision."""
    from agristat_platform.classification import review as science

    platform, desk = _desk(region, season)
    table = desk.to_review(waiting=waiting)
    path = target or Path(f"review_{region}_{season}.csv")
    science.write_reviewers_file(table, path, crs=desk.region.crs, overwrite=overwrite)
    _say(platform, f"{table.num_rows} parcels{' (SIMULATED data)' if desk.samples.simulated else ''}: {path}")
    _say(platform, f"Fill in decision: {', '.join(_words(platform, region))}")
    _say(platform, f"Then: agristat review import {path} {region} {season} --by NAME")


@app.command("import")
def import_decisions(
    file: Path = typer.Argument(..., help="File with decisions: .csv, .gpkg or .parquet.", show_default=False),
    region: str = REGION,
    season: str = SEASON,
    by: str = typer.Option(..., "--by", help="Who decided, where a row doesn't say."),
    turn: int = typer.Option(
        None, "--round", min=1, help="Round, where a row doesn't say; a later one goes over those before."
    ),
    check: bool = typer.Option(False, "--check", help="Only say what would be refused; keep nothing."),
) -> None:
    """Take decisions in, and say at once which rows can't be used and why.

    Every row with a decision is kept, and so is the file itself.
    """
    platform, desk = _desk(region, season)
    receipt = desk.receive(file, by=by.strip(), turn=turn, keep=not check)
    _print_receipt(platform, receipt)
    if receipt.kept is not None:
        _say(platform, f'Put them on the map: agristat run {region} {season} --select "review_decisions,reviewed_maps"')


@app.command("status")
def status(region: str = REGION, season: str = SEASON) -> None:
    """Say what is decided, by whom, what can't be used, and whether the published map has it."""
    from agristat_platform.classification import review as science

    platform, desk = _desk(region, season)
    if desk.region.review.decisions == "simulation":
        stored = platform.store.current("review_decisions", desk.partition)
        _say(platform, f"{desk.partition}: decisions are SIMULATED; {stored.manifest.parameters['state']}")
        _print_progress(platform, stored.table("progress"))
        return
    there = desk.decisions_file.exists()
    progress = desk.progress()
    _say(
        platform,
        f"{desk.partition}, sample {desk.sample}: {desk.decisions_file if there else 'nobody has decided anything yet'}",
    )
    _print_progress(platform, progress.table)
    for row in science.by_reviewer(progress.accepted):
        _say(platform, f"  {row['reviewer']}: {row['parcels']} parcels, {row['first']} to {row['last']}")
    if progress.refused_by_reason:
        said = ", ".join(f"{reason} {number}" for reason, number in progress.refused_by_reason.items())
        _say(platform, f"  rows that don't count: {said}")
    if progress.checked.contradicting:
        parcels = ", ".join(map(str, progress.checked.contradicting))
        _say(platform, f"  reviewers contradict each other on {parcels}: decide these again with --round 2")
    _say(platform, f"  {desk.published(platform.store)}")


def _desk(region: str, season: str) -> tuple[Platform, ReviewDesk]:
    from agristat_platform.operations.review_desk import ReviewDesk

    platform = Platform.load()
    return platform, ReviewDesk.open(platform.catalogue, platform.store, platform.partition(region, season))


def _words(platform: Platform, region: str) -> list[str]:
    from agristat_platform.classification import review as science

    return [*platform.catalogue.nomenclature(region).codes, science.UNKNOWN, science.MIXED, science.NOT_A_PARCEL]


def _print_receipt(platform: Platform, receipt: Receipt) -> None:
    for row in receipt.refused[:SHOWN_ROWS]:
        parcel = "" if row["segment_id"] is None else f", parcel {row['segment_id']}"
        _say(platform, f"  row {row['row']}{parcel}: {row['reason']}: {row['detail']}")
    if len(receipt.refused) > SHOWN_ROWS:
        _say(platform, f"  and {len(receipt.refused) - SHOWN_ROWS} more")
    kept = "nothing kept" if receipt.kept is None else f"{receipt.kept[1]} new, kept in {receipt.kept[0]}"
    _say(
        platform,
        f"{receipt.rows} decisions, {len(receipt.refused)} don't count, {receipt.known} known before; "
        f"{receipt.undecided} rows without one; {kept}",
    )
    _print_progress(platform, receipt.progress.table)


def _print_progress(platform: Platform, progress: pa.Table) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for name in progress.column_names:
        table.add_column(name, justify="left" if name == "purpose" else "right", no_wrap=True)
    for row in progress.to_pylist():
        table.add_row(*(str(value) for value in row.values()))
    platform.console.print(table)


def _say(platform: Platform, text: str) -> None:
    platform.console.print(text, soft_wrap=True)
