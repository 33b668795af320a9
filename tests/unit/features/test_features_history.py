"""Crops of past seasons on a segment's ground and around it: shares by hand, years without a map, what does not fit."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.features import HISTORY_PREFIX, SegmentMismatchError, history_features
from agristat_platform.features.wide_table.dictionary import dictionary_table, feature_table
from agristat_platform.segmentation import LabelGridError, link_segments, segment_identities

NOMENCLATURE = CropNomenclature.model_validate(
    {
        "code": "two",
        "title": {"en": "Two crops"},
        "crops": [
            {"code": code, "class_id": number, "name": {"en": code}, "cultivated": True, "colour": f"#11223{number}"}
            for code, number in (("WHE", 1), ("MAI", 4))
        ],
    }
)
#  3 3 | 9 9 | 0      3 and 9, 3 and 5, 9 and 5 are neighbours; 7 has none
LABELS = np.array([[3, 3, 9, 9, 0], [3, 3, 9, 9, 0], [5, 5, 5, 5, 0], [0, 0, 0, 0, 7]], np.uint32)
LAST_YEAR = np.array([[1, 1, 4, 4, 1], [1, 4, 4, 0, 1], [1, 1, 2, 2, 1], [0, 0, 0, 0, 4]], np.uint8)
IDS = [9, 3, 7, 5]


def write(path, values, left=0):
    with rasterio.open(
        path, "w", driver="GTiff", height=4, width=5, count=1, dtype=values.dtype, nodata=0, crs="EPSG:32630",
        transform=Affine(10, 0, left, 0, -10, 0),
    ) as raster:  # fmt: skip
        raster.write(values, 1)
    return path


def joined(tmp_path, past, identities=None, ids=IDS):
    labels = write(tmp_path / "segments.tif", LABELS)
    columns = list(history_features(np.array(ids, np.uint32), labels, past, NOMENCLATURE, identities))
    return feature_table(np.array(ids, np.uint32), columns), dictionary_table(columns)


def test_shares_by_hand(tmp_path):
    table, dictionary = joined(tmp_path, {1: write(tmp_path / "map.tif", LAST_YEAR)})
    rows = {row["segment_id"]: row for row in table.to_pylist()}
    assert table["segment_id"].to_pylist() == IDS
    own = {
        s: (r["history_y1_mapped_share"], r["history_y1_share_whe"], r["history_y1_share_mai"]) for s, r in rows.items()
    }
    assert own == {
        3: (1.0, 0.75, 0.25),
        9: (0.75, 0.0, 0.75),
        5: (1.0, 0.5, 0.0),  # the other half is of a class that the nomenclature no longer has
        7: (1.0, 0.0, 1.0),
    }
    around = {s: r["history_y1_neighbours_share_whe"] for s, r in rows.items()}
    assert around == {3: 2 / 8, 9: pytest.approx(5 / 8), 5: pytest.approx(3 / 8), 7: None}
    assert rows[3]["history_y1_neighbours_mapped_share"] == pytest.approx(7 / 8)
    assert rows[3]["history_y1_known"] == 1.0
    described = dictionary["name"].to_pylist()
    assert described == [name for name in table.column_names if name.startswith(HISTORY_PREFIX)]
    row = next(row for row in dictionary.to_pylist() if row["name"] == "history_y1_neighbours_share_mai")
    assert (
        row["formula"] == "share of the pixels of adjacent segments that the crop map of 1 year before gives class MAI"
    )
    assert table.schema.field("history_y1_share_whe").metadata[b"source"] == b"past crop_maps"


def test_a_year_without_a_map_is_null_and_says_so_and_the_columns_are_the_same(tmp_path):
    without, _ = joined(tmp_path, {})
    with_one, _ = joined(tmp_path, {1: write(tmp_path / "map.tif", LAST_YEAR)})
    with_two, _ = joined(tmp_path, {2: write(tmp_path / "map.tif", LAST_YEAR)})
    assert without.schema.equals(with_one.schema, check_metadata=True)
    assert without["history_y1_known"].to_pylist() == [0.0] * 4
    history = [name for name in without.column_names if name.startswith(HISTORY_PREFIX) and not name.endswith("_known")]
    assert all(without[name].null_count == 4 for name in history)
    assert with_two["history_y2_share_whe"].equals(with_one["history_y1_share_whe"])
    assert with_two["history_y1_share_whe"].null_count == 4


def test_identity_stands_beside_the_ground(tmp_path):
    before = np.where(LABELS == 9, 2, LABELS)
    before[2, 2:4] = 11  # 5 was two
    identities = segment_identities(link_segments(before, LABELS))
    table, _ = joined(tmp_path, {}, identities)
    rows = {row["segment_id"]: row for row in table.to_pylist()}
    assert {s: r["history_identity_same"] for s, r in rows.items()} == {3: 1.0, 9: 1.0, 5: 0.0, 7: 1.0}
    assert {s: r["history_identity_merged"] for s, r in rows.items()} == {3: 0.0, 9: 0.0, 5: 1.0, 7: 0.0}
    with pytest.raises(SegmentMismatchError, match="identities of 3 segments"):
        joined(tmp_path, {}, identities.slice(1))


def test_what_does_not_fit(tmp_path):
    with pytest.raises(LabelGridError, match="different grids"):
        joined(tmp_path, {1: write(tmp_path / "map.tif", LAST_YEAR, left=5)})
    with pytest.raises(SegmentMismatchError, match="segments of which there are no features"):
        joined(tmp_path, {1: write(tmp_path / "map.tif", LAST_YEAR)}, ids=[3, 5, 7])
