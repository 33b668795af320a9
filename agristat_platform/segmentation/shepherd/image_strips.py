"""An image that is read strip by strip, from the top to the bottom, as often as it is needed.

Belongs here: reading, the check of what was read, which pixels count, and how far the work has come. What is done with a
strip is in `spectral_clusters`, `single_pixels`, `elimination`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.segmentation.errors import ImageShapeError
from agristat_platform.segmentation.shepherd.options import check_rows, check_shape, native_image

# Rows of an image as (bands, rows, cols); a masked array where its mask says what is missing.
ReadRows = Callable[[slice], npt.NDArray[Any]]
# The step and the share of all work that is done, 0 to 1.
Progress = Callable[[str, float], None]

# Share of the work of each step, of an image of ten bands from files; only the progress that is shown depends on it.
_WEIGHTS = {
    "valid pixels": 0.08,
    "sample": 0.08,
    "k-means": 0.02,
    "clusters": 0.22,
    "clumps": 0.06,
    "single pixels": 0.14,
    "sums": 0.12,
    "small segments": 0.28,
}


@dataclass(frozen=True)
class Strip:
    """Some rows of an image.

    Attributes
    ----------
    top, bottom: first row, and the row after the last, counted from the top of the image.
    pixels: (bands, rows × cols), contiguous, of a type the kernels take.
    masked: (rows × cols,) whether the reader masked the pixel in any band; None where it masks nothing.
    """

    top: int
    bottom: int
    pixels: npt.NDArray[Any]
    masked: npt.NDArray[np.bool_] | None


class ImageStrips:
    """An image as strips of `rows_per_strip` rows.

    Parameters
    ----------
    read:
        Gives the rows of a slice as (bands, rows, cols); asked from the top to the bottom, several times over, and
        must give the same each time.
    shape:
        (bands, rows, cols) of the whole image.
    rows_per_strip:
        Rows held at a time; the last strip may have fewer.
    progress:
        Told after each strip.

    Raises
    ------
    ImageShapeError, TooManySegmentsError, SegmentationOptionError
        At once; while it is read ImageShapeError where strips differ from `shape` or in type.
    """

    def __init__(
        self, read: ReadRows, shape: tuple[int, int, int], rows_per_strip: int, progress: Progress | None = None
    ) -> None:
        check_shape(shape)
        check_rows("rows_per_strip", rows_per_strip)
        self.bands, self.rows, self.cols = shape
        self._read = read
        self._rows_per_strip = rows_per_strip
        self._progress = progress
        self._dtype: np.dtype[Any] | None = None

    def strips(self, step: str) -> Iterator[Strip]:
        """All strips in order, read for this step."""
        for top in range(0, self.rows, self._rows_per_strip):
            bottom = min(top + self._rows_per_strip, self.rows)
            yield self._strip(top, bottom)
            self.reached(step, bottom / self.rows)

    def reached(self, step: str, share: float = 1.0) -> None:
        """Tell that this share of a step is done."""
        if self._progress is not None:
            steps = list(_WEIGHTS)
            before = sum(_WEIGHTS[name] for name in steps[: steps.index(step)])
            self._progress(step, min(before + share * _WEIGHTS[step], 1.0))

    def _strip(self, top: int, bottom: int) -> Strip:
        image = self._read(slice(top, bottom))
        expected = (self.bands, bottom - top, self.cols)
        if image.shape != expected:
            raise ImageShapeError(
                f"the strip has shape {image.shape} instead of {expected}",
                where=f"rows {top} to {bottom - 1}",
                remedy="The reader must give (bands, rows, cols) of the rows it is asked for",
            )
        if self._dtype not in (None, image.dtype):
            raise ImageShapeError(
                f"the strip is of type {image.dtype}, those before are of {self._dtype}",
                where=f"rows {top} to {bottom - 1}",
                remedy="The reader must give one type",
            )
        self._dtype = image.dtype
        mask = np.ma.getmask(image)
        masked = None if mask is np.ma.nomask else mask.any(axis=0).reshape(-1)
        pixels = np.ascontiguousarray(native_image(image)).reshape(self.bands, -1)
        return Strip(top, bottom, pixels, masked)


def image_strips(image: npt.NDArray[Any]) -> ImageStrips:
    """An image in memory as one strip; a masked array keeps its mask.

    Raises
    ------
    ImageShapeError, TooManySegmentsError
    """
    check_shape(np.shape(image))
    mask = np.ma.getmask(image)
    values = np.ascontiguousarray(native_image(image))  # once, not for every step
    whole = values if mask is np.ma.nomask else np.ma.array(values, mask=mask, copy=False)
    return ImageStrips(lambda rows: whole[:, rows], values.shape, values.shape[1])
