"""Writing the truth of one season: parcels, totals, crop map, and what farms and points carry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from agristat_platform.catalogue import CropNomenclature, Region
from agristat_platform.simulation.canopy import ParcelTraits
from agristat_platform.simulation.cog import write_cog
from agristat_platform.simulation.landscape import SQUARE_METRES_PER_HA
from agristat_platform.simulation.population import Population, farm_of, polygon_at
from agristat_platform.simulation.rotation import SeasonParcels
from agristat_platform.simulation.scene_grids import parcel_numbers
from agristat_platform.simulation.tables import (
    PARCELS_SCHEMA,
    SEASON_FARMS_SCHEMA,
    SEASON_POINTS_SCHEMA,
    write_table,
)
from agristat_platform.simulation.truth import totals_of


def write_season_truth(
    directory: Path,
    region: Region,
    crops: CropNomenclature,
    parcels: SeasonParcels,
    traits: ParcelTraits,
    population: Population,
) -> None:
    """Write parcels.parquet, crop_totals.parquet, farms.parquet, points.parquet and crop_map.tif into a directory."""
    table = parcels_table(region, parcels, traits, population)
    write_table(table, directory / "parcels.parquet", region.crs)
    write_table(totals_of(table, table.column("aoi_area_ha").to_numpy()), directory / "crop_totals.parquet")
    write_table(_farms(table), directory / "farms.parquet")
    write_table(_points(population, parcels), directory / "points.parquet")
    grid = region.grid()
    numbers = parcel_numbers(parcels, grid, region.crs)
    class_ids = np.array([crop.class_id for crop, _ in parcels.classes], dtype=np.uint8)[parcels.crop]
    values = np.where(numbers < 0, 0, class_ids[np.maximum(numbers, 0)]).astype(np.uint8)
    write_cog(directory / "crop_map.tif", values, grid, nodata=0, colours=crops.colour_table)


def parcels_table(region: Region, parcels: SeasonParcels, traits: ParcelTraits, population: Population) -> pa.Table:
    """The season's polygons (`PARCELS_SCHEMA`) with their exact areas, also of their part in the AOI."""
    areas = shapely.area(parcels.geometries) / SQUARE_METRES_PER_HA
    aoi = region.aoi_projected()
    shapely.prepare(aoi)
    inside = shapely.contains_properly(aoi, parcels.geometries)
    aoi_areas = areas.copy()
    aoi_areas[~inside] = shapely.area(shapely.intersection(parcels.geometries[~inside], aoi)) / SQUARE_METRES_PER_HA
    codes = np.array([crop.code for crop, _ in parcels.classes], dtype=object)
    class_ids = np.array([crop.class_id for crop, _ in parcels.classes], dtype=np.int32)
    cultivated = np.array([crop.cultivated for crop, _ in parcels.classes])
    columns = [
        parcels.identifiers.tolist(),
        codes[parcels.crop].tolist(),
        class_ids[parcels.crop],
        cultivated[parcels.crop],
        [farm_of(name, population.farm_of_parcel) for name in parcels.identifiers],
        [int(block) if block >= 0 else None for block in parcels.block],
        areas,
        aoi_areas,
        pa.array(traits.yield_t_ha, from_pandas=True),
        traits.vigour,
        traits.late_days,
        shapely.to_wkb(parcels.geometries),
    ]
    return pa.table(columns, schema=PARCELS_SCHEMA)


def _farms(parcels: pa.Table) -> pa.Table:
    """What each farm grows, whole parcels (also their part beyond the AOI): farm_id, crop_code, area, production."""
    owned = parcels.filter(parcels.column("farm_id").is_valid())
    area: npt.NDArray[np.float64] = owned.column("area_ha").to_numpy()
    yields = owned.column("yield_t_ha").to_numpy(zero_copy_only=False).astype(np.float64)
    keys = list(zip(owned.column("farm_id").to_pylist(), owned.column("crop_code").to_pylist(), strict=True))
    distinct = sorted(set(keys))
    position = {key: i for i, key in enumerate(distinct)}
    number = np.array([position[key] for key in keys], dtype=np.intp)
    production = np.bincount(number, weights=np.nan_to_num(area * yields), minlength=len(distinct))
    harvested = np.bincount(number, weights=np.isfinite(yields), minlength=len(distinct)) > 0
    columns = [
        [farm for farm, _ in distinct],
        [code for _, code in distinct],
        np.bincount(number, minlength=len(distinct)).astype(np.int32),
        np.bincount(number, weights=area, minlength=len(distinct)),
        pa.array(np.where(harvested, production, np.nan), from_pandas=True),
    ]
    return pa.table(columns, schema=SEASON_FARMS_SCHEMA)


def _points(population: Population, parcels: SeasonParcels) -> pa.Table:
    points = population.points
    found = polygon_at(parcels, points.column("x").to_numpy(), points.column("y").to_numpy())
    codes = np.array([crop.code for crop, _ in parcels.classes], dtype=object)
    columns = [points.column("point_id"), parcels.identifiers[found].tolist(), codes[parcels.crop[found]].tolist()]
    return pa.table(columns, schema=SEASON_POINTS_SCHEMA)
