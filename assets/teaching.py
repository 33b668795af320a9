"""The table `teaching_series` of crop_models: this season's labelled curves beside those of the seasons before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform import classification, features
from assets.model_season import ModelSeason
from assets.presentation import markdown_table
from resources.storage import Draft, StoredVersion

TABLE, DROPPED, GROUND = "teaching_series", "teaching_dropped", "teaching_ground"
TENSOR = "tensor.parquet"
GROUND_SCHEMA = pa.schema([pa.field("season", pa.string(), nullable=False), *classification.TAUGHT_GROUND_SCHEMA])


@dataclass(frozen=True)
class Teaching:
    """Labelled curves of a season and of those before it.

    Attributes
    ----------
    form: of the season's curves; None where it has none, for the reason in `lacking`.
    carried: rows of earlier seasons that this season's curves can be compared with.
    own: rows of this season, which teach later ones.
    curves: (n, samples, channels) of the season's samples, in their order.
    ground: what labels of all these seasons cover, with the season.
    dropped: curves that are not in the table, with the reason.
    """

    form: classification.CurveForm | None
    carried: pa.Table | None
    own: pa.Table | None
    curves: npt.NDArray[np.float32] | None
    ground: pa.Table
    dropped: tuple[classification.DroppedCurve, ...]
    lacking: str | None = None

    def write(self, draft: Draft, crs: str) -> None:
        """Write the tables, earlier seasons' rows first."""
        if self.form is not None:
            parts = [part for part in (self.carried, self.own) if part is not None]
            empty = classification.teaching_schema(self.form).empty_table()
            draft.write_table(TABLE, pa.concat_tables(parts) if parts else empty)
        draft.write_table(DROPPED, classification.teaching_dropped(self.dropped))
        draft.write_table(GROUND, self.ground, crs=crs)

    def taught_ground(self, seasons: set[str]) -> pa.Table:
        """Ground of the labels of some seasons, in the form of `classification.TAUGHT_GROUND_SCHEMA`."""
        rows = self.ground.filter(pc.is_in(self.ground["season"], pa.array(sorted(seasons), pa.string())))
        return rows.select(classification.TAUGHT_GROUND_SCHEMA.names)

    def metadata(self) -> dict[str, Any]:
        """What the asset's page says of them."""
        if self.form is None:
            return {"teaching_series": f"none: {self.lacking}"}
        parts = [part for part in (self.carried, self.own) if part is not None]
        rows = [] if not parts else classification.teaching_counts(pa.concat_tables(parts))
        reasons = sorted({(row[0], row[3]) for row in self.dropped})
        return {
            "teaching_series (labelled curves by season)": markdown_table(rows),
            "curves": str(self.form),
            "curves_left_out": markdown_table(
                [
                    {"season": s, "reason": r, "curves": sum((row[0], row[3]) == (s, r) for row in self.dropped)}
                    for s, r in reasons
                ]
            ),
        }


def teaching_of(season: ModelSeason) -> Teaching:
    """Gather the season's labelled curves and carry on those of the seasons before."""
    samples = season.samples
    form, curves, lacking = _curves(season)
    before = season.previous.table(TABLE) if season.previous is not None and season.previous.has(TABLE) else None
    carried: pa.Table | None = None
    own: pa.Table | None = None
    dropped: list[classification.DroppedCurve] = []
    if form is not None and before is not None:
        carried, dropped = classification.carried_rows(before, form, season.partition.season, season.nomenclature.codes)
    for labelled, of_labelled in ((samples, curves), (season.reviewed_samples, _reviewed_curves(season, form))):
        if labelled is None:
            continue
        if form is not None and of_labelled is not None:
            rows, without = classification.season_rows(
                labelled,
                of_labelled,
                form,
                season.partition.season,
                block_size_m=season.training.block_size_m,
                previous=crops_before(season, labelled.segment_ids),
            )
            own = rows if own is None else pa.concat_tables([own, rows])
            dropped = [*dropped, *without]
        names = (labelled.dropped[name].to_pylist() for name in labelled.dropped.column_names)
        dropped = [*dropped, *((season.partition.season, *row) for row in zip(*names, strict=True))]
    return Teaching(form, carried, own, curves, _ground(season), tuple(dropped), lacking)


def target_curves(
    season: ModelSeason, form: classification.CurveForm, extra: npt.NDArray[np.float32] | None
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    """Segment ids (m,) and curves (m + k, samples, channels) of all segments, then `extra` (k, …) of labels without segment.

    They are held once, as float32: 736 MB for a million segments of 23 samples × 8 channels.
    """
    rows = season.segments.table("segments", columns=["segment_id"]).num_rows
    k = 0 if extra is None else len(extra)
    values = np.full((rows + k, *form.shape), np.nan, dtype=np.float32)
    ids = np.empty(rows, dtype=np.uint32)
    filled = 0
    for of_rows, curves in _portions(season, form):
        ids[filled : filled + len(of_rows)] = of_rows
        values[filled : filled + len(of_rows)] = curves
        filled += len(of_rows)
    if extra is not None:
        values[rows:] = extra
    return ids, values


def crops_before(
    season: ModelSeason, segment_ids: npt.NDArray[np.integer[Any]] | None, *, without_segment: int = 0
) -> list[str | None] | None:
    """Crop of a year before on each of some segments by the map, then None for labels without segment; None: of no segments."""
    if segment_ids is None:
        return None
    codes = season.nomenclature.codes
    found: dict[int, str | None] = {}
    for table in season.features.portions("features", columns=["segment_id", *classification.history_columns(codes)]):
        crops = classification.crops_before(table, codes)
        found.update(zip(table["segment_id"].to_pylist(), crops, strict=True))
    return [*(found.get(segment) for segment in segment_ids.tolist()), *([None] * without_segment)]


def _portions(
    season: ModelSeason, form: classification.CurveForm
) -> Iterator[tuple[npt.NDArray[np.uint32], npt.NDArray[np.float32]]]:
    if form.kind == "smoothed":
        for part in features.read_tensors(season.time_series.path(TENSOR), form.channels):
            yield part.ids, part.values
        return
    names = _interval_columns(form)
    for table in season.features.portions("features", columns=["segment_id", *names]):
        absent = [name for name in names if name not in table.column_names]
        if absent:
            raise classification.FeatureMismatchError(
                f"the features of the segments lack {len(absent)} columns of the labels' own series, such as {absent[0]}",
                where=str(season.partition),
                remedy="Compose the intervals and layers that the labels bring series of",
            )
        columns = classification.column_matrix(table, names)
        yield table["segment_id"].to_numpy(), classification.curves_of_columns(columns, names)[0]


def _interval_columns(form: classification.CurveForm) -> list[str]:
    return [f"{layer}_t{number + 1:02d}_mean" for number in range(form.samples) for layer in form.channels]


def _curves(
    season: ModelSeason,
) -> tuple[classification.CurveForm | None, npt.NDArray[np.float32] | None, str | None]:
    """The form of the season's curves, those of its samples, and why there are none."""
    samples = season.samples
    if season.labels.has("series") and samples is not None:
        curves, form = classification.curves_of_columns(samples.X, samples.feature_names)
        return form, curves, None
    past = _past_form(season.previous)
    if samples is None and past is not None and past.kind == "interval_means":
        return past, None, None
    if not season.time_series.has(TENSOR):
        return None, None, "time_series has no channel, so no segment has a curve"
    wanted = np.empty(0, np.int64) if samples is None or samples.segment_ids is None else samples.segment_ids
    curves, form = classification.segment_curves(features.read_tensors(season.time_series.path(TENSOR)), wanted)
    return form, None if samples is None else curves, None


def _reviewed_curves(season: ModelSeason, form: classification.CurveForm | None) -> npt.NDArray[np.float32] | None:
    """Curves of the parcels that reviewers named, where recognition learns from them."""
    samples = season.reviewed_samples
    if form is None or samples is None or samples.segment_ids is None:
        return None
    row = {int(segment): i for i, segment in enumerate(samples.segment_ids)}
    found = np.full((len(row), *form.shape), np.nan, dtype=np.float32)
    for ids, curves in _portions(season, form):
        for at in np.flatnonzero(np.isin(ids, samples.segment_ids)):
            found[row[int(ids[at])]] = curves[at]
    return found


def _past_form(previous: StoredVersion | None) -> classification.CurveForm | None:
    return None if previous is None or not previous.has(TABLE) else classification.form_of(previous.table(TABLE))


def _ground(season: ModelSeason) -> pa.Table:
    """Ground of this season's labels after that of the seasons before, with the season."""
    parts = [GROUND_SCHEMA.empty_table()]
    if season.previous is not None and season.previous.has(GROUND):
        parts.append(season.previous.table(GROUND).replace_schema_metadata(None).cast(GROUND_SCHEMA))
    for samples in (season.samples, season.reviewed_samples):
        if samples is not None:
            own = ground_of(season, samples)
            name = pa.array([season.partition.season] * own.num_rows, pa.string())
            parts.append(pa.Table.from_arrays([name, *own.columns], schema=GROUND_SCHEMA))
    return pa.concat_tables(parts)


def ground_of(season: ModelSeason, samples: classification.TrainingSet) -> pa.Table:
    """What samples of the season cover (`classification.TAUGHT_GROUND_SCHEMA`)."""
    return classification.taught_ground(samples, season.segments.table("segments", columns=["segment_id", "geometry"]))
