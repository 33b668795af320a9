"""Where the simulated sensors look: UTM zones, tiles and the 10 m canvases that their pixels are computed on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyproj
import shapely
from affine import Affine
from rasterio import features
from shapely.geometry.base import BaseGeometry

from agristat_platform.catalogue import Grid, Region, reproject
from agristat_platform.simulation.landscape import Bounds
from agristat_platform.simulation.noise import FieldGrid, fractal_field
from agristat_platform.simulation.rotation import SeasonParcels
from agristat_platform.simulation.seeding import generator

PIXEL_M = 10.0
_LATTICE_M = 60.0  # common multiple of 10, 20 and 30 m pixels
_LONLAT = "EPSG:4326"
_COLUMN_LETTERS = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_ROW_LETTERS = "ABCDEFGHJKLMNPQRSTUV"
_LATITUDE_BANDS = "CDEFGHJKLMNPQRSTUVWX"


@dataclass(frozen=True)
class Tile:
    """A part of a canvas that is delivered as scenes of their own; `name` is the MGRS 100 km square ("29TQG")."""

    name: str
    epsg: int
    grid: Grid
    rows: slice
    columns: slice


@dataclass(frozen=True)
class Canvas:
    """A 10 m lattice in one UTM zone with what doesn't change between dates.

    `x`, `y`: the pixel centres in the region's CRS; `canopy_texture`, `soil_texture`: fields of variance 1 on them.
    """

    epsg: int
    grid: Grid
    tiles: tuple[Tile, ...]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    canopy_texture: npt.NDArray[np.float32]
    soil_texture: npt.NDArray[np.float32]


def sensor_grids(region: Region) -> list[tuple[int, Grid, list[Tile]]]:
    """(EPSG, canvas grid, Sentinel-2 tiles) per UTM zone that the AOI touches; the first canvas covers the whole AOI."""
    aoi = region.aoi_geometry()
    west, _, east, _ = aoi.bounds
    latitude = aoi.centroid.y
    zones = range(_zone(west), _zone(east - 1e-9) + 1)
    parts = {}
    overlap = min(0.014, 0.25 * (east - west))
    for zone in zones:
        edges = (-180.0 + 6.0 * (zone - 1), -180.0 + 6.0 * zone)
        parts[zone] = shapely.intersection(aoi, shapely.box(edges[0] - overlap, -90, edges[1] + overlap, 90))
    main = _main_zone(region, parts)
    grids = []
    for zone in sorted(zones, key=lambda z: (z != main, z)):
        epsg = (32600 if latitude >= 0 else 32700) + zone
        tile_grid = _grid_over(parts[zone], epsg)
        canvas_grid = _grid_over(aoi, epsg) if zone == main else tile_grid
        grids.append((epsg, canvas_grid, [_tile(tile_grid, canvas_grid, epsg, latitude)]))
    return grids


def landscape_extent(region: Region, grids: Iterable[tuple[int, Grid, list[Tile]]]) -> Bounds:
    """Bounds in the region's CRS of all canvases and of the region's own grid, and 60 m around them."""
    boxes = [shapely.box(*region.grid().bounds)]
    boxes += [reproject(shapely.box(*grid.bounds), f"EPSG:{epsg}", region.crs) for epsg, grid, _ in grids]
    left, bottom, right, top = shapely.union_all(boxes).bounds
    lattice = _LATTICE_M
    return (
        float(np.floor(left / lattice - 1) * lattice),
        float(np.floor(bottom / lattice - 1) * lattice),
        float(np.ceil(right / lattice + 1) * lattice),
        float(np.ceil(top / lattice + 1) * lattice),
    )


def build_canvases(region: Region, extent: Bounds, seed: int) -> list[Canvas]:
    """The canvases of a region with their lasting texture; textures agree where canvases overlap."""
    field = FieldGrid.covering(extent, PIXEL_M)
    rng = generator(seed, "texture")
    patches = fractal_field(rng, field, 70.0, octaves=3, persistence=0.7)
    grain = rng.standard_normal((field.rows, field.columns), dtype=np.float32)
    canopy = np.float32(0.85) * patches + np.float32(0.53) * grain
    soil = fractal_field(rng, field, 130.0, octaves=4, persistence=0.6)
    canvases = []
    for epsg, grid, tiles in sensor_grids(region):
        x, y = _pixel_centres(grid, epsg, region.crs)
        rows = np.clip(((field.top - y) / PIXEL_M).astype(np.intp), 0, field.rows - 1)
        columns = np.clip(((x - field.left) / PIXEL_M).astype(np.intp), 0, field.columns - 1)
        canvases.append(Canvas(epsg, grid, tuple(tiles), x, y, canopy[rows, columns], soil[rows, columns]))
    return canvases


def parcel_numbers(parcels: SeasonParcels, grid: Grid, region_crs: str) -> npt.NDArray[np.int32]:
    """Position of the polygon under each pixel's centre, (height, width); -1 where there is none."""
    shapes = parcels.geometries
    if pyproj.CRS(grid.crs) != pyproj.CRS(region_crs):
        transformer = pyproj.Transformer.from_crs(region_crs, grid.crs, always_xy=True)
        shapes = shapely.transform(shapes, transformer.transform, interleaved=False)
    near = shapely.intersects(shapes, shapely.box(*grid.bounds))
    return np.asarray(
        features.rasterize(
            ((shape, number) for number, shape in enumerate(shapes) if near[number]),
            out_shape=grid.shape,
            transform=grid.transform,
            fill=-1,
            dtype="int32",
        )
    )


def footprint(grid: Grid, keep: BaseGeometry | None, region_crs: str) -> BaseGeometry:
    """Outline of a grid in longitude and latitude, clipped to `keep` (in the region's CRS) where a swath ends."""
    outline = shapely.box(*grid.bounds)
    if keep is not None:
        outline = shapely.intersection(outline, reproject(keep, region_crs, grid.crs))
    corners = shapely.segmentize(outline, max(outline.length / 16, 1.0)) if not outline.is_empty else outline
    transformer = pyproj.Transformer.from_crs(grid.crs, _LONLAT, always_xy=True)
    shape = shapely.transform(corners, transformer.transform, interleaved=False)
    return shapely.orient_polygons(shapely.set_precision(shape, 1e-7))


def coarser(grid: Grid, factor: int) -> Grid:
    """The grid with pixels `factor` times as wide and high over the same outline."""
    t = grid.transform
    return Grid(
        grid.crs, Affine(t.a * factor, 0, t.c, 0, t.e * factor, t.f), grid.width // factor, grid.height // factor
    )


def _zone(longitude: float) -> int:
    return min(int((longitude + 180.0) // 6.0) + 1, 60)


def _main_zone(region: Region, parts: dict[int, BaseGeometry]) -> int:
    epsg = pyproj.CRS(region.crs).to_epsg() or 0
    if epsg // 100 in (326, 327) and epsg % 100 in parts:
        return epsg % 100
    return max(parts, key=lambda zone: (parts[zone].area, -zone))


def _grid_over(lonlat: BaseGeometry, epsg: int) -> Grid:
    left, bottom, right, top = reproject(lonlat, _LONLAT, f"EPSG:{epsg}").bounds
    left, bottom = (np.floor(value / _LATTICE_M) * _LATTICE_M for value in (left, bottom))
    right, top = (np.ceil(value / _LATTICE_M) * _LATTICE_M for value in (right, top))
    size = round((right - left) / PIXEL_M), round((top - bottom) / PIXEL_M)
    return Grid(f"EPSG:{epsg}", Affine(PIXEL_M, 0, left, 0, -PIXEL_M, top), *size)


def _tile(tile: Grid, canvas: Grid, epsg: int, latitude: float) -> Tile:
    rows, columns = canvas.window(*tile.bounds)
    left, bottom, right, top = tile.bounds
    square = _mgrs_square(epsg % 100, 0.5 * (left + right), 0.5 * (bottom + top), latitude)
    # a tile may reach a lattice step beyond the canvas; it ends where the canvas does
    t = canvas.transform
    corner = Affine(PIXEL_M, 0, t.c + columns.start * PIXEL_M, 0, -PIXEL_M, t.f - rows.start * PIXEL_M)
    grid = Grid(tile.crs, corner, columns.stop - columns.start, rows.stop - rows.start)
    return Tile(square, epsg, grid, rows, columns)


def _mgrs_square(zone: int, easting: float, northing: float, latitude: float) -> str:
    """Name of the 100 km square of the Military Grid Reference System (NGA.STND.0037)."""
    band = _LATITUDE_BANDS[min(int((latitude + 80.0) // 8.0), 19)]
    column = _COLUMN_LETTERS[(zone - 1) % 3][int(easting // 100_000) - 1]
    shift = 5 if zone % 2 == 0 else 0
    row = _ROW_LETTERS[(int(northing // 100_000) + shift) % 20]
    return f"{zone:02d}{band}{column}{row}"


def _pixel_centres(
    grid: Grid, epsg: int, region_crs: str, step: int = 16
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Pixel centres in the region's CRS: exact at every 16th pixel, linear between (well under a centimetre off)."""
    t = grid.transform
    rows = np.append(np.arange(0, grid.height - 1, step), grid.height - 1)
    columns = np.append(np.arange(0, grid.width - 1, step), grid.width - 1)
    x, y = np.meshgrid(t.c + (columns + 0.5) * t.a, t.f + (rows + 0.5) * t.e)
    transformer = pyproj.Transformer.from_crs(f"EPSG:{epsg}", region_crs, always_xy=True)
    return tuple(_bilinear(values, rows, columns, grid) for values in transformer.transform(x, y))  # type: ignore[return-value]


def _bilinear(
    values: npt.NDArray[np.float64], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], grid: Grid
) -> npt.NDArray[np.float64]:
    all_rows, all_columns = np.arange(grid.height), np.arange(grid.width)
    across = np.stack([np.interp(all_columns, columns, line) for line in values])
    low = np.clip(np.searchsorted(rows, all_rows, side="right") - 1, 0, len(rows) - 2)
    share = ((all_rows - rows[low]) / (rows[low + 1] - rows[low]))[:, None]
    return np.asarray(across[low] * (1 - share) + across[low + 1] * share)
