"""Local imagery: simulate a region, or describe its files as a STAC catalogue, and serve the embedded catalogue over them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from agristat_platform import imagery, simulation
from agristat_platform.catalogue import Catalogue, Region, Settings, load_settings
from agristat_platform.operations.errors import NothingToPrepareError
from agristat_platform.operations.progress import Progress
from resources.embedded_catalogue import EmbeddedCatalogue

EMBEDDED = "embedded"
URL_VARIABLE = "AGRISTAT_CATALOGUE_URL_EMBEDDED"


def uses_embedded_catalogue(region: Region) -> bool:
    """Whether the region's scenes come from the platform's own catalogue."""
    return region.imagery is not None and region.imagery.catalogue == EMBEDDED


def local_regions(catalogue: Catalogue) -> list[str]:
    """Regions of the embedded catalogue that this machine can prepare: simulated ones, and real ones whose files are here."""
    return [
        code
        for code, region in catalogue.regions.items()
        if uses_embedded_catalogue(region)
        and (region.simulated or imagery.western_bahia_files(catalogue.settings.real_data))
    ]


def prepare(catalogue: Catalogue, region: Region, progress: Progress) -> None:
    """Make the region's local archive unless it is there.

    Raises
    ------
    NothingToPrepareError
        The region's scenes come from another catalogue.
    AgristatError
        The simulation's or the files' own.
    """
    settings = catalogue.settings
    if not uses_embedded_catalogue(region):
        raise NothingToPrepareError(
            f"region {region.code} has no local imagery: its scenes come from another catalogue, or it has none",
            remedy=f"Run it right away: agristat run {region.code} {min(region.seasons)}",
        )
    if region.simulated:
        with progress.stage(f"simulate {region.code}") as stage:
            simulation.prepare_region(region, settings.archive_dir, progress=lambda text: progress.note(stage, text))
        return
    with progress.stage(f"describe the files of {region.code} as STAC items"):
        imagery.prepare_western_bahia(settings.real_data, settings.archive_dir, region)


@contextmanager
def catalogue_for(catalogue: Catalogue, regions: Sequence[str], progress: Progress) -> Iterator[Settings]:
    """Settings under which the scenes of `regions` can be found: the embedded catalogue runs while the block does.

    An embedded catalogue that already runs (`agristat up`) is used as it is when its address stands in the environment.
    """
    wanted = [catalogue.region(code) for code in regions]
    local = [region for region in wanted if uses_embedded_catalogue(region)]
    if not local or os.environ.get(URL_VARIABLE):
        yield catalogue.settings
        return
    for region in local:
        prepare(catalogue, region, progress)
    with EmbeddedCatalogue(catalogue.settings.archive_dir, scratch_dir=catalogue.settings.scratch_dir) as server:
        os.environ[URL_VARIABLE] = server.url
        try:
            yield load_settings(catalogue.settings.config_dir)
        finally:
            del os.environ[URL_VARIABLE]
