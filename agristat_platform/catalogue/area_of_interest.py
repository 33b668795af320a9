"""The area of interest as a region file writes it, and whether it is an area on the globe. Grids are in `grid`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import shapely
import shapely.geometry
from pydantic import Discriminator, Field, Tag, model_validator

from agristat_platform.catalogue.section import Section


class AoiGeometry(Section):
    """Polygon or MultiPolygon in longitude and latitude, as GeoJSON writes it."""

    type: Literal["Polygon", "MultiPolygon"]
    coordinates: Annotated[tuple[Any, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _valid_on_the_globe(self) -> AoiGeometry:
        check_aoi(aoi_shape(self))
        return self


class AoiBounds(Section):
    """A box in the region's own CRS: left, bottom, right, top in metres."""

    bounds: Annotated[tuple[float, float, float, float], Field(strict=False)]

    @model_validator(mode="after")
    def _has_area(self) -> AoiBounds:
        left, bottom, right, top = self.bounds
        if not (left < right and bottom < top):
            raise ValueError("bounds must be left, bottom, right, top with left < right and bottom < top")
        return self


def _aoi_form(value: Any) -> str | None:
    if isinstance(value, AoiGeometry | AoiBounds):
        return f"<{type(value).__name__}>"
    if not isinstance(value, dict):
        return None
    return "<AoiBounds>" if "bounds" in value else "<AoiGeometry>"


Aoi = Annotated[
    Annotated[AoiGeometry, Tag("<AoiGeometry>")] | Annotated[AoiBounds, Tag("<AoiBounds>")],
    Discriminator(
        _aoi_form,
        custom_error_type="aoi_form",
        custom_error_message="allowed: a GeoJSON geometry (type, coordinates), bounds, or file",
    ),
]


def check_aoi(geometry: Any) -> None:
    """Raise ValueError unless a lon/lat geometry is a valid, non-empty area on the globe off the antimeridian."""
    if geometry.is_empty or geometry.area == 0:
        raise ValueError("the area of interest is empty")
    left, bottom, right, top = geometry.bounds
    if left < -180 or right > 180 or bottom < -90 or top > 90:
        if left >= -180 and right <= 360 and bottom >= -90 and top <= 90:
            raise ValueError("it crosses the antimeridian; split the region there into two")
        raise ValueError("coordinates must be longitude, latitude in degrees, in that order")
    if right - left > 180:
        raise ValueError("it crosses the antimeridian (or spans half the globe); split the region into two")
    if not geometry.is_valid:
        raise ValueError(f"the polygon is not valid: {shapely.is_valid_reason(geometry)}")


def aoi_shape(aoi: AoiGeometry) -> Any:
    """Return the area as a shapely geometry, longitude and latitude; ValueError names the position that is none."""
    polygons = [aoi.coordinates] if aoi.type == "Polygon" else aoi.coordinates
    for polygon in polygons:
        _check_rings(polygon)
    return shapely.force_2d(shapely.geometry.shape({"type": aoi.type, "coordinates": aoi.coordinates}))


def _check_rings(polygon: Any) -> None:
    if not isinstance(polygon, list | tuple) or not polygon:
        raise ValueError("coordinates of a polygon are a list of rings")
    for number, ring in enumerate(polygon, start=1):
        if not isinstance(ring, list | tuple) or len(ring) < 4:
            raise ValueError(f"ring {number} needs at least four positions, the last one equal to the first")
        for place, position in enumerate(ring, start=1):
            if not _is_position(position):
                raise ValueError(
                    f"ring {number}, position {place}: got {position}; allowed: [longitude, latitude] in degrees"
                )


def _is_position(position: Any) -> bool:
    return (
        isinstance(position, list | tuple)
        and len(position) in (2, 3)  # GeoJSON allows a height
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in position)
        and all(map(math.isfinite, position))
    )
