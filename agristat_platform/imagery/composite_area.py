"""Which pixels of the grid the shares in the layers table refer to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import geometry_mask

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.errors import AoiOutsideImageryError


@dataclass(frozen=True)
class CountedArea:
    """The area of interest on a grid; `geometry` None is the whole grid.

    Pixels count whose centre lies inside. In an area so thin or small that it may hold no centre, `touching`, every
    pixel counts that it touches.
    """

    geometry: Any | None
    transform: Affine
    touching: bool = False

    def inside(self, rows: slice, cols: slice) -> NDArray[np.bool_]:
        """True where a pixel of a window counts, (rows, cols)."""
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        if self.geometry is None:
            return np.ones(shape, np.bool_)
        transform = self.transform * Affine.translation(cols.start, rows.start)
        mask = geometry_mask([self.geometry], shape, transform, invert=True, all_touched=self.touching)
        return np.asarray(mask)


def counted_area(aoi_projected: Any | None, grid: Grid) -> CountedArea:
    """The area that is counted, decided for the whole grid so that it does not depend on how that is cut into tiles.

    Raises
    ------
    AoiOutsideImageryError
        No ground of the area lies on the grid.
    """
    if aoi_projected is None:
        return CountedArea(None, grid.transform)
    ground = aoi_projected.intersection(grid.outline())
    if ground.area == 0:
        raise AoiOutsideImageryError(
            "the area of interest has no ground on the region's grid",
            where=f"area {aoi_projected.bounds}, grid {grid.bounds}",
            remedy="Check the CRS of the area and of the grid",
        )
    reach = math.hypot(*grid.resolution_m) / 2  # a disc of this radius holds a pixel centre wherever it lies
    if ground.representative_point().distance(ground.boundary) >= reach:
        return CountedArea(aoi_projected, grid.transform)
    return CountedArea(aoi_projected, grid.transform, touching=bool(ground.buffer(-reach).is_empty))
