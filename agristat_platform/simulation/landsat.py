"""Simulated Landsat 8 and 9, Collection 2 Level 2: reflectance, surface temperature and QA_PIXEL."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.imagery import to_landsat
from agristat_platform.simulation.canopy import CanopyState, surface_temperature_k
from agristat_platform.simulation.clouds import PixelSky, cloud_fields, skies, sky_over
from agristat_platform.simulation.rendering import CLOUD, F32, block_mean, observe_optical, surface
from agristat_platform.simulation.scene_grids import coarser, footprint
from agristat_platform.simulation.season_scenes import (
    POINT_SPREAD,
    SceneRaster,
    SeasonScenes,
    deliver_scene,
    overpass,
    sun_position,
)
from agristat_platform.simulation.seeding import generator
from agristat_platform.simulation.stac_items import SceneAsset
from agristat_platform.simulation.weather import days_between

COLLECTION = "landsat-c2-l2"
SR_SCALE, SR_OFFSET = 2.75e-5, -0.2
ST_SCALE, ST_OFFSET = 0.00341802, 149.0
# QA_PIXEL values of the Landsat 8-9 Collection 2 Level 2 guide (LSDS-1619): fill, and clear land and water with low
# confidences; cloud and dilated cloud; shadow; high-confidence cirrus
QA = {"fill": 1, "clear": 21824, "water": 21952, "dilated": 21826, "cloud": 22280, "shadow": 23888, "cirrus": 54596}
_LOCAL_HOUR = 10.8
_FACTOR = 3
_PATH, _ROW = 203, 31  # the frame over the demo valley; for another place it is only a name
# asset key, file name, position among the simulated bands, centre wavelength in µm
_BANDS = (("red", "SR_B4", 2, 0.65), ("nir08", "SR_B5", 3, 0.86), ("swir16", "SR_B6", 4, 1.61))


def write_landsat(scenes: SeasonScenes) -> int:
    """Write the season's Landsat scenes and items on the main canvas; returns how many."""
    days = days_between(scenes.season.start, scenes.season.end, scenes.settings.landsat_step_days, 6)
    canvas = scenes.canvases[0]
    grid = coarser(canvas.grid, _FACTOR)
    centre = scenes.region.aoi_geometry().centroid
    water = scenes.class_shares(0, "water", _FACTOR)
    for number, (day, kind) in enumerate(
        zip(days, skies(days, scenes.settings, COLLECTION, scenes.season_key), strict=True)
    ):
        elevation, azimuth = sun_position(day, centre.y, _LOCAL_HOUR)
        stream = (COLLECTION, scenes.season_key, day.isoformat())
        sky = sky_over(canvas, cloud_fields(scenes.extent, kind, azimuth, scenes.settings.seed, *stream))
        state, moisture = scenes.canopy(day), scenes.moisture(day)
        rng = generator(scenes.settings.seed, *stream)
        gain, haze = np.exp(rng.normal(0.0, 0.02)), rng.normal(0.0, 0.003)
        ground = scenes.ground_reflectance(0, state, moisture)
        opacity, shadow = block_mean(sky.opacity, _FACTOR), block_mean(sky.shadow, _FACTOR)
        rasters = []
        for key, name, band, wavelength in _BANDS:
            noise = rng.standard_normal(grid.shape, dtype=np.float32)
            # the simulated ground is what Sentinel-2 would see; OLI's band passes see it a little differently
            below = to_landsat(block_mean(ground[band], _FACTOR), key)
            value = observe_optical(below, opacity, shadow, float(CLOUD[band]), gain, haze, noise)
            raster_band = _raster_band(0) | {"scale": SR_SCALE, "offset": SR_OFFSET}
            asset = SceneAsset(
                key, f"{name}.tif", grid, raster_band, f"{key} reflectance", ("data", "reflectance"),
                {"name": name.removeprefix("SR_"), "common_name": key, "center_wavelength": wavelength},
            )  # fmt: skip
            rasters.append(SceneRaster(asset, _digital(value, SR_SCALE, SR_OFFSET), 0))
        kelvin = _temperature(scenes, state, scenes.air_c(day), moisture, np.sin(np.radians(elevation)), opacity)
        kelvin += np.float32(0.35) * rng.standard_normal(grid.shape, dtype=np.float32)
        raster_band = _raster_band(0) | {"unit": "kelvin", "scale": ST_SCALE, "offset": ST_OFFSET}
        asset = SceneAsset("lwir11", "ST_B10.tif", grid, raster_band, "Surface temperature (B10)", ("data", "temperature"),
                           {"name": "B10", "common_name": "lwir11", "center_wavelength": 10.9})  # fmt: skip
        rasters.append(SceneRaster(asset, _digital(kelvin, ST_SCALE, ST_OFFSET), 0))
        qa = _pixel_quality(sky, water)
        asset = SceneAsset("qa_pixel", "QA_PIXEL.tif", grid, _raster_band(1),
                           "Pixel quality assessment band", ("cloud", "cloud-shadow", "snow-ice", "water-mask"))  # fmt: skip
        rasters.append(SceneRaster(asset, qa, 1))
        satellite = 8 + number % 2
        properties = _properties(satellite, qa, elevation, azimuth, rng)
        deliver_scene(
            scenes,
            f"LC{satellite:02d}_L2SP_{_PATH:03d}{_ROW:03d}_{day:%Y%m%d}_02_T1",
            COLLECTION,
            overpass(day, _LOCAL_HOUR, centre.x),
            footprint(canvas.grid, None, scenes.region.crs),
            rasters,
            canvas.epsg,
            ["eo", "proj1", "view", "landsat"],
            properties,
        )
    return len(days)


def _raster_band(nodata: int) -> dict[str, Any]:
    return {"data_type": "uint16", "nodata": nodata, "spatial_resolution": 30}


def _temperature(
    scenes: SeasonScenes, state: CanopyState, air_c: float, moisture: float, sun: float, opacity: F32
) -> F32:
    """Surface temperature at 30 m: parcels' own with the soil's texture in it, and cold cloud tops over it."""
    canvas = scenes.canvases[0]
    parcels = surface_temperature_k(scenes.parcels, state, air_c, moisture, sun)[:, None]
    texture = np.full_like(parcels, 0.5)
    ground = surface(
        scenes.numbers[0], canvas.canopy_texture, canvas.soil_texture, parcels, -texture, texture, POINT_SPREAD
    )
    below = block_mean(ground[0], _FACTOR)
    return np.asarray(below * (1.0 - opacity) + np.float32(air_c + 273.15 - 12.0) * opacity, dtype=np.float32)


def _digital(value: F32, scale: float, offset: float) -> npt.NDArray[np.uint16]:
    dn = np.clip(np.rint((value - offset) / scale), 1, 65_535)
    return np.where(np.isfinite(value), dn, 0).astype(np.uint16)


def _pixel_quality(sky: PixelSky, water: F32) -> npt.NDArray[np.uint16]:
    """QA_PIXEL at 30 m, from the same clouds and shadows as the pixels."""
    thick, cirrus, shadow = (block_mean(part, _FACTOR) for part in (sky.thick, sky.cirrus, sky.shadow))
    qa = np.where(water > 0.5, QA["water"], QA["clear"])
    qa = np.where(shadow > 0.22, QA["shadow"], qa)
    qa = np.where(cirrus > 0.04, QA["cirrus"], qa)
    qa = np.where(thick > 0.07, QA["dilated"], qa)
    return np.asarray(np.where(thick > 0.20, QA["cloud"], qa), dtype=np.uint16)


def _properties(
    satellite: int, qa: npt.NDArray[np.uint16], elevation: float, azimuth: float, rng: np.random.Generator
) -> dict[str, Any]:
    covered = 100.0 * float(np.mean(np.isin(qa, (QA["cloud"], QA["dilated"], QA["cirrus"]))))
    cloud = round(float(np.clip(covered + rng.normal(0.0, 12.0), 0.0, 100.0)), 2)
    return {
        "platform": f"landsat-{satellite}",
        "instruments": ["oli", "tirs"],
        "gsd": 30,
        "eo:cloud_cover": cloud,
        "view:sun_elevation": round(elevation, 6),
        "view:sun_azimuth": round(azimuth, 6),
        "view:off_nadir": 0,
        "landsat:cloud_cover_land": cloud,
        "landsat:wrs_type": "2",
        "landsat:wrs_path": f"{_PATH:03d}",
        "landsat:wrs_row": f"{_ROW:03d}",
        "landsat:collection_category": "T1",
        "landsat:collection_number": "02",
        "landsat:correction": "L2SP",
    }
