"""The compiled segmentation against a plain one written from the paper, and against pyshepseg's published labels."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agristat_platform.segmentation import segment_clusters

FOUR = ((-1, 0), (0, -1), (0, 1), (1, 0))
EIGHT = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


def plain_shepherd(clusters, image, min_pixels, max_distance, connectivity):
    """Shepherd et al. 2019, sections 2.2 and 2.3, with sets and loops."""
    rows, cols = clusters.shape
    steps = FOUR if connectivity == 4 else EIGHT

    def around(pixel):
        for dr, dc in steps:
            r, c = pixel[0] + dr, pixel[1] + dc
            if 0 <= r < rows and 0 <= c < cols and clusters[r, c] != 0:
                yield r, c

    owner, members = {}, {}
    for start in zip(*np.nonzero(clusters), strict=True):
        if start in owner:
            continue
        number = len(members) + 1
        owner[start], queue = number, [start]
        for pixel in queue:
            for other in around(pixel):
                if other not in owner and clusters[other] == clusters[start]:
                    owner[other] = number
                    queue.append(other)
        members[number] = sorted(queue)

    def spectrum(pixel):
        return image[:, pixel[0], pixel[1]].astype(float)

    merged = True
    while merged:
        choices = []
        for number, pixels in sorted(members.items()):
            if len(pixels) == 1:
                larger = [other for other in around(pixels[0]) if len(members[owner[other]]) > 1]
                if larger:
                    distances = [((spectrum(pixels[0]) - spectrum(other)) ** 2).sum() for other in larger]
                    choices.append((number, owner[larger[int(np.argmin(distances))]]))
        for number, target in choices:
            (pixel,) = members.pop(number)
            owner[pixel] = target
            members[target].append(pixel)
        merged = bool(choices)
    for number in members:
        members[number].sort()

    def mean(number):
        return sum(spectrum(pixel) for pixel in members[number]) / len(members[number])

    for size in range(1, min_pixels):
        for _ in range(10):
            choices = []
            for number in sorted(members):
                if len(members[number]) != size:
                    continue
                best, best_distance = None, np.inf
                for pixel in members[number]:
                    for other in around(pixel):
                        neighbour = owner[other]
                        if len(members[neighbour]) > size:
                            distance = ((mean(number) - mean(neighbour)) ** 2).sum()
                            if distance < best_distance:
                                best, best_distance = neighbour, distance
                if best is not None and best_distance <= max_distance**2:
                    choices.append((number, best))
            for number, target in choices:
                for pixel in members[number]:
                    owner[pixel] = target
                members[target] += members.pop(number)
            if not choices:
                break
    labels = np.zeros((rows, cols), dtype=np.uint32)
    for number, pixels in members.items():
        for pixel in pixels:
            labels[pixel] = number
    return in_raster_order(labels)


def in_raster_order(labels):
    found, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(np.where(found == 0, -1, first))
    numbers = np.empty(len(found), dtype=np.uint32)
    numbers[order] = np.arange(len(found)) + (0 if found[0] == 0 else 1)
    return numbers[inverse].reshape(labels.shape)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_equal_to_the_plain_algorithm(data):
    shape = data.draw(st.tuples(st.integers(1, 8), st.integers(1, 8)))
    clusters = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 3)))
    image = data.draw(arrays(np.uint16, (2, *shape), elements=st.integers(0, 60)))
    min_pixels = data.draw(st.integers(1, 7))
    max_distance = data.draw(st.sampled_from([0.0, 10.0, 25.0, 1e6]))
    connectivity = data.draw(st.sampled_from([4, 8]))
    found = segment_clusters(
        clusters, image, min_pixels=min_pixels, max_distance=max_distance, connectivity=connectivity
    )
    expected = plain_shepherd(clusters, image, min_pixels, max_distance, connectivity)
    assert found.labels.tolist() == expected.tolist()


def noisy_fields():
    """A 120 × 150 image of integers with 8 × 8 fields and noise, and eight clusters by its first two bands."""
    rng = np.random.default_rng(20240501)
    crop = np.kron(rng.integers(0, 9, (15, 19)), np.ones((8, 8), dtype=np.int64))[:, :150]
    image = (rng.integers(100, 900, (9, 3))[crop].transpose(2, 0, 1) + rng.integers(-60, 61, (3, 120, 150))).astype(
        np.uint16
    )
    clusters = (1 + (image[0] > 450).astype(int) + 2 * (image[1] > 400) + 4 * (image[2] > 600)).astype(np.uint8)
    return clusters, image


# sha256 of pyshepseg 2.0.3's labels (clump, eliminateSinglePixels, eliminateSmallSegments) on the same clusters and
# image, renumbered in raster order, as little-endian uint32.
PUBLISHED = [
    (4, 12, 150.0, 306, "1328deffea7727ea23f0524bdcb680c3ed92ab2031d80724dc7743f3bcbf7e7d"),
    (4, 30, 1e6, 216, "4e05f8bc37f74f23f13d79795e116e70cf270be191cf26c3f85c19af934455a6"),
    (8, 12, 150.0, 248, "28c178f2eb2b9cf2f1d834672e8d7a15ff128d241394f76e5d4c064c82387552"),
    (8, 30, 1e6, 158, "bb6bc3a5d760e28f739c327d098b0148e9aa536f83c40c7b13c25cd7a91adde9"),
]


@pytest.mark.parametrize(("connectivity", "min_pixels", "max_distance", "n_segments", "digest"), PUBLISHED)
def test_equal_to_the_published_implementation(connectivity, min_pixels, max_distance, n_segments, digest):
    clusters, image = noisy_fields()
    found = segment_clusters(
        clusters, image, min_pixels=min_pixels, max_distance=max_distance, connectivity=connectivity
    )
    assert found.n_segments == n_segments
    assert hashlib.sha256(found.labels.astype("<u4").tobytes()).hexdigest() == digest


# pyshepseg 2.0.3's clumps, cut at 10,000 pixels, and its elimination of single pixels; as above.
CUT = "c83becf7dd5a095f1de6676faa4113000e5d540d52f18d42af8f0e15997ed74b"


def test_clumps_are_cut_where_pyshepseg_cuts_them():
    clusters = np.ones((130, 170), dtype=np.uint8)
    clusters[::7, 3::5] = 2
    clusters[60, 20:150] = 0
    image = np.arange(130 * 170, dtype=np.uint16).reshape(1, 130, 170)
    whole = segment_clusters(clusters, image, min_pixels=1)
    cut = segment_clusters(clusters, image, min_pixels=1, max_clump_pixels=10_000)
    assert whole.n_segments == 1
    assert cut.pixels.tolist() == [10_318, 10_295, 1_357]
    assert hashlib.sha256(cut.labels.astype("<u4").tobytes()).hexdigest() == CUT
