"""Texture of regions: measured where it is, none where there is only noise, and fields found in spite of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from agristat_platform.segmentation.parcels.agreement import parcel_agreement
from agristat_platform.segmentation.region_growing.graph import best_neighbours
from agristat_platform.segmentation.region_growing.segment import segment_by_region_growing
from agristat_platform.segmentation.region_growing.texture import block_means, region_texture


def textured_fields(seed, *, texture=2.0, side=18, across=9, bands=4, noise=1.0):
    """Squares whose soil, smooth over five pixels and the same in every band, varies by `texture`; and their numbers."""
    rng = np.random.default_rng(seed)
    number = np.arange(across * across).reshape(across, across) + 1
    pixels = np.ones((side, side), dtype=int)
    image = np.stack([np.kron(rng.uniform(0, 60, (across, across)), pixels) for _ in range(bands)])
    soil = ndimage.gaussian_filter(rng.normal(size=image.shape[1:]), 5)
    image += texture * soil / soil.std() + rng.normal(0, noise, image.shape)
    return image, np.kron(number, pixels)


def as_rows(image):
    return np.ascontiguousarray(np.moveaxis(image, 0, 2).reshape(-1, len(image)), dtype=np.float32)


def test_noise_alone_has_no_texture():
    image = np.random.default_rng(1).normal(size=(3, 240, 240))
    texture = region_texture(as_rows(image), np.ones(240 * 240, dtype=np.uint32), 240, 6)
    # the variance of a mean of 36 pixels is 0.028; what is left is its sampling error over 1,600 blocks
    assert np.abs(texture).max() < 0.005


def test_texture_is_measured_beside_the_noise():
    rng = np.random.default_rng(2)
    blocks = rng.multivariate_normal([0, 0], [[0.5, 0.3], [0.3, 0.4]], (40, 40))
    image = np.kron(np.moveaxis(blocks, 2, 0), np.ones((1, 6, 6))) + rng.normal(size=(2, 240, 240))
    labels = np.kron(np.arange(16).reshape(4, 4) + 1, np.ones((60, 60))).astype(np.uint32)
    texture = region_texture(as_rows(image), labels.ravel(), 240, 6)
    # 1,584 differences, less at regions' edges: a relative standard error of 4 %
    assert texture == pytest.approx(np.array([[0.5, 0.3], [0.3, 0.4]]), abs=0.07)
    assert np.linalg.eigvalsh(texture).min() >= -1e-12


def test_too_few_blocks_are_no_texture():
    image = np.random.default_rng(3).normal(0, 50, (2, 36, 36))
    assert not region_texture(as_rows(image), np.ones(36 * 36, dtype=np.uint32), 36, 6).any()


def test_block_means_worked_by_hand():
    labels = np.full((4, 8), 1, dtype=np.uint32)
    labels[:, 6:] = 2
    labels[0, 0] = 0
    image = np.arange(32, dtype=np.float32).reshape(1, 4, 8)
    region, pixels, means = block_means(as_rows(image), labels.ravel(), 8, 4)
    # The left block has 15 pixels of region 1, three of them touching the nodata corner; the right one has eight of either.
    assert (region.tolist(), pixels.tolist()) == ([1], [12])
    inner = np.concatenate([image[0, 0, 2:4], image[0, 1, 2:4], image[0, 2:4, :4].ravel()])
    assert means.shape == (1, 1)
    assert means[0, 0] == pytest.approx(inner.mean())


def test_cost_of_an_edge_with_texture_worked_by_hand():
    means = np.array([[0.0, 0.0], [3.0, 1.0]], dtype=np.float32)
    sizes = np.array([4.0, 12.0])
    edge = np.array([0], dtype=np.uint32), np.array([1], dtype=np.uint32), np.array([5.0], dtype=np.float32)
    table = np.zeros(20, dtype=np.float32)
    _, cost = best_neighbours(
        *edge, np.zeros(1, np.float32), means, sizes, np.ones(2, bool), np.float32(1), table, np.array([2 / 3, 0], "f4")
    )
    # noise 1/4 + 1/12 = 1/3; band 1 has variance 1, band 2 1/3; their shares of evidence left are 1/3 and 1
    expected = (9 / 1 + 1 / (1 / 3)) / (5 * (1 / 3 + 1) / 2 + np.log1p(1 / (1 / 4 + 1 / 3)) + np.log1p(4))
    assert cost == pytest.approx([expected, expected], rel=1e-5)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fields_are_found_in_spite_of_texture(seed):
    image, fields = textured_fields(seed)
    found = segment_by_region_growing(image)
    agreement = parcel_agreement(found.labels, fields)
    assert agreement.f > 0.9
    assert agreement.n_segments < 2 * fields.max()
    # a field's own mean has its share of the soil's variance, and blocks even out some
    assert ((found.texture > 1.0) & (found.texture < 2.2)).all()


def test_texture_is_in_the_units_of_the_image():
    image, _ = textured_fields(4)
    scaled = segment_by_region_growing(image * np.array([1.0, 10.0, 0.1, 1.0])[:, np.newaxis, np.newaxis])
    plain = segment_by_region_growing(image)
    assert scaled.texture / plain.texture == pytest.approx([1, 10, 0.1, 1], rel=1e-3)
    noise_only = segment_by_region_growing(np.random.default_rng(5).normal(size=(2, 120, 120)))
    assert noise_only.texture.max() < 0.1


GREATEST_MEMORY = """
import sys, threading
from pathlib import Path
import numpy as np
from agristat_platform.segmentation.region_growing.segment import region_growing_bytes, segment_by_region_growing

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

bands, side = map(int, sys.argv[1:])
image = np.random.default_rng(1).normal(size=(bands, side, side)).astype("f4")
# Where half of the image is much rougher than the noise measured on the other, each pixel starts as a region.
image[:, : side * 45 // 100] *= 1000
segment_by_region_growing(np.ascontiguousarray(image[:, 150:250, :100]))
done = threading.Event()
seen = [before := resident()]

def watch():
    while not done.wait(0.002):
        seen.append(resident())

watcher = threading.Thread(target=watch)
watcher.start()
segment_by_region_growing(image)
done.set()
watcher.join()
print((max(seen) - before) / region_growing_bytes(image.shape))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="resident memory is read from /proc")
@pytest.mark.parametrize(("bands", "side"), [(4, 700), (12, 500)])
def test_memory_stays_within_what_is_said(bands, side):
    # In a process of its own: memory that earlier tests freed and did not return would hide a part of it.
    told = subprocess.run(
        [sys.executable, "-c", GREATEST_MEMORY, str(bands), str(side)], capture_output=True, text=True, check=True
    )
    assert 0.4 < float(told.stdout) < 1
