"""What review samples are drawn from, read some rows at a time where a map may have millions of parcels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from agristat_platform import features as segment_features
from agristat_platform.classification import curves_of, form_of, review
from resources.storage import Draft, StoredVersion

SEGMENT_COLUMNS = ("segment_id", "area_ha", "pixels", "geometry")
NOT_DESCRIBING = ("history_", "segment_id")  # what stood there before says nothing about this season's curve


@dataclass(frozen=True)
class ReviewSources:
    """The versions."""

    crop_maps: StoredVersion
    crop_models: StoredVersion
    segments: StoredVersion
    time_series: StoredVersion
    features: StoredVersion
    survey_samples: StoredVersion

    def measures(self) -> review.ParcelMeasures:
        """What flags are decided by."""
        taught = self.crop_models.table("taught_ground", columns=["kind", "name"])
        names = taught.filter(pc.equal(taught["kind"], "segment"))["name"].to_pylist()
        identities = (
            self.segments.table("identities", columns=["segment_id", "identity"])
            if self.segments.has("identities")
            else None
        )
        return review.parcel_measures(
            self.features.table("features", columns=review.measured_columns(self._feature_names())),
            taught=[int(name) for name in names],
            identities=identities,
            distance=self._distance(),
        )

    def write_flags(self, draft: Draft, measures: review.ParcelMeasures, area: Any) -> tuple[pa.Table, list[int]]:
        """Write flags of all parcels; returns which lie on units of the estimation sample, and which outside the area."""
        units, shared, outside = self.units(), [review.SHARED_GROUND_SCHEMA.empty_table()], list[int]()

        def portions() -> Iterator[pa.Table]:
            for portion in self.segments.portions("segments", columns=SEGMENT_COLUMNS):
                if units is not None and units.num_rows:
                    shared.append(review.estimation_ground(portion, units))
                outside.extend(review.parcels_outside(portion, area))
                yield portion

        draft.write_portions("flags", review.FLAGS_SCHEMA, review.flag_portions(portions(), measures))
        ground = pa.concat_tables(shared).sort_by([("unit_id", "ascending"), ("segment_id", "ascending")])
        return ground, outside

    def units(self) -> pa.Table | None:
        """Drawn units of the estimation sample with their ground; None where the survey has no frame of its own."""
        if not self.survey_samples.has("frame"):
            return None
        drawn = self.survey_samples.table("sample", columns=["unit_id"])["unit_id"].combine_chunks()
        frame = self.survey_samples.table("frame", columns=["unit_id", "geometry"])
        return frame.filter(pc.is_in(frame["unit_id"], drawn))

    def segments_of(self, drawn: pa.Array) -> pa.Table:
        """Area and polygons of some segments."""
        kept = [
            portion.filter(pc.is_in(portion["segment_id"], drawn))
            for portion in self.segments.portions("segments", columns=SEGMENT_COLUMNS)
        ]
        return pa.concat_tables(kept)

    def features_of(self, ids: NDArray[np.int64]) -> NDArray[np.floating]:
        """Features of some segments, in their order."""
        names = [name for name in self._feature_names() if not name.startswith(NOT_DESCRIBING)]
        wanted = pa.array(ids, pa.uint32())
        kept = []
        for portion in self.features.portions("features", columns=["segment_id", *names]):
            kept.append(portion.filter(pc.is_in(portion["segment_id"], wanted)))
        table = pa.concat_tables(kept)
        row = {segment: i for i, segment in enumerate(table["segment_id"].to_pylist())}
        taken = table.take(pa.array([row[segment] for segment in ids.tolist()], pa.int64()))
        return np.stack([taken[name].to_numpy(zero_copy_only=False).astype(np.float32) for name in names], axis=1)

    def _feature_names(self) -> list[str]:
        return list(pq.read_schema(self.features.path("features.parquet")).names)

    def _distance(self) -> tuple[NDArray[np.int64], NDArray[np.float64], float] | None:
        """How far each parcel's curve lies from the labelled curves of this season and those before."""
        if not self.crop_models.has("teaching_series") or not self.time_series.has("tensor"):
            return None
        teaching = self.crop_models.table("teaching_series")
        form = form_of(teaching)
        if form.kind != "smoothed":
            return None
        tensors = segment_features.read_tensors(self.time_series.path("tensor.parquet"), form.channels)
        curves = curves_of(teaching).reshape(teaching.num_rows, -1).astype(np.float64)
        return review.distances_to_known(
            (
                (part.ids.astype(np.int64), part.values.reshape(len(part.ids), -1).astype(np.float64))
                for part in tensors
                if len(part.ids)
            ),
            curves,
            teaching["season"].to_pylist(),
        )
