"""Random samples of units estimate the landscape's true totals without bias."""

import numpy as np
import pyarrow as pa
import pytest
import shapely

from agristat_platform.catalogue import load_catalogue, load_settings
from agristat_platform.simulation import prepare_region, simulate_totals_by_unit, smaller_region, true_totals

SAMPLES = 2000
UNITS_DRAWN = 15


@pytest.mark.statistical
def test_expanded_samples_of_units_are_unbiased(tmp_path):
    """Each crop's mean over 2000 samples lies within 4 Monte Carlo standard errors: fails by chance 1 in 1400 (11 crops)."""
    catalogue = load_catalogue(load_settings())
    demo = smaller_region(catalogue.region("demo-valley"), scale=0.2)
    rarely = {"sentinel2_step_days": 60, "sentinel1_step_days": 60, "landsat_step_days": 60}
    region = demo.model_copy(update={"simulation": demo.simulation.model_copy(update=rarely)})
    prepare_region(region, tmp_path, seasons=["2024-10"], nomenclature=catalogue.nomenclature("demo-valley"))
    aoi = region.aoi_projected()
    left, bottom, right, top = aoi.bounds
    x, y = np.meshgrid(np.arange(left, right, 150.0), np.arange(bottom, top, 150.0))
    shapes = shapely.intersection(shapely.box(x, y, x + 150.0, y + 150.0).ravel(), aoi)
    shapes = shapes[shapely.area(shapes) > 0]
    names = [f"u{i}" for i in range(len(shapes))]
    units = pa.table({"unit_id": names, "geometry": shapely.to_wkb(shapes)})
    by_unit = simulate_totals_by_unit(tmp_path, region, "2024-10", units).to_pylist()
    position = {name: i for i, name in enumerate(names)}
    rng = np.random.default_rng(1)
    draws = np.argsort(rng.random((SAMPLES, len(names))), axis=1)[:, :UNITS_DRAWN]
    for row in true_totals(tmp_path, region, "2024-10").to_pylist():
        areas = np.zeros(len(names))
        for piece in by_unit:
            if piece["crop_code"] == row["crop_code"]:
                areas[position[piece["unit_id"]]] = piece["area_ha"]
        estimates = areas[draws].mean(axis=1) * len(names)
        standard_error = estimates.std(ddof=1) / np.sqrt(SAMPLES)
        assert abs(estimates.mean() - row["area_ha"]) < 4 * standard_error, row["crop_code"]
