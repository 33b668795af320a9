"""Texture of segments: contrast and entropy of the grey-level co-occurrence matrix of each segment's own pixels.

Belongs here: grey levels, the matrix, and its two measures. Statistics that know no neighbours are in `segment_statistics`.

Source: Haralick, Shanmugam & Dinstein 1973, "Textural features for image classification", f2 (contrast) and f9 (entropy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from agristat_platform.features.errors import LabelGridError, StatisticError
from agristat_platform.features.segment_statistics import SegmentPixels

GREY_LEVELS = 32
MOST_GREY_LEVELS = 255
NO_LEVEL = 255
"""Grey level of a missing pixel."""


@dataclass(frozen=True)
class SegmentTexture:
    """Texture of each segment in the order of `ids`.

    Attributes
    ----------
    ids: (n,) uint32, ascending.
    contrast: (n,) float64, Σ p(i, j) (i − j)² in squared grey levels; NaN where a segment has no pair of pixels.
    entropy: (n,) float64, −Σ p(i, j) ln p(i, j) in nats; NaN where contrast is.
    pairs: (n,) int64, pairs of neighbouring pixels, each counted once.
    """

    ids: npt.NDArray[np.uint32]
    contrast: npt.NDArray[np.float64]
    entropy: npt.NDArray[np.float64]
    pairs: npt.NDArray[np.int64]


def segment_texture(
    labels: npt.NDArray[Any],
    band: npt.NDArray[Any],
    low: float,
    high: float,
    *,
    levels: int = GREY_LEVELS,
    nodata: float | None = None,
) -> SegmentTexture:
    """Contrast and entropy of one band over every segment.

    The matrix counts pairs of pixels at distance 1 in four directions (0°, 45°, 90°, 135°), both ways round, so that it is
    symmetric and does not depend on how a field lies; all directions go into one matrix. Both pixels of a pair lie in the
    segment and have a value: edges between fields are no texture.

    Parameters
    ----------
    labels:
        (rows, cols) segment numbers, 0 = nodata.
    band:
        (rows, cols) values; NaN, `nodata` and masked pixels are missing.
    low, high:
        Range that is cut into `levels` equal grey levels, values outside go to the first and last. Given, not taken
        from the data: texture of two tiles or seasons is comparable only on the same levels.
    levels:
        2 to 255.

    Raises
    ------
    LabelGridError
        The band has another shape than the labels.
    StatisticError
        The range is empty, or there are too few or too many levels.
    """
    grey = grey_levels(band, low, high, levels=levels, nodata=nodata)
    segments = SegmentPixels(labels)
    if grey.shape != segments.shape:
        raise LabelGridError(
            f"a band of shape {grey.shape} does not lie on the label raster's grid {segments.shape}",
            remedy="Make both on the region's grid",
        )
    dense = segments.dense.reshape(segments.shape)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(segments.pixels)])
    contrast, entropy, pairs = _textures(dense, grey, starts, levels)
    return SegmentTexture(segments.ids, contrast, entropy, pairs)


def grey_levels(
    band: npt.NDArray[Any], low: float, high: float, *, levels: int = GREY_LEVELS, nodata: float | None = None
) -> npt.NDArray[np.uint8]:
    """Values as grey levels 0 … levels − 1, `NO_LEVEL` where missing; parameters and errors as of `segment_texture`."""
    if not 2 <= levels <= MOST_GREY_LEVELS:
        raise StatisticError(f"texture on {levels} grey levels", remedy=f"Give 2 to {MOST_GREY_LEVELS} grey levels")
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise StatisticError(f"grey levels from {low:g} to {high:g} are no range", remedy="Give low < high")
    values = np.asarray(np.ma.getdata(band), np.float64)
    missing = np.ma.getmaskarray(band) | np.isnan(values)
    if nodata is not None and not np.isnan(nodata):
        missing |= values == nodata
    scaled = np.clip((np.where(missing, low, values) - low) / (high - low) * levels, 0, levels - 1)
    return np.where(missing, NO_LEVEL, scaled.astype(np.uint8)).astype(np.uint8)


@njit(cache=True, nogil=True)
def _textures(labels, grey, starts, levels):  # type: ignore[no-untyped-def]
    """Contrast, entropy and pairs of segments 1..n; one matrix serves all, cleared by the entries that were used."""
    rows, cols = labels.shape
    n = len(starts) - 1
    places = np.empty(starts[-1], np.int64)
    filled = np.zeros(n, np.int64)
    for row in range(rows):
        for col in range(cols):
            own = np.int64(labels[row, col]) - 1
            if own >= 0:
                places[starts[own] + filled[own]] = row * cols + col
                filled[own] += 1
    contrast = np.full(n, np.nan)
    entropy = np.full(n, np.nan)
    pairs = np.zeros(n, np.int64)
    matrix = np.zeros(levels * levels, np.int64)
    used = np.empty(levels * levels, np.int64)
    down = (0, 1, 1, 1)
    right = (1, 1, 0, -1)
    for s in range(n):
        n_used = 0
        squares = 0.0
        for k in range(starts[s], starts[s + 1]):
            row = places[k] // cols
            col = places[k] % cols
            first = np.int64(grey[row, col])
            if first == NO_LEVEL:
                continue
            for d in range(4):
                r, c = row + down[d], col + right[d]
                if r >= rows or c < 0 or c >= cols or labels[r, c] != s + 1 or grey[r, c] == NO_LEVEL:
                    continue
                second = np.int64(grey[r, c])
                squares += np.float64((first - second) ** 2)
                pairs[s] += 1
                # the half i ≤ j of the symmetric matrix
                entry = min(first, second) * levels + max(first, second)
                if matrix[entry] == 0:
                    used[n_used] = entry
                    n_used += 1
                matrix[entry] += 1
        if pairs[s] == 0:
            continue
        contrast[s] = squares / pairs[s]
        total = 0.0
        for k in range(n_used):
            entry = used[k]
            share = matrix[entry] / pairs[s]
            if entry // levels == entry % levels:
                total -= share * np.log(share)
            else:  # half of it at (i, j), half at (j, i)
                total -= share * np.log(share / 2)
            matrix[entry] = 0
        entropy[s] = total
    return contrast, entropy, pairs
