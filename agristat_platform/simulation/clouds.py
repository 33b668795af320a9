"""Cloudiness of the dates of a season, and cloud, cirrus and shadow fields of one date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt

from agristat_platform.catalogue import SimulationSettings
from agristat_platform.simulation.landscape import Bounds
from agristat_platform.simulation.noise import FieldGrid, fractal_field
from agristat_platform.simulation.rendering import F32, sample_bilinear
from agristat_platform.simulation.scene_grids import Canvas
from agristat_platform.simulation.seeding import generator

Sky = Literal["clear", "partly", "cloudy"]
_CELL_M = 40.0
_MARGIN_M = 1600.0
_ARRANGEMENTS = 400


@dataclass(frozen=True)
class CloudFields:
    """Opacity 0–1 of thick cloud and of cirrus on a coarse lattice, and where their shadows fall (metres)."""

    lattice: FieldGrid
    thick: F32
    cirrus: F32
    shadow_east_m: float
    shadow_north_m: float


@dataclass(frozen=True)
class PixelSky:
    """Opacity of thick cloud, of cirrus, and darkness of shadow, each 0–1 per pixel of a canvas."""

    thick: F32
    cirrus: F32
    shadow: F32

    @property
    def opacity(self) -> F32:
        """Opacity of cloud and cirrus together."""
        return np.asarray(1.0 - (1.0 - self.thick) * (1.0 - self.cirrus), dtype=np.float32)


def skies(days: Sequence[date], settings: SimulationSettings, *stream: str) -> list[Sky]:
    """The kind of sky of each date: the wanted shares, in an order that leaves no month overcast if it can,
    and few without a clear date."""
    clear = round(settings.clear_dates_share * len(days))
    partly = min(round(settings.partly_cloudy_dates_share * len(days)), len(days) - clear)
    kinds: list[Sky] = ["cloudy"] * len(days)
    kinds[:clear] = ["clear"] * clear
    kinds[clear : clear + partly] = ["partly"] * partly
    rng = generator(settings.seed, "skies", *stream)
    months = [(day.year, day.month) for day in days]
    best: list[Sky] = kinds
    least = (len(days) + 1, 0)
    for _ in range(_ARRANGEMENTS):
        arranged = [kinds[i] for i in rng.permutation(len(kinds))]
        dull = len(set(months) - {month for month, sky in zip(months, arranged, strict=True) if sky != "cloudy"})
        never_clear = len(set(months) - {month for month, sky in zip(months, arranged, strict=True) if sky == "clear"})
        if (dull, never_clear) < least:
            best, least = arranged, (dull, never_clear)
        if least == (0, 0):
            break
    return best


def cloud_fields(extent: Bounds, sky: Sky, sun_azimuth: float, seed: int, *stream: str) -> CloudFields:
    """Clouds of one date over the landscape and a margin around it, from where shadows may fall in."""
    left, bottom, right, top = extent
    lattice = FieldGrid.covering((left - _MARGIN_M, bottom - _MARGIN_M, right + _MARGIN_M, top + _MARGIN_M), _CELL_M)
    rng = generator(seed, "clouds", *stream)
    height, reach = rng.uniform(900.0, 1800.0), np.tan(np.radians(rng.uniform(38.0, 58.0)))
    length = rng.uniform(350.0, 800.0) if sky == "partly" else rng.uniform(700.0, 2200.0)
    share = {"clear": 0.0, "partly": rng.uniform(0.03, 0.17), "cloudy": rng.uniform(0.35, 1.0)}[sky]
    thick = np.zeros((lattice.rows, lattice.columns), dtype=np.float32)
    inner = int(_MARGIN_M / _CELL_M)
    if share > 0:
        field = fractal_field(rng, lattice, length, octaves=4, persistence=0.5)
        over_land = field[inner : lattice.rows - inner, inner : lattice.columns - inner]
        edge = np.quantile(over_land, 1.0 - min(share, 0.999))
        thick = _smoothstep((field - np.float32(edge)) / np.float32(0.45) + np.float32(0.35))
    cirrus = np.zeros_like(thick)
    if sky != "clear" and rng.random() < 0.45:
        veil = fractal_field(rng, lattice, 2600.0, octaves=3, persistence=0.4)
        cirrus = np.float32(0.16) * _smoothstep(veil - np.float32(rng.uniform(0.8, 1.6)))
    # the shadow lies away from the sun, as far as the cloud is high over the tangent of the sun's elevation
    distance = height * reach * 0.75
    away = np.radians(sun_azimuth + 180.0)
    return CloudFields(lattice, thick, cirrus, float(distance * np.sin(away)), float(distance * np.cos(away)))


def sky_over(canvas: Canvas, fields: CloudFields) -> PixelSky:
    """Cloud, cirrus and shadow on every pixel of a canvas."""
    row, column = lattice_positions(canvas, fields.lattice)
    thick = sample_bilinear(fields.thick, row, column, 0.0, 0.0)
    cirrus = sample_bilinear(fields.cirrus, row, column, 0.0, 0.0)
    # the cloud that shades a pixel stands towards the sun: back along the displacement
    shadow = sample_bilinear(
        fields.thick, row, column, fields.shadow_north_m / _CELL_M, -fields.shadow_east_m / _CELL_M
    )
    return PixelSky(thick, cirrus, shadow)


def lattice_positions(canvas: Canvas, lattice: FieldGrid) -> tuple[F32, F32]:
    """Fractional rows and columns of a canvas's pixels on a lattice of cell centres."""
    row: npt.NDArray[np.float64] = (lattice.top - canvas.y) / lattice.cell_m - 0.5
    column: npt.NDArray[np.float64] = (canvas.x - lattice.left) / lattice.cell_m - 0.5
    return row.astype(np.float32), column.astype(np.float32)


def _smoothstep(values: F32) -> F32:
    t = np.clip(values, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), dtype=np.float32)
