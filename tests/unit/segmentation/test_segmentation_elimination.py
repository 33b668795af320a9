"""Elimination of small segments against a plain walk along pixels, and sums that stay exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agristat_platform.segmentation.shepherd import elimination
from agristat_platform.segmentation.shepherd.clumps import clump, neighbour_steps, segment_sizes
from agristat_platform.segmentation.shepherd.elimination import eliminate_small_segments
from agristat_platform.segmentation.shepherd.nearest_larger import choose
from agristat_platform.segmentation.shepherd.neighbour_lists import join_chains, neighbour_lists
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


def listed(links, s):
    """The neighbours of segment s as a walk along its chain meets them."""
    met, link, last = [], s, int(links[s, 0])
    while True:
        met += [int(neighbour) for neighbour in links[link, 1:] if neighbour]
        if link == last or last == 0:
            return met
        link = int(links[last, 0]) if link == s else int(links[link, 0])


def test_neighbours_are_listed_in_the_order_of_meeting():
    labels = np.zeros((5, 5), dtype=np.uint32)
    labels[1:-1, 1:-1] = [[1, 2, 2], [3, 4, 5], [3, 3, 6]]
    sizes = segment_sizes(labels.ravel(), 6)
    links = neighbour_lists(labels.ravel(), sizes, 3, neighbour_steps(5, False))
    assert listed(links, 4) == [2, 3, 5]  # above, left, right; below is 3 again
    assert listed(links, 2) == [1, 4, 5]
    assert listed(links, 3) == []  # of three pixels, so not small
    eight = neighbour_lists(labels.ravel(), sizes, 2, neighbour_steps(5, True))
    assert listed(eight, 4) == [1, 2, 3, 5, 6]


def test_more_neighbours_than_a_link_holds():
    # A column of ten pixels with twenty single neighbours and one at each end.
    labels = np.zeros((14, 5), dtype=np.uint32)
    labels[2:12, 2] = 1
    labels[1:13, 1] = np.arange(2, 14)
    labels[1:13, 3] = np.arange(14, 26)
    labels[1, 2], labels[12, 2] = 26, 27
    sizes = segment_sizes(labels.ravel(), 27)
    links = neighbour_lists(labels.ravel(), sizes, 20, neighbour_steps(5, False))
    assert listed(links, 1) == [26] + [s for row in range(10) for s in (3 + row, 15 + row)] + [27]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_lists_hold_each_neighbour_once_where_it_is_first_met(seed, eight):
    rng = np.random.default_rng(seed)
    labels, n = clump(rng.integers(0, 5, (7, 12)).astype(np.uint8), False)
    steps = neighbour_steps(14, eight)
    links = neighbour_lists(labels, segment_sizes(labels, n), 1_000, steps)
    for s in range(1, n + 1):
        met = [int(labels[p + step]) for p in np.flatnonzero(labels == s) for step in steps]
        assert listed(links, s) == list(dict.fromkeys(other for other in met if other not in (0, s)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8), st.integers(0, 2**32 - 1))
def test_chains_go_behind_one_another(pairs, seed):
    # Six segments with chains of one to four links; link k holds the number k.
    rng = np.random.default_rng(seed)
    links = np.zeros((40, 8), dtype=np.uint32)
    links[:, 1] = np.arange(40)
    chains, free = {}, 7
    for s in range(1, 7):
        chains[s] = [s]
        for _ in range(rng.integers(0, 4)):
            join_chains(links, s, free)
            chains[s].append(free)
            free += 1
    for one, other in pairs:
        left = sorted(chains)
        target, s = left[one % len(left)], left[other % len(left)]
        if target != s:
            join_chains(links, target, s)
            chains[target] += chains.pop(s)
    for s, expected in chains.items():
        assert listed(links, s) == expected


def chosen(values, sizes, neighbours, limit=np.inf):
    """Where segment 1 would go, with these means and sizes of segments 1.. and these numbers in its list."""
    state = np.array([0, *sizes], dtype=np.int32)
    rows = np.zeros((len(state), 1), dtype=np.int32)
    rows[1:, 0] = np.array(values) * np.array(sizes)
    links = np.zeros((len(state) + len(neighbours), 8), dtype=np.uint32)
    for k, start in enumerate(range(0, len(neighbours), 7)):
        link = len(state) + k if k else 1
        links[link, 1 : 1 + len(neighbours[start : start + 7])] = neighbours[start : start + 7]
        if k:
            join_chains(links, 1, link)
    targets = np.full(1, 99, dtype=np.uint32)
    choose(np.array([1], dtype=np.uint32), links, rows, np.empty((0, 1)), state, limit, targets)
    return int(targets[0])


def test_the_first_of_the_nearest_larger_neighbours_is_chosen():
    values, sizes = [10, 14, 13, 7, 10, 13], [2, 3, 3, 3, 2, 3]
    assert chosen(values, sizes, [2, 5, 3, 2, 4, 6]) == 3  # 4 and 6 are as near; 5 is nearer but no larger
    assert chosen(values, sizes, [2, 5, 4, 3]) == 4
    assert chosen(values, sizes, [3], limit=9.0) == 3
    assert chosen(values, sizes, [3], limit=8.9) == 0
    assert chosen(values, sizes, [5]) == chosen(values, sizes, []) == 0


@pytest.mark.parametrize("n", [15, 16, 17, 60, 5_000])
def test_any_number_of_neighbours_is_compared(n):
    values = [0, *range(n, 0, -1)]  # nearer and nearer; the last is the nearest
    neighbours = list(range(2, n + 2))
    assert chosen(values, [1, *[2] * n], neighbours + neighbours[::-1]) == n + 1
    assert chosen(values, [1, *[2] * n], neighbours[::-1] + neighbours) == n + 1


def test_large_images_have_wider_numbers(monkeypatch):
    rng = np.random.default_rng(5)
    clusters = rng.integers(0, 4, (40, 50)).astype(np.uint8)
    image = rng.integers(0, 50, (2, 40, 50)).astype(np.uint16)
    expected = eliminated(clusters, image, 12, np.inf, False, 40)
    monkeypatch.setattr(elimination, "_LARGEST_SIGNED", 0)
    found = eliminated(clusters, image, 12, np.inf, False, 40)
    assert found[1].tolist() == expected[1].tolist()
    assert found[2] == expected[2] > 0
    assert found[3].tolist() == expected[3].tolist()
