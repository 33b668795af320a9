"""What flags are decided by, measured on a map's parcels, and flags of all of them with a portion of the polygons in memory.

The flags themselves and their limits are in `parcel_flags`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.labels import listed
from agristat_platform.classification.review.errors import ReviewError
from agristat_platform.classification.review.parcel_flags import KnownGround, known_ground, limit_of, parcel_flags

CLEAR_DATES_COLUMN = "series_clear_dates"
SPREAD_QUANTILE = 0.95
NEIGHBOURS = 5
_SPREAD = re.compile(r"ndvi_t\d+_std")


def measured_columns(names: Sequence[str]) -> list[str]:
    """Columns of the wide feature table that `parcel_measures` reads, of those there are."""
    return ["segment_id", *(name for name in names if _SPREAD.fullmatch(name) or name == CLEAR_DATES_COLUMN)]


@dataclass(frozen=True)
class ParcelMeasures:
    """Measures of a map's parcels, by rising parcel number; None where nothing tells them.

    Attributes
    ----------
    ids:
        (n,) parcel numbers.
    spread, spread_limit:
        Mean over the intervals of the standard deviation of NDVI within the parcel, and the 95 % quantile of the parcels that
        taught the model, each of which has one crop.
    clear_dates:
        Most clear dates of any series.
    identities:
        To the season before.
    distance, distance_limit:
        To the curves of known classes.
    notes:
        What can't be told and why, as sentences.
    """

    ids: NDArray[np.int64]
    spread: NDArray[np.float64] | None
    spread_limit: float | None
    clear_dates: NDArray[np.float64] | None
    identities: tuple[str | None, ...] | None
    distance: NDArray[np.float64] | None
    distance_limit: float | None
    notes: tuple[str, ...]


def parcel_measures(
    features: pa.Table,
    *,
    taught: Iterable[int],
    identities: pa.Table | None = None,
    distance: tuple[NDArray[np.int64], NDArray[np.float64], float] | None = None,
) -> ParcelMeasures:
    """Measures of every parcel of the feature table.

    Parameters
    ----------
    features:
        Columns `measured_columns` of the wide table.
    taught:
        Parcels that taught the model.
    identities:
        `segment_id`, `identity` (`segmentation.PARCEL_IDENTITIES_SCHEMA`); "new" counts as not known where no parcel of
        the map has another, as in a first season.
    distance:
        Parcel numbers, distances and limit of `distances_to_known`.
    """
    given = features["segment_id"].to_numpy().astype(np.int64)
    order = np.argsort(given, kind="stable")
    ids, notes = given[order], []
    spread, limit = _spread(features, order, np.isin(ids, np.fromiter(taught, dtype=np.int64, count=-1)))
    if spread is None:
        notes.append("mixed: no NDVI within parcels that taught the model")
    clear = None
    if CLEAR_DATES_COLUMN in features.column_names:
        clear = features[CLEAR_DATES_COLUMN].to_numpy(zero_copy_only=False).astype(np.float64)[order]
    else:
        notes.append("few clear dates: the features have no count of them")
    said = None if identities is None else _identities(identities, ids)
    if said is None:
        notes.append("split or merged: there is no season before")
    far, far_limit = None, None
    if distance is None:
        notes.append("unlike any class: no curves of known classes")
    else:
        far, far_limit = _looked_up(distance[0], distance[1], ids), distance[2]
    return ParcelMeasures(ids, spread, limit, clear, said, far, far_limit, tuple(notes))


def flag_portions(segments: Iterable[pa.Table], measures: ParcelMeasures) -> Iterator[pa.Table]:
    """Flags (`FLAGS_SCHEMA`) of segments (`segment_id`, `area_ha`, `pixels`, `geometry`) that come some rows at a time.

    Raises
    ------
    ReviewError
        Segments without measures.
    """
    for portion in segments:
        wanted = portion["segment_id"].to_numpy().astype(np.int64)
        at = np.minimum(np.searchsorted(measures.ids, wanted), len(measures.ids) - 1)
        absent = wanted[measures.ids[at] != wanted]
        if len(absent):
            raise ReviewError("segments have no features", where=f"segments {listed(absent.tolist())}")
        said = measures.identities
        yield parcel_flags(
            portion,
            spread=None if measures.spread is None else measures.spread[at],
            spread_limit=measures.spread_limit,
            clear_dates=None if measures.clear_dates is None else measures.clear_dates[at],
            identities=None if said is None else [said[i] for i in at.tolist()],
            distance=None if measures.distance is None else measures.distance[at],
            distance_limit=measures.distance_limit,
        )


def known_curves(series: NDArray[np.float64], seasons: Sequence[str]) -> tuple[KnownGround, NDArray[np.bool_]] | None:
    """What the taught curves (n, d) show, and which of the d numbers have a value in any of them; None with too few curves."""
    useful = np.asarray(np.isfinite(series).any(axis=0))
    if len(series) <= NEIGHBOURS or not useful.any():
        return None
    return known_ground(series[:, useful], seasons, neighbours=NEIGHBOURS), useful


def distances_to_known(
    portions: Iterable[tuple[NDArray[np.int64], NDArray[np.float64]]],
    series: NDArray[np.float64],
    seasons: Sequence[str],
) -> tuple[NDArray[np.int64], NDArray[np.float64], float] | None:
    """Distance of each parcel's curve to the nearest taught curves, and the limit above which it is unlike any class.

    Parameters
    ----------
    portions:
        Parcel numbers (m,) and curves (m, d), some at a time.
    series, seasons:
        (n, d) taught curves and (n,) their seasons.
    """
    known = known_curves(series, seasons)
    if known is None:
        return None
    ground, useful = known
    parts = [(ids, ground.distance(curves[:, useful])) for ids, curves in portions]
    if not parts:
        return None
    return np.concatenate([ids for ids, _ in parts]), np.concatenate([far for _, far in parts]), ground.limit


def _spread(
    features: pa.Table, order: NDArray[np.int64], taught: NDArray[np.bool_]
) -> tuple[NDArray[np.float64] | None, float | None]:
    names = [name for name in features.column_names if _SPREAD.fullmatch(name)]
    if not names:
        return None, None
    columns = np.stack([features[name].to_numpy(zero_copy_only=False).astype(np.float64)[order] for name in names])
    known = np.isfinite(columns)
    count = known.sum(axis=0)
    total = np.where(known, columns, 0.0).sum(axis=0)
    spread = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    if not np.isfinite(spread[taught]).any():
        return None, None
    return spread, limit_of(spread[taught], quantile=SPREAD_QUANTILE)


def _identities(identities: pa.Table, ids: NDArray[np.int64]) -> tuple[str | None, ...] | None:
    said = dict(zip(identities["segment_id"].to_pylist(), identities["identity"].to_pylist(), strict=True))
    if not set(said.values()) - {"new", None}:
        return None
    return tuple(said.get(parcel) for parcel in ids.tolist())


def _looked_up(keys: NDArray[np.int64], values: NDArray[np.float64], ids: NDArray[np.int64]) -> NDArray[np.float64]:
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], ids), len(keys) - 1)
    return np.where(keys[order][at] == ids, values[order][at], np.nan)
