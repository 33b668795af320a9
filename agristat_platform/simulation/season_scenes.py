"""What all sensors share in one season of one region: land, weather, canopies; and how a scene gets on disk."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.catalogue import Region, Season, SimulationSettings
from agristat_platform.simulation.canopy import CanopyState, ParcelTraits, canopy_state, parcel_reflectance
from agristat_platform.simulation.cog import write_cog
from agristat_platform.simulation.landscape import Bounds
from agristat_platform.simulation.rendering import F32, surface
from agristat_platform.simulation.rotation import SeasonParcels
from agristat_platform.simulation.scene_grids import Canvas, parcel_numbers
from agristat_platform.simulation.stac_items import SEASON_PROPERTY, SceneAsset, stac_item
from agristat_platform.simulation.weather import Weather

POINT_SPREAD = 0.075


@dataclass(frozen=True)
class SeasonScenes:
    """The ground that every sensor of a season looks at.

    `region_directory` is `<archive>/<region>`; `progress` is told each finished scene.
    """

    region: Region
    season_key: str
    season: Season
    settings: SimulationSettings
    extent: Bounds
    parcels: SeasonParcels
    traits: ParcelTraits
    weather: Weather
    canvases: tuple[Canvas, ...]
    region_directory: Path
    progress: Callable[[str], None] | None = None

    @cached_property
    def numbers(self) -> tuple[npt.NDArray[np.int32], ...]:
        """Polygon under each pixel, per canvas."""
        return tuple(parcel_numbers(self.parcels, canvas.grid, self.region.crs) for canvas in self.canvases)

    @property
    def is_first(self) -> bool:
        """Whether this is the region's first season."""
        return self.season_key == min(self.region.seasons)

    def moisture(self, day: date) -> float:
        """Topsoil moisture of a day, 0–1."""
        return float(self.weather.moisture[self.weather.position(day)])

    def air_c(self, day: date) -> float:
        """Daily mean temperature, °C."""
        return float(self.weather.temperature_c[self.weather.position(day)])

    def canopy(self, day: date) -> CanopyState:
        """Canopies of a day."""
        return canopy_state(self.parcels, self.traits, float(self.weather.crop_day[self.weather.position(day)]))

    def ground_reflectance(self, canvas_number: int, state: CanopyState, moisture: float) -> F32:
        """(6, rows, columns) of blue, green, red, near infrared, 1.6 and 2.2 µm on a canvas, without atmosphere."""
        canvas = self.canvases[canvas_number]
        signal = parcel_reflectance(self.parcels, self.traits, state, moisture)
        return surface(
            self.numbers[canvas_number],
            canvas.canopy_texture,
            canvas.soil_texture,
            signal.mean,
            signal.by_canopy,
            signal.by_soil,
            POINT_SPREAD,
        )

    def class_shares(self, canvas_number: int, profile: str, factor: int) -> F32:
        """Share of each coarser pixel that carries a growth profile (water, say)."""
        wanted = np.array([p.name == profile for _, p in self.parcels.classes])[self.parcels.crop]
        numbers = self.numbers[canvas_number]
        carries = np.where(numbers >= 0, wanted[np.maximum(numbers, 0)], False)
        rows, columns = numbers.shape
        blocks = carries.reshape(rows // factor, factor, columns // factor, factor)
        return np.asarray(blocks.mean(axis=(1, 3)), dtype=np.float32)


@dataclass(frozen=True)
class SceneRaster:
    """An asset with its pixels."""

    asset: SceneAsset
    values: npt.NDArray[np.generic]
    nodata: float | None


def overpass(day: date, local_hour: float, longitude: float) -> datetime:
    """Moment in UTC at which it is `local_hour` of solar time at a longitude, to the second."""
    hour = (local_hour - longitude / 15.0) % 24.0
    return datetime.combine(day, time(tzinfo=UTC)) + timedelta(seconds=round(hour * 3600))


def sun_position(day: date, latitude: float, local_hour: float) -> tuple[float, float]:
    """(elevation, azimuth) of the sun in degrees, by the declination of the day."""
    declination = np.radians(23.44) * np.sin(2 * np.pi * (day.timetuple().tm_yday - 81) / 365.25)
    phi, angle = np.radians(latitude), np.radians(15.0 * (local_hour - 12.0))
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(angle)
    elevation = np.arcsin(np.clip(sine, 0.02, 1.0))
    azimuth = np.arctan2(np.sin(angle), np.cos(angle) * np.sin(phi) - np.tan(declination) * np.cos(phi)) + np.pi
    return float(np.degrees(elevation)), float(np.degrees(azimuth) % 360.0)


def deliver_scene(
    scenes: SeasonScenes,
    identifier: str,
    collection: str,
    moment: datetime,
    footprint: Any,
    rasters: list[SceneRaster],
    epsg: int,
    extensions: list[str],
    properties: dict[str, Any],
) -> None:
    """Write a scene's COGs and its item; either the whole scene appears or nothing of it."""
    final = (scenes.region_directory / "scenes" / collection / identifier).absolute()
    building = final.with_name(f".{identifier}.{os.getpid()}")
    building.mkdir(parents=True, exist_ok=True)
    for raster in rasters:
        write_cog(building / raster.asset.file_name, raster.values, raster.asset.grid, nodata=raster.nodata)
    replace_directory(building, final)
    item = stac_item(
        identifier,
        collection,
        moment,
        footprint,
        [raster.asset for raster in rasters],
        final,
        epsg,
        extensions,
        {**properties, SEASON_PROPERTY: scenes.season_key},
    )
    write_json(scenes.region_directory / "items" / f"{identifier}.json", item)
    if scenes.progress is not None:
        scenes.progress(f"{scenes.season_key} {collection} {identifier}")


def replace_directory(building: Path, final: Path) -> None:
    """Put a finished directory in its place; whatever stood there goes."""
    if final.exists():
        shutil.rmtree(final)
    building.rename(final)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON under a temporary name and rename it, keys in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{os.getpid()}")
    building.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
    building.replace(path)
