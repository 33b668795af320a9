"""Places and conflicts in real labels: the Yaqui valley's points, Mato Grosso's series. Figures are what these data give."""

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
import shapely

from agristat_platform.classification.evaluation import conflicting_labels, fold_identities, place_folds

REAL_DATA = Path(os.environ.get("AGRISTAT_REAL_DATA", "../shared/data"))

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not REAL_DATA.is_dir(), reason=f"no real data at {REAL_DATA} (AGRISTAT_REAL_DATA)"),
]


def test_the_yaqui_valley_has_164_conflicting_positions():
    _, _, geometry, fields = pyogrio.raw.read(REAL_DATA / "yaqui_sonora" / "crop_labels.gpkg", columns=["land_cover"])
    points = shapely.from_wkb(geometry)
    places = [f"{x!r} {y!r}" for x, y in zip(shapely.get_x(points), shapely.get_y(points), strict=True)]
    found = conflicting_labels(fields[0].astype(str), places)
    assert len(places) == 17_619
    assert found.counts["conflicting_places"] == found.table.num_rows == 164
    assert found.counts["labels_without_place"] == 0
    # every label of such a position goes, and no other
    assert (~found.kept).sum() == sum(found.table["samples"].to_pylist()) >= 2 * 164
    assert not conflicting_labels(fields[0][found.kept].astype(str), np.array(places)[found.kept]).table.num_rows


def test_mato_grosso_in_row_order_shares_places_and_series_between_folds():
    table = pq.read_table(REAL_DATA / "mato_grosso_modis" / "series.parquet").to_pandas()
    table = table.sort_values(["sample_id", "step"])
    first = table[table.step == 0]
    series = table[["ndvi", "evi", "nir", "mir"]].to_numpy().reshape(len(first), 23, 4)
    place = [f"{x} {y}" for x, y in zip(first.longitude, first.latitude, strict=True)]
    block = [f"{x // 0.5} {y // 0.5}" for x, y in zip(first.longitude, first.latitude, strict=True)]
    identities = {"place": place, "sample": first.sample_id.to_numpy()}
    by_row = {
        r["kind"]: r for r in fold_identities(np.arange(len(first)) % 5, identities, values=series).table.to_pylist()
    }
    assert by_row["place"]["on_both_sides"] > 50
    assert by_row["values"]["on_both_sides"] > 0
    assert by_row["sample"]["on_both_sides"] == 0
    fold = place_folds(first.label.to_numpy(), place, block, folds=5, seed=0)
    assert fold_identities(fold, identities | {"block": block}, values=series).require().holds
