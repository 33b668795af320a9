"""Region growing: fields are found whatever the noise, results worked by hand, and what must hold on any image."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from agristat_platform.segmentation.errors import EmptyImageError, ImageShapeError, SegmentationOptionError
from agristat_platform.segmentation.parcels.agreement import parcel_agreement
from agristat_platform.segmentation.region_growing.graph import region_edges
from agristat_platform.segmentation.region_growing.pixels import noise_directions, pixel_noise
from agristat_platform.segmentation.region_growing.segment import segment_by_region_growing


def fields(noise, seed=3, side=15, across=8, bands=3):
    """Squares of side × side pixels, neighbours at least 8 apart in one band, with noise; and their numbers."""
    rng = np.random.default_rng(seed)
    number = np.arange(across * across).reshape(across, across)
    spectra = rng.uniform(0, 60, (bands, across, across))
    spectra[0] = 20 * ((np.add.outer(np.arange(across), 2 * np.arange(across))) % 5)
    pixels = np.ones((side, side), dtype=int)
    image = np.stack([np.kron(band, pixels) for band in spectra])
    return image + rng.normal(0, noise, image.shape), np.kron(number, pixels) + 1


def check_partition(labels, pixels, valid, connectivity=4):
    """Every valid pixel in one connected segment, numbered in raster order, sizes as stated."""
    assert labels.dtype == np.uint32
    assert ((labels > 0) == valid).all()
    assert np.array_equal(np.bincount(labels.ravel(), minlength=len(pixels) + 1)[1:], pixels)
    seen, first = np.unique(labels[labels > 0], return_index=True)
    assert np.array_equal(seen, np.arange(1, len(pixels) + 1))
    assert (np.diff(first) > 0).all()
    structure = ndimage.generate_binary_structure(2, 2 if connectivity == 8 else 1)
    for segment in seen:
        assert ndimage.label(labels == segment, structure)[1] == 1


@pytest.mark.parametrize(("noise", "least"), [(0, 1.0), (1, 0.999), (3, 0.99), (6, 0.97)])
def test_fields_are_found_without_tuning(noise, least):
    image, parcels = fields(noise)
    result = segment_by_region_growing(image)
    agreement = parcel_agreement(result.labels, parcels)
    assert agreement.f >= least
    check_partition(result.labels, result.pixels, np.ones_like(parcels, bool))


def test_noise_alone_is_one_segment():
    image = np.random.default_rng(1).normal(100, 5, (4, 120, 120))
    assert segment_by_region_growing(image).n_segments == 1


def test_even_ground_is_one_segment_in_few_rounds():
    result = segment_by_region_growing(np.full((1, 300, 300), 7, dtype=np.uint8), min_pixels=1)
    assert result.n_segments == 1
    assert result.noise.tolist() == [pytest.approx(1 / np.sqrt(12))]


def test_a_step_worked_by_hand():
    # Two halves of 4 × 4 pixels without noise, so its least value 1/√12 counts. Joining 16 and 16 adds 8 · 12 · step²
    # = 96 step² to the sum of squares; 4 sides and a mean cost 4 + ln 17 = 6.83: a step of 1 stays at the factor 14
    # (95.7) and goes at 15 (102.5).
    image = np.full((1, 4, 8), 10, dtype=np.uint8)
    image[:, :, 4:] = 11
    assert segment_by_region_growing(image, min_pixels=1, threshold=14).pixels.tolist() == [16, 16]
    assert segment_by_region_growing(image, min_pixels=1, threshold=15).pixels.tolist() == [32]


def test_a_larger_threshold_gives_fewer_segments():
    image, _ = fields(4)
    counts = [segment_by_region_growing(image, threshold=t).n_segments for t in (0.3, 1.0, 10.0, 1e6)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[2]
    assert counts[-1] == 1


def test_a_scale_of_its_own_for_each_band_changes_nothing():
    image, _ = fields(2)
    plain = segment_by_region_growing(image)
    scaled = segment_by_region_growing(image * np.array([4.0, 0.5, 1024.0])[:, None, None])
    assert np.array_equal(plain.labels, scaled.labels)


def test_small_segments_join_their_neighbour_and_islands_stay():
    image = np.zeros((1, 12, 12), dtype=np.float32)
    image[0, 2:4, 2:4] = 1000
    image[0, 8, :] = np.nan
    image[0, 9, :2] = 5
    image[0, 9, 2:] = np.nan
    image[0, 10:] = np.nan
    result = segment_by_region_growing(image, min_pixels=5)
    assert result.pixels.tolist() == [96, 2]
    assert segment_by_region_growing(image, min_pixels=4).pixels.tolist() == [92, 4, 2]


def test_corners_join_under_connectivity_8_only():
    image = np.full((1, 6, 6), np.nan)
    image[0, :3, :3] = image[0, 3:, 3:] = 4.0
    assert segment_by_region_growing(image, min_pixels=1).pixels.tolist() == [9, 9]
    assert segment_by_region_growing(image, min_pixels=1, connectivity=8).pixels.tolist() == [18]


def test_edges_count_shared_sides():
    labels = np.array([[1, 1, 2], [3, 1, 2], [3, 0, 4]], dtype=np.uint32)
    four = list(zip(*(part.tolist() for part in region_edges(labels.ravel(), 3, 4, False)), strict=True))
    assert sorted(four) == [(0, 1, 2.0), (0, 2, 2.0), (1, 3, 1.0)]
    eight = list(zip(*(part.tolist() for part in region_edges(labels.ravel(), 3, 4, True)), strict=True))
    assert sorted(eight) == [(0, 1, 2.0), (0, 2, 2.0), (0, 3, 0.0), (1, 3, 1.0)]


def test_noise_is_measured_among_fields_and_nodata():
    image, _ = fields(3, across=12)
    valid = np.random.default_rng(0).random(image.shape[1:]) > 0.05
    image[:, ~valid] = np.nan
    # Boundaries of 15-pixel fields and the squares' larger reach raise it, by less than a third.
    assert (pixel_noise(image, valid) > 2.9).all()
    assert (pixel_noise(image, valid) < 4.0).all()


def test_pixels_doubled_by_resampling_do_not_hide_the_noise():
    image = np.random.default_rng(2).normal(0, 2, (2, 100, 100))
    doubled = image.repeat(2, axis=1).repeat(2, axis=2)
    valid = np.ones(doubled.shape[1:], bool)
    # Four equal pixels say as much as one: their noise counts double.
    assert pixel_noise(doubled, valid) == pytest.approx([4, 4], rel=0.03)
    assert segment_by_region_growing(doubled).n_segments == 1


def test_bands_that_say_the_same_count_once():
    rng = np.random.default_rng(4)
    one = rng.normal(0, 2, (1, 120, 120))
    image = np.concatenate([one, one * 4, rng.normal(0, 1, (1, 120, 120))])
    valid = np.ones(image.shape[1:], bool)
    directions = noise_directions(image, valid, np.array([2.0, 8.0, 1.0]))
    # A step of three times the noise in both of the first two is a distance of three, not of 3 √2.
    assert np.linalg.norm(np.array([6.0, 24.0, 0.0]) @ directions) == pytest.approx(3, abs=0.05)
    assert np.linalg.norm(np.array([0.0, 0.0, 3.0]) @ directions) == pytest.approx(3, abs=0.05)
    repeated = np.concatenate([one * factor for factor in (1, 2, 3, 4, 5, 6)])
    assert segment_by_region_growing(repeated).n_segments == 1


def test_a_band_that_never_varies_changes_no_direction():
    image = np.random.default_rng(4).normal(0, 2, (2, 60, 60))
    image[1] = 5.0
    directions = noise_directions(image, np.ones((60, 60), bool), np.array([2.0, 1.0]))
    assert np.abs(directions).max(axis=1) == pytest.approx([0.5, 1.0])


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.int16, st.tuples(st.integers(1, 2), st.integers(1, 12), st.integers(1, 12)), elements=st.integers(0, 6)),
    st.integers(1, 8),
    st.sampled_from([4, 8]),
)
def test_any_image_becomes_a_partition(image, min_pixels, connectivity):
    valid = (image != 0).all(axis=0)
    if not valid.any():
        return
    result = segment_by_region_growing(image, min_pixels=min_pixels, nodata=0, connectivity=connectivity)
    check_partition(result.labels, result.pixels, valid, connectivity)
    structure = ndimage.generate_binary_structure(2, 2 if connectivity == 8 else 1)
    pieces, _ = ndimage.label(valid, structure)
    piece_pixels = np.bincount(pieces.ravel())
    # Smaller than asked for only where the piece of ground itself is.
    for segment in np.flatnonzero(result.pixels < min_pixels) + 1:
        piece = pieces[result.labels == segment][0]
        assert piece_pixels[piece] == result.pixels[segment - 1]


def test_same_labels_from_any_thread_and_layout():
    image, _ = fields(5)
    expected = segment_by_region_growing(image).labels
    with ThreadPoolExecutor(3) as pool:
        for result in pool.map(lambda _: segment_by_region_growing(image), range(3)):
            assert np.array_equal(result.labels, expected)
    assert np.array_equal(segment_by_region_growing(np.asfortranarray(image)).labels, expected)


def test_a_masked_array_is_nodata_where_it_is_masked():
    image, _ = fields(1)
    hidden = np.zeros(image.shape, bool)
    hidden[1, 10:20, 30:40] = True
    result = segment_by_region_growing(np.ma.array(image, mask=hidden))
    assert np.array_equal(result.labels == 0, hidden[1])


def test_bad_input_is_named():
    image = np.ones((1, 4, 4))
    with pytest.raises(ImageShapeError, match=r"\(4, 4\)"):
        segment_by_region_growing(image[0])
    with pytest.raises(EmptyImageError, match="all 16 pixels"):
        segment_by_region_growing(image * np.nan)
    with pytest.raises(SegmentationOptionError, match="min_pixels is 0"):
        segment_by_region_growing(image, min_pixels=0)
    with pytest.raises(SegmentationOptionError, match="connectivity is 6"):
        segment_by_region_growing(image, connectivity=6)
    for threshold in ("automatic", -1.0, float("nan")):
        with pytest.raises(SegmentationOptionError, match="threshold is"):
            segment_by_region_growing(image, threshold=threshold)
