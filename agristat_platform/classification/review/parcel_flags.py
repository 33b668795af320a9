"""Parcels to be careful with, whatever the model's confidence: small, narrow, mixed, seldom seen, changed, unlike anything known.

Each flag is a column of its own. Accuracy by flag comes from the audit (`flag_groups`), the queue from `learning_queue.review_queue`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from agristat_platform.classification.errors import LengthMismatchError
from agristat_platform.classification.labels import listed, read_geometries
from agristat_platform.classification.review.errors import ReviewError

SMALL_HA = 0.5
FULL_PIXELS = 8
INNER_BUFFER_M = 5.0
LOST_TO_BUFFER = 0.6
CLEAR_DATES = 5
CHANGED = ("split", "merged")

FLAGS = (
    "below_half_hectare",
    "few_full_pixels",
    "narrow",
    "mixed",
    "few_clear_dates",
    "split_or_merged",
    "unlike_any_class",
)

FLAGS_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("below_half_hectare", pa.bool_(), metadata={"formula": f"area_ha < {SMALL_HA}"}),
        pa.field("few_full_pixels", pa.bool_(), metadata={"formula": f"pixels < {FULL_PIXELS}"}),
        pa.field(
            "narrow",
            pa.bool_(),
            metadata={
                "formula": f"inner buffer of {INNER_BUFFER_M:g} m takes more than {LOST_TO_BUFFER:g} of the area"
            },
        ),
        pa.field("mixed", pa.bool_(), metadata={"formula": "spread within the segment above its limit"}),
        pa.field("few_clear_dates", pa.bool_(), metadata={"formula": f"clear dates < {CLEAR_DATES}"}),
        pa.field("split_or_merged", pa.bool_(), metadata={"formula": "identity to the season before"}),
        pa.field("unlike_any_class", pa.bool_(), metadata={"formula": "distance to training above its limit"}),
        pa.field("flags", pa.int32(), nullable=False, metadata={"meaning": "number of flags that are true"}),
        pa.field("unknown_flags", pa.int32(), nullable=False, metadata={"meaning": "number that can't be told (null)"}),
    ]
)


def parcel_flags(
    segments: pa.Table,
    *,
    full_pixels: Any = None,
    spread: Any = None,
    spread_limit: float | None = None,
    clear_dates: Any = None,
    identities: Sequence[str | None] | None = None,
    distance: Any = None,
    distance_limit: float | None = None,
) -> pa.Table:
    """Flags of each parcel (`FLAGS_SCHEMA`), rows in the order of `segments`; null where a flag can't be told.

    Parameters
    ----------
    segments:
        `segment_id`, `area_ha`, `pixels`, `geometry` (WKB polygons, metres).
    full_pixels:
        (n,) pixels wholly inside the parcel; None takes `pixels`, which is right for segments along pixel edges.
    spread, spread_limit:
        (n,) spread of the pixels within the segment, and the limit above which it is mixed, such as `limit_of` training
        parcels' spreads. Both or none.
    clear_dates:
        (n,) dates with a clear observation in the season.
    identities:
        (n,) of `segmentation.PARCEL_IDENTITIES_SCHEMA`: same, split, merged, …
    distance, distance_limit:
        (n,) from `KnownGround.distance`, and its limit. Both or none.

    Raises
    ------
    ReviewError
        Columns missing, or a measure without its limit.
    LengthMismatchError
        Numbers differ.
    """
    absent = [name for name in ("segment_id", "area_ha", "pixels", "geometry") if name not in segments.column_names]
    if absent:
        raise ReviewError(f"the table of segments has no column {listed(absent)}")
    for name, measure, limit in (("spread", spread, spread_limit), ("distance", distance, distance_limit)):
        if (measure is None) != (limit is None):
            raise ReviewError(f"{name} and its limit go together", remedy="Give both or none")
    n = segments.num_rows
    area = _numbers("area_ha", segments["area_ha"].to_numpy(zero_copy_only=False), n)
    pixels = segments["pixels"].to_numpy(zero_copy_only=False) if full_pixels is None else full_pixels
    nothing = np.full(n, np.nan)
    measures = {
        "below_half_hectare": (-area, -SMALL_HA),
        "few_full_pixels": (-_numbers("full_pixels", pixels, n), -FULL_PIXELS),
        "narrow": (lost_to_buffer(segments), LOST_TO_BUFFER),
        "mixed": (nothing if spread is None else _numbers("spread", spread, n), spread_limit or 0.0),
        "few_clear_dates": (
            nothing if clear_dates is None else -_numbers("clear_dates", clear_dates, n),
            -CLEAR_DATES,
        ),
        "unlike_any_class": (nothing if distance is None else _numbers("distance", distance, n), distance_limit or 0.0),
    }
    # NaN on purpose: comparing with it gives no flag, and the mask makes that null.
    found = {name: (values > limit, np.isnan(values)) for name, (values, limit) in measures.items()}
    if identities is not None and len(identities) != n:
        raise LengthMismatchError(f"{n} segments but {len(identities)} identities")
    known = [None] * n if identities is None else list(identities)
    found["split_or_merged"] = (
        np.array([identity in CHANGED for identity in known], dtype=bool),
        np.array([identity is None for identity in known], dtype=bool),
    )
    true = np.sum([found[name][0] for name in FLAGS], axis=0)
    unknown = np.sum([found[name][1] for name in FLAGS], axis=0)
    return pa.table(
        {
            "segment_id": segments["segment_id"].cast(pa.uint32()),
            **{name: pa.array(found[name][0], mask=found[name][1]) for name in FLAGS},
            "flags": true.astype(np.int32),
            "unknown_flags": unknown.astype(np.int32),
        },
        schema=FLAGS_SCHEMA,
    )


def lost_to_buffer(segments: pa.Table, *, metres: float = INNER_BUFFER_M) -> NDArray[np.float64]:
    """Share of each parcel's area within `metres` of its boundary (n,): where pixels are partly of the neighbours."""
    shapes = read_geometries(segments, identifier="segment_id")
    area = shapely.area(shapes)
    inner = shapely.area(shapely.buffer(shapes, -metres, join_style="mitre"))
    return np.asarray(np.where(area > 0, 1 - inner / np.where(area > 0, area, 1.0), np.nan))


def limit_of(values: Any, *, quantile: float = 0.95) -> float:
    """Quantile of a measure over parcels that are known to be in order, to flag what lies above; NaN values are left out.

    Raises
    ------
    ReviewError
        No value.
    """
    given = np.asarray(values, dtype=np.float64)
    given = given[np.isfinite(given)]
    if not len(given):
        raise ReviewError("no value to set a limit by")
    return float(np.quantile(given, quantile))


@dataclass(frozen=True)
class KnownGround:
    """Training samples in standardised features, to tell what is unlike all of them.

    Attributes
    ----------
    centres, scales, medians:
        (d,) of the training features; NaN becomes the median.
    samples:
        (n, d) standardised.
    limit:
        Distance above which a parcel is unlike any known class.
    neighbours:
        The distance is that to the nearest samples, averaged over this many.
    """

    centres: NDArray[np.float64]
    scales: NDArray[np.float64]
    medians: NDArray[np.float64]
    samples: NDArray[np.float64]
    limit: float
    neighbours: int

    def distance(self, features: Any) -> NDArray[np.float64]:
        """Root mean square distance of features (m, d) to the nearest training samples (m,); NaN for a row without values."""
        values = np.asarray(features, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.centres):
            raise LengthMismatchError(f"features of shape {values.shape}, {len(self.centres)} were learned")
        return _distance(
            self.samples, (_filled(values, self.medians) - self.centres) / self.scales, self.neighbours, values
        )


def known_ground(features: Any, seasons: Sequence[Any], *, quantile: float = 0.99, neighbours: int = 5) -> KnownGround:
    """Learn what is known, and how far a season's own parcels lie from the other seasons'.

    The limit is that quantile of the distances of each season's samples to those of all other seasons: a new season is expected
    to lie as far away, and only what goes beyond is unlike any class. With one season the samples are compared with each other,
    which sets the limit too low and flags too much.

    Parameters
    ----------
    features, seasons:
        (n, d) and (n,) of the training samples.

    Raises
    ------
    LengthMismatchError, ReviewError
        Numbers differ; fewer samples than neighbours, or a feature without a value.
    """
    values = np.asarray(features, dtype=np.float64)
    names = np.array([str(season) for season in seasons], dtype=object)
    if values.ndim != 2 or len(values) != len(names):
        raise LengthMismatchError(f"features of shape {values.shape} but {len(names)} seasons")
    if len(values) <= neighbours:
        raise ReviewError(f"{len(values)} training samples are too few for {neighbours} neighbours")
    finite = np.isfinite(values)
    if not finite.any(axis=0).all():
        raise ReviewError(
            "features have no value in any training sample",
            where=f"features {listed(np.flatnonzero(~finite.any(axis=0)).tolist())}",
            remedy="Leave them out",
        )
    medians = np.nanmedian(np.where(finite, values, np.nan), axis=0)
    filled = _filled(values, medians)
    centres, scales = filled.mean(axis=0), filled.std(axis=0)
    scales = np.where(scales > 0, scales, 1.0)
    samples = (filled - centres) / scales
    held_out = np.full(len(samples), np.nan)
    seasons_there = sorted(set(names.tolist()))
    for season in seasons_there:
        inside = names == season
        if (~inside).sum() >= neighbours:
            held_out[inside] = _distance(samples[~inside], samples[inside], neighbours, values[inside])
    if len(seasons_there) == 1 or not np.isfinite(held_out).any():
        # The nearest of all is the sample itself.
        found = cKDTree(samples).query(samples, k=neighbours + 1)[0][:, 1:]
        held_out = found.mean(axis=1) / np.sqrt(samples.shape[1])
    return KnownGround(centres, scales, medians, samples, limit_of(held_out, quantile=quantile), neighbours)


def flag_groups(flags: pa.Table, segment_ids: Sequence[int]) -> dict[str, list[str]]:
    """Groups for `audit_accuracy`: kind "flag: …" to "yes", "no" or "not known" of each parcel asked for."""
    row = {parcel: i for i, parcel in enumerate(flags["segment_id"].to_pylist())}
    absent = [parcel for parcel in segment_ids if parcel not in row]
    if absent:
        raise ReviewError("parcels have no flags", where=f"parcels {listed(absent)}")
    said = {True: "yes", False: "no", None: "not known"}
    groups = {}
    for name in FLAGS:
        values = flags[name].to_pylist()
        groups[f"flag: {name.replace('_', ' ')}"] = [said[values[row[parcel]]] for parcel in segment_ids]
    return groups


def _distance(
    samples: NDArray[np.float64], points: NDArray[np.float64], neighbours: int, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    found = cKDTree(samples).query(points, k=neighbours)[0].reshape(len(points), -1).mean(axis=1)
    found = found / np.sqrt(samples.shape[1])
    return np.asarray(np.where(np.isfinite(values).any(axis=1), found, np.nan))


def _filled(values: NDArray[np.float64], medians: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.isfinite(values), values, medians)


def _numbers(name: str, values: Any, n: int) -> NDArray[np.float64]:
    result = np.asarray(values, dtype=np.float64)
    if result.shape != (n,):
        raise LengthMismatchError(f"{n} segments but {name} of shape {result.shape}")
    return result
