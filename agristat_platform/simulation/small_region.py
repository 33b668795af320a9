"""The same kind of region on less land: for tests, tutorials and trials that should take seconds."""

from __future__ import annotations

import shapely
from shapely import affinity

from agristat_platform.catalogue import Region
from agristat_platform.simulation.errors import NotSimulatedError


def smaller_region(region: Region, *, scale: float = 0.28, code: str | None = None) -> Region:
    """A simulated region with its AOI shrunk around its centre; seasons, crops, sensors and settings stay.

    Survey and training shrink along: 200 m segments, 24 of them; 150 labels in blocks of 400 m.

    Parameters
    ----------
    scale:
        Factor on the AOI's width and height; the demo valley's 7 × 6 km become 2 × 1.7 km.
    code:
        Of the new region; None: the region's own, so that it takes its place in a catalogue.

    Raises
    ------
    NotSimulatedError
        The region is a real one.
    """
    if region.simulation is None:
        raise NotSimulatedError(
            f"region {region.code} is not simulated", remedy="Only a simulated region can be had smaller"
        )
    outline = affinity.scale(region.aoi_geometry(), scale, scale, origin="centroid")
    aoi = {"type": outline.geom_type, "coordinates": shapely.geometry.mapping(outline)["coordinates"]}
    share = scale * scale
    changed = region.model_dump(by_alias=True) | {
        "code": code or region.code,
        "aoi": {"type": aoi["type"], "coordinates": _as_lists(aoi["coordinates"])},
    }
    changed["survey"] |= {"segment_side_m": 200.0, "sample_size": 24}
    if changed["training"]:
        changed["training"] |= {"labels": 150, "block_size_m": 400.0}
    changed["simulation"] |= {
        "farms": max(10, round(2 * share * region.simulation.farms)),
        "households": max(60, round(2 * share * region.simulation.households)),
    }
    return Region.model_validate(changed)


def _as_lists(coordinates: object) -> object:
    return [_as_lists(part) for part in coordinates] if isinstance(coordinates, list | tuple) else coordinates
