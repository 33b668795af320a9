"""Segmentation of rasters in files: the labels of the image in memory, nodata as the files say, and bad files."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.catalogue import Grid
from agristat_platform.segmentation import (
    EmptyImageError,
    ImageShapeError,
    ImageSourceError,
    LabelTargetError,
    SegmentationOptionError,
    TooManySegmentsError,
    segment_image,
    segment_raster,
    write_labels,
)

CRS = "EPSG:32630"
TRANSFORM = Affine(10, 0, 700_000, 0, -10, 4_600_000)


def noisy_fields(rows=70, cols=90, *, bands=3, noise=150, seed=5, dtype=np.uint16):
    """Squares of 10 × 10 pixels, each of one of six spectra, with noise."""
    rng = np.random.default_rng(seed)
    spectra = rng.integers(500, 4000, (6, bands))
    crop = np.kron(rng.integers(0, 6, (rows // 10 + 1, cols // 10 + 1)), np.ones((10, 10), dtype=int))[:rows, :cols]
    return (spectra[crop].transpose(2, 0, 1) + rng.normal(0, noise, (bands, rows, cols))).clip(1).astype(dtype)


def write(path, image, *, nodata=None, transform=TRANSFORM, crs=CRS, **profile):
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype=image.dtype,
        count=len(image),
        height=image.shape[1],
        width=image.shape[2],
        crs=crs,
        transform=transform,
        nodata=nodata,
        **profile,
    ) as raster:
        raster.write(image)
    return path


def read_labels(path):
    with rasterio.open(path) as raster:
        return raster.read(1)


@pytest.fixture
def source(tmp_path):
    image = noisy_fields()
    image[0, 20:25, 30:60] = 0
    return write(tmp_path / "image.tif", image, nodata=0, tiled=True, blockxsize=16, blockysize=16, compress="deflate")


def test_the_labels_are_those_of_the_image_in_memory(tmp_path, source):
    with rasterio.open(source) as raster:
        whole = segment_image(raster.read(), nodata=0, seed=4)
    target = tmp_path / "labels.tif"
    told = []
    result = segment_raster(source, str(target), tile_size=16, seed=4, progress=lambda *step: told.append(step))
    assert result.path == target
    assert result.n_segments == whole.n_segments == whole.labels.max()
    assert result.pixels.tolist() == whole.pixels.tolist()
    assert result.cluster_centres.tobytes() == whole.cluster_centres.tobytes()
    assert result.max_distance == whole.max_distance
    with rasterio.open(target) as raster:
        assert raster.read(1).tobytes() == whole.labels.tobytes()
        assert (raster.dtypes, raster.nodata, raster.crs.to_string(), raster.transform) == (
            ("uint32",),
            0,
            CRS,
            TRANSFORM,
        )
        assert raster.descriptions == ("segment_id",)
        assert raster.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert [share for _, share in told] == sorted(share for _, share in told)
    assert told[-1] == ("labels", 1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tif", "labels.tif"]
    written = target.read_bytes()
    write_labels(target, whole.labels, Grid(CRS, TRANSFORM, 90, 70))
    assert target.read_bytes() == written


@settings(max_examples=25, deadline=None)
@given(
    tile_size=st.integers(1, 80),
    block=st.sampled_from([16, 32]),
    connectivity=st.sampled_from([4, 8]),
    max_clump_pixels=st.sampled_from([None, 30]),
    interleave=st.sampled_from(["band", "pixel"]),
)
def test_any_tile_size_gives_the_same_labels(
    tmp_path_factory, tile_size, block, connectivity, max_clump_pixels, interleave
):
    folder = tmp_path_factory.mktemp("tiles")
    image = noisy_fields(50, 40, bands=2, noise=300)
    image[1, np.random.default_rng(0).random((50, 40)) < 0.1] = 0
    path = write(
        folder / "image.tif", image, nodata=0, tiled=True, blockxsize=block, blockysize=block, interleave=interleave
    )
    options = {"connectivity": connectivity, "max_clump_pixels": max_clump_pixels, "sample_size": 500}
    segment_raster(path, folder / "labels.tif", tile_size=tile_size, **options)
    assert read_labels(folder / "labels.tif").tolist() == segment_image(image, nodata=0, **options).labels.tolist()


def test_several_rasters_are_one_image(tmp_path):
    image = noisy_fields(bands=5)
    first = write(tmp_path / "first.tif", image[:2])
    second = write(tmp_path / "second.tif", image[2:].astype(np.float32))
    result = segment_raster([first, second], tmp_path / "labels.tif", tile_size=9)
    whole = segment_image(image)
    assert result.cluster_centres.tolist() == whole.cluster_centres.tolist()
    assert read_labels(result.path).tolist() == whole.labels.tolist()


def test_each_file_says_what_is_missing(tmp_path):
    image = noisy_fields(bands=2)
    image[0, :3], image[1, 5:8] = 1, 2
    first = write(tmp_path / "first.tif", image[:1], nodata=1)
    second = write(tmp_path / "second.tif", image[1:], nodata=2)
    segment_raster([first, second], tmp_path / "labels.tif", tile_size=4, min_pixels=1)
    empty = (read_labels(tmp_path / "labels.tif") == 0).all(axis=1)
    assert np.flatnonzero(empty).tolist() == [0, 1, 2, 5, 6, 7]
    segment_raster([first, second], tmp_path / "labels.tif", nodata=None, min_pixels=1)
    assert (read_labels(tmp_path / "labels.tif") > 0).all()
    segment_raster([first, second], tmp_path / "labels.tif", nodata=2, min_pixels=1)
    empty = (read_labels(tmp_path / "labels.tif") == 0).all(axis=1)
    assert np.flatnonzero(empty).tolist() == [5, 6, 7]


def test_a_mask_band_counts(tmp_path):
    path = write(tmp_path / "image.tif", noisy_fields())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as raster:
        mask = np.full((70, 90), 255, dtype=np.uint8)
        mask[10:20] = 0
        raster.write_mask(mask)
    segment_raster(path, tmp_path / "labels.tif", tile_size=7)
    assert np.flatnonzero((read_labels(tmp_path / "labels.tif") == 0).all(axis=1)).tolist() == list(range(10, 20))


def test_floating_bands_with_nan_for_nodata(tmp_path):
    image = noisy_fields(dtype=np.float32) / 10_000
    image[1, 30:40, 20:50] = np.nan
    image[2, 3, 3] = np.inf
    path = write(tmp_path / "image.tif", image, nodata=np.nan)
    segment_raster(path, tmp_path / "labels.tif", tile_size=11)
    labels = read_labels(tmp_path / "labels.tif")
    assert labels.tolist() == segment_image(image).labels.tolist()
    assert not labels[30:40, 20:50].any()
    assert labels[3, 3] == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1)])
def test_one_pixel_row_or_column(tmp_path, shape):
    image = noisy_fields(*shape, noise=500)
    path = write(tmp_path / "image.tif", image)
    result = segment_raster(path, tmp_path / "labels.tif", tile_size=1, min_pixels=2)
    assert read_labels(result.path).tolist() == segment_image(image, min_pixels=2).labels.tolist()


def test_a_target_is_replaced_only_by_a_finished_one(tmp_path, source):
    target = tmp_path / "labels.tif"
    target.write_bytes(b"before")
    empty = write(tmp_path / "empty.tif", np.zeros((1, 30, 30), dtype=np.uint8), nodata=0)
    with pytest.raises(EmptyImageError, match="all 900 pixels"):
        segment_raster(empty, target, tile_size=7)
    assert target.read_bytes() == b"before"
    segment_raster(source, target)
    assert read_labels(target).max() > 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.tif", "image.tif", "labels.tif"]


def test_targets_that_cannot_be_written_are_named_before_the_work(tmp_path, source):
    told = []
    for target in (tmp_path / "nowhere" / "labels.tif", tmp_path, source / "labels.tif"):
        with pytest.raises(LabelTargetError, match=f"cannot be written.*{target.name}"):
            segment_raster(source, target, progress=lambda *step: told.append(step))
    with pytest.raises(LabelTargetError, match="would replace what they are made from"):
        segment_raster(source, source)
    assert told == []
    with pytest.raises(LabelTargetError, match="nowhere"):
        write_labels(tmp_path / "nowhere" / "l.tif", np.ones((2, 2), np.uint32), Grid(CRS, TRANSFORM, 2, 2))


def test_sources_on_different_grids(tmp_path):
    first = write(tmp_path / "first.tif", noisy_fields())
    for name, other in {
        "size": {"image": noisy_fields(70, 80)},
        "shift": {"image": noisy_fields(), "transform": TRANSFORM * Affine.translation(0.5, 0)},
        "crs": {"image": noisy_fields(), "crs": "EPSG:32629"},
    }.items():
        second = write(tmp_path / f"{name}.tif", **other)
        with pytest.raises(ImageSourceError, match=rf"different grids: 90 × 70 .*first\.tif.*{name}\.tif"):
            segment_raster([first, second], tmp_path / "labels.tif")


def test_bad_sources_are_named(tmp_path):
    with pytest.raises(ImageSourceError, match=r"cannot be opened.*missing\.tif"):
        segment_raster(tmp_path / "missing.tif", tmp_path / "labels.tif")
    with pytest.raises(ImageSourceError, match="no raster"):
        segment_raster([], tmp_path / "labels.tif")
    image = noisy_fields(300, 300)
    cut = write(tmp_path / "cut.tif", image, compress="deflate", blockysize=10)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 4])
    with pytest.raises(ImageSourceError, match=r"cannot be (read|opened).*cut\.tif"):
        segment_raster(cut, tmp_path / "labels.tif", tile_size=10)
    complex_bands = write(tmp_path / "complex.tif", image.astype(np.complex64))
    with pytest.raises(ImageShapeError, match="complex64"):
        segment_raster(complex_bands, tmp_path / "labels.tif")
    with pytest.raises(SegmentationOptionError, match="tile_size is 0"):
        segment_raster(cut, tmp_path / "labels.tif", tile_size=0)


def test_more_pixels_than_segment_numbers(tmp_path):
    path = tmp_path / "huge.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="uint8",
        count=1,
        width=66_000,
        height=66_000,
        tiled=True,
        sparse_ok=True,
        transform=TRANSFORM,
    ):
        pass
    tracemalloc.start()
    with pytest.raises(TooManySegmentsError, match="66000 × 66000 pixels"):
        segment_raster(path, tmp_path / "labels.tif")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_disk_that_fills_up_leaves_what_was_there(tmp_path, source, monkeypatch):
    target = tmp_path / "labels.tif"
    target.write_bytes(b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("agristat_platform.segmentation.label_files.os.replace", full)
    with pytest.raises(LabelTargetError, match=r"No space left on device.*labels\.tif.*has room"):
        segment_raster(source, target)
    assert target.read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tif", "labels.tif"]


def test_threads_change_nothing(tmp_path, source):
    first = segment_raster(source, tmp_path / "first.tif").path.read_bytes()
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(segment_raster, source, tmp_path / f"{k}.tif", tile_size=16 * k) for k in range(1, 6)]
    assert [run.result().path.read_bytes() == first for run in runs] == [True] * 5


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_raster_that_lies_nowhere(tmp_path):
    image = noisy_fields()
    path = write(tmp_path / "image.tif", image, crs=None, transform=None)
    segment_raster(path, tmp_path / "labels.tif")
    with rasterio.open(tmp_path / "labels.tif") as raster:
        assert raster.crs is None
        assert raster.read(1).tolist() == segment_image(image).labels.tolist()


def test_what_is_no_label_is_not_written(tmp_path):
    grid = Grid(CRS, TRANSFORM, 2, 1)
    for labels, named in (([[1.5, 2.0]], "float64"), ([[-1, 2]], "negative label -1")):
        with pytest.raises(ImageShapeError, match=named):
            write_labels(tmp_path / "labels.tif", np.array(labels), grid)
    with pytest.raises(TooManySegmentsError, match="4294967296"):
        write_labels(tmp_path / "labels.tif", np.array([[1, 2**32]]), grid)
    with pytest.raises(ImageShapeError, match=r"\(2, 1\), the grid is \(1, 2\)"):
        write_labels(tmp_path / "labels.tif", np.ones((2, 1), np.uint32), grid)
    write_labels(tmp_path / "labels.tif", np.array([[1, 2**32 - 1]]), grid)
    assert read_labels(tmp_path / "labels.tif").tolist() == [[1, 2**32 - 1]]
