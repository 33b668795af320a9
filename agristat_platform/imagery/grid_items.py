"""STAC items of files on a region's grid: footprint, period and the fields of the grid; assets are added by who has files.

Source: STAC projection extension 2.0.0, https://stac-extensions.github.io/projection/v2.0.0/schema.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pyproj
import pystac
import shapely

from agristat_platform.catalogue import Grid, reproject


def grid_item(
    identifier: str, grid: Grid, start: date, end: date, properties: Mapping[str, Any], extensions: Sequence[str]
) -> pystac.Item:
    """An item without assets whose footprint is the grid's, to 1e-7 degrees.

    Parameters
    ----------
    identifier:
        The item's.
    grid:
        The region's grid.
    start, end:
        First day of the period, and the day after its last; the item ends a second before that.
    properties:
        Beside the period.
    extensions:
        Addresses of the schemas of the STAC extensions used.
    """
    footprint = shapely.set_precision(reproject(shapely.box(*grid.bounds), grid.crs, "EPSG:4326"), 1e-7)
    return pystac.Item(
        identifier,
        shapely.geometry.mapping(footprint),
        [round(value, 7) for value in footprint.bounds],
        None,
        dict(properties),
        start_datetime=datetime.combine(start, time(), UTC),
        end_datetime=datetime.combine(end, time(), UTC) - timedelta(seconds=1),
        stac_extensions=list(extensions),
    )


def projection_fields(grid: Grid) -> dict[str, Any]:
    """Fields of STAC's projection extension for files on this grid; WKT2 where the CRS has no EPSG code."""
    crs = pyproj.CRS.from_user_input(grid.crs)
    epsg = crs.to_epsg()
    own = {"proj:code": f"EPSG:{epsg}"} if epsg else {"proj:code": None, "proj:wkt2": crs.to_wkt("WKT2_2019")}
    return {
        **own,
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform)[:6],
        "proj:bbox": list(grid.bounds),
    }
