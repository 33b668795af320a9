"""Labelled curves, kept from season to season: what recognition of a later season learns from.

Belongs here: the table `teaching_series`, a season's rows of it, and the rows of earlier seasons carried on beside them.
Not here: which of them teach a given season (`past_seasons`), recognition itself (`cross_season`).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.classification.errors import FeatureMismatchError, LengthMismatchError
from agristat_platform.classification.labels import DROPPED_SCHEMA, listed
from agristat_platform.classification.training_sets import TrainingSet
from agristat_platform.features import SeriesTensor

TEACHING_COLUMNS = ("label_id", "season", "place", "crop_code", "series", "previous_crop_code")
TEACHING_DROPPED_SCHEMA = pa.schema([pa.field("season", pa.string(), nullable=False), *DROPPED_SCHEMA])
_INTERVAL_MEAN = re.compile(r"^(?P<layer>.+)_t(?P<interval>\d\d)_mean$")

DroppedCurve = tuple[str, str, str | None, str, str | None]  # season, label_id, crop_code, reason, detail


@dataclass(frozen=True)
class CurveForm:
    """What one curve is: curves of different forms can't be learned from together.

    Attributes
    ----------
    kind: `smoothed`: indices read at even positions of the season, from the tensor of time_series; `interval_means`: means of
        composites, for labels that bring such a series of their own.
    channels: names along the last axis.
    samples: number of positions in time.
    """

    kind: Literal["smoothed", "interval_means"]
    channels: tuple[str, ...]
    samples: int

    @property
    def shape(self) -> tuple[int, int]:
        """(samples, channels)."""
        return self.samples, len(self.channels)

    def __str__(self) -> str:
        return f"{self.samples} samples of {', '.join(self.channels)} ({self.kind.replace('_', ' ')})"


def teaching_schema(form: CurveForm) -> pa.Schema:
    """Columns of `teaching_series`: a row a labelled curve; the metadata of `series` say what its numbers are."""
    samples, channels = form.shape
    described = {"shape": f"{samples} samples × {channels} channels", "channels": json.dumps(list(form.channels))}
    series = pa.list_(pa.list_(pa.float32(), channels), samples)
    return pa.schema(
        [
            pa.field("label_id", pa.string(), nullable=False),
            pa.field("season", pa.string(), nullable=False),
            pa.field(
                "place", pa.string(), nullable=False, metadata={"description": "spatial block, the same each year"}
            ),
            pa.field("crop_code", pa.string(), nullable=False),
            pa.field("series", series, nullable=False, metadata={**described, "kind": form.kind}),
            pa.field("previous_crop_code", pa.string()),
        ]
    )


def form_of(teaching: pa.Table) -> CurveForm:
    """The form of a table's curves.

    Raises
    ------
    FeatureMismatchError
        The table is no `teaching_series`.
    """
    absent = [name for name in TEACHING_COLUMNS if name not in teaching.column_names]
    metadata = {} if absent else teaching.schema.field("series").metadata or {}
    if absent or b"channels" not in metadata:
        raise FeatureMismatchError(
            f"the table is no teaching_series: {f'columns {listed(absent)} are' if absent else 'the form of its curves is'} missing",
            remedy="Take teaching_series of crop_models",
        )
    kind: Any = metadata[b"kind"].decode()
    return CurveForm(kind, tuple(json.loads(metadata[b"channels"])), teaching.schema.field("series").type.list_size)


def curves_of(teaching: pa.Table) -> npt.NDArray[np.float32]:
    """The curves (n, samples, channels), NaN = missing. Errors as in `form_of`."""
    form = form_of(teaching)
    flat = teaching["series"].combine_chunks()
    if isinstance(flat, pa.ChunkedArray):  # a table without rows keeps a chunked array
        flat = pa.concat_arrays(flat.chunks) if flat.num_chunks else pa.array([], flat.type)
    values = flat.flatten().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float32).reshape(teaching.num_rows, *form.shape)


def segment_curves(
    portions: Iterable[SeriesTensor], segment_ids: npt.NDArray[np.integer[Any]]
) -> tuple[npt.NDArray[np.float32], CurveForm]:
    """Curves of some segments (n, samples, channels), in the order asked for; NaN for a segment without one.

    Parameters
    ----------
    portions:
        `features.read_tensors` of a season; one portion of it is held at a time.
    segment_ids:
        (n,).
    """
    order = np.argsort(segment_ids, kind="stable")
    wanted = np.asarray(segment_ids)[order]
    found: npt.NDArray[np.float32] | None = None
    form: CurveForm | None = None
    for part in portions:
        if found is None:
            form = CurveForm("smoothed", part.channels, len(part.dates))
            found = np.full((len(wanted), *form.shape), np.nan, dtype=np.float32)
        if not len(part.ids):
            continue
        row = np.minimum(np.searchsorted(part.ids, wanted), len(part.ids) - 1)
        here = part.ids[row] == wanted
        found[order[here]] = part.values[row[here]]
    if found is None or form is None:
        raise FeatureMismatchError("the tensor of series has no portion", remedy="Materialise time_series again")
    return found, form


def curves_of_columns(
    X: npt.NDArray[np.floating[Any]], names: Collection[str]
) -> tuple[npt.NDArray[np.float32], CurveForm]:
    """Curves (n, samples, channels) of a wide matrix (n, columns): the columns `<layer>_tNN_mean`, intervals from the first to the last.

    Raises
    ------
    FeatureMismatchError
        No such column, or a layer lacks an interval that another has.
    """
    at: dict[str, dict[int, int]] = {}
    for column, name in enumerate(names):
        match = _INTERVAL_MEAN.match(name)
        if match:
            at.setdefault(match["layer"], {})[int(match["interval"])] = column
    intervals = sorted({interval for of_layer in at.values() for interval in of_layer})
    uneven = [layer for layer, of_layer in at.items() if sorted(of_layer) != intervals]
    if len(intervals) < 2 or uneven:
        raise FeatureMismatchError(
            f"layers {listed(uneven)} lack intervals that others have"
            if uneven
            else "no layer has means of two intervals",
            where=f"columns {listed(names)}",
            remedy="Give columns <layer>_tNN_mean for every interval of each layer",
        )
    columns = [[at[layer][interval] for layer in at] for interval in intervals]
    return np.ascontiguousarray(np.asarray(X, np.float32)[:, columns]), CurveForm(
        "interval_means", tuple(at), len(intervals)
    )


def place_keys(blocks: Iterable[str], block_size_m: float) -> list[str]:
    """Keys of places: the spatial block with the size of blocks, the same in every season as long as that is."""
    return [f"{block_size_m:g} m {block}" for block in blocks]


def season_rows(
    samples: TrainingSet,
    curves: npt.NDArray[np.float32],
    form: CurveForm,
    season: str,
    *,
    block_size_m: float,
    previous: Sequence[str | None] | None = None,
) -> tuple[pa.Table, list[DroppedCurve]]:
    """A season's own rows of `teaching_series`, and its samples without a single value.

    The place of a sample is that of its spatial block (`place_keys`).

    Parameters
    ----------
    samples:
        With n samples.
    curves:
        (n, samples, channels) of `form`, NaN = missing.
    season:
        Key of the season.
    block_size_m:
        That of the samples' blocks.
    previous:
        (n,) what the map of a year before shows there (`past_seasons.crops_before`), None where it isn't known; None: of none.

    Raises
    ------
    LengthMismatchError
        Samples, curves and previous crops differ in number.
    """
    before = [None] * len(samples.y) if previous is None else list(previous)
    if len(curves) != len(samples.y) or len(before) != len(samples.y):
        raise LengthMismatchError(f"{len(samples.y)} samples but {len(curves)} curves and {len(before)} previous crops")
    seen = np.isfinite(curves).any(axis=(1, 2))
    kept = np.flatnonzero(seen)
    dropped: list[DroppedCurve] = [
        (season, str(samples.label_ids[i]), str(samples.y[i]), "no_curve", "its curve has no value")
        for i in np.flatnonzero(~seen)
    ]
    schema = teaching_schema(form)
    return pa.Table.from_arrays(
        [
            pa.array(samples.label_ids[kept].tolist(), pa.string()),
            pa.array([season] * len(kept), pa.string()),
            pa.array(place_keys(samples.groups[kept].tolist(), block_size_m), pa.string()),
            pa.array(samples.y[kept].tolist(), pa.string()),
            _nested(curves[kept], schema.field("series").type),
            pa.array([before[i] for i in kept.tolist()], pa.string()),
        ],
        schema=schema,
    ), dropped


def carried_rows(
    before: pa.Table, form: CurveForm, season: str, known_codes: Collection[str]
) -> tuple[pa.Table, list[DroppedCurve]]:
    """Rows of earlier seasons in the form of this season's curves, and those that can't be carried on.

    Channels are taken by name, so that one added since is no obstacle to the others' return. Left out are rows whose form
    lacks a channel or has another number of samples (`other_curves`), of a code that the nomenclature no longer has
    (`unknown_code`), and of this season or a later one (`not_past`).

    Raises
    ------
    FeatureMismatchError
        `before` is no teaching_series.
    """
    theirs = form_of(before)
    fits = theirs.kind == form.kind and theirs.samples == form.samples and set(form.channels) <= set(theirs.channels)
    known = set(known_codes)
    kept: list[int] = []
    dropped: list[DroppedCurve] = []
    columns = (before[name].to_pylist() for name in ("season", "label_id", "crop_code"))
    for row, (when, label, code) in enumerate(zip(*columns, strict=True)):
        if when >= season:
            dropped.append((when, label, code, "not_past", f"season {season} is taught by earlier ones"))
        elif not fits:
            dropped.append((when, label, code, "other_curves", f"{theirs}, where this season has {form}"))
        elif code not in known:
            dropped.append((when, label, code, "unknown_code", "the nomenclature has no such code"))
        else:
            kept.append(row)
    schema = teaching_schema(form)
    if not kept:
        return schema.empty_table(), dropped
    rows = before.take(pa.array(kept, pa.int64()))
    curves = curves_of(rows)[:, :, [theirs.channels.index(name) for name in form.channels]]
    series = _nested(curves, schema.field("series").type)
    arrays = [series if name == "series" else rows[name].combine_chunks() for name in schema.names]
    return pa.Table.from_arrays(arrays, schema=schema), dropped


def teaching_dropped(rows: Iterable[DroppedCurve]) -> pa.Table:
    """Curves that don't teach, with the reason (`TEACHING_DROPPED_SCHEMA`)."""
    columns = list(zip(*rows, strict=True)) or [()] * len(TEACHING_DROPPED_SCHEMA)
    arrays = [pa.array(list(c), type=f.type) for c, f in zip(columns, TEACHING_DROPPED_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=TEACHING_DROPPED_SCHEMA)


def teaching_counts(teaching: pa.Table) -> list[dict[str, Any]]:
    """Curves by crop and season, a dictionary a crop, with all seasons together at the end of each."""
    counted = Counter(zip(teaching["crop_code"].to_pylist(), teaching["season"].to_pylist(), strict=True))
    seasons = sorted({season for _, season in counted})
    return [
        {"crop": code}
        | {season: counted[code, season] for season in seasons}
        | {"all seasons": sum(counted[code, season] for season in seasons)}
        for code in sorted({code for code, _ in counted})
    ]


def _nested(curves: npt.NDArray[np.float32], kind: pa.DataType) -> pa.Array:
    flat = np.ascontiguousarray(curves, dtype=np.float32).reshape(-1)
    missing = ~np.isfinite(flat)
    inner = pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32(), mask=missing), type=kind.value_type)
    return pa.FixedSizeListArray.from_arrays(inner, type=kind)
