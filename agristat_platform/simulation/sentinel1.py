"""Simulated Sentinel-1 RTC: terrain-corrected γ0 in linear power, VV and VH, with speckle."""

from __future__ import annotations

import numpy as np

from agristat_platform.simulation.canopy import parcel_backscatter
from agristat_platform.simulation.rendering import F32, block_mean, surface
from agristat_platform.simulation.scene_grids import coarser, footprint
from agristat_platform.simulation.season_scenes import POINT_SPREAD, SceneRaster, SeasonScenes, deliver_scene, overpass
from agristat_platform.simulation.seeding import generator
from agristat_platform.simulation.stac_items import SceneAsset
from agristat_platform.simulation.weather import days_between

COLLECTION = "sentinel-1-rtc"
LOOKS = 5.0
"""Equivalent number of looks: speckle is gamma distributed with this shape and mean 1."""
_LOCAL_HOUR = 6.3
_FACTOR = 2
_MANTISSA_MASK = np.uint32(0xFFFFF000)


def write_sentinel1(scenes: SeasonScenes) -> int:
    """Write the season's Sentinel-1 scenes and items on the main canvas; returns how many."""
    days = days_between(scenes.season.start, scenes.season.end, scenes.settings.sentinel1_step_days, 4)
    canvas, numbers = scenes.canvases[0], scenes.numbers[0]
    grid = coarser(canvas.grid, _FACTOR)
    centre = scenes.region.aoi_geometry().centroid
    for number, day in enumerate(days):
        rng = generator(scenes.settings.seed, COLLECTION, scenes.season_key, day.isoformat())
        signal = np.stack(
            parcel_backscatter(scenes.parcels, scenes.traits, scenes.canopy(day), scenes.moisture(day)), axis=1
        )
        # texture beyond speckle: a little of the canopy's and of the soil's, in proportion to the mean
        power = surface(
            numbers, canvas.canopy_texture, canvas.soil_texture, signal, 0.10 * signal, 0.08 * signal, POINT_SPREAD
        )
        rasters = []
        for band, polarisation in enumerate(("vv", "vh")):
            speckle = rng.standard_gamma(LOOKS, grid.shape, dtype=np.float32) / np.float32(LOOKS)
            values = _shorten(block_mean(power[band], _FACTOR) * speckle)
            raster_band = {"data_type": "float32", "nodata": "nan", "spatial_resolution": 20, "unit": "linear power"}
            asset = SceneAsset(
                polarisation, f"{polarisation.upper()}.tif", grid, raster_band,
                f"{polarisation.upper()}: γ0, terrain-corrected", ("data", "gamma0"),
                {"name": polarisation.upper()},
            )  # fmt: skip
            rasters.append(SceneRaster(asset, values, float("nan")))
        moment = overpass(day, _LOCAL_HOUR, centre.x)
        deliver_scene(
            scenes,
            f"S1A_IW_GRDH_1SDV_{moment:%Y%m%dT%H%M%S}_{50_000 + number:06d}_rtc",
            COLLECTION,
            moment,
            footprint(canvas.grid, None, scenes.region.crs),
            rasters,
            canvas.epsg,
            ["eo", "proj1", "sar", "sat"],
            _PROPERTIES | {"sat:absolute_orbit": 50_000 + number},
        )
    return len(days)


_PROPERTIES = {
    "platform": "sentinel-1a",
    "constellation": "sentinel-1",
    "instruments": ["c-sar"],
    "gsd": 20,
    "sar:frequency_band": "C",
    "sar:center_frequency": 5.405,
    "sar:instrument_mode": "IW",
    "sar:product_type": "RTC",
    "sar:polarizations": ["VV", "VH"],
    "sar:observation_direction": "right",
    "sar:looks_equivalent_number": LOOKS,
    "sat:orbit_state": "descending",
    "sat:relative_orbit": 52,
}


def _shorten(values: F32) -> F32:
    """Drop the mantissa's last 12 bits (2⁻¹¹ relative, a hundredth of a decibel's tenth): speckle compresses badly."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32) & _MANTISSA_MASK
    return np.asarray(bits.view(np.float32))
