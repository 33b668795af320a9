"""Asset checks: what can be wrong with a result, evaluated on what was written, in the step that wrote it.

Each function returns one `AssetCheckResult`; its name is the check's. What belongs here: comparing a result with what it must be.
What does not: computing results, or repairing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import rasterio
import shapely
from pyproj import CRS
from shapely import is_valid, is_valid_reason

from agristat_platform.catalogue import Grid
from agristat_platform.geometry import read_geometry

NAMED = 10  # how many offenders a check names before it says how many more there are


def _result(
    name: str, passed: bool, *, warn_only: bool = False, description: str | None = None, **metadata: Any
) -> dg.AssetCheckResult:
    severity = dg.AssetCheckSeverity.WARN if warn_only else dg.AssetCheckSeverity.ERROR
    return dg.AssetCheckResult(
        check_name=name, passed=bool(passed), severity=severity, description=description, metadata=metadata
    )


def _named(offenders: Sequence[Any]) -> str:
    more = len(offenders) - NAMED
    return ", ".join(map(str, offenders[:NAMED])) + (f" and {more} more" if more > 0 else "")


def schema(name: str, written_table: Path, expected: pa.Schema) -> dg.AssetCheckResult:
    """Columns and types of the Parquet file as written are those of the contract."""
    written = pq.read_schema(written_table)
    differences = [
        f"{field.name}: expected {field.type}, got {written.field(field.name).type if field.name in written.names else 'no such column'}"
        for field in expected
        if field.name not in written.names or written.field(field.name).type != field.type
    ]
    differences += [f"{column}: not in the contract" for column in written.names if column not in expected.names]
    return _result(
        name,
        not differences,
        description=_named(differences) or None,
        columns=len(written.names),
        differences=len(differences),
    )


def raster_grid(name: str, paths: Iterable[Path], grid: Grid) -> dg.AssetCheckResult:
    """Every raster lies on the region's grid: same CRS, transform and size."""
    wrong = []
    wanted = CRS.from_user_input(grid.crs)
    count = 0
    for path in paths:
        count += 1
        with rasterio.open(path) as raster:
            if CRS.from_user_input(raster.crs.to_wkt()) != wanted and not CRS.from_user_input(
                raster.crs.to_wkt()
            ).equals(wanted, ignore_axis_order=True):
                wrong.append(f"{path.name}: CRS {raster.crs.to_string()[:60]}")
            if (raster.height, raster.width) != grid.shape or not raster.transform.almost_equals(
                grid.transform, precision=1e-6
            ):
                wrong.append(
                    f"{path.name}: {raster.width} × {raster.height} px at {raster.transform.c}, {raster.transform.f}"
                )
    return _result(name, count > 0 and not wrong, description=_named(wrong) or None, rasters=count)


def geometry(name: str, table: pa.Table, grid: Grid) -> dg.AssetCheckResult:
    """Geometries are valid, none is empty, all lie on the region's grid."""
    problems = _geometry_problems(table, grid)
    return _result(
        name,
        table.num_rows > 0 and not problems,
        description=_named(problems) or None,
        geometries=table.num_rows,
        problems=len(problems),
    )


def geometry_of_file(name: str, path: Path, grid: Grid) -> dg.AssetCheckResult:
    """`geometry` of a table as written, one row group of which is held at a time."""
    problems: list[str] = []
    rows = 0
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=["geometry"])
            problems += _geometry_problems(table, grid, first_row=rows)
            rows += table.num_rows
    return _result(
        name,
        rows > 0 and not problems,
        description=_named(problems) or None,
        geometries=rows,
        problems=len(problems),
    )


def _geometry_problems(table: pa.Table, grid: Grid, *, first_row: int = 0) -> list[str]:
    shapes = read_geometry(table)
    valid = is_valid(shapes)
    left, bottom, right, top = grid.bounds
    bounds = shapely.bounds(shapes)
    slack = max(abs(grid.transform.a), abs(grid.transform.e))
    outside = (
        (bounds[:, 0] < left - slack)
        | (bounds[:, 1] < bottom - slack)
        | (bounds[:, 2] > right + slack)
        | (bounds[:, 3] > top + slack)
    )
    problems = [f"row {first_row + i}: {is_valid_reason(shapes[i])}" for i in np.flatnonzero(~valid)]
    problems += [f"row {first_row + i}: empty" for i in np.flatnonzero(shapely.is_empty(shapes))]
    problems += [f"row {first_row + i}: outside the region's grid" for i in np.flatnonzero(outside)]
    return problems


def cloud_free_cover(name: str, layers: pa.Table, *, minimum: float) -> dg.AssetCheckResult:
    """Every layer has a value on at least `minimum` of the AOI."""
    thin = [
        f"{row['collection']} {row['band']} t{row['interval']:02d}: {row['valid_share']:.0%}"
        for row in layers.to_pylist()
        if row["valid_share"] is None or row["valid_share"] < minimum
    ]
    smallest = pc.min(layers["valid_share"]).as_py()
    return _result(
        name,
        layers.num_rows > 0 and not thin,
        warn_only=True,
        description=_named(thin) or None,
        minimum=minimum,
        smallest_share=float(smallest) if smallest is not None else 0.0,
        thin_layers=len(thin),
    )


def class_support(name: str, support: Mapping[str, int], *, minimum: int) -> dg.AssetCheckResult:
    """Every crop of the nomenclature has at least `minimum` labels to learn from."""
    thin = [f"{crop}: {count}" for crop, count in support.items() if count < minimum]
    return _result(
        name,
        bool(support) and not thin,
        warn_only=True,
        description=_named(thin) or None,
        minimum=minimum,
        classes=len(support),
    )


def nothing_shared(name: str, shared: Sequence[str], *, first: str, second: str) -> dg.AssetCheckResult:
    """No parcel serves both ends: what one learns from must not be what it is judged by."""
    text = f"in {first} and {second}: {_named(list(shared))}" if len(shared) else None
    return _result(name, len(shared) == 0, description=text, shared=len(shared))


def at_least(name: str, value: float, minimum: float, *, what: str, warn_only: bool = False) -> dg.AssetCheckResult:
    """A share or accuracy reaches its minimum; a missing value fails."""
    passed = value == value and value >= minimum
    return _result(
        name,
        passed,
        warn_only=warn_only,
        description=f"{what}: {value:.3f}, at least {minimum:.3f} wanted",
        value=float(value),
        minimum=float(minimum),
    )


def cv_threshold(name: str, estimates: pa.Table, *, threshold: float) -> dg.AssetCheckResult:
    """No coefficient of variation of the assisted estimates lies above the publication threshold."""
    over = [_named_cv(row) for row in estimates.to_pylist() if row["cv"] is None or not row["cv"] <= threshold]
    return _result(
        name,
        estimates.num_rows > 0 and not over,
        warn_only=True,
        description=_named(over) or None,
        threshold=threshold,
        estimates=estimates.num_rows,
        over_threshold=len(over),
    )


def _named_cv(row: dict[str, Any]) -> str:
    cv = "no standard error" if row["cv"] is None else f"{row['cv']:.1%}"
    return f"{row['variable']} in {row['domain']}: {cv}"


def weights_add_up(name: str, sample: pa.Table, strata: pa.Table) -> dg.AssetCheckResult:
    """In every stratum the sum of the weights is the population size."""
    sums = {
        row["stratum"]: row["weight_sum"]
        for row in sample.group_by("stratum").aggregate([("weight", "sum")]).to_pylist()
    }
    off = [
        f"{row['stratum']}: {sums.get(row['stratum'], 0.0):.6g} for {row['population_size']} units"
        for row in strata.to_pylist()
        if abs(sums.get(row["stratum"], 0.0) - row["population_size"]) > 1e-6 * row["population_size"]
    ]
    return _result(name, strata.num_rows > 0 and not off, description=_named(off) or None, strata=strata.num_rows)


def holds(
    name: str, passed: bool, *, description: str, warn_only: bool = False, **metadata: Any
) -> dg.AssetCheckResult:
    """A condition the asset itself evaluated, with the sentence that explains it."""
    return _result(name, passed, warn_only=warn_only, description=description, **metadata)
