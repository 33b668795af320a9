"""Agreement with a table of parcels: worked by hand, by size, what is left out, files in strips, bad input."""

import numpy as np
import pyarrow as pa
import pyproj
import pytest
import shapely
from affine import Affine

from agristat_platform.catalogue import Grid
from agristat_platform.geometry import with_geometry
from agristat_platform.segmentation import (
    PARCEL_SIZE_AGREEMENT_SCHEMA,
    agreement_with_parcels,
    parcel_agreement,
    write_labels,
)
from agristat_platform.segmentation.errors import EmptyImageError, LabelGridError, ParcelRegisterError

CRS = "EPSG:32630"
GRID = Grid(CRS, Affine(20, 0, 500_000, 0, -20, 4_600_000), 40, 30)  # pixels of 0.04 ha


def box(left: int, top: int, right: int, bottom: int) -> shapely.Polygon:
    """Polygon over whole pixels."""
    return shapely.box(500_000 + 20 * left, 4_600_000 - 20 * bottom, 500_000 + 20 * right, 4_600_000 - 20 * top)


def table(shapes, crs: str = CRS) -> pa.Table:
    names = pa.array([f"P{number}" for number in range(len(shapes))])
    wkb = pa.array([None if shape is None else shapely.to_wkb(shape) for shape in shapes], pa.binary())
    return with_geometry(pa.table({"parcel_id": names, "geometry": wkb}), crs)


def labels_of(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    labels = np.zeros(GRID.shape, dtype=np.uint32)
    for number, (left, top, right, bottom) in enumerate(boxes, start=1):
        labels[top:bottom, left:right] = number
    return labels


def test_measures_by_size_worked_by_hand():
    # 0.4 ha (10 pixels), 1.6 ha (40), 16 ha (400)
    parcels = table([box(0, 0, 5, 2), box(5, 0, 25, 2), box(0, 4, 20, 24)])
    # segment 1: all of the first, 10 of the second; segment 2: 30 of the second; segments 3 and 4: halves of the third
    labels = labels_of((0, 0, 10, 2), (10, 0, 25, 2), (0, 4, 10, 24), (10, 4, 20, 24))
    agreement = agreement_with_parcels(labels, parcels, GRID)
    rows = {row["size_class"]: row for row in agreement.by_size.to_pylist()}
    assert agreement.by_size.schema == PARCEL_SIZE_AGREEMENT_SCHEMA
    assert list(rows) == ["all", "< 0.5 ha", "0.5–2 ha", "2–10 ha", "≥ 10 ha"]
    # segment 1 has ten pixels of both: it is the first parcel's
    small, middle, none, large = (rows[name] for name in list(rows)[1:])
    assert (small["n_parcels"], small["pixels"], small["purity"], small["completeness"]) == (1, 10, 1.0, 1.0)
    assert small["under_segmentation"] == pytest.approx(0.5)
    assert (middle["purity"], middle["completeness"]) == (0.75, 0.75)
    assert (none["n_parcels"], none["pixels"], none["purity"], none["distance"]) == (0, 0, None, None)
    assert (large["purity"], large["completeness"], large["f"]) == (1.0, 0.5, pytest.approx(2 / 3))
    assert large["over_segmentation"] == 0.5
    assert rows["all"]["purity"] == pytest.approx((10 + 30 + 400) / 450) == agreement.overall.purity
    assert rows["all"]["completeness"] == pytest.approx((10 + 30 + 200) / 450) == agreement.overall.completeness
    for measure in ("f", "over_segmentation", "under_segmentation", "distance"):
        assert rows["all"][measure] == getattr(agreement.overall, measure)
    assert set(agreement.left_out.values()) == {0}


def test_what_is_left_out_is_counted():
    shapes = [
        box(0, 0, 10, 10),
        box(8, 0, 18, 10),  # shares 20 pixels with the first
        None,
        shapely.LineString([(500_000, 4_599_900), (500_100, 4_599_900)]),
        box(100, 0, 110, 10),  # off the grid
        shapely.box(500_001, 4_599_701, 500_005, 4_599_705),  # holds no centre
        box(30, 20, 34, 24),  # no segment
        box(36, -5, 45, 2),  # half on the grid: 4 × 2 pixels
    ]
    labels = labels_of((0, 0, 18, 8), (36, 0, 40, 3))
    agreement = agreement_with_parcels(labels, table(shapes), GRID)
    assert agreement.left_out == {
        "parcels_without_geometry": 2,
        "parcels_off_grid": 1,
        "parcels_without_pixel": 1,
        "parcels_without_segment": 1,
        "pixels_in_several_parcels": 20,
        "pixels_without_segment": 2 * 16 + 16,
        "pixels_without_parcel": 4,
    }
    assert agreement.overall.n_parcels == 3
    assert agreement.overall.parcels["parcel"].to_pylist() == [1, 2, 8]
    assert agreement.overall.pixels == 2 * 64 + 8


@pytest.mark.parametrize("strip_rows", [1, 7, 1024])
def test_strips_of_a_file_make_no_difference(tmp_path, strip_rows):
    rng = np.random.default_rng(5)
    labels = np.kron(rng.integers(0, 40, (6, 8)), np.ones((5, 5), dtype=int)).astype(np.uint32)
    shapes = [shapely.Point(500_000 + x, 4_600_000 - y).buffer(40) for x, y in rng.uniform(0, 600, (60, 2))]
    write_labels(tmp_path / "labels.tif", labels, GRID)
    whole = agreement_with_parcels(labels, table(shapes), GRID)
    read = agreement_with_parcels(tmp_path / "labels.tif", table(shapes), GRID, strip_rows=strip_rows)
    assert read.left_out == whole.left_out
    assert read.left_out["pixels_in_several_parcels"] > 0
    assert read.by_size.equals(whole.by_size)
    assert read.overall.parcels.equals(whole.overall.parcels)


def test_another_crs_is_brought_to_the_grids():
    truth = labels_of((0, 0, 10, 10), (10, 0, 20, 10), (0, 10, 20, 30))
    shapes = [box(0, 0, 10, 10), box(10, 0, 20, 10), box(0, 10, 20, 30)]
    degrees = shapely.transform(np.array(shapes), _to_degrees)
    agreement = agreement_with_parcels(truth, table(list(degrees), "EPSG:4326"), GRID)
    assert agreement.overall.f == parcel_agreement(truth, truth).f == 1
    assert agreement.by_size["n_parcels"].to_pylist() == [3, 0, 0, 2, 1]


def _to_degrees(xy):
    return np.column_stack(pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(*xy.T))


def test_bad_input_is_named(tmp_path):
    labels = labels_of((0, 0, 10, 10))
    with pytest.raises(LabelGridError, match=r"segments \(30, 39\) do not lie on the grid \(30, 40\)"):
        agreement_with_parcels(labels[:, 1:], table([box(0, 0, 5, 5)]), GRID)
    other = Grid(CRS, Affine(20, 0, 500_010, 0, -20, 4_600_000), 40, 30)
    write_labels(tmp_path / "labels.tif", labels, other)
    with pytest.raises(LabelGridError, match=r"500010.*500000"):
        agreement_with_parcels(tmp_path / "labels.tif", table([box(0, 0, 5, 5)]), GRID)
    with pytest.raises(ParcelRegisterError, match="none of 1 reference parcels has an area"):
        agreement_with_parcels(labels, table([shapely.Point(500_000, 4_600_000)]), GRID)
    with pytest.raises(ParcelRegisterError, match="cannot be read"):
        agreement_with_parcels(labels, pa.table({"parcel_id": ["P1"]}), GRID)
    with pytest.raises(EmptyImageError, match="one of 1 parcels on the grid"):
        agreement_with_parcels(labels, table([box(20, 20, 25, 25)]), GRID)
