"""Whether rasters in files lie on one grid.

Belongs here: the comparison, and a grid in words for messages. What follows where grids differ is the caller's to say.
"""

from __future__ import annotations

from typing import Any

_SHIFT_OF_GRID = 1e-6  # of a pixel: what two writers of one grid may differ by in floating point


def share_grid(first: Any, other: Any) -> bool:
    """Whether two open rasters have the same size, CRS and, to a millionth of a pixel, transform."""
    slack = _SHIFT_OF_GRID * abs(first.transform.a)
    shifted = any(abs(a - b) > slack for a, b in zip(first.transform[:6], other.transform[:6], strict=True))
    return bool(first.shape == other.shape and not shifted and first.crs == other.crs)


def grid_in_words(raster: Any) -> str:
    """Size, pixel, origin and CRS of an open raster."""
    a, _, c, _, e, f = tuple(raster.transform)[:6]
    crs = raster.crs.to_string()[:40] if raster.crs else "no CRS"
    return f"{raster.width} × {raster.height} pixels of {a:g} × {-e:g} from ({c:g}, {f:g}) in {crs}"
