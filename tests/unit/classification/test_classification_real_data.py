"""Real labels: western Bahia's series and the messy ground truth of the Yaqui valley. Figures are what these data give."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from agristat_platform.catalogue import Crop, CropNomenclature
from agristat_platform.classification import (
    EnsembleSettings,
    cross_validate,
    label_table,
    training_set_from_series,
    validate_labels,
)

REAL_DATA = Path(os.environ.get("AGRISTAT_REAL_DATA", "../shared/data"))

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real data at {REAL_DATA} (AGRISTAT_REAL_DATA)"),
]


def nomenclature_of(names: list[str]) -> CropNomenclature:
    crops = [
        Crop(code=f"C{k}", class_id=k + 1, name={"en": n}, cultivated=True, colour=f"#0000{k:02x}", labels=[n])
        for k, n in enumerate(names)
    ]
    return CropNomenclature(code="real", title={"en": "Real labels"}, crops=crops)


def test_western_bahia_is_recognised_in_blocks_it_was_not_taught():
    series = pq.read_table(REAL_DATA / "western_bahia_cbers" / "labelled_series.parquet").to_pandas()
    nomenclature = nomenclature_of(sorted(set(series.label)))
    first = series[series.step == 0].sort_values("sample_id")
    # Degrees as metres of the sphere: only neighbourhood matters here.
    places = shapely.points(first.longitude * 111_000 * np.cos(np.radians(12)), first.latitude * 111_000)
    labels = label_table(
        {"label_id": str(i), "crop_code": nomenclature.by_label(n).code, "geometry": g}
        for i, n, g in zip(first.sample_id, first.label, shapely.to_wkb(places), strict=True)
    )
    wide = series.pivot(index="sample_id", columns="step", values=["ndvi", "evi", "nir"])
    columns = {f"{band}_t{step + 1:02d}_mean": wide[(band, step)].to_numpy() for band, step in wide.columns}
    check = validate_labels(labels, nomenclature)
    training_set = training_set_from_series(
        check.labels, pa.table({"label_id": [str(i) for i in wide.index], **columns}), block_size_m=20_000
    )
    assert len(training_set.y) + check.dropped.num_rows == 922
    result = cross_validate(training_set, EnsembleSettings(trees=100, networks=1, max_epochs=40), folds=4)
    assert result.leaks == ()
    assert result.overall.overall_accuracy > 0.90
    assert result.overall.expected_calibration_error < 0.12


def test_conflicting_positions_of_the_yaqui_valley_are_dropped_and_counted():
    _, _, geometry, fields = pyogrio.raw.read(REAL_DATA / "yaqui_sonora" / "crop_labels.gpkg", columns=["land_cover"])
    crops = fields[0].astype(str).tolist()
    nomenclature = nomenclature_of(sorted(set(crops)))
    labels = label_table(
        {"label_id": str(i), "crop_code": nomenclature.by_label(n).code, "geometry": g}
        for i, (n, g) in enumerate(zip(crops, geometry, strict=True))
    )
    check = validate_labels(labels, nomenclature)
    conflicts = check.dropped.filter(pa.compute.equal(check.dropped["reason"], "conflicting_place"))
    by_label = dict(zip(labels["label_id"].to_pylist(), labels["geometry"].to_pylist(), strict=True))
    assert labels.num_rows == 17_619
    assert len({by_label[name] for name in conflicts["label_id"].to_pylist()}) == 164
    assert check.labels.num_rows + check.dropped.num_rows == 17_619
    assert len(set(check.labels["geometry"].to_pylist())) == check.labels.num_rows
