"""Elimination of small segments against a plain walk along pixels, and sums that stay exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.segmentation.shepherd.clumps import clump, neighbour_steps, segment_sizes
from agristat_platform.segmentation.shepherd.elimination import eliminate_small_segments
from agristat_platform.segmentation.shepherd.neighbour_lists import neighbour_lists
from agristat_platform.segmentation.shepherd.segment_sums import (
    LARGEST_NARROW,
    add_to_sums,
    empty_sums,
    move_sums,
    write_mean,
)


def walked(labels, image, min_pixels, limit, eight):
    """The same by walking along each segment's pixels in the order they joined, in exact integers as far as means go."""
    rows, cols = labels.shape
    labels = labels.astype(int)
    pixels = {s: [tuple(p) for p in np.argwhere(labels == s)] for s in range(1, labels.max() + 1)}
    around = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r or c) and (eight or not (r and c))]

    def mean(s):
        return [sum(int(band[p]) for p in pixels[s]) / len(pixels[s]) for band in image]

    def target(s):
        best, best_distance, seen = 0, float("inf"), {s, 0}
        for r, c in pixels[s]:
            for dr, dc in around:
                inside = 0 <= r + dr < rows and 0 <= c + dc < cols
                other = labels[r + dr, c + dc] if inside else 0
                if other in seen:
                    continue
                seen.add(other)
                if len(pixels[other]) > len(pixels[s]):
                    distance = 0.0
                    for a, b in zip(mean(s), mean(other), strict=True):
                        distance += (a - b) * (a - b)
                    if distance < best_distance:
                        best, best_distance = other, distance
        return best if best_distance <= limit else 0

    for size in range(1, min_pixels):
        current = [s for s in sorted(pixels) if len(pixels[s]) == size]
        for _ in range(10):
            chosen = [(s, target(s)) for s in current]
            for s, into in chosen:
                if into:
                    for p in pixels[s]:
                        labels[p] = into
                    pixels[into] += pixels.pop(s)
            if all(into == 0 for _, into in chosen):
                break
            current = [s for s, into in chosen if not into]
    return labels


def eliminated(clusters, image, min_pixels, limit, eight, rows_per_strip):
    rows, cols = clusters.shape
    labels, n = clump(clusters, eight)
    sizes = segment_sizes(labels, n)
    before = labels.reshape(rows + 2, cols + 2)[1:-1, 1:-1].copy()
    sums = empty_sums(sizes, len(image), image.dtype)
    for top in range(0, rows, rows_per_strip):
        strip = np.ascontiguousarray(image[:, top : top + rows_per_strip]).reshape(len(image), -1)
        add_to_sums(strip, labels, top, cols, sums)
    merged = eliminate_small_segments(labels, sums, sizes, min_pixels, limit, cols + 2, eight)
    return before, labels.reshape(rows + 2, cols + 2)[1:-1, 1:-1], merged, sizes


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([np.uint8, np.int16, np.uint16, np.float64]),
    st.sampled_from([2, 4, 9, 40]),
    st.sampled_from([0.0, 3.0, np.inf]),
    st.booleans(),
)
def test_segments_carry_what_a_walk_along_their_pixels_would_meet(seed, rows, cols, dtype, min_pixels, limit, eight):
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 4, (rows, cols)).astype(np.uint8)
    image = rng.integers(-3 if dtype == np.int16 else 0, 5, (2, rows, cols)).astype(dtype)  # few values: many ties
    before, after, merged, sizes = eliminated(clusters, image, min_pixels, limit, eight, int(rng.integers(1, rows + 1)))
    expected = walked(before, image, min_pixels, limit, eight)
    assert after.tolist() == expected.tolist()
    assert merged == before.max() - len(np.unique(expected[expected > 0]))
    assert sizes[1:].tolist() == [int((after == s).sum()) for s in range(1, len(sizes))]


@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 65_535), (np.int16, -32_768), (np.uint8, 255)])
def test_sums_of_large_segments_are_exact(dtype, value):
    # The one row has the most pixels whose sums are held in 32 bits, the other more; their values are the extremes.
    labels = np.zeros((4, 40_002), dtype=np.uint32)
    labels[1, 1:-1] = 1
    labels[2, 1 : LARGEST_NARROW + 1] = 2
    sizes = segment_sizes(labels.ravel(), 2)
    image = np.full((2, 2 * 40_000), value, dtype=dtype)
    sums = empty_sums(sizes, 2, image.dtype)
    add_to_sums(image, labels.ravel(), 0, 40_000, sums)
    mean = np.empty(2)
    for s in (1, 2):
        write_mean(sums.rows, sums.wide, s, sizes[s], mean)
        assert mean.tolist() == [value, value]
    assert sums.used[0] == 1


def test_sums_stay_exact_where_segments_join():
    # 32,766 and 3 pixels of 65,535 are more than 32 bits hold, and so are three times 40,000; the 4 stay in them.
    sizes = np.array([0, LARGEST_NARROW - 1, 3, 40_000, 40_000, 4], dtype=np.uint32)
    sums = empty_sums(sizes, 2, np.uint16)
    for s in range(1, 6):
        labels = np.zeros((3, int(sizes[s]) + 2), dtype=np.uint32)
        labels[1, 1:-1] = s
        image = np.full((2, int(sizes[s])), 65_535 - s, dtype=np.uint16)
        add_to_sums(image, labels.ravel(), 0, int(sizes[s]), sums)
    mean = np.empty(2)
    totals = {s: int(sizes[s]) * (65_535 - s) for s in range(1, 6)}
    for s, target in ((2, 1), (4, 3), (1, 3)):
        totals[target] += totals[s]
        sizes[target] += sizes[s]
        move_sums(*sums, s, target, sizes[target])
        write_mean(sums.rows, sums.wide, target, sizes[target], mean)
        assert mean.tolist() == [totals[target] / int(sizes[target])] * 2
    assert sums.used[0] == len(sums.wide) == 3
    assert sums.rows[5].tolist() == [4 * 65_530] * 2


def test_neighbours_are_listed_in_the_order_of_meeting():
    labels = np.zeros((5, 5), dtype=np.uint32)
    labels[1:-1, 1:-1] = [[1, 2, 2], [3, 4, 5], [3, 3, 6]]
    sizes = segment_sizes(labels.ravel(), 6)
    links, following = neighbour_lists(labels.ravel(), sizes, 3, neighbour_steps(5, False))
    assert links[4, :5].tolist() == [2, 3, 5, 0, 0]  # above, left, right; below is 3 again
    assert links[2, :4].tolist() == [1, 4, 5, 0]
    assert not links[3].any()  # of three pixels, so not small
    eight, _ = neighbour_lists(labels.ravel(), sizes, 2, neighbour_steps(5, True))
    assert eight[4].tolist() == [1, 2, 3, 5, 6, 0]
    assert not following[:7].any()  # what lies behind is not in use


def test_more_neighbours_than_a_link_holds():
    # A column of ten pixels with twenty single neighbours and one at each end.
    labels = np.zeros((14, 5), dtype=np.uint32)
    labels[2:12, 2] = 1
    labels[1:13, 1] = np.arange(2, 14)
    labels[1:13, 3] = np.arange(14, 26)
    labels[1, 2], labels[12, 2] = 26, 27
    sizes = segment_sizes(labels.ravel(), 27)
    links, following = neighbour_lists(labels.ravel(), sizes, 20, neighbour_steps(5, False))
    met, link = [], 1
    while True:
        met += [int(s) for s in links[link] if s]
        link = int(following[link])
        if link == 0:
            break
    assert met == [26] + [s for row in range(10) for s in (3 + row, 15 + row)] + [27]
