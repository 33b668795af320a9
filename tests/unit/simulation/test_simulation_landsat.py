"""Simulated Landsat sees the ground with OLI's band passes; harmonised, it agrees with Sentinel-2 again."""

from __future__ import annotations

import numpy as np
import pytest

from agristat_platform.imagery import to_sentinel_2
from agristat_platform.simulation import archive, landsat, prepare_region
from agristat_platform.simulation.rendering import block_mean


@pytest.fixture
def season(small_region, nomenclature, tmp_path, monkeypatch):
    """What the sensors of the first season look at, without their scenes."""
    captured = []
    monkeypatch.setattr(archive, "write_sentinel2", lambda scenes: None)
    monkeypatch.setattr(archive, "write_sentinel1", lambda scenes: None)
    monkeypatch.setattr(archive, "write_landsat", captured.append)
    prepare_region(small_region, tmp_path, nomenclature=nomenclature)
    return captured[0]


def test_harmonised_landsat_agrees_with_the_ground_as_sentinel_2_sees_it(season, monkeypatch):
    grounds, delivered = [], []
    see = type(season).ground_reflectance
    monkeypatch.setattr(type(season), "ground_reflectance", lambda *a: grounds.append(see(*a)) or grounds[-1])
    monkeypatch.setattr(landsat, "deliver_scene", lambda *arguments: delivered.append(arguments[5]))
    # without sky, atmosphere and noise the band passes are all that is left between ground and pixel
    monkeypatch.setattr(landsat, "observe_optical", lambda below, *sky: below)
    landsat.write_landsat(season)
    assert len(delivered) == len(grounds) > 5
    before, after = [], []
    for ground, rasters in zip(grounds, delivered, strict=True):
        for raster, (key, _, band, _) in zip(rasters, landsat._BANDS, strict=False):
            seen = np.where(raster.values > 0, raster.values * landsat.SR_SCALE + landsat.SR_OFFSET, np.nan)
            truth = block_mean(ground[band], 3)
            before.append(np.nanmax(np.abs(seen - truth)))
            after.append(np.nanmax(np.abs(to_sentinel_2(seen, key) - truth)))
    assert max(after) < 0.51 * landsat.SR_SCALE / 0.97  # the file's rounding is all that is left
    assert max(before) > 100 * max(after)
