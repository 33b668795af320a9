"""What segmentations say of the segments they found, whatever holds the labels.

Belongs here: the fields that results of several functions share. Each result adds its own in the module of its function.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Segments:
    """Segments 1..n of one image.

    Attributes
    ----------
    pixels:
        (n,) int64, pixels of segment k + 1.
    """

    pixels: npt.NDArray[np.int64]

    @property
    def n_segments(self) -> int:
        """Number of segments."""
        return len(self.pixels)


@dataclass(frozen=True, kw_only=True)
class ShepherdSegments(Segments):
    """Segments after Shepherd et al. 2019, and what their steps did.

    Attributes
    ----------
    pixels:
        As in `Segments`.
    cluster_centres:
        (n_clusters, bands) float64 in the units of the image; fewer rows where the image has fewer distinct values.
    max_distance:
        Largest spectral distance between means that elimination could bridge, in the units of the image.
    single_pixels_eliminated, small_segments_eliminated:
        What each step merged away.
    """

    cluster_centres: npt.NDArray[np.float64]
    max_distance: float
    single_pixels_eliminated: int
    small_segments_eliminated: int
