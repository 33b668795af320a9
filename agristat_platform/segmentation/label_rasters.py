"""What a label raster is: whole numbers on a grid, 0 where there is no segment.

Belongs here: the check that every function makes that takes labels. Files of labels are in `label_files`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.segmentation.errors import ImageShapeError, TooManySegmentsError


def label_raster(labels: npt.NDArray[Any]) -> npt.NDArray[np.uint32]:
    """The labels as a contiguous (rows, cols) uint32 array, 0 = nodata; no copy where they are one already.

    Raises
    ------
    ImageShapeError
        Not two-dimensional, without pixels, not integer, or with negative labels.
    TooManySegmentsError
        A label above 2**32 - 1.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or 0 in labels.shape:
        raise ImageShapeError(f"a label raster of shape {labels.shape} is no label raster", remedy="Give (rows, cols)")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ImageShapeError(f"labels of type {labels.dtype} are no segment numbers", remedy="Give unsigned integers")
    if labels.dtype != np.uint32:
        low, high = int(labels.min()), int(labels.max())
        if low < 0:
            raise ImageShapeError(f"the label raster holds the negative label {low}", remedy="Use 0 for nodata")
        if high > 2**32 - 1:
            raise TooManySegmentsError(
                f"label {high} is above 2**32 - 1", remedy="Renumber the segments or split the raster"
            )
    return np.ascontiguousarray(labels, dtype=np.uint32)
