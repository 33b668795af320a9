"""Pixels of any scene on the region's grid: exact coordinates, bilinear for what varies smoothly, nearest for classes.

Each region pixel asks for its own place in the scene, so the result is the same whatever block it is computed in
and whichever UTM zone the scene lies in (GDAL's warper approximates coordinates per chunk, which is not).
No files are opened in here; that is `reading`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numba import njit
from numpy.typing import NDArray

from agristat_platform.catalogue import Grid

LATTICE_STEP = 16  # region pixels between exactly transformed points; between them the error is below a millimetre


@dataclass(frozen=True)
class Places:
    """Where each pixel centre of a block of region rows lies in another CRS: x and y, shape (rows, width)."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @cached_property
    def is_lattice(self) -> bool:
        """Whether x depends on the column alone and y on the row alone."""
        return bool(self.x.size and (self.x == self.x[0]).all() and (self.y == self.y[:, :1]).all())

    @cached_property
    def x_range(self) -> tuple[float, float]:
        """Least and greatest x."""
        return float(self.x.min()), float(self.x.max())

    @cached_property
    def y_range(self) -> tuple[float, float]:
        """Least and greatest y."""
        return float(self.y.min()), float(self.y.max())


def coarse_grid(grid: Grid, at_least_m: float) -> Grid:
    """The same area in pixels of a whole multiple of the grid's, at least `at_least_m` wide."""
    factor = max(1, math.ceil(at_least_m / grid.transform.a - 1e-9))
    return Grid(
        grid.crs,
        grid.transform * Affine.scale(factor),
        math.ceil(grid.width / factor),
        math.ceil(grid.height / factor),
    )


def same_crs(grid: Grid, crs: str) -> bool:
    """Whether coordinates of a grid mean the same place in another CRS, however the two are written down.

    A PROJ string and the WKT of a file often name an unnamed datum differently; what counts is that the grid's
    corners stay within a thousandth of a pixel.
    """
    if pyproj.CRS.from_user_input(crs) == pyproj.CRS.from_user_input(grid.crs):
        return True
    left, bottom, right, top = grid.bounds
    x, y = np.array([left, right, left, right]), np.array([bottom, bottom, top, top])
    moved = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True).transform(x, y)
    shift = np.max(np.abs(np.array(moved) - np.array([x, y])))
    return bool(shift < 1e-3 * grid.transform.a)


def pixel_places(grid: Grid, rows: slice, crs: str) -> Places:
    """Coordinates in `crs` of the pixel centres of some rows of a grid.

    In another CRS than the grid's, points of a lattice fixed to the grid's origin are transformed exactly and
    interpolated between; a row's values do not depend on which rows are asked for together.
    """
    if same_crs(grid, crs):
        x = grid.transform.c + grid.transform.a * (np.arange(grid.width) + 0.5)
        y = grid.transform.f + grid.transform.e * (np.arange(rows.start, rows.stop) + 0.5)
        shape = (rows.stop - rows.start, grid.width)
        return Places(np.broadcast_to(x, shape).copy(), np.broadcast_to(y[:, None], shape).copy())
    transformer = pyproj.Transformer.from_crs(grid.crs, crs, always_xy=True)
    first = rows.start // LATTICE_STEP
    node_rows = np.arange(first, (rows.stop - 1) // LATTICE_STEP + 2) * LATTICE_STEP
    node_cols = np.arange(0, (grid.width - 1) // LATTICE_STEP + 2) * LATTICE_STEP
    node_x, node_y = np.meshgrid(
        grid.transform.c + grid.transform.a * (node_cols + 0.5), grid.transform.f + grid.transform.e * (node_rows + 0.5)
    )
    x, y = transformer.transform(node_x, node_y)
    shift = rows.start - first * LATTICE_STEP
    return Places(
        _between_nodes(x, shift, rows.stop - rows.start, grid.width),
        _between_nodes(y, shift, rows.stop - rows.start, grid.width),
    )


def _between_nodes(nodes: NDArray[np.float64], shift: int, height: int, width: int) -> NDArray[np.float64]:
    """Bilinear interpolation of lattice values at every pixel of a block that starts `shift` rows into the lattice."""
    col_node, col_rest = np.divmod(np.arange(width), LATTICE_STEP)
    row_node, row_rest = np.divmod(np.arange(height) + shift, LATTICE_STEP)
    right = col_rest / LATTICE_STEP
    along = nodes[:, col_node] * (1 - right) + nodes[:, col_node + 1] * right
    down = (row_rest / LATTICE_STEP)[:, None]
    return along[row_node] * (1 - down) + along[row_node + 1] * down


def source_window(places: Places, transform: Affine, width: int, height: int) -> tuple[int, int, int, int] | None:
    """(row0, row1, col0, col1) of a scene that a block needs, a pixel of margin included; None where it needs none."""
    a, b, c, d, e, f = tuple(~transform)[:6]
    corners = [(x, y) for x in places.x_range for y in places.y_range]
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
    if places.is_lattice and inverse[1] == 0.0 and inverse[3] == 0.0 and pixels.size:
        cols = inverse[0] * places.x[0] + inverse[2] - 0.5
        rows = inverse[4] * places.y[:, 0] + inverse[5] - 0.5
        return _bilinear_lattice(pixels, cols, rows, np.float32(nodata))
    return _bilinear(pixels, places.x, places.y, inverse, np.float32(nodata))


def sample_nearest(source: NDArray[Any], transform: Affine, places: Places) -> NDArray[np.float32]:
    """Value of the pixel in which each place lies; NaN outside the window. For classes and bit fields."""
    inverse = np.array(tuple(~transform)[:6])
    return _nearest(np.ascontiguousarray(source, dtype=np.float32), places.x, places.y, inverse)


@njit(cache=True)
def _bilinear(source, x, y, inverse, nodata):  # type: ignore[no-untyped-def]
    height, width = source.shape
    out = np.full(x.shape, np.nan, np.float32)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            # positions in pixels, 0.0 the centre of the first; rounded to 1e-6 so that equal lattices copy exactly
            col = inverse[0] * x[i, j] + inverse[1] * y[i, j] + inverse[2] - 0.5
            row = inverse[3] * x[i, j] + inverse[4] * y[i, j] + inverse[5] - 0.5
            if abs(col - np.rint(col)) < 1e-6:
                col = np.rint(col)
            if abs(row - np.rint(row)) < 1e-6:
                row = np.rint(row)
            if not (col >= -0.5 and row >= -0.5 and col < width - 0.5 and row < height - 0.5):
                continue
            nearest = source[math.floor(row + 0.5), math.floor(col + 0.5)]
            if np.isnan(nearest) or nearest == nodata:
                continue
            left, top = math.floor(col), math.floor(row)
            total = 0.0
            weights = 0.0
            for d_row in range(2):
                for d_col in range(2):
                    r, c = top + d_row, left + d_col
                    weight = (1.0 - abs(row - r)) * (1.0 - abs(col - c))
                    if weight <= 0.0 or r < 0 or c < 0 or r >= height or c >= width:
                        continue
                    value = source[r, c]
                    if np.isnan(value) or value == nodata:
                        continue
                    total += weight * value
                    weights += weight
            out[i, j] = total / weights
    return out


@njit(cache=True)
def _neighbours(positions, size):  # type: ignore[no-untyped-def]
    """Along one axis: inside or not, nearest cell, the two cells around and their weights, 0 beyond the edge."""
    count = positions.size
    inside, nearest = np.zeros(count, np.bool_), np.zeros(count, np.int32)
    before, after = np.zeros(count, np.int32), np.zeros(count, np.int32)
    weight_before, weight_after = np.zeros(count), np.zeros(count)
    for i in range(count):
        position = positions[i]
        if abs(position - np.rint(position)) < 1e-6:
            position = np.rint(position)
        if not (position >= -0.5 and position < size - 0.5):
            continue
        inside[i] = True
        nearest[i] = math.floor(position + 0.5)
        cell = math.floor(position)
        if cell >= 0:
            before[i] = cell
            weight_before[i] = 1.0 - abs(position - cell)
        if cell + 1 < size:
            after[i] = cell + 1
            weight_after[i] = 1.0 - abs(position - (cell + 1))
    return inside, nearest, before, after, weight_before, weight_after


@njit(cache=True)
def _bilinear_lattice(source, cols, rows, nodata):  # type: ignore[no-untyped-def]
    """`_bilinear` where rows and columns can be placed once each: the same sums in the same order, without branches."""
    height, width = source.shape
    out = np.full((rows.size, cols.size), np.nan, np.float32)
    inside_row, near_row, above, below, weight_above, weight_below = _neighbours(rows, height)
    inside, near, left, right, weight_left, weight_right = _neighbours(cols, width)
    for i in range(rows.size):
        if not inside_row[i]:
            continue
        upper, lower, nearest = source[above[i]], source[below[i]], source[near_row[i]]
        row_out = out[i]
        up, down = weight_above[i], weight_below[i]
        for j in range(cols.size):
            total, weights = 0.0, 0.0
            a, b, c, d = upper[left[j]], upper[right[j]], lower[left[j]], lower[right[j]]
            weight = up * weight_left[j]
            used = (weight > 0.0) & (a == a) & (a != nodata)
            total += weight * a if used else 0.0
            weights += weight if used else 0.0
            weight = up * weight_right[j]
            used = (weight > 0.0) & (b == b) & (b != nodata)
            total += weight * b if used else 0.0
            weights += weight if used else 0.0
            weight = down * weight_left[j]
            used = (weight > 0.0) & (c == c) & (c != nodata)
            total += weight * c if used else 0.0
            weights += weight if used else 0.0
            weight = down * weight_right[j]
            used = (weight > 0.0) & (d == d) & (d != nodata)
            total += weight * d if used else 0.0
            weights += weight if used else 0.0
            value = nearest[near[j]]
            present = inside[j] & (value == value) & (value != nodata)
            row_out[j] = total / (weights if present else 1.0) if present else np.nan
    return out


@njit(cache=True)
def _nearest(source, x, y, inverse):  # type: ignore[no-untyped-def]
    height, width = source.shape
    out = np.full(x.shape, np.nan, np.float32)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            col = math.floor(inverse[0] * x[i, j] + inverse[1] * y[i, j] + inverse[2] + 1e-6)
            row = math.floor(inverse[3] * x[i, j] + inverse[4] * y[i, j] + inverse[5] + 1e-6)
            if 0 <= col < width and 0 <= row < height:
                out[i, j] = source[row, col]
    return out
