"""Do the demo's 95 % intervals cover the truth as often as they say? 100 draws of the survey step on the demo valley.

The map stays as it is and the sample is drawn anew, seed by seed: that is what a design-based interval speaks of.

Error rate: if every interval covered exactly 95 %, one crop would fall below 85 of 100 with probability 0.0001 (binomial),
seven crops with less than 0.001; the share over all crops has a standard deviation of at most 0.022 (crops wholly dependent),
so that it leaves 0.90 … 0.995 with probability below 0.02. Seeds are fixed, so the test does not flicker.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from agristat_platform import classification, estimation, features, imagery, mapping, sampling, segmentation, simulation
from agristat_platform.catalogue import Catalogue, load_catalogue, load_settings
from resources.field_archive import FieldArchive
from resources.imagery_catalogue import ImageryCatalogue

pytestmark = pytest.mark.statistical

CONFIG = Path(__file__).resolve().parents[2] / "config"
REGION, SEASON = "demo-valley", "2023-10"


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    home = tmp_path_factory.mktemp("coverage")
    whole = load_catalogue(load_settings(CONFIG, {"AGRISTAT_HOME": str(home)}))
    simulation.prepare_region(
        whole.region(REGION),
        whole.settings.archive_dir,
        seasons=[SEASON],
        nomenclature=whole.nomenclature(REGION),
    )
    return whole


@pytest.fixture(scope="module")
def crop_map(catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's own line from scenes to crop map, without Dagster around it."""
    region, folder = catalogue.region(REGION), tmp_path_factory.mktemp("map")
    nomenclature = catalogue.nomenclature(REGION)
    assert region.imagery is not None
    assert region.training is not None
    grid, aoi = region.grid(), region.aoi_projected()
    items = ImageryCatalogue.from_settings(catalogue.settings).search(region, SEASON)
    scenes = imagery.assess_scenes(items, grid, aoi, region.imagery)
    made = imagery.build_composites(scenes, grid, region.intervals(SEASON), region.imagery, folder, aoi_projected=aoi)

    def read(row: dict[str, object]) -> np.ndarray:
        return imagery.read_layer(folder / str(row["file"]), row)

    chosen = region.segmentation
    stacked = features.layer_image(made.layers, read, chosen.layers, max_intervals=chosen.max_intervals)
    assert chosen.method == "region_growing"
    segments = segmentation.segment_by_region_growing(
        stacked.image, nodata=features.NODATA, min_pixels=chosen.min_pixels, connectivity=chosen.connectivity
    )
    segmentation.write_labels(folder / "segments.tif", segments.labels, grid)
    polygons = segmentation.segment_polygons(segments.labels, grid.transform, grid.crs)
    table, _ = features.segment_features(segments.labels, made.layers, read, polygons)
    delivered = FieldArchive(catalogue.settings).training_labels(region, SEASON, nomenclature)
    labels = classification.validate_labels(delivered.labels, nomenclature).labels
    samples = classification.assemble_training_set(labels, polygons, table, block_size_m=region.training.block_size_m)
    samples = samples.without_small_classes(2)
    model = classification.CropEnsemble(classification.EnsembleSettings(seed=region.training.seed))
    model.fit(samples.X, samples.y, samples.weights, samples.groups, samples.feature_names)
    classified = mapping.classify_segments(model, table, nomenclature)
    return mapping.write_crop_map(folder / "segments.tif", classified, nomenclature, folder, simulated=True).crop_map


def test_intervals_of_the_demo_cover_the_truth_at_their_nominal_rate(catalogue: Catalogue, crop_map: Path) -> None:
    region, nomenclature = catalogue.region(REGION), catalogue.nomenclature(REGION)
    survey, archive = region.survey, catalogue.settings.archive_dir
    assert survey.segment_side_m is not None
    assert survey.sample_size is not None
    frame = sampling.area_frame(region.aoi_projected(), survey.segment_side_m, crs=region.crs)
    land_use = FieldArchive(catalogue.settings).land_use(region)
    frame = sampling.stratify(frame, sampling.cultivated_share(frame, land_use, [1]), survey.strata.bounds)
    strata = sampling.allocate(sampling.strata_table(frame), survey.sample_size, method=survey.allocation)
    units = frame.select(["unit_id", "geometry"])
    coverage = estimation.coverage_of_survey_step(
        frame,
        simulation.simulate_totals_by_unit(archive, region, SEASON, units),
        mapping.areas_by_unit(crop_map, units, nomenclature),
        sampling.StratifiedRandom.from_strata(strata),
        seeds=range(100),
        crops=nomenclature.cultivated_codes,
        settings=region.estimation,
    ).to_pylist()
    with rasterio.open(crop_map) as raster:
        assert raster.tags()["AGRISTAT_SIMULATED"] == "YES"
    for estimator in ("expansion total", "regression (GREG)"):
        rows = [row for row in coverage if row["estimator"] == estimator]
        assert len(rows) == len(nomenclature.cultivated_codes)
        assert all(row["estimated"] == 100 for row in rows)
        assert min(row["coverage"] for row in rows) >= 0.85, rows
        assert 0.90 <= np.mean([row["coverage"] for row in rows]) <= 0.995, rows
    gains = {row["crop"]: row for row in coverage if row["estimator"] != "expansion total"}
    alone = {row["crop"]: row for row in coverage if row["estimator"] == "expansion total"}
    assert all(gains[crop]["empirical_sd"] < alone[crop]["empirical_sd"] for crop in gains)
