"""Pixels of any scene on the region's grid: exact coordinates, bilinear for what varies smoothly, nearest for classes.

Each region pixel asks for its own place in the scene, so the result is the same whatever block it is computed in
and whichever UTM zone the scene lies in (GDAL's warper approximates coordinates per chunk, which is not).
No files are opened in here, that is `reading`; the loops over pixels are in `resampling_kernels`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray

from agristat_platform.catalogue import Grid
from agristat_platform.imagery.resampling_kernels import (
    LATTICE_STEP,
    bilinear_curved,
    bilinear_lattice,
    nearest_curved,
    nearest_lattice,
)


@dataclass(frozen=True)
class LatticePlaces:
    """Where pixel centres of a block lie in a CRS that shares the grid's axes: x of each column, y of each row."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the block."""
        return self.y.size, self.x.size

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """Least x, greatest x, least y, greatest y."""
        return float(self.x.min()), float(self.x.max()), float(self.y.min()), float(self.y.max())


@dataclass(frozen=True)
class CurvedPlaces:
    """The same in any other CRS: exact coordinates of lattice nodes, between which pixels are interpolated.

    `row_shift` and `col_shift`: rows and columns from the first node to the block's first pixel.
    """

    node_x: NDArray[np.float64]
    node_y: NDArray[np.float64]
    row_shift: int
    col_shift: int
    shape: tuple[int, int]

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """Least x, greatest x, least y, greatest y of the nodes around the block."""
        return float(self.node_x.min()), float(self.node_x.max()), float(self.node_y.min()), float(self.node_y.max())


Places = LatticePlaces | CurvedPlaces


def coarse_grid(grid: Grid, at_least_m: float) -> Grid:
    """The same area in pixels of a whole multiple of the grid's, at least `at_least_m` wide."""
    factor = max(1, math.ceil(at_least_m / grid.transform.a - 1e-9))
    return Grid(
        grid.crs,
        grid.transform * Affine.scale(factor),
        math.ceil(grid.width / factor),
        math.ceil(grid.height / factor),
    )


@lru_cache(maxsize=64)
def way_between(source: str, target: str) -> pyproj.Transformer:
    """Transformation of coordinates, x before y; kept, for to find one takes longer than to use it."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


@lru_cache(maxsize=256)
def same_crs(grid: Grid, crs: str) -> bool:
    """Whether coordinates of a grid mean the same place in another CRS, however the two are written down.

    A PROJ string and the WKT of a file often name an unnamed datum differently; what counts is that the grid's
    corners stay within a thousandth of a pixel.
    """
    if pyproj.CRS.from_user_input(crs) == pyproj.CRS.from_user_input(grid.crs):
        return True
    left, bottom, right, top = grid.bounds
    x, y = np.array([left, right, left, right]), np.array([bottom, bottom, top, top])
    moved = way_between(grid.crs, crs).transform(x, y)
    shift = np.max(np.abs(np.array(moved) - np.array([x, y])))
    return bool(shift < 1e-3 * grid.transform.a)


def pixel_places(grid: Grid, rows: slice, cols: slice, crs: str) -> Places:
    """Coordinates in `crs` of the pixel centres of a block of a grid.

    In another CRS than the grid's, points of a lattice fixed to the grid's origin are transformed exactly and
    interpolated between; a pixel's place does not depend on which others are asked for together.
    """
    if same_crs(grid, crs):
        x = grid.transform.c + grid.transform.a * (np.arange(cols.start, cols.stop) + 0.5)
        y = grid.transform.f + grid.transform.e * (np.arange(rows.start, rows.stop) + 0.5)
        return LatticePlaces(x, y)
    transformer = way_between(grid.crs, crs)
    node_rows, node_cols = _nodes(rows), _nodes(cols)
    node_x, node_y = np.meshgrid(
        grid.transform.c + grid.transform.a * (node_cols + 0.5), grid.transform.f + grid.transform.e * (node_rows + 0.5)
    )
    x, y = transformer.transform(node_x, node_y)
    shape = (rows.stop - rows.start, cols.stop - cols.start)
    return CurvedPlaces(x, y, rows.start - int(node_rows[0]), cols.start - int(node_cols[0]), shape)


def _nodes(pixels: slice) -> NDArray[np.int64]:
    """Rows or columns of the lattice around some pixels."""
    return np.arange(pixels.start // LATTICE_STEP, (pixels.stop - 1) // LATTICE_STEP + 2) * LATTICE_STEP


def source_window(places: Places, transform: Affine, width: int, height: int) -> tuple[int, int, int, int] | None:
    """(row0, row1, col0, col1) of a scene that a block needs, a pixel of margin included; None where it needs none."""
    a, b, c, d, e, f = tuple(~transform)[:6]
    left, right, bottom, top = places.extent
    corners = [(x, y) for x in (left, right) for y in (bottom, top)]
    cols = [a * x + b * y + c - 0.5 for x, y in corners]
    rows = [d * x + e * y + f - 0.5 for x, y in corners]
    if not all(map(math.isfinite, [*cols, *rows])):
        return None
    col0, col1 = max(0, math.floor(min(cols)) - 1), min(width, math.ceil(max(cols)) + 2)
    row0, row1 = max(0, math.floor(min(rows)) - 1), min(height, math.ceil(max(rows)) + 2)
    if col0 >= col1 or row0 >= row1:
        return None
    return row0, row1, col0, col1


def sample_bilinear(source: NDArray[Any], transform: Affine, places: Places, nodata: float) -> NDArray[np.float32]:
    """Bilinear values of a scene window at places; NaN where the nearest source pixel is missing.

    Missing neighbours are left out and the weights of the others scaled up, so that a data edge neither
    grows nor darkens.

    Parameters
    ----------
    source:
        (rows, cols) window, any numeric type.
    transform:
        Of that window's own corner.
    places:
        In the scene's CRS.
    nodata:
        Value that means missing; NaN for floats without one (NaN is always missing).
    """
    inverse = np.array(tuple(~transform)[:6])
    pixels = np.ascontiguousarray(source, dtype=np.float32)
    on_axes = axes_positions(places, inverse)
    if on_axes is not None and pixels.size:
        return bilinear_lattice(pixels, *on_axes, np.float32(nodata))
    return bilinear_curved(pixels, *curved(places), inverse, np.float32(nodata))


def sample_nearest(source: NDArray[Any], transform: Affine, places: Places, outside: int = 0) -> NDArray[Any]:
    """Value of the pixel in which each place lies, `outside` beyond the window. For classes and bit fields.

    Returns
    -------
    Array of the source's type, shape of the places.
    """
    inverse = np.array(tuple(~transform)[:6])
    pixels = np.ascontiguousarray(source)
    beyond = pixels.dtype.type(outside)
    if isinstance(places, LatticePlaces) and inverse[1] == 0.0 and inverse[3] == 0.0:
        cols = np.floor(inverse[0] * places.x + inverse[2] + 1e-6).astype(np.int64)
        rows = np.floor(inverse[4] * places.y + inverse[5] + 1e-6).astype(np.int64)
        return nearest_lattice(pixels, cols, rows, beyond)
    return nearest_curved(pixels, *curved(places), inverse, beyond)


def axes_positions(
    places: Places, inverse: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Positions of columns and rows in pixels of a window, 0.0 the centre of its first; None where axes are askew."""
    if not isinstance(places, LatticePlaces) or inverse[1] != 0.0 or inverse[3] != 0.0:
        return None
    return inverse[0] * places.x + inverse[2] - 0.5, inverse[4] * places.y + inverse[5] - 0.5


def curved(places: Places) -> tuple[NDArray[np.float64], NDArray[np.float64], int, int, int, int]:
    """Arguments of the kernels that place each pixel by itself: nodes, shifts of rows and columns, shape."""
    if isinstance(places, CurvedPlaces):
        return places.node_x, places.node_y, places.row_shift, places.col_shift, *places.shape
    # a scene askew in the grid's own CRS: places are linear, so nodes may begin at the block's first pixel
    node_x, node_y = np.meshgrid(_linear_nodes(places.x), _linear_nodes(places.y))
    return node_x, node_y, 0, 0, *places.shape


def _linear_nodes(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    step = positions[1] - positions[0] if positions.size > 1 else 0.0
    count = (positions.size - 1) // LATTICE_STEP + 2
    return np.asarray(positions[0] + step * LATTICE_STEP * np.arange(count))
