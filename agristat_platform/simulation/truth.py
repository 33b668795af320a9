"""The truth of a season: true totals, true totals by unit, and what an enumerator with a GPS would see of it.

Everything here is computed from the parcels' polygons; rasters are derived from these, never the other way round.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import shapely
from shapely.geometry.base import BaseGeometry

from agristat_platform.catalogue import Region
from agristat_platform.geometry import read_geometry
from agristat_platform.simulation.errors import LandscapeNotPreparedError, NotSimulatedError, UnitOutsideLandscapeError
from agristat_platform.simulation.landscape import SQUARE_METRES_PER_HA
from agristat_platform.simulation.seeding import normal_by_name
from agristat_platform.simulation.tables import CROP_TOTALS_SCHEMA, FIELD_DATA_SCHEMA, UNIT_TOTALS_SCHEMA

_UNCOVERED_M2 = 1e-2


def true_parcels(archive_dir: Path, region: Region, season: str) -> pa.Table:
    """All polygons of a season (`tables.PARCELS_SCHEMA`), the landscape beyond the AOI included.

    Raises
    ------
    LandscapeNotPreparedError
        The season's truth isn't in the archive.
    """
    region.season(season)
    path = Path(archive_dir) / region.code / "truth" / season / "parcels.parquet"
    if not path.exists():
        raise LandscapeNotPreparedError(
            f"region {region.code} has no simulated truth for season {season}",
            where=str(path),
            remedy="Prepare the region first (prepare_region)",
        )
    return pq.read_table(path)


def true_totals(archive_dir: Path, region: Region, season: str) -> pa.Table:
    """True area and production of every crop inside the AOI.

    Returns
    -------
    crop_code, area_ha (ha), production_t (t; null where nothing is harvested), in the order of the nomenclature's
    class ids.

    Raises
    ------
    LandscapeNotPreparedError
    """
    parcels = true_parcels(archive_dir, region, season)
    return totals_of(parcels, parcels.column("aoi_area_ha").to_numpy())


def totals_of(parcels: pa.Table, area_ha: npt.NDArray[np.float64]) -> pa.Table:
    """Totals by crop (`CROP_TOTALS_SCHEMA`) of given areas of the parcels; crops without area are left out."""
    yields = parcels.column("yield_t_ha").to_numpy(zero_copy_only=False).astype(np.float64)
    codes = np.array(parcels.column("crop_code").to_pylist(), dtype=object)
    class_ids = parcels.column("class_id").to_numpy()
    rows = []
    for class_id in np.unique(class_ids[area_ha > 0]):
        of_class = class_ids == class_id
        production = float(np.nansum(area_ha[of_class] * yields[of_class]))
        harvested = bool(np.isfinite(yields[of_class]).any())
        rows.append((codes[of_class][0], float(area_ha[of_class].sum()), production if harvested else None))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], []]
    return pa.table(columns, schema=CROP_TOTALS_SCHEMA)


def simulate_totals_by_unit(archive_dir: Path, region: Region, season: str, units: pa.Table) -> pa.Table:
    """Exact true area and production of every crop in every unit (the whole frame, say).

    Parameters
    ----------
    units:
        unit_id and geometry (WKB, region CRS).

    Returns
    -------
    unit_id, crop_code, area_ha, production_t (null where nothing is harvested); only crops that the unit holds,
    units in their given order and crops by code.

    Raises
    ------
    LandscapeNotPreparedError, UnitOutsideLandscapeError
    """
    pieces = _cut(true_parcels(archive_dir, region, season), units)
    unit_ids, codes = pieces.column("unit_id"), pieces.column("crop_code")
    produced = pc.multiply(pieces.column("area_ha"), pieces.column("true_yield_t_ha"))
    table = pa.table(
        {"unit_id": unit_ids, "crop_code": codes, "area_ha": pieces.column("area_ha"), "produced": produced}
    )
    summed = table.group_by(["unit_id", "crop_code"], use_threads=False).aggregate(
        [("area_ha", "sum"), ("produced", "sum")]
    )
    position = pc.index_in(summed.column("unit_id"), units.column("unit_id").combine_chunks())
    summed = summed.append_column("position", position).sort_by([("position", "ascending"), ("crop_code", "ascending")])
    columns = [summed.column(name) for name in ("unit_id", "crop_code", "area_ha_sum", "produced_sum")]
    return pa.table(columns, schema=UNIT_TOTALS_SCHEMA)


def observe_segments(archive_dir: Path, region: Region, season: str, sample_units: pa.Table) -> pa.Table:
    """Field data of sampled units: every piece of land in them, with its exact area and a measured yield.

    The unit is covered wholly, land that isn't cultivated included. A parcel's yield is measured once per unit, with a
    relative error of `simulation.yield_noise` that depends on parcel and unit only, not on which others are sampled.

    Parameters
    ----------
    sample_units:
        unit_id and geometry (WKB, region CRS); further columns are ignored.

    Returns
    -------
    unit_id, parcel_id, crop_code, area_ha (ha), yield_t_ha (t/ha, null where nothing is harvested), geometry (WKB).

    Raises
    ------
    NotSimulatedError
        The region has no simulation settings.
    LandscapeNotPreparedError, UnitOutsideLandscapeError
    """
    if region.simulation is None:
        raise NotSimulatedError(f"region {region.code} is not simulated", remedy="Read its field data from a file")
    pieces = _cut(true_parcels(archive_dir, region, season), sample_units)
    names = [
        f"{unit}|{parcel}"
        for unit, parcel in zip(pieces["unit_id"].to_pylist(), pieces["parcel_id"].to_pylist(), strict=True)
    ]
    error = normal_by_name(region.simulation.seed, [f"{season}|{name}" for name in names])
    factor = np.exp(region.simulation.yield_noise * error)
    measured = pc.multiply(pieces.column("true_yield_t_ha"), pa.array(factor))
    columns = [pieces.column(name) for name in ("unit_id", "parcel_id", "crop_code", "area_ha")]
    return pa.table([*columns, measured, pieces.column("geometry")], schema=FIELD_DATA_SCHEMA)


def _cut(parcels: pa.Table, units: pa.Table) -> pa.Table:
    """Pieces of parcels in units, with area_ha and true_yield_t_ha, by unit and then parcel in the tables' order."""
    unit_shapes, parcel_shapes = read_geometry(units), read_geometry(parcels)
    pairs = shapely.STRtree(parcel_shapes).query(unit_shapes, predicate="intersects")
    unit, parcel = pairs[:, np.lexsort((pairs[1], pairs[0]))]
    pieces = shapely.intersection(unit_shapes[unit], parcel_shapes[parcel])
    areas = shapely.area(pieces)
    _require_covered(
        units, unit_shapes, np.asarray(np.bincount(unit, weights=areas, minlength=len(unit_shapes)), dtype=np.float64)
    )
    keep = areas > 0
    unit, parcel, pieces, areas = unit[keep], parcel[keep], pieces[keep], areas[keep]
    return pa.table(
        {
            "unit_id": units.column("unit_id").take(pa.array(unit)),
            "parcel_id": parcels.column("parcel_id").take(pa.array(parcel)),
            "crop_code": parcels.column("crop_code").take(pa.array(parcel)),
            "area_ha": areas / SQUARE_METRES_PER_HA,
            "true_yield_t_ha": parcels.column("yield_t_ha").take(pa.array(parcel)),
            "geometry": shapely.to_wkb(_only_polygons(pieces)),
        }
    )


def _require_covered(units: pa.Table, shapes: npt.NDArray[np.object_], covered: npt.NDArray[np.float64]) -> None:
    missing = shapely.area(shapes) - covered
    short = np.flatnonzero(missing > _UNCOVERED_M2)
    if len(short):
        worst = int(short[np.argmax(missing[short])])
        raise UnitOutsideLandscapeError(
            f"unit {units.column('unit_id')[worst].as_py()} reaches {missing[worst] / SQUARE_METRES_PER_HA:.4f} ha "
            f"beyond the simulated landscape ({len(short)} unit(s) do)",
            remedy="Clip the units to the region's area of interest, in the region's CRS",
        )


def _only_polygons(pieces: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    """Without the lines and points in which a unit's border may touch a parcel."""
    mixed = np.flatnonzero(shapely.get_type_id(pieces) == shapely.GeometryType.GEOMETRYCOLLECTION)
    for i in mixed:
        parts: list[BaseGeometry] = [part for part in shapely.get_parts(pieces[i]) if part.area > 0]
        pieces[i] = shapely.union_all(parts)
    return pieces
