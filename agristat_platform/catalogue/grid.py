"""The one pixel grid of a region, on which every raster of that region lies. No reading or writing of rasters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
import shapely
from affine import Affine

from agristat_platform.catalogue.errors import InvalidGridError

LONLAT = "EPSG:4326"
SNAP_TOLERANCE = 1e-3  # of a pixel: an edge this near to a multiple of the resolution counts as lying on it
MAX_PIXELS = 2**32  # segments are numbered in uint32
AREA_OF_USE_MARGIN_DEG = 3.0  # half a UTM zone
EDGE_STEPS = 64  # pieces an outline's longest side is cut into before it is reprojected, as straight lines bend


@dataclass(frozen=True)
class Grid:
    """A north-up pixel grid in a projected coordinate reference system with metres as unit.

    Parameters
    ----------
    crs:
        Anything pyproj takes: `EPSG:32630`, WKT, a PROJ string.
    transform:
        Affine transform from (column, row) to (x, y) in metres; no rotation, rows from north to south.
    width, height:
        Number of columns and rows.

    Raises
    ------
    InvalidGridError
        Unknown or geographic CRS, rotated or upside-down transform, or no pixels.
    """

    crs: str
    transform: Affine
    width: int
    height: int

    def __post_init__(self) -> None:
        require_projected(self.crs)
        a, b, _, d, e, _ = tuple(self.transform)[:6]
        if b or d:
            raise InvalidGridError("the grid is rotated", where=str(tuple(self.transform)[:6]))
        if a <= 0 or e >= 0:
            raise InvalidGridError(
                "the grid is not north-up", where=str(tuple(self.transform)[:6]), remedy="Pixel width > 0, height < 0"
            )
        if self.width < 1 or self.height < 1:
            raise InvalidGridError(f"the grid has {self.width} columns and {self.height} rows")
        if self.width * self.height > MAX_PIXELS:
            raise InvalidGridError(
                f"the grid has {self.width} columns and {self.height} rows, more pixels than segments can be numbered",
                remedy="Is the resolution right? Else split the region",
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width): rows and columns, as arrays count."""
        return (self.height, self.width)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(left, bottom, right, top) in metres of the CRS."""
        left, top = self.transform.c, self.transform.f
        return (left, top + self.transform.e * self.height, left + self.transform.a * self.width, top)

    @property
    def pixel_area_ha(self) -> float:
        """Area of one pixel, hectares."""
        return abs(self.transform.a * self.transform.e) / 10_000

    @property
    def resolution_m(self) -> tuple[float, float]:
        """(width, height) of a pixel, metres."""
        return (self.transform.a, -self.transform.e)

    def window(self, left: float, bottom: float, right: float, top: float) -> tuple[slice, slice]:
        """Return the (rows, columns) of all pixels that share area with a box, cut off at the grid's edges.

        Parameters
        ----------
        left, bottom, right, top:
            The box, metres in the grid's CRS.

        Returns
        -------
        Two slices into an array of shape (height, width); empty slices where the box lies outside.
        """
        a, _, c, _, e, f = tuple(self.transform)[:6]
        return (
            _clipped_slice((top - f) / e, (bottom - f) / e, self.height),
            _clipped_slice((left - c) / a, (right - c) / a, self.width),
        )

    def crop(self, rows: slice, cols: slice) -> Grid:
        """Return the grid of one window of this grid, as `window` gives it.

        Raises
        ------
        InvalidGridError
            The window is empty.
        """
        a, b, c, d, e, f = tuple(self.transform)[:6]
        transform = Affine(a, b, c + a * cols.start, d, e, f + e * rows.start)
        return Grid(self.crs, transform, cols.stop - cols.start, rows.stop - rows.start)

    def outline(self) -> Any:
        """Return the grid's edge as a shapely polygon in its own CRS."""
        return shapely.box(*self.bounds)

    @classmethod
    def from_bounds(cls, bounds: tuple[float, float, float, float], crs: str, resolution_m: float) -> Grid:
        """Return the smallest grid over a box whose edges are multiples of the resolution.

        Parameters
        ----------
        bounds:
            (left, bottom, right, top), metres in `crs`. An edge within a thousandth of a pixel of a
            multiple of the resolution is taken to lie on it, so that rounding adds no empty row.
        crs:
            A projected CRS.
        resolution_m:
            Side of a pixel, metres.

        Raises
        ------
        InvalidGridError
            Box without area, resolution not positive, CRS unknown or geographic.
        """
        left, bottom, right, top = bounds
        if not resolution_m > 0:
            raise InvalidGridError(f"a resolution of {resolution_m} m", remedy="Give a positive number of metres")
        if not all(map(math.isfinite, bounds)):
            raise InvalidGridError("the area has no finite bounds in the CRS", where=crs, remedy="Is the CRS right?")
        if not (right > left and top > bottom):
            raise InvalidGridError("the area is empty", where=f"bounds {bounds}")
        first_col, last_col = _snapped(left / resolution_m, right / resolution_m)
        first_row, last_row = _snapped(bottom / resolution_m, top / resolution_m)
        transform = Affine(resolution_m, 0.0, first_col * resolution_m, 0.0, -resolution_m, last_row * resolution_m)
        return cls(crs, transform, last_col - first_col, last_row - first_row)

    @classmethod
    def from_aoi(cls, aoi_lonlat: Any, crs: str, resolution_m: float) -> Grid:
        """Return the smallest grid over an area, snapped outwards to multiples of the resolution.

        Parameters
        ----------
        aoi_lonlat:
            shapely geometry in longitude and latitude (EPSG:4326, x = longitude).
        crs:
            A projected CRS.
        resolution_m:
            Side of a pixel, metres.

        Raises
        ------
        InvalidGridError
            See `from_bounds`.
        """
        require_projected(crs)
        return cls.from_bounds(reproject(aoi_lonlat, LONLAT, crs).bounds, crs, resolution_m)


def require_projected(crs: str) -> None:
    """Raise InvalidGridError unless `crs` is a projected CRS in metres, for areas are measured on it."""
    try:
        parsed = pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise InvalidGridError(
            f'the CRS "{crs}" is unknown', remedy="Give a projected one, such as EPSG:32630, WKT or a PROJ string"
        ) from error
    if not parsed.is_projected:
        raise InvalidGridError(
            f'the CRS "{crs}" is not projected', remedy="Areas need metres: give e.g. the UTM zone, such as EPSG:32630"
        )
    if any(abs(axis.unit_conversion_factor - 1) > 1e-12 for axis in parsed.axis_info[:2]):
        raise InvalidGridError(f'the CRS "{crs}" is not in metres', remedy="Areas need metres: give another CRS")


def near_area_of_use(crs: str, aoi_lonlat: Any) -> bool:
    """Whether an area lies within a few degrees of where a CRS is made for; True where the CRS does not say.

    A UTM zone serves a region that reaches into the neighbouring zone; half a continent away, metres are no metres.
    """
    area = pyproj.CRS.from_user_input(crs).area_of_use
    if area is None or area.west > area.east:
        return True
    used = shapely.box(area.west, area.south, area.east, area.north).buffer(AREA_OF_USE_MARGIN_DEG)
    return bool(used.contains(aoi_lonlat))


def reproject(geometry: Any, source: str, target: str) -> Any:
    """Reproject a shapely geometry (x = east, y = north on both sides), long sides first cut into short pieces.

    A straight side in degrees is not straight in metres: without the cuts a box would lose up to a pixel's width.
    """
    left, bottom, right, top = geometry.bounds
    longest = max(right - left, top - bottom)
    if longest > 0:
        geometry = shapely.segmentize(geometry, longest / EDGE_STEPS)
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    return shapely.transform(geometry, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))


def _snapped(low: float, high: float) -> tuple[int, int]:
    if high - low <= 2 * SNAP_TOLERANCE:  # so small that rounding could leave nothing of it
        return math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    return _floor(low), _ceil(high)


def _floor(value: float) -> int:
    nearest = round(value)
    return nearest if abs(value - nearest) < SNAP_TOLERANCE else math.floor(value)


def _ceil(value: float) -> int:
    nearest = round(value)
    return nearest if abs(value - nearest) < SNAP_TOLERANCE else math.ceil(value)


def _clipped_slice(first: float, last: float, size: int) -> slice:
    start = min(max(_floor(first), 0), size)
    return slice(start, min(max(_ceil(last), start), size))
