"""Segmentation by strips: the labels of the whole image, whatever the strips, and no seam; bad input."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agristat_platform.segmentation import (
    EmptyImageError,
    ImageShapeError,
    SegmentationOptionError,
    TooManySegmentsError,
    segment_image,
    segment_strips,
)


def noisy_fields(rows, cols, *, bands=3, noise=150, seed=5, dtype=np.uint16):
    """Squares of 10 × 10 pixels, each of one of six spectra, with noise."""
    rng = np.random.default_rng(seed)
    spectra = rng.integers(500, 4000, (6, bands))
    crop = np.kron(rng.integers(0, 6, (rows // 10 + 1, cols // 10 + 1)), np.ones((10, 10), dtype=int))[:rows, :cols]
    return (spectra[crop].transpose(2, 0, 1) + rng.normal(0, noise, (bands, rows, cols))).clip(1).astype(dtype)


def by_strips(image, rows_per_strip, **options):
    return segment_strips(lambda rows: image[:, rows], image.shape, rows_per_strip=rows_per_strip, **options)


def assert_same(first, second):
    assert first.labels.dtype == second.labels.dtype == np.uint32
    assert first.labels.tobytes() == second.labels.tobytes()
    assert first.cluster_centres.tobytes() == second.cluster_centres.tobytes()
    assert first.pixels.tolist() == second.pixels.tolist()
    assert first.max_distance == second.max_distance
    assert first.single_pixels_eliminated == second.single_pixels_eliminated
    assert first.small_segments_eliminated == second.small_segments_eliminated


@settings(max_examples=80, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(1, 14), st.integers(1, 9)), elements=st.integers(0, 6)),
    st.integers(1, 15),
    st.sampled_from([4, 8]),
    st.integers(1, 5),
    st.sampled_from([None, 4]),
    st.integers(0, 2**14 - 1),
)
def test_any_strips_give_the_labels_of_the_whole(image, rows, connectivity, min_pixels, max_clump, masked_rows):
    mask = np.zeros(image.shape, dtype=bool)
    mask[-1] = np.array([masked_rows >> r & 1 for r in range(image.shape[1])], dtype=bool)[:, np.newaxis]
    mask[-1, :, ::2] = False
    image = np.ma.array(image, mask=mask)
    options = {
        "nodata": 0,
        "n_clusters": 5,
        "sample_size": 20,
        "connectivity": connectivity,
        "min_pixels": min_pixels,
        "max_clump_pixels": max_clump,
    }
    try:
        whole = segment_image(image, **options)
    except EmptyImageError:
        with pytest.raises(EmptyImageError):
            by_strips(image, rows, **options)
        return
    assert_same(whole, by_strips(image, rows, **options))


@pytest.mark.parametrize("rows_per_strip", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize(
    ("dtype", "connectivity", "max_clump_pixels", "noise"),
    [(np.uint16, 4, None, 150), (np.float32, 8, None, 400), (np.float64, 4, 40, 2000), (np.int32, 8, 25, 20)],
)
def test_large_noisy_images(rows_per_strip, dtype, connectivity, max_clump_pixels, noise):
    image = noisy_fields(97, 61, dtype=dtype, noise=noise)
    image[:, 20:29, 10:50] = 0  # whole strips without a pixel where strips are low
    image[:, 30, :] = 0
    image[1, np.random.default_rng(1).random((97, 61)) < 0.05] = 0
    options = {"nodata": 0, "connectivity": connectivity, "max_clump_pixels": max_clump_pixels, "sample_size": 900}
    assert_same(segment_image(image, **options), by_strips(image, rows_per_strip, **options))


def test_centres_fitted_elsewhere():
    image = noisy_fields(50, 40)
    first = segment_image(image[:, :20])
    whole = segment_image(image, cluster_centres=first.cluster_centres)
    assert_same(whole, by_strips(image, 9, cluster_centres=first.cluster_centres))


def test_threads_change_nothing():
    image = noisy_fields(60, 50)
    expected = segment_image(image)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda rows: by_strips(image, rows), [1, 5, 8, 16, 21, 60]):
            assert_same(expected, result)


def test_no_seam_is_seen():
    # Follows from equal labels; said once in the words of the question: segments do not end along strips more often
    # than elsewhere. Spectra vary smoothly, so that nothing in the image itself runs along a row.
    rng = np.random.default_rng(3)
    waves = [
        np.sin((x * np.arange(320)[:, None] + y * np.arange(300)) / 40 + p) for x, y, p in rng.normal(0, 2, (12, 3))
    ]
    image = (
        2000 + 300 * np.array(waves).reshape(3, 4, 320, 300).sum(axis=1) + rng.normal(0, 60, (3, 320, 300))
    ).astype(np.uint16)
    labels = by_strips(image, 16, min_pixels=30).labels
    ends = (labels[1:] != labels[:-1]).mean(axis=1)  # share of a row's pixels whose segment ends below them
    seam = np.zeros(len(ends), dtype=bool)
    seam[15::16] = True
    assert seam.sum() == 19
    spread = ends[~seam].std() / np.sqrt(seam.sum())
    assert abs(ends[seam].mean() - ends[~seam].mean()) < 3 * spread  # the image is fixed, no chance is involved
    # A seam that is cut would show: the same test on strips segmented one by one.
    apart = np.concatenate(
        [segment_image(image[:, top : top + 16], min_pixels=30).labels + 10_000 * top for top in range(0, 320, 16)]
    )
    assert (apart[1:] != apart[:-1]).mean(axis=1)[seam].mean() == 1.0


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 2), (3, 40)])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_narrow_images(shape, connectivity):
    image = noisy_fields(*shape, noise=600)
    for min_pixels in (1, 3):
        whole = segment_image(image, min_pixels=min_pixels, connectivity=connectivity)
        for rows in (1, 2, 5):
            assert_same(whole, by_strips(image, rows, min_pixels=min_pixels, connectivity=connectivity))
    assert segment_strips(lambda rows: image[:, rows], image.shape).labels.shape == shape


def test_one_pixel():
    assert by_strips(np.full((2, 1, 1), 7.5), 1).labels.tolist() == [[1]]


def test_one_pixel_segments_stay_where_nothing_is_eliminated_into():
    image = np.array([[[1, 0, 9], [0, 5, 0], [3, 0, 7]]], dtype=np.uint8)
    result = by_strips(image, 1, nodata=0, min_pixels=1)
    assert result.labels.tolist() == [[1, 0, 2], [0, 3, 0], [4, 0, 5]]
    assert result.pixels.tolist() == [1] * 5


def test_strips_of_nodata_within_an_image():
    image = noisy_fields(40, 30, dtype=np.float32)
    image[:, 8:24] = np.nan
    result = by_strips(image, 8)
    assert not result.labels[8:24].any()
    assert (result.labels[:8] > 0).all()
    assert (result.labels[24:] > 0).all()
    assert_same(segment_image(image), result)


def test_what_the_reader_is_asked():
    image = noisy_fields(20, 15)
    asked = []

    def read(rows):
        asked.append((rows.start, rows.stop))
        return image[:, rows]

    segment_strips(read, image.shape, rows_per_strip=8)
    assert asked == [(0, 8), (8, 16), (16, 20)] * 5
    asked.clear()
    segment_strips(read, image.shape, rows_per_strip=8, cluster_centres=image[:, ::5, 7].T)
    assert asked == [(0, 8), (8, 16), (16, 20)] * 3


def resident(line):
    status = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(entry.split()[1]) for entry in status if entry.startswith(line))


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak of memory is read from Linux's /proc")
def test_the_image_is_not_held():
    bands, side, rows_per_strip = 40, 1000, 50
    crops = np.random.default_rng(0).integers(500, 4000, (side // 10, side // 10, bands), dtype=np.uint16)

    def read(rows):
        fields = crops[np.arange(rows.start, rows.stop) // 10].repeat(10, axis=1).transpose(2, 0, 1)
        noise = np.random.default_rng(rows.start).integers(0, 9, fields.shape, dtype=np.uint16)
        noise += fields
        return noise

    segment_strips(lambda rows: read(rows)[:, :, :50], (bands, 50, 50), rows_per_strip=rows_per_strip)  # compiled
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = resident("VmRSS")
    result = segment_strips(read, (bands, side, side), rows_per_strip=rows_per_strip)
    assert result.n_segments > 5_000
    assert (resident("VmHWM") - before) / side**2 < 45  # bytes a pixel; the image has 80


def test_progress_runs_from_the_first_step_to_the_end():
    told = []
    segment_strips(
        lambda rows: noisy_fields(40, 30)[:, rows],
        (3, 40, 30),
        rows_per_strip=8,
        progress=lambda *step: told.append(step),
    )
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert told[0][0] == "valid pixels"
    assert told[-1] == ("small segments", pytest.approx(1.0))


def test_bad_readers_are_named():
    image = noisy_fields(20, 15)
    with pytest.raises(ImageShapeError, match=r"\(3, 4, 14\) instead of \(3, 5, 15\) \(rows 5 to 9\)"):
        segment_strips(
            lambda rows: image[:, rows] if rows.start == 0 else image[:, 5:9, 1:], image.shape, rows_per_strip=5
        )
    with pytest.raises(ImageShapeError, match=r"type float64, those before are of uint16 \(rows 15 to 19\)"):
        segment_strips(
            lambda rows: image[:, rows].astype(np.float64 if rows.start == 15 else np.uint16),
            image.shape,
            rows_per_strip=5,
        )
    with pytest.raises(ImageShapeError, match="bool"):
        by_strips(image > 5, 5)
    with pytest.raises(EmptyImageError, match="all 300 pixels"):
        by_strips(np.full((2, 20, 15), np.nan), 5)
    with pytest.raises(SegmentationOptionError, match="rows_per_strip is 0"):
        by_strips(image, 0)


def test_more_pixels_than_segment_numbers_are_refused_before_any_is_read():
    def read(rows):
        raise AssertionError("nothing should be read")

    with pytest.raises(TooManySegmentsError, match="65536 × 65536 pixels"):
        segment_strips(read, (1, 65_536, 65_536))
    with pytest.raises(ImageShapeError, match=r"\(0, 5, 5\)"):
        segment_strips(read, (0, 5, 5))
