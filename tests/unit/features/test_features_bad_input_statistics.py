"""Statistics, texture and polygons with input that something is wrong with, or that is extreme."""

import numpy as np
import pyarrow as pa
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform.features import LabelGridError, StatisticError, segment_statistics, segment_texture
from agristat_platform.features.statistics.segment_strips import LayerStatistics, SegmentStrips
from agristat_platform.segmentation import ImageShapeError, TooManySegmentsError

LABELS = np.array([[1, 1, 2], [1, 3, 2], [0, 0, 2]], np.uint32)  # 3 is one pixel
VALUES = np.arange(9, dtype=np.float64).reshape(3, 3)
ALL = ("count", "sum", "mean", "std", "min", "max", "p0", "p10", "p50", "p100")


def described(labels, band, statistics=ALL, **options):
    """Rows without the band's name."""
    rows = segment_statistics(labels, [band], statistics, **options).to_pylist()
    return [{name.removeprefix("b1_"): value for name, value in row.items()} for row in rows]


@pytest.mark.parametrize(
    "describe",
    [
        pytest.param(lambda labels: segment_statistics(labels, [VALUES]), id="segment_statistics"),
        pytest.param(lambda labels: segment_texture(labels, VALUES, 0, 9), id="segment_texture"),
    ],
)
@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (LABELS.astype(np.float32), ImageShapeError, "labels of type float32 are no segment numbers"),
        (LABELS > 0, ImageShapeError, "labels of type bool"),
        (LABELS.astype(np.int32) - 2, ImageShapeError, "the negative label -2"),
        (LABELS.astype(np.int64) + 2**32, TooManySegmentsError, "is above"),
        (LABELS[np.newaxis], ImageShapeError, r"shape \(1, 3, 3\)"),
        (LABELS[:, :0], ImageShapeError, r"shape \(3, 0\)"),
        (LABELS[:2], LabelGridError, r"band of shape \(3, 3\) does not lie on the label raster's grid \(2, 3\)"),
    ],
)
def test_labels_that_are_none_or_on_another_grid(describe, labels, error, message):
    with pytest.raises(error, match=message):
        describe(labels)


def test_a_mask_of_another_grid_is_refused():
    with pytest.raises(LabelGridError, match=r"a clear mask of shape \(2, 3\)"):
        segment_statistics(LABELS, [VALUES], clear=np.ones((2, 3), bool))


def test_masks_are_one_for_all_bands_or_one_for_each():
    two = [VALUES, VALUES]
    each = np.ones((2, *VALUES.shape), bool)
    assert segment_statistics(LABELS, two, clear=each.astype(np.uint8)).equals(segment_statistics(LABELS, two))
    for masks, message in ((each[:1], "1 masks for more bands"), (np.concatenate([each, each]), "4 masks for 2 bands")):
        with pytest.raises(LabelGridError, match=message):
            segment_statistics(LABELS, two, clear=masks)
    with pytest.raises(StatisticError, match="clear mask is of type float64 and not of 0 and 1"):
        segment_statistics(LABELS, [VALUES], clear=np.full(VALUES.shape, 0.4))


def test_what_nearly_fits_is_named():
    with pytest.raises(StatisticError, match="statistics are the text 'mean'"):
        segment_statistics(LABELS, [VALUES], "mean")
    with pytest.raises(StatisticError, match="the median is p50"):
        segment_statistics(LABELS, [VALUES], ["median"])
    with pytest.raises(LabelGridError, match=r"bands of shape \(.*\) are not \(bands, rows, cols\)"):
        segment_statistics(LABELS, VALUES)


def test_one_pixel_is_all_of_its_statistics_and_varies_by_nothing():
    one = described(LABELS, VALUES)[2]
    assert one == {"segment_id": 3, "count": 1, "std": 0.0} | dict.fromkeys(
        ("sum", "mean", "min", "max", "p0", "p10", "p50", "p100"), 4.0
    )
    texture = segment_texture(LABELS, VALUES, 0, 9)
    assert texture.pairs[2] == 0  # no neighbour of its own: no texture, and that is no zero
    assert np.isnan([texture.contrast[2], texture.entropy[2]]).all()


def test_gaps_in_numbering_change_nothing_but_the_numbers():
    far = np.where(LABELS == 0, 0, LABELS.astype(np.uint64) * 1_400_000_000).astype(np.uint32)
    first, second = described(LABELS, VALUES), described(far, VALUES)
    assert [row["segment_id"] for row in second] == [1_400_000_000, 2_800_000_000, 4_200_000_000]
    assert [row | {"segment_id": 0} for row in first] == [row | {"segment_id": 0} for row in second]


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf, -9999.0])
def test_a_band_of_nodata_gives_a_count_of_zero_and_nulls(nothing):
    for row in described(LABELS, np.full_like(VALUES, nothing), nodata=-9999.0):
        assert row.pop("count") == 0
        row.pop("segment_id")
        assert set(row.values()) == {None}


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_missing_and_not_counted(wrong):
    band = VALUES.copy()
    band[0, 0] = wrong
    first, *others = described(LABELS, band)
    assert first["count"] == 2
    assert (first["sum"], first["mean"], first["std"]) == (4.0, 2.0, 1.0)
    assert (first["min"], first["max"], first["p50"]) == (1.0, 3.0, 2.0)
    assert others == described(LABELS, VALUES)[1:]
    again = described(LABELS, band.astype(np.float32))[0]
    assert again == first


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_texture_leaves_out_pairs_with_a_value_that_is_no_number(wrong):
    band = VALUES.copy()
    band[0, 0] = wrong
    texture = segment_texture(LABELS, band, 0, 9)
    masked = segment_texture(LABELS, np.ma.masked_array(VALUES, ~np.isfinite(band)), 0, 9)
    np.testing.assert_array_equal(texture.pairs, masked.pairs)
    np.testing.assert_array_equal(texture.contrast, masked.contrast)


@pytest.mark.parametrize("kind", [complex, "U3", bool])
def test_what_has_no_statistics_is_refused(kind):
    if kind is bool:
        assert [row["sum"] for row in described(LABELS, VALUES > 1)] == [1.0, 3.0, 1.0]  # counts of what is true
        return
    with pytest.raises(StatisticError, match=r"a band of type .* has no statistics"):
        segment_statistics(LABELS, [VALUES.astype(kind)])


def test_a_raster_of_nodata_gives_no_row_and_all_columns():
    table = segment_statistics(np.zeros_like(LABELS), [VALUES], ALL)
    assert table.num_rows == 0
    assert table.column_names == ["segment_id", *(f"b1_{name}" for name in ALL)]
    assert len(segment_texture(np.zeros_like(LABELS), VALUES, 0, 9).ids) == 0


@pytest.mark.parametrize("rows", [slice(0, 3), slice(3, 6), slice(6, 9)])
def test_strips_without_a_segment_or_without_a_value(rows):
    """The first, middle or last strip is nodata in the labels, or in the band: as the raster in one piece."""
    rng = np.random.default_rng(8)
    labels = np.repeat(np.arange(1, 4, dtype=np.uint32), 12).reshape(3, 12).repeat(3, axis=0)
    labels[rows], band = 0, rng.normal(0, 1, labels.shape)
    holed = np.where(np.isin(np.arange(9), np.arange(9)[rows])[:, np.newaxis], np.nan, band)
    whole = np.repeat(np.arange(1, 5, dtype=np.uint32), 3) + np.zeros((9, 1), np.uint32)
    for of, values in ((labels, band), (whole, holed)):
        strips = SegmentStrips.of_raster(of, strip_rows=3)
        layer = LayerStatistics(len(strips.ids), ALL)
        for strip in strips.strips():
            layer.add(strip, values[strip.rows])
        expected = described(of, values)
        for name, found in layer.result().items():
            np.testing.assert_allclose(found, [row[name] for row in expected], rtol=1e-12)


def test_no_band_gives_the_segments_alone():
    assert segment_statistics(LABELS, []).column_names == ["segment_id"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (None, "the polygon p has no geometry"),
        (shapely.Polygon(), "the polygon p has no geometry"),
        (shapely.Point(1, 1), "p is a Point, no polygon"),
        (shapely.GeometryCollection([shapely.box(0, 0, 2, 2)]), "p is a GeometryCollection, no polygon"),
        (
            shapely.Polygon([(0, 0), (2, 2), (2, 0), (0, 2)]),
            r"the polygon p is not valid: Self-intersection.*make_valid",
        ),
        (shapely.Polygon([(0, 0), (1, 1), (2, 2)]), "the polygon p is not valid"),
    ],
)
def test_polygons_of_users_are_named_with_what_is_wrong(shape, message, tmp_path):
    pytest.importorskip("exactextract")
    from agristat_platform.features import PolygonError, polygon_statistics

    polygons = pa.table({"polygon_id": ["p"], "geometry": pa.array([shapely.to_wkb(shape)], pa.binary())})
    with pytest.raises(PolygonError, match=message):
        polygon_statistics(tmp_path / "none.tif", polygons, crs="EPSG:32630")


def test_a_raster_or_polygons_without_a_crs_that_is_known(tmp_path):
    pytest.importorskip("exactextract")
    from agristat_platform.features import PolygonError, polygon_statistics

    path = tmp_path / "bare.tif"
    profile = {"driver": "GTiff", "width": 4, "height": 4, "count": 1, "dtype": "float32"}
    with rasterio.open(path, "w", **profile, transform=Affine(10, 0, 0, 0, -10, 40)) as raster:
        raster.write(np.ones((1, 4, 4), np.float32))
    polygons = pa.table({"polygon_id": ["p"], "geometry": [shapely.to_wkb(shapely.box(0, 0, 20, 20))]})
    with pytest.raises(StatisticError, match=r"the raster names no CRS.*bare\.tif"):
        polygon_statistics(path, polygons, crs="EPSG:32630")
    for crs in ("EPSG:99", None):
        with pytest.raises(PolygonError, match="PROJ does not know the CRS"):
            polygon_statistics(path, polygons, crs=crs)
