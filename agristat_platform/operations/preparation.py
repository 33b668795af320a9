"""Local imagery: simulate a region, or describe its files as STAC items, so that the embedded catalogue can serve them."""

from __future__ import annotations

from collections.abc import Sequence

from agristat_platform import imagery, simulation
from agristat_platform.catalogue import Catalogue, Region
from agristat_platform.imagery import MissingRealDataError
from agristat_platform.operations.dagster_home import require_writable_home
from agristat_platform.operations.errors import NothingToPrepareError
from agristat_platform.operations.progress import Progress


def is_local(catalogue: Catalogue, region: Region) -> bool:
    """Whether the region's scenes come from the platform's own catalogue over files on this machine."""
    return region.imagery is not None and catalogue.settings.catalogue(region.imagery.catalogue).embedded


def prepare(catalogue: Catalogue, region: Region, progress: Progress) -> None:
    """Make the region's local archive unless it is there.

    Raises
    ------
    NothingToPrepareError
        The region's scenes come from another catalogue.
    HomeNotWritableError
        The archive's folder cannot be written.
    AgristatError
        The simulation's or the files' own.
    """
    settings = catalogue.settings
    if not is_local(catalogue, region):
        raise NothingToPrepareError(
            f"region {region.code} has no local imagery: its scenes come from another catalogue, or it has none",
            remedy=f"Run it right away: agristat run {region.code} {min(region.seasons)}",
        )
    require_writable_home(settings)
    if region.simulated:
        with progress.stage(f"simulate {region.code}") as stage:
            simulation.prepare_region(
                region,
                settings.archive_dir,
                nomenclature=catalogue.nomenclature(region.code),
                progress=lambda text: progress.note(stage, text),
            )
        return
    source = region.imagery
    if source is None or source.files is None:
        if any((settings.archive_dir / region.code / "items").glob("*.json")):
            return
        raise NothingToPrepareError(
            f"region {region.code} takes its scenes from the embedded catalogue, which has none of it",
            where=f"config/regions/{region.code}.yaml",
            remedy=f"Name a folder with composites in imagery.files, or put STAC items into {settings.archive_dir / region.code / 'items'}",
        )
    with progress.stage(f"describe the files of {region.code} as STAC items"):
        for collection in source.collections:
            imagery.catalogue_composites(
                settings.data_file(source.files), settings.archive_dir, region.code, collection=collection
            )


def prepare_all(catalogue: Catalogue, regions: Sequence[str], progress: Progress) -> None:
    """Prepare those of the regions that are local."""
    for region in map(catalogue.region, regions):
        if is_local(catalogue, region):
            prepare(catalogue, region, progress)


def prepare_what_is_here(catalogue: Catalogue, progress: Progress) -> list[str]:
    """Prepare every local region whose files are on this machine; returns a sentence for each that is left out."""
    left_out = []
    for code in catalogue.regions:
        try:
            prepare_all(catalogue, [code], progress)
        except MissingRealDataError as missing:
            left_out.append(f"{code} is left out: {missing}")
    return left_out
