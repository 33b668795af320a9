"""Preparing a simulated region: what is on disk when it is done, and not doing it twice.

Layout below `<archive>/<region>`: `items/`, `scenes/`, `land_use.tif`, `truth/<season>/`, `truth/population/`,
`training/<season>.parquet`. A season is finished when `truth/<season>/complete.json` names its settings' hash.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agristat_platform.catalogue import CropNomenclature, Region, SimulationSettings
from agristat_platform.imagery import write_collections
from agristat_platform.simulation.appearance import seen_parcels
from agristat_platform.simulation.canopy import parcel_traits
from agristat_platform.simulation.cog import write_cog
from agristat_platform.simulation.errors import NotSimulatedError
from agristat_platform.simulation.landsat import write_landsat
from agristat_platform.simulation.landscape import Cover, Landscape, build_landscape
from agristat_platform.simulation.population import Population, build_population, write_population
from agristat_platform.simulation.rotation import SeasonParcels, parcels_of_season
from agristat_platform.simulation.scene_grids import (
    Canvas,
    build_canvases,
    landscape_extent,
    parcel_numbers,
    sensor_grids,
)
from agristat_platform.simulation.season_scenes import SeasonScenes, replace_directory, write_json
from agristat_platform.simulation.season_truth import write_season_truth
from agristat_platform.simulation.seeding import generator
from agristat_platform.simulation.sentinel1 import write_sentinel1
from agristat_platform.simulation.sentinel2 import write_sentinel2
from agristat_platform.simulation.stac_items import SEASON_PROPERTY
from agristat_platform.simulation.tables import write_table
from agristat_platform.simulation.training_labels import training_labels
from agristat_platform.simulation.weather import simulate_weather

MODEL_VERSION = "5"
"""Counts changes of the model that change its output; a new one makes finished seasons be prepared again."""
_LAND_USE_ERROR = 0.03
_TRAINING_SIMULATED = {"labels", "seed", "block_size_m"}
"""What `training_labels` reads of the section; how a model is taught from the labels changes nothing on disk."""


@dataclass(frozen=True)
class SimulatedArchive:
    """A prepared region. `written` are the seasons this call wrote, `unchanged` those that were there already."""

    directory: Path
    items_directory: Path
    written: tuple[str, ...]
    unchanged: tuple[str, ...]


def prepare_region(
    region: Region,
    archive_dir: Path,
    *,
    nomenclature: CropNomenclature,
    seasons: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> SimulatedArchive:
    """Write the simulated imagery, truth, population and training labels of a region, unless they are there.

    Parameters
    ----------
    archive_dir:
        Folder of all archives; the region's own is `archive_dir / region.code`.
    nomenclature:
        The region's crops.
    seasons:
        Keys of the seasons to prepare; None: all of the region.
    progress:
        Told a line about every finished scene and season.

    Returns
    -------
    SimulatedArchive

    Raises
    ------
    NotSimulatedError
        The region is a real one.
    UnknownSeasonError
        A key that the region doesn't have.
    UnknownCoverError
        A crop without a growth profile, or a kind of cover without a crop.
    """
    settings = region.simulation
    if settings is None:
        raise NotSimulatedError(
            f"region {region.code} is not simulated",
            where=f"config/regions/{region.code}.yaml",
            remedy="Its imagery comes from a catalogue; only regions with a section simulation can be prepared",
        )
    wanted = list(seasons) if seasons is not None else list(region.seasons)
    for season in wanted:
        region.season(season)
    # Resolved, so that a home that reaches the archive by a link neither simulates again nor changes the items' addresses.
    directory = (Path(archive_dir) / region.code).resolve()
    mark = _settings_hash(region, nomenclature)
    todo = [season for season in wanted if not _is_finished(directory, season, mark)]
    if todo:
        _prepare(region, settings, nomenclature, directory, todo, mark, progress)
    kept = tuple(season for season in wanted if season not in todo)
    return SimulatedArchive(directory, directory / "items", tuple(todo), kept)


def _prepare(
    region: Region,
    settings: SimulationSettings,
    crops: CropNomenclature,
    directory: Path,
    seasons: list[str],
    mark: str,
    progress: Callable[[str], None] | None,
) -> None:
    _remove_if_changed(directory, mark)
    extent = landscape_extent(region, sensor_grids(region))
    landscape = build_landscape(extent, settings)
    population = build_population(landscape, region, settings)
    canvases = tuple(build_canvases(region, extent, settings.seed))
    write_population(population, directory / "truth" / "population", region.crs)
    write_json(_landscape_marker(directory), {"settings": mark})
    for season in seasons:
        homologous = sorted(key for key in region.seasons if key[5:] == season[5:])
        parcels = parcels_of_season(landscape, crops, settings, homologous, season)
        _write_land_use(region, settings, landscape, parcels, directory)
        _prepare_season(region, settings, crops, directory, season, landscape, population, parcels, canvases, progress)
        write_collections(directory / "items")
        write_json(_marker(directory, season), {"settings": mark, "archive": str(directory)})
        if progress is not None:
            progress(f"{season} is ready")


def _prepare_season(
    region: Region,
    settings: SimulationSettings,
    crops: CropNomenclature,
    directory: Path,
    season: str,
    landscape: Landscape,
    population: Population,
    parcels: SeasonParcels,
    canvases: tuple[Canvas, ...],
    progress: Callable[[str], None] | None,
) -> None:
    _remove_season(directory, season)
    traits = parcel_traits(parcels, settings, season)
    building = directory / "truth" / f".{season}.{os.getpid()}"
    building.mkdir(parents=True, exist_ok=True)
    write_season_truth(building, region, crops, parcels, traits, population)
    replace_directory(building, directory / "truth" / season)
    labels = training_labels(parcels, landscape, region, settings, season)
    write_table(labels, directory / "training" / f"{season}.parquet", region.crs)
    period = region.season(season)
    latitude = region.aoi_geometry().centroid.y
    weather = simulate_weather(settings.seed, period.start, latitude, settings.season_shift_days.get(season))
    seen = seen_parcels(parcels, settings, season)
    scenes = SeasonScenes(
        region, season, period, settings, landscape.extent, seen, traits, weather, canvases, directory, progress
    )
    write_sentinel2(scenes)
    write_sentinel1(scenes)
    write_landsat(scenes)


def _write_land_use(
    region: Region, settings: SimulationSettings, landscape: Landscape, parcels: SeasonParcels, directory: Path
) -> None:
    """Cultivated (1) or not (2) on the region's grid, as a map of some years ago has it: 3 % of parcels are wrong."""
    path = directory / "land_use.tif"
    if path.exists():
        return
    # drawn by the parcel's identity in the lasting landscape, so that every season gives the same map
    wrong = generator(settings.seed, "land use").random(len(landscape.identifiers)) < _LAND_USE_ERROR
    cultivated = (landscape.cover == Cover.CROP) ^ (wrong & (landscape.cover <= Cover.GRASS))
    lasting = SeasonParcels(
        parcels.classes,
        landscape.identifiers,
        landscape.geometries,
        landscape.cover,
        landscape.block,
        np.zeros(len(landscape.identifiers), dtype=np.int16),
    )
    grid = region.grid()
    numbers = parcel_numbers(lasting, grid, region.crs)
    values = np.where(numbers < 0, 0, np.where(cultivated[np.maximum(numbers, 0)], 1, 2)).astype(np.uint8)
    directory.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".land_use.{os.getpid()}.tif")
    write_cog(building, values, grid, nodata=0)
    building.replace(path)


def _marker(directory: Path, season: str) -> Path:
    return directory / "truth" / season / "complete.json"


def _landscape_marker(directory: Path) -> Path:
    return directory / "truth" / "population" / "landscape.json"


def _remove_if_changed(directory: Path, mark: str) -> None:
    """Remove everything of a landscape laid out by other settings: none of its seasons is true any more."""
    noted = _read_marker(_landscape_marker(directory))
    if noted is not None and noted != {"settings": mark}:
        for name in ("items", "collections", "scenes", "truth", "training"):
            shutil.rmtree(directory / name, ignore_errors=True)
        (directory / "land_use.tif").unlink(missing_ok=True)


def _read_marker(path: Path) -> object:
    """Content of a marker; None when it isn't there or was cut off while it was written."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def _is_finished(directory: Path, season: str, mark: str) -> bool:
    """Whether a season is complete for these settings and in this place (items name their files by absolute path)."""
    noted = _read_marker(_marker(directory, season))
    return bool(noted == {"settings": mark, "archive": str(directory)})


def _remove_season(directory: Path, season: str) -> None:
    """Remove what an earlier, interrupted or differently set preparation of a season left."""
    _marker(directory, season).unlink(missing_ok=True)
    for path in sorted((directory / "items").glob("*.json")):
        item = json.loads(path.read_text(encoding="utf-8"))
        if item["properties"].get(SEASON_PROPERTY) == season:
            path.unlink()
            shutil.rmtree(directory / "scenes" / item["collection"] / item["id"], ignore_errors=True)


def _settings_hash(region: Region, crops: CropNomenclature) -> str:
    """Hash of all that the output depends on; seasons too, as the crops of one depend on the ones before."""
    described = {
        "model": MODEL_VERSION,
        "region": region.model_dump(mode="json", include={"code", "crs", "resolution_m", "aoi", "explicit_grid"}),
        "seasons": {key: [season.start.isoformat(), season.end.isoformat()] for key, season in region.seasons.items()},
        "padding_days": region.time_series.padding_days,
        "training": region.training.model_dump(mode="json", include=_TRAINING_SIMULATED) if region.training else None,
        "simulation": region.simulation.model_dump(mode="json") if region.simulation else None,
        "crops": crops.model_dump(mode="json"),
    }
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
