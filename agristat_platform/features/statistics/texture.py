"""Texture of segments: contrast and entropy of the grey-level co-occurrence matrix of each segment's own pixels.

Belongs here: grey levels, and the matrices while a raster is read strip by strip. Loops are in `texture_kernels`, statistics
that know no neighbours in `segment_statistics`.

Source: Haralick, Shanmugam & Dinstein 1973, "Textural features for image classification", f2 (contrast) and f9 (entropy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.features.errors import LabelGridError, StatisticError
from agristat_platform.features.statistics import texture_kernels as kernels
from agristat_platform.features.statistics.segment_strips import SegmentStrips, Strip

TEXTURE_STATISTICS = ("contrast", "entropy")
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
    strips = SegmentStrips.of_raster(labels)
    texture = LayerTexture(len(strips.ids), low, high, levels=levels)
    for strip in strips.strips():
        texture.add(strip, band, nodata=nodata)
    found = texture.result()
    return SegmentTexture(strips.ids, found["contrast"], found["entropy"], texture.pairs)


class LayerTexture:
    """Texture of one layer, strip by strip: 24 bytes a segment, and the matrices of segments that go on below.

    A matrix that waits takes 10 bytes for each of its entries that occurs, at most 5 KiB with 32 grey levels. The results
    are the same bytes however high the strips.

    Parameters
    ----------
    n_segments:
        As `SegmentStrips.ids` has.
    low, high, levels:
        As of `segment_texture`.

    Raises
    ------
    StatisticError
        The range is empty, or there are too few or too many levels.
    """

    def __init__(self, n_segments: int, low: float, high: float, *, levels: int = GREY_LEVELS) -> None:
        _check_levels(low, high, levels)
        self._range = (float(low), float(high), levels)
        self._table = np.full((n_segments, 3), np.nan)
        self._table[:, 2] = 0
        none = np.zeros(0, np.int64)
        self._kept = (none.astype(np.uint32), np.zeros(1, np.int64), none.astype(np.uint16), none)
        self._above: tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint8]] | None = None
        first, second = np.divmod(np.arange(levels**2), levels)
        self._squares = (first - second) ** 2
        self._halves = first != second
        counts = np.arange(kernels.RARE)
        self._logs = counts * np.log(np.maximum(counts, 1))

    def add(self, strip: Strip, values: npt.NDArray[Any], *, nodata: float | None = None) -> None:
        """Add the strip's (rows, cols) values; strips come in order. NaN, infinity, nodata and masked pixels are missing.

        Raises
        ------
        LabelGridError
            The values have another shape than the strip.
        StatisticError
            The values are no real numbers.
        """
        if np.shape(values) != strip.shape:
            raise LabelGridError(
                f"a band of shape {np.shape(values)} does not lie on the label raster's grid {strip.shape}",
                remedy="Make both on the region's grid",
            )
        low, high, levels = self._range
        rows, cols = strip.shape
        grey = np.zeros((rows + 1, cols + 2), np.uint8)
        grey[1:, 1:-1] = grey_levels(values, low, high, levels=levels, nodata=nodata)
        labels = np.zeros((rows + 1, cols + 2), np.uint32)
        np.copyto(labels[1:, 1:-1], strip.labels.reshape(strip.shape), where=grey[1:, 1:-1] != NO_LEVEL)
        if self._above is not None:
            labels[0], grey[0] = self._above
        n = len(self._table)
        pixels = np.bincount(strip.labels, minlength=n + 1)
        pixels[0] = 0
        starts = np.concatenate([np.zeros(1, np.int64), 4 * np.cumsum(pixels)])
        entries, filled = kernels.pairs_of_rows(labels, grey, starts, levels)
        closing = np.zeros(n + 1, np.bool_)
        closing[strip.closing.members] = True
        self._kept = kernels.describe_closing(
            entries, starts, filled, closing, self._kept, self._squares, self._halves, self._logs, self._table
        )
        self._above = labels[-1].copy(), grey[-1].copy()

    @property
    def pairs(self) -> npt.NDArray[np.int64]:
        """(n,) pairs of neighbouring pixels of each segment, each counted once."""
        return self._table[:, 2].astype(np.int64)

    def result(self) -> dict[str, npt.NDArray[np.float64]]:
        """ "contrast" and "entropy", (n,) in the order of the ids; NaN where a segment has no pair."""
        return {name: self._table[:, k] for k, name in enumerate(TEXTURE_STATISTICS)}


def grey_levels(
    band: npt.NDArray[Any], low: float, high: float, *, levels: int = GREY_LEVELS, nodata: float | None = None
) -> npt.NDArray[np.uint8]:
    """Values as grey levels 0 … levels − 1, `NO_LEVEL` where missing; parameters and errors as of `segment_texture`."""
    _check_levels(low, high, levels)
    values = np.asarray(np.ma.getdata(band))
    if values.dtype.kind not in "biuf":
        raise StatisticError(f"a band of type {values.dtype} has no grey levels", remedy="Give integers or floats")
    missing = np.ma.getmaskarray(band)
    if nodata is not None and not np.isnan(nodata):
        missing = missing | (values == nodata)
    grey = kernels.grey_of(values.reshape(-1), missing.reshape(-1), float(low), float(high), levels, NO_LEVEL)
    return np.asarray(grey.reshape(values.shape))


def _check_levels(low: float, high: float, levels: int) -> None:
    if not 2 <= levels <= MOST_GREY_LEVELS:
        raise StatisticError(f"texture on {levels} grey levels", remedy=f"Give 2 to {MOST_GREY_LEVELS} grey levels")
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise StatisticError(f"grey levels from {low:g} to {high:g} are no range", remedy="Give low < high")
