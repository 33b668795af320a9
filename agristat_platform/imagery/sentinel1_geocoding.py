"""Where a place lies in a Sentinel-1 ground-range image, by the geolocation lattice of its annotation.

The lattice's places are projected to the region's CRS and taken as bilinear between neighbours, some 20 km apart:
tracks and ground range bend by less than a metre over that distance in a conformal projection. The terrain is what
the lattice's heights say, linear between nodes; where the true height differs by h metres, a place is off by
h / tan(incidence angle) in range. This is no terrain correction.
"""

from __future__ import annotations

import numpy as np
import pyproj
from numba import njit
from numpy.typing import NDArray

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.errors import InvalidAnnotationError
from agristat_platform.imagery.resampling import CurvedPlaces
from agristat_platform.imagery.resampling_kernels import LATTICE_STEP
from agristat_platform.imagery.sentinel1_annotation import ImageGeometry

Floats = NDArray[np.float64]
MOST_STEPS = 50
ENOUGH = 1e-9  # of a lattice cell: some 2e-6 pixels


class ImagePlaces:
    """Places of a projected CRS in an image, found by Newton's method on its lattice.

    Parameters
    ----------
    geometry:
        Of the image.
    crs:
        CRS of the places asked for; projected, near the image.
    where:
        Name of the scene, for messages.

    Raises
    ------
    InvalidAnnotationError
        The lattice lies out of the projection's reach.
    """

    def __init__(self, geometry: ImageGeometry, crs: str, where: str) -> None:
        to_crs = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        self._x, self._y = to_crs.transform(geometry.longitude, geometry.latitude)
        self._geometry, self._where = geometry, where
        if not (np.isfinite(self._x).all() and np.isfinite(self._y).all()):
            raise InvalidAnnotationError(
                "the scene reaches to where the region's CRS has no coordinates", where=where, remedy=f"CRS: {crs}"
            )
        # first guess: the affine map from places to lattice indices that fits all nodes best
        index_line, index_pixel = np.meshgrid(*map(np.arange, self._x.shape), indexing="ij")
        self._centre = np.array([self._x.mean(), self._y.mean()])
        design = np.column_stack(
            [self._x.ravel() - self._centre[0], self._y.ravel() - self._centre[1], np.ones(self._x.size)]
        )
        target = np.column_stack([index_line.ravel(), index_pixel.ravel()]).astype(np.float64)
        self._affine = np.linalg.lstsq(design, target, rcond=None)[0]

    def lattice_indices(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Places in units of lattice nodes (line direction, pixel direction), shape as given.

        Beyond one cell outside the lattice, where only being outside matters, the affine guess stands.

        Raises
        ------
        InvalidAnnotationError
            Newton's method does not settle: the lattice folds over itself.
        """
        u, v, settled = _invert(self._x, self._y, np.ravel(x), np.ravel(y), self._centre, self._affine)
        if not settled.all():
            raise InvalidAnnotationError(
                "geolocation lattice does not tell one pixel for one place", where=self._where,
                remedy="Leave the scene out, or use sentinel-1-rtc",
            )  # fmt: skip
        return u.reshape(x.shape), v.reshape(x.shape)

    def lines_pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """(line, pixel) of places, 0.0 the centre of the first; fractional, beyond the image extrapolated."""
        u, v = self.lattice_indices(x, y)
        return _between(self._geometry.lines, u), _between(self._geometry.pixels, v)

    def on_grid(self, grid: Grid, rows: slice, cols: slice) -> CurvedPlaces:
        """Places of a block's pixel centres in the image: x = pixel + 0.5, y = line + 0.5, as in raster coordinates.

        Exact at every 16th row and column of the grid, interpolated between, the same whatever block is asked for.
        """
        node_rows, node_cols = (
            np.arange(side.start // LATTICE_STEP, (side.stop - 1) // LATTICE_STEP + 2) * LATTICE_STEP
            for side in (rows, cols)
        )
        x, y = np.meshgrid(
            grid.transform.c + grid.transform.a * (node_cols + 0.5),
            grid.transform.f + grid.transform.e * (node_rows + 0.5),
        )
        line, pixel = self.lines_pixels(x, y)
        shape = (rows.stop - rows.start, cols.stop - cols.start)
        shifts = rows.start - int(node_rows[0]), cols.start - int(node_cols[0])
        return CurvedPlaces(pixel + 0.5, line + 0.5, *shifts, shape)

    def height_span_m(self, grid: Grid) -> float:
        """Greatest difference in height of the lattice's nodes around a grid, metres; 0 where it lies outside."""
        left, bottom, right, top = grid.bounds
        x, y = np.meshgrid(np.linspace(left, right, 9), np.linspace(bottom, top, 9))
        nodes = []
        for index, size in zip(self.lattice_indices(x, y), self._x.shape, strict=True):
            nodes.append(slice(max(0, int(np.floor(index.min()))), min(size, int(np.ceil(index.max())) + 1)))
        around = self._geometry.height[nodes[0], nodes[1]]
        return float(np.ptp(around)) if around.size else 0.0


def _between(nodes: Floats, index: Floats) -> Floats:
    """Value at a fractional index of an ascending array, extrapolated with its first and last step."""
    cell = np.clip(np.floor(index).astype(np.int64), 0, nodes.size - 2)
    return np.asarray(nodes[cell] + (index - cell) * (nodes[cell + 1] - nodes[cell]))


@njit(cache=True)
def _invert(node_x, node_y, x, y, centre, affine):  # type: ignore[no-untyped-def]
    lines, pixels = node_x.shape
    u_out, v_out = np.empty(x.size), np.empty(x.size)
    settled = np.ones(x.size, np.bool_)
    for k in range(x.size):
        dx, dy = x[k] - centre[0], y[k] - centre[1]
        u = affine[0, 0] * dx + affine[1, 0] * dy + affine[2, 0]
        v = affine[0, 1] * dx + affine[1, 1] * dy + affine[2, 1]
        u_out[k], v_out[k] = u, v
        if u < -1.0 or v < -1.0 or u > lines or v > pixels:
            continue
        settled[k] = False
        for _ in range(MOST_STEPS):
            i = min(max(int(np.floor(u)), 0), lines - 2)
            j = min(max(int(np.floor(v)), 0), pixels - 2)
            a, b = u - i, v - j
            x0 = node_x[i, j] * (1 - b) + node_x[i, j + 1] * b
            x1 = node_x[i + 1, j] * (1 - b) + node_x[i + 1, j + 1] * b
            y0 = node_y[i, j] * (1 - b) + node_y[i, j + 1] * b
            y1 = node_y[i + 1, j] * (1 - b) + node_y[i + 1, j + 1] * b
            x_v = (node_x[i, j + 1] - node_x[i, j]) * (1 - a) + (node_x[i + 1, j + 1] - node_x[i + 1, j]) * a
            y_v = (node_y[i, j + 1] - node_y[i, j]) * (1 - a) + (node_y[i + 1, j + 1] - node_y[i + 1, j]) * a
            x_u, y_u = x1 - x0, y1 - y0
            off_x, off_y = x[k] - (x0 + a * x_u), y[k] - (y0 + a * y_u)
            determinant = x_u * y_v - x_v * y_u
            if determinant == 0.0:
                break
            step_u = (off_x * y_v - off_y * x_v) / determinant
            step_v = (x_u * off_y - y_u * off_x) / determinant
            u += step_u
            v += step_v
            if abs(step_u) + abs(step_v) < ENOUGH:
                u_out[k], v_out[k], settled[k] = u, v, True
                break
    return u_out, v_out, settled
