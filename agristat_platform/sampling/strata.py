"""Strata of an area frame by the share of cultivated land in each unit, and the table that describes them.

How many units each stratum gets is decided in `allocation`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyproj
import rasterio
import rasterio.features
import rasterio.windows
import shapely
from numpy.typing import ArrayLike, NDArray

from agristat_platform.sampling.errors import StrataError
from agristat_platform.sampling.frame import frame_crs
from agristat_platform.sampling.schemas import STRATA_SCHEMA

_PIXELS_AT_ONCE = 1 << 24


def cultivated_share(
    frame: pa.Table, raster_path: str | Path, cultivated_values: Collection[int]
) -> NDArray[np.float64]:
    """Share of each unit's mapped pixels that are cultivated, by pixel centres.

    Pixels without a value count neither way. A unit so small that no pixel centre falls into it takes the value of
    the pixel under its representative point.

    Parameters
    ----------
    frame:
        `FRAME_SCHEMA` with `crs` in its metadata.
    raster_path:
        One-band land-use or crop-map raster, any CRS.
    cultivated_values:
        Raster values that mean cultivated land.

    Returns
    -------
    numpy.ndarray
        Shape (units,), between 0 and 1 in the frame's row order; NaN where the raster has no value in the unit.
    """
    with rasterio.open(raster_path) as source:
        geometries = _geometries_in(frame, source.crs)
        mapped, cultivated = _count_pixels(source, geometries, np.asarray(sorted(cultivated_values)))
        share = np.full(frame.num_rows, np.nan)
        np.divide(cultivated, mapped, out=share, where=mapped > 0)
        empty = np.flatnonzero(mapped == 0)
        if empty.size:
            points = shapely.point_on_surface(geometries[empty])
            samples = source.sample(np.column_stack([shapely.get_x(points), shapely.get_y(points)]), 1, masked=True)
            for unit, sample in zip(empty, samples, strict=True):
                if not np.ma.getmaskarray(sample)[0]:
                    share[unit] = float(int(sample[0]) in cultivated_values)
    return share


def _geometries_in(frame: pa.Table, crs: rasterio.crs.CRS) -> NDArray[np.object_]:
    geometries = shapely.from_wkb(frame["geometry"].to_numpy(zero_copy_only=False))
    source, target = pyproj.CRS.from_user_input(frame_crs(frame)), pyproj.CRS.from_user_input(crs.to_wkt())
    if source.equals(target, ignore_axis_order=True):
        return np.asarray(geometries)
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    return np.asarray(
        shapely.transform(geometries, lambda xy: np.column_stack(transformer.transform(xy[:, 0], xy[:, 1])))
    )


def _count_pixels(
    source: rasterio.DatasetReader, geometries: NDArray[np.object_], cultivated_values: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    n = len(geometries)
    mapped, cultivated = np.zeros(n, np.int64), np.zeros(n, np.int64)
    bounds = shapely.bounds(geometries)
    rows_at_once = max(1, _PIXELS_AT_ONCE // source.width)
    for first in range(0, source.height, rows_at_once):
        window = rasterio.windows.Window(0, first, source.width, min(rows_at_once, source.height - first))
        _, bottom, _, top = source.window_bounds(window)
        inside = np.flatnonzero((bounds[:, 1] <= max(top, bottom)) & (bounds[:, 3] >= min(top, bottom)))
        if not inside.size:
            continue
        values = source.read(1, window=window, masked=True)
        unit = rasterio.features.rasterize(
            zip(geometries[inside], (inside + 1).tolist(), strict=True),
            out_shape=values.shape,
            transform=source.window_transform(window),
            dtype=np.int32,
        )
        valid = (unit > 0) & ~np.ma.getmaskarray(values)
        mapped += np.bincount(unit[valid] - 1, minlength=n)
        crop = valid & np.isin(values.data, cultivated_values)
        cultivated += np.bincount(unit[crop] - 1, minlength=n)
    return mapped, cultivated


def stratify(frame: pa.Table, share: ArrayLike, bounds: Sequence[float]) -> pa.Table:
    """Put each unit into a stratum by a share between 0 and 1.

    Parameters
    ----------
    frame:
        `FRAME_SCHEMA`.
    share:
        Shape (units,), in the frame's row order.
    bounds:
        Cut points in rising order; 0 and 1 at the ends may be left out. A stratum holds its lower bound and not its
        upper one; the last holds 1.

    Returns
    -------
    pyarrow.Table
        The frame with `stratum` as the interval in percent, for example "010-040".

    Raises
    ------
    StrataError
        Bounds out of order or outside 0…1; a share missing or outside 0…1 (names the unit).
    """
    cuts = [float(b) for b in bounds if b not in (0, 1)]
    if any(not 0 < c < 1 for c in cuts) or any(b <= a for a, b in pairwise(cuts)):
        raise StrataError(f"strata bounds {list(bounds)} are not rising shares between 0 and 1", where="bounds")
    values = np.asarray(share, dtype=np.float64)
    if values.shape != (frame.num_rows,):
        raise StrataError(f"{values.size} shares for {frame.num_rows} frame units", where="share")
    bad = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if bad.size:
        unit = frame["unit_id"][int(bad[0])].as_py()
        raise StrataError(
            f"unit {unit} has no share between 0 and 1 (got {values[bad[0]]}); {bad.size} such unit(s)",
            where=f"frame row {bad[0]}",
            remedy="The land-use map must cover the whole frame",
        )
    edges = [0.0, *cuts, 1.0]
    labels = np.asarray([f"{_percent(a)}-{_percent(b)}" for a, b in pairwise(edges)])
    stratum = labels[np.searchsorted(np.asarray(cuts), values, side="right")]
    index = frame.schema.get_field_index("stratum")
    return frame.set_column(index, frame.schema.field(index), pa.array(stratum.tolist(), pa.string()))


def _percent(share: float) -> str:
    text = f"{100 * share:.10g}"
    return text if "." in text else text.zfill(3)


def spread_by_stratum(frame: pa.Table, values: ArrayLike) -> dict[str, float]:
    """Standard deviation (divisor N_h − 1) of a per-unit value in each stratum, for Neyman allocation.

    Parameters
    ----------
    values:
        Shape (units,), in the frame's row order: for example hectares of a crop on last season's map.

    Returns
    -------
    dict
        By stratum, sorted; 0 for a stratum of one unit.

    Raises
    ------
    StrataError
        A value missing (names the unit).
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (frame.num_rows,):
        raise StrataError(f"{numbers.size} values for {frame.num_rows} frame units", where="values")
    bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        unit = frame["unit_id"][int(bad[0])].as_py()
        raise StrataError(f"unit {unit} has no value; {bad.size} such unit(s)", where=f"frame row {bad[0]}")
    names, code = np.unique(np.asarray(frame["stratum"].to_pylist(), dtype=np.str_), return_inverse=True)
    size = np.bincount(code)
    centre = np.bincount(code, numbers) / size
    squares = np.bincount(code, (numbers - centre[code]) ** 2)
    spread = np.sqrt(squares / np.maximum(size - 1, 1))
    return dict(zip(names.tolist(), spread.tolist(), strict=True))


def strata_table(frame: pa.Table, sample: pa.Table | None = None) -> pa.Table:
    """Size and area of each stratum, and how many of its units are in the sample.

    Returns
    -------
    pyarrow.Table
        `STRATA_SCHEMA` sorted by stratum; `sample_size` is 0 without a sample.
    """
    # on one thread: with more, the last digits of a sum depend on which part of the table was added first
    sums = frame.group_by("stratum", use_threads=False).aggregate([("unit_id", "count"), ("area_ha", "sum")])
    grouped = sums.sort_by("stratum")
    names = grouped["stratum"].to_pylist()
    drawn = dict.fromkeys(names, 0)
    if sample is not None:
        for stratum in sample["stratum"].to_pylist():
            if stratum not in drawn:
                raise StrataError(f"stratum {stratum!r} of the sample is not in the frame", where="sample")
            drawn[stratum] += 1
    return pa.table(
        [
            pa.array(names, pa.string()),
            grouped["unit_id_count"].combine_chunks().cast(pa.int64()),
            pa.array([drawn[name] for name in names], pa.int64()),
            grouped["area_ha_sum"].combine_chunks(),
        ],
        schema=STRATA_SCHEMA,
    )
