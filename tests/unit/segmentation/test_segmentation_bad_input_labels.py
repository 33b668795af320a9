"""Label rasters and images that something is wrong with, or that are extreme: a clear error or a defined result."""

import json
import math

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from agristat_platform import segmentation
from agristat_platform.catalogue import Grid
from agristat_platform.geometry import read_geometry
from agristat_platform.segmentation import (
    EmptyImageError,
    ImageShapeError,
    ImageSourceError,
    LabelGridError,
    SegmentCrsError,
    TooManySegmentsError,
    label_raster,
    link_segment_files,
    link_segments,
    parcel_agreement,
    segment_by_region_growing,
    segment_clusters,
    segment_image,
    segment_polygons,
    segment_raster,
    segment_strips,
    write_labels,
)

UTM = "EPSG:32630"
TEN_METRES = Affine(10, 0, 700_000, 0, -10, 4_600_000)
LABELS = np.array([[1, 1, 2], [1, 3, 2], [0, 0, 2]], np.uint32)  # 3 is one pixel

TAKES_LABELS = [
    pytest.param(lambda labels: segment_polygons(labels, TEN_METRES, UTM), id="segment_polygons"),
    pytest.param(lambda labels: link_segments(labels, LABELS), id="link_segments_previous"),
    pytest.param(lambda labels: link_segments(LABELS, labels), id="link_segments"),
    pytest.param(label_raster, id="label_raster"),
]
NO_LABELS = [
    pytest.param(
        LABELS.astype(np.float64), ImageShapeError, "labels of type float64 are no segment numbers", id="floats"
    ),
    pytest.param(LABELS > 0, ImageShapeError, "labels of type bool are no segment numbers", id="truth"),
    pytest.param(LABELS.astype(np.int64) - 1, ImageShapeError, "holds the negative label -1", id="negative"),
    pytest.param(
        LABELS.astype(np.int64) * 2**31, TooManySegmentsError, "label 6442450944 is above", id="above_32_bits"
    ),
    pytest.param(LABELS[0], ImageShapeError, r"of shape \(3,\) is no label raster.*Give \(rows, cols\)", id="one_row"),
    pytest.param(LABELS[np.newaxis], ImageShapeError, r"of shape \(1, 3, 3\) is no label raster", id="with_a_band"),
    pytest.param(LABELS[:0], ImageShapeError, r"of shape \(0, 3\) is no label raster", id="no_pixel"),
]


@pytest.mark.parametrize("takes", TAKES_LABELS)
@pytest.mark.parametrize(("labels", "error", "message"), NO_LABELS)
def test_what_is_no_label_raster_is_refused_everywhere(takes, labels, error, message):
    with pytest.raises(error, match=message):
        takes(labels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS.astype(np.float64), r"raster of parcels has shape \(3, 3\) and type float64"),
        (LABELS.astype(np.int64) - 1, "raster of parcels holds -1 to 2"),
        (LABELS.astype(np.int64) * 2**31, "raster of parcels holds 0 to 6442450944"),
        (LABELS[np.newaxis], r"raster of parcels has shape \(1, 3, 3\)"),
    ],
)
def test_agreement_says_which_of_its_two_rasters_is_none(labels, message):
    with pytest.raises(ImageShapeError, match=message):
        parcel_agreement(LABELS, labels)
    with pytest.raises(ImageShapeError, match=message.replace("parcels", "segments")):
        parcel_agreement(labels, LABELS)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "int32", "int64", "uint64", "uint32"])
def test_any_integer_type_holds_labels(kind):
    labels = label_raster(LABELS.astype(kind))
    assert labels.dtype == np.uint32
    np.testing.assert_array_equal(labels, LABELS)


def test_the_highest_number_of_32_bits_is_a_segment():
    labels = np.array([[2**32 - 1, 7]], np.int64)
    table = segment_polygons(labels, TEN_METRES, UTM)
    assert table["segment_id"].to_pylist() == [7, 2**32 - 1]
    assert link_segments(labels, labels)["relation"].to_pylist() == ["same", "same"]


def test_numbers_with_gaps_stay_as_they_are():
    table = segment_polygons(LABELS * 1000, TEN_METRES, UTM)
    assert table["segment_id"].to_pylist() == [1000, 2000, 3000]
    assert table["pixels"].to_pylist() == [3, 3, 1]


def test_a_raster_of_nodata_has_no_segment_and_valid_empty_tables():
    nothing = np.zeros_like(LABELS)
    table = segment_polygons(nothing, TEN_METRES, UTM)
    assert table.num_rows == 0
    described = json.loads(table.schema.metadata[b"geo"])["columns"]["geometry"]
    assert described["geometry_types"] == []
    assert "bbox" not in described
    assert link_segments(nothing, nothing).num_rows == 0
    assert link_segments(LABELS, nothing)["relation"].to_pylist() == ["gone"] * 3
    with pytest.raises(EmptyImageError, match="no pixel has both a segment and a parcel"):
        parcel_agreement(nothing, LABELS)


def test_one_pixel_has_the_measures_of_a_square():
    row = segment_polygons(LABELS, TEN_METRES, UTM).to_pylist()[2]
    assert (row["pixels"], row["area_ha"], row["perimeter_m"]) == (1, 0.01, 40.0)
    assert row["compactness"] == pytest.approx(math.pi / 4)
    assert row["small_parcel"]


def test_parts_that_meet_over_a_corner_are_a_valid_multipolygon():
    table = segment_polygons(np.array([[1, 2], [2, 1]], np.uint32), TEN_METRES, UTM)
    shapes = read_geometry(table)
    assert [shape.geom_type for shape in shapes] == ["MultiPolygon"] * 2
    assert shapely.is_valid(shapes).all()
    assert table["compactness"].to_pylist() == pytest.approx([math.pi * 4 * 200 / 80**2] * 2)


def test_a_hole_that_touches_the_shell_over_a_corner_is_valid():
    labels = np.array([[1, 1, 1, 1], [1, 2, 1, 1], [1, 1, 2, 1], [1, 1, 1, 0]], np.uint32)
    shapes = read_geometry(segment_polygons(labels, TEN_METRES, UTM))
    assert shapely.is_valid(shapes).all()
    assert shapely.area(shapes).tolist() == [1300.0, 200.0]
    assert shapely.intersection(*shapes).area == 0


@pytest.mark.parametrize(
    ("crs", "message"),
    [
        ("EPSG:4326", "areas cannot be measured in WGS 84"),
        ("EPSG:99", "PROJ does not know"),
        (None, "PROJ does not know"),
    ],
)
def test_areas_need_a_projected_crs(crs, message):
    with pytest.raises(SegmentCrsError, match=message):
        segment_polygons(LABELS, TEN_METRES, crs)


@pytest.mark.parametrize("cut", [segment_image, segment_by_region_growing])
class TestImages:
    @pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf])
    def test_an_image_of_nodata_is_refused_with_its_size(self, cut, nothing):
        with pytest.raises(EmptyImageError, match=r"all 12 pixels of the image are nodata.*valid share"):
            cut(np.full((2, 3, 4), nothing, np.float32))
        with pytest.raises(EmptyImageError, match="all 12 pixels"):
            cut(np.zeros((2, 3, 4), np.uint16), nodata=0)

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_a_value_that_is_no_number_in_any_band_is_nodata(self, cut, wrong):
        image = np.ones((2, 6, 6), np.float32)
        image[1, 2, 3] = wrong
        labels = cut(image, min_pixels=1).labels
        assert labels[2, 3] == 0
        assert (labels == 0).sum() == 1

    def test_one_pixel_is_one_segment(self, cut):
        np.testing.assert_array_equal(cut(np.ones((2, 1, 1), np.float32)).labels, [[1]])

    def test_more_pixels_than_segment_numbers_are_refused_before_any_is_read(self, cut):
        huge = np.broadcast_to(np.uint8(1), (1, 70_000, 70_000))
        with pytest.raises(TooManySegmentsError, match="70000 × 70000 pixels are more than 32-bit segment numbers"):
            cut(huge)

    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (np.ones((4, 4)), r"shape \(4, 4\) cannot be segmented.*single band as image\[np.newaxis\]"),
            (np.ones((0, 4, 4)), r"shape \(0, 4, 4\)"),
            (np.ones((1, 4, 0)), r"shape \(1, 4, 0\)"),
            (np.ones((1, 4, 4), bool), "type bool"),
            (np.ones((1, 4, 4), complex), "type complex128"),
            (np.full((1, 4, 4), "a"), "type <U1"),
        ],
    )
    def test_what_is_no_image_is_refused(self, cut, image, message):
        with pytest.raises(ImageShapeError, match=message):
            cut(image)


def test_cluster_image_and_image_on_two_grids_are_named():
    with pytest.raises(ImageShapeError, match=r"cluster image \(2, 2\) and image \(3, 3\) have different grids"):
        segment_clusters(np.ones((2, 2), np.uint8), np.ones((1, 3, 3)))


def test_a_cluster_image_of_nodata_has_no_segment():
    result = segment_clusters(np.zeros((3, 3), np.uint8), np.ones((1, 3, 3)))
    assert result.n_segments == 0
    assert not result.labels.any()


def test_labels_of_two_grids_are_named():
    with pytest.raises(LabelGridError, match="previous labels have 3 × 3 pixels, the labels 2 × 3"):
        link_segments(LABELS, LABELS[:2])
    with pytest.raises(ImageShapeError, match=r"segments \(3, 3\) and parcels \(2, 3\) have different grids"):
        parcel_agreement(LABELS, LABELS[:2])


@pytest.mark.parametrize("kind", [np.float64, np.int32])
def test_what_is_no_cluster_image_is_refused(kind):
    with pytest.raises(ImageShapeError, match="cluster image"):
        segment_clusters(-np.ones((3, 3), kind), np.ones((1, 3, 3)))


@pytest.mark.parametrize(
    "transform", [Affine(0, 0, 0, 0, 0, 0), Affine(math.nan, 0, 0, 0, -10, 0), Affine(10, 0, math.inf, 0, -10, 0)]
)
def test_a_transform_without_area_is_refused(transform):
    with pytest.raises(ImageShapeError, match="is no transform of a grid"):
        segment_polygons(LABELS, transform, UTM)


@pytest.mark.parametrize("rows", [slice(0, 16), slice(16, 32), slice(32, 48)])
def test_a_strip_of_nodata_changes_nothing(rows):
    """First, middle and last strip without a pixel: the labels are those of the image in one piece."""
    image = np.random.default_rng(5).normal(0, 1, (3, 48, 20)).astype(np.float32).cumsum(axis=2)
    image[:, rows] = np.nan
    strips = segment_strips(lambda part: image[:, part], image.shape, rows_per_strip=16, min_pixels=4)
    whole = segment_image(image, min_pixels=4)
    np.testing.assert_array_equal(strips.labels, whole.labels)
    assert not strips.labels[rows].any()
    with pytest.raises(EmptyImageError, match="all 960 pixels"):
        segment_strips(lambda part: image[:, part] * np.nan, image.shape, rows_per_strip=16)


class TestFiles:
    @pytest.fixture
    def written(self, tmp_path):
        def write(name, values, transform=TEN_METRES):
            profile = {"driver": "GTiff", "count": 1, "crs": UTM, "transform": transform, "dtype": values.dtype.name}
            profile |= {"height": values.shape[0], "width": values.shape[1]}
            with rasterio.open(tmp_path / name, "w", **profile) as raster:
                raster.write(values, 1)
            return tmp_path / name

        return write

    def test_a_file_of_nodata_leaves_no_label_file(self, written, tmp_path):
        source = written("nothing.tif", np.full((4, 4), np.nan, np.float32))
        with pytest.raises(EmptyImageError, match="all 16 pixels"):
            segment_raster(source, tmp_path / "labels.tif")
        assert not (tmp_path / "labels.tif").exists()

    def test_files_on_two_grids_are_both_named(self, written, tmp_path):
        one = written("one.tif", np.ones((4, 4), np.float32))
        other = written("other.tif", np.ones((4, 4), np.float32), TEN_METRES * Affine.translation(0.5, 0))
        with pytest.raises(ImageSourceError, match=r"different grids.*one\.tif.*other\.tif"):
            segment_raster([one, other], tmp_path / "labels.tif")

    def test_more_pixels_than_segment_numbers_are_refused_before_any_is_read(self, tmp_path):
        """A sparse file of 70,000 × 70,000 pixels, 150 kB."""
        source = tmp_path / "huge.tif"
        profile = {"driver": "GTiff", "count": 1, "crs": UTM, "transform": TEN_METRES, "dtype": "uint8"}
        profile |= {"width": 70_000, "height": 70_000, "tiled": True, "blockxsize": 512, "blockysize": 512}
        with rasterio.open(source, "w", **profile, sparse_ok=True):
            pass
        with pytest.raises(TooManySegmentsError, match="70000 × 70000 pixels"):
            segment_raster(source, tmp_path / "labels.tif")

    def test_what_is_no_label_is_not_written(self, tmp_path):
        grid = Grid(UTM, TEN_METRES, 3, 3)
        with pytest.raises(ImageShapeError, match="labels of type float64"):
            write_labels(tmp_path / "labels.tif", LABELS.astype(np.float64), grid)
        with pytest.raises(ImageShapeError, match=r"labels are \(2, 3\), the grid is \(3, 3\)"):
            write_labels(tmp_path / "labels.tif", LABELS[:2], grid)
        assert list(tmp_path.iterdir()) == []

    def test_labels_of_another_type_are_not_linked(self, written):
        labels = written("labels.tif", LABELS.astype(np.float32))
        with pytest.raises(ImageShapeError, match="labels of type float32"):
            link_segment_files(labels, labels)


def test_every_error_of_the_package_says_what_to_do():
    """Each class is exported and is one of the platform's, whose message ends in the remedy."""
    error = segmentation.LabelGridError("what", where="there", remedy="do this")
    assert isinstance(error, segmentation.SegmentationError)
    assert "there" in str(error)
    assert str(error).endswith("do this")
