"""Simulated Sentinel-2 L2A: one scene per tile and date, with scene classification and the offset of its baseline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from agristat_platform.simulation.clouds import PixelSky, Sky, cloud_fields, skies, sky_over
from agristat_platform.simulation.rendering import CLOUD, F32, block_mean, observe_optical
from agristat_platform.simulation.scene_grids import Canvas, Tile, coarser, footprint
from agristat_platform.simulation.season_padding import padding_days
from agristat_platform.simulation.season_scenes import (
    SceneRaster,
    SeasonScenes,
    deliver_scene,
    overpass,
    sun_position,
)
from agristat_platform.simulation.seeding import generator
from agristat_platform.simulation.stac_items import SceneAsset
from agristat_platform.simulation.weather import days_between

COLLECTION = "sentinel-2-l2a"
OFFSET_SINCE = (4, 0)  # BOA_ADD_OFFSET = -1000 from processing baseline 04.00 on
_LOCAL_HOUR = 10.6
_FIRST_DAY = 2  # of the season, on which the rhythm of overpasses begins
# key, platform band, pixel in m, title, centre wavelength in µm; the order is that of the simulated bands
_BANDS = (
    ("blue", "B02", 10, "Blue", 0.490),
    ("green", "B03", 10, "Green", 0.560),
    ("red", "B04", 10, "Red", 0.665),
    ("nir", "B08", 10, "NIR 1", 0.842),
    ("swir16", "B11", 20, "SWIR 1.6μm", 1.61),
    ("swir22", "B12", 20, "SWIR 2.2μm", 2.19),
)
_BASELINES = ((date(2024, 7, 23), "05.11"), (date(2023, 12, 13), "05.10"), (date(2022, 12, 6), "05.09"))
_SCL = {"shadow": 3, "vegetation": 4, "bare": 5, "water": 6, "medium": 8, "high": 9, "cirrus": 10}
_SCL_PROPERTIES = {
    3: "s2:cloud_shadow_percentage", 4: "s2:vegetation_percentage", 5: "s2:not_vegetated_percentage",
    6: "s2:water_percentage", 8: "s2:medium_proba_clouds_percentage", 9: "s2:high_proba_clouds_percentage",
    10: "s2:thin_cirrus_percentage",
}  # fmt: skip


@dataclass(frozen=True)
class Acquisition:
    """One overpass: `versions` are the processing baselines it is delivered in, `swath` the land that it saw."""

    day: date
    sky: Sky
    platform: str
    orbit: int
    versions: tuple[str, ...]
    swath: BaseGeometry | None


def acquisitions(scenes: SeasonScenes) -> list[Acquisition]:
    """The season's overpasses.

    One clear one comes in two processing baselines, as after a reprocessing; the first of the region's first season
    is of a baseline without offset; one swath ends within the region, and one barely touches it.
    """
    settings, season = scenes.settings, scenes.season
    days = days_between(season.start, season.end, settings.sentinel2_step_days, _FIRST_DAY)
    kinds = skies(days, settings, COLLECTION, scenes.season_key)
    rng = generator(settings.seed, "sentinel-2 orbits", scenes.season_key)
    clear = [i for i, sky in enumerate(kinds) if sky == "clear"]
    cut = [int(i) for i in rng.permutation(np.arange(1, len(days)))[:2]] if len(days) > 3 else []
    reprocessed = next((i for i in clear[len(clear) // 2 :] if i > 0 and i not in cut), -1)
    found = []
    for i, (day, sky) in enumerate(zip(days, kinds, strict=True)):
        versions: tuple[str, ...] = (_baseline(day),)
        if i == 0 and scenes.is_first:
            versions = ("03.01",)
        if i == reprocessed:
            versions = ("05.10", "05.11")
        swath = None
        if i in cut:
            swath = _swath(scenes, 0.35 if i == cut[0] else 0.975, float(rng.uniform(0.12, 0.22)))
        found.append(Acquisition(day, sky, "sentinel-2a" if i % 2 == 0 else "sentinel-2b", 37, versions, swath))
    return found


def padding_acquisitions(scenes: SeasonScenes) -> list[Acquisition]:
    """Overpasses just before and after the season, plain ones: their sky is drawn apart, so that the season's stays."""
    step = scenes.settings.sentinel2_step_days
    days = padding_days(scenes.region, scenes.season_key, step, _FIRST_DAY)
    kinds = skies(days, scenes.settings, COLLECTION, scenes.season_key, "padding")
    return [
        Acquisition(day, sky, "sentinel-2a" if i % 2 == 0 else "sentinel-2b", 37, (_baseline(day),), None)
        for i, (day, sky) in enumerate(zip(days, kinds, strict=True))
    ]


def write_sentinel2(scenes: SeasonScenes) -> int:
    """Write the Sentinel-2 scenes and items of the season and of its padding; returns how many."""
    written = 0
    for acquisition in [*acquisitions(scenes), *padding_acquisitions(scenes)]:
        state = scenes.canopy(acquisition.day)
        moisture = scenes.moisture(acquisition.day)
        latitude = scenes.region.aoi_geometry().centroid.y
        azimuth = sun_position(acquisition.day, latitude, _LOCAL_HOUR)[1]
        stream = (COLLECTION, scenes.season_key, acquisition.day.isoformat())
        fields = cloud_fields(scenes.extent, acquisition.sky, azimuth, scenes.settings.seed, *stream)
        for number, canvas in enumerate(scenes.canvases):
            ground = scenes.ground_reflectance(number, state, moisture)
            sky = sky_over(canvas, fields)
            water = scenes.class_shares(number, "water", 2)
            for tile in canvas.tiles:
                for sequence, baseline in enumerate(acquisition.versions):
                    written += _write_tile(scenes, acquisition, canvas, tile, ground, sky, water, baseline, sequence)
    return written


def _write_tile(
    scenes: SeasonScenes,
    acquisition: Acquisition,
    canvas: Canvas,
    tile: Tile,
    ground: F32,
    sky: PixelSky,
    water: F32,
    baseline: str,
    sequence: int,
) -> int:
    window = (tile.rows, tile.columns)
    coarse = (slice(tile.rows.start // 2, tile.rows.stop // 2), slice(tile.columns.start // 2, tile.columns.stop // 2))
    outline = footprint(tile.grid, acquisition.swath, scenes.region.crs)
    if outline.is_empty:
        return 0
    seen = _seen(acquisition, canvas, tile)
    day = acquisition.day
    rng = generator(scenes.settings.seed, COLLECTION, scenes.season_key, tile.name, day.isoformat())
    gain, haze = np.exp(rng.normal(0.0, 0.018)), rng.normal(0.0, 0.0025)
    offset = _offset(baseline)
    opacity, shadow = sky.opacity[window], sky.shadow[window]
    rasters = []
    observed = {}
    for band, (key, name, pixel, title, wavelength) in enumerate(_BANDS):
        factor = pixel // 10
        noise = rng.standard_normal((tile.grid.height // factor, tile.grid.width // factor), dtype=np.float32)
        below = block_mean(ground[band][window], factor)
        value = observe_optical(
            below, block_mean(opacity, factor), block_mean(shadow, factor), float(CLOUD[band]), gain, haze, noise
        )
        # a later processing changes calibration by a few thousandths
        value *= np.float32(1.0 + 0.004 * sequence)
        observed[key] = value
        dn = np.clip(np.rint(value * 10_000.0) - round(offset * 10_000), 1, 65_535)
        dn = np.where(_mask(seen, factor) & np.isfinite(value), dn, 0).astype(np.uint16)
        raster_band = {
            "data_type": "uint16",
            "nodata": 0,
            "spatial_resolution": pixel,
            "scale": 0.0001,
            "offset": offset,
        }
        asset = SceneAsset(
            key, f"{name}.tif", coarser(tile.grid, factor), raster_band, f"{title} - {pixel}m", ("data", "reflectance"),
            {"name": name, "common_name": key, "center_wavelength": wavelength},
        )  # fmt: skip
        rasters.append(SceneRaster(asset, dn, 0))
    scl = _scene_classification(observed, sky, window, water[coarse])
    scl = np.where(_mask(seen, 2), scl, 0).astype(np.uint8)
    scl_asset = SceneAsset(
        "scl", "SCL.tif", coarser(tile.grid, 2), {"data_type": "uint8", "nodata": 0, "spatial_resolution": 20},
        "Scene classification map (SCL)", ("data",),
    )  # fmt: skip
    rasters.append(SceneRaster(scl_asset, scl, 0))
    moment = overpass(day, _LOCAL_HOUR, scenes.region.aoi_geometry().centroid.x)
    identifier = f"S2{acquisition.platform[-1].upper()}_{tile.name}_{day:%Y%m%d}_{sequence}_L2A"
    properties = _properties(scenes, acquisition, tile, baseline, sequence, scl, rng)
    deliver_scene(
        scenes, identifier, COLLECTION, moment, outline, rasters, tile.epsg, ["eo", "proj2", "grid", "view"], properties
    )
    return 1


def _scene_classification(
    observed: dict[str, F32], sky: PixelSky, window: tuple[slice, slice], water: F32
) -> npt.NDArray[np.uint8]:
    """SCL classes at 20 m. Thin edges of clouds and faint shadows escape it, as they do the real one."""
    thick, cirrus, shadow = (block_mean(part[window], 2) for part in (sky.thick, sky.cirrus, sky.shadow))
    red, nir = block_mean(observed["red"], 2), block_mean(observed["nir"], 2)
    ndvi = (nir - red) / np.maximum(nir + red, 1e-4)
    scl = np.where(ndvi > 0.38, _SCL["vegetation"], _SCL["bare"])
    scl = np.where(water > 0.5, _SCL["water"], scl)
    scl = np.where(shadow > 0.22, _SCL["shadow"], scl)
    scl = np.where(cirrus > 0.04, _SCL["cirrus"], scl)
    scl = np.where(thick > 0.09, _SCL["medium"], scl)
    return np.asarray(np.where(thick > 0.45, _SCL["high"], scl), dtype=np.uint8)


def _properties(
    scenes: SeasonScenes,
    acquisition: Acquisition,
    tile: Tile,
    baseline: str,
    sequence: int,
    scl: npt.NDArray[np.uint8],
    rng: np.random.Generator,
) -> dict[str, Any]:
    day = acquisition.day
    elevation, azimuth = sun_position(day, scenes.region.aoi_geometry().centroid.y, _LOCAL_HOUR)
    valid = max(int(np.count_nonzero(scl)), 1)
    shares = {
        name: round(100.0 * int(np.count_nonzero(scl == value)) / valid, 6) for value, name in _SCL_PROPERTIES.items()
    }
    cloud = sum(shares[_SCL_PROPERTIES[value]] for value in (8, 9, 10))
    generated = day + timedelta(days=1 if sequence == 0 else 420)
    letter = acquisition.platform[-1].upper()
    local = overpass(day, _LOCAL_HOUR, scenes.region.aoi_geometry().centroid.x)
    code = baseline.replace(".", "")
    return {
        "platform": acquisition.platform,
        "constellation": "sentinel-2",
        "instruments": ["msi"],
        "gsd": 10,
        # the whole 110 km tile has another sky than the few kilometres that matter here
        "eo:cloud_cover": round(float(np.clip(cloud + rng.normal(0.0, 11.0), 0.0, 100.0)), 6),
        "grid:code": f"MGRS-{tile.name}",
        "mgrs:utm_zone": int(tile.name[:2]),
        "mgrs:latitude_band": tile.name[2],
        "mgrs:grid_square": tile.name[3:],
        "view:sun_azimuth": round(azimuth, 6),
        "view:sun_elevation": round(elevation, 6),
        "s2:processing_baseline": baseline,
        "s2:sequence": str(sequence),
        "s2:product_type": "S2MSI2A",
        "s2:datatake_id": f"GS2{letter}_{local:%Y%m%dT%H%M%S}_{40_000 + day.toordinal() % 10_000:06d}_N{baseline}",
        "s2:product_uri": f"S2{letter}_MSIL2A_{local:%Y%m%dT%H%M%S}_N{code}_R{acquisition.orbit:03d}_T{tile.name}_"
        f"{generated:%Y%m%d}T180000.SAFE",
        "s2:generation_time": f"{generated:%Y-%m-%d}T18:00:00.000000Z",
        "s2:nodata_pixel_percentage": round(100.0 * (1.0 - np.count_nonzero(scl) / scl.size), 6),
        "s2:snow_ice_percentage": 0.0,
        "earthsearch:boa_offset_applied": False,
        **shares,
    }


def _baseline(day: date) -> str:
    return next((name for since, name in _BASELINES if day >= since), "04.00")


def _offset(baseline: str) -> float:
    major, minor = baseline.split(".")
    return -0.1 if (int(major), int(minor)) >= OFFSET_SINCE else 0.0


def _swath(scenes: SeasonScenes, share_lost: float, lean: float) -> BaseGeometry:
    """The land west of a swath's edge that leans like a descending orbit and loses a share of the AOI's width."""
    left, bottom, right, top = scenes.region.aoi_projected().bounds
    middle = right - share_lost * (right - left)
    far, high = 4.0 * (right - left), top - bottom
    return shapely.Polygon(
        [
            (left - far, bottom - high),
            (middle - 1.5 * high * lean, bottom - high),
            (middle + 1.5 * high * lean, top + high),
            (left - far, top + high),
        ]
    )


def _seen(acquisition: Acquisition, canvas: Canvas, tile: Tile) -> npt.NDArray[np.bool_] | None:
    """Which pixels of a tile lie in the swath; None: all."""
    if acquisition.swath is None:
        return None
    window = (tile.rows, tile.columns)
    return np.asarray(shapely.contains_xy(acquisition.swath, canvas.x[window], canvas.y[window]), dtype=np.bool_)


def _mask(seen: npt.NDArray[np.bool_] | None, factor: int) -> npt.NDArray[np.bool_] | np.bool_:
    if seen is None:
        return np.True_
    return np.asarray(block_mean(seen.astype(np.float32), factor) > 0.99)
