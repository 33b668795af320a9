"""What a crop model of a season is made from and judged by, whichever way it is taught, and what is told of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform import classification
from agristat_platform.catalogue import CropNomenclature, Partition, Region, TrainingSettings
from assets.errors import FamilyDoesNotApplyError
from assets.reviewed_parcels import ReviewedParcels
from resources.storage import StoredVersion

LEAST_SAMPLES = 2  # a class with fewer can't be both taught and tested; the support table keeps it in sight
LEAST_ACCURACY = 0.60
LABELS_PER_CLASS = 5
PAIRS = 10


@dataclass(frozen=True)
class ModelSeason:
    """A season of a region with the versions that its crop model is made from.

    Attributes
    ----------
    previous: the crop model of a year before, None where there is none.
    reviewed: parcels of this season that reviewers named, None or without rows where none teach.
    """

    partition: Partition
    region: Region
    nomenclature: CropNomenclature
    labels: StoredVersion
    segments: StoredVersion
    features: StoredVersion
    time_series: StoredVersion
    previous: StoredVersion | None
    reviewed: ReviewedParcels | None = None

    @property
    def training(self) -> TrainingSettings:
        """The region's section training.

        Raises
        ------
        FamilyDoesNotApplyError
            It has none.
        """
        if self.region.training is None:
            raise FamilyDoesNotApplyError(
                f"region {self.region.code} has no training section, so no model can be taught",
                where=f"config/regions/{self.region.code}.yaml",
                remedy="Give it a section training with a source of labels",
            )
        return self.region.training

    @property
    def recognised(self) -> bool:
        """Whether past seasons teach the season's model, and not its own labels."""
        return self.training.model_of(self.partition.season) == "recognition"

    @cached_property
    def samples(self) -> classification.TrainingSet | None:
        """The season's labels joined to segments, or to the features that they bring; None where none were delivered.

        Reviewed parcels are among them where the season's own labels teach its model; with recognition labels judge, and
        what a reviewer named is not judged.
        """
        if not self._labels.num_rows:
            return None
        if self.labels.has("series"):  # reviewed parcels have no series of their own
            return classification.training_set_from_series(
                self.labels.table("labels"), self.labels.table("series"), block_size_m=self.training.block_size_m
            )
        return self._joined(self._labels)

    @cached_property
    def reviewed_samples(self) -> classification.TrainingSet | None:
        """Reviewed parcels that teach recognition, joined to segments; None where none do, or where `samples` has them."""
        if not self.recognised or self.reviewed is None or not self.reviewed.labels.num_rows:
            return None
        return self._joined(self.reviewed.labels)

    @cached_property
    def segments_near_labels(self) -> pa.Table:
        """`segment_id` and `geometry` of the segments that the season's labels can be about, out of all there are."""
        return self._near(self._labels)

    @cached_property
    def _labels(self) -> pa.Table:
        delivered = self.labels.table("labels").replace_schema_metadata(None)
        if self.recognised or self.reviewed is None or not self.reviewed.labels.num_rows:
            return delivered
        # a delivered file may say that its columns can be empty
        own = delivered.select(classification.LABELS_SCHEMA.names).cast(classification.LABELS_SCHEMA)
        # the same ground under two labels could stand on both sides of a fold
        taken = {leak.validation for leak in classification.leakage(own, self.reviewed.labels)}
        new = [name not in taken for name in self.reviewed.labels["label_id"].to_pylist()]
        return pa.concat_tables([own, self.reviewed.labels.filter(pa.array(new, pa.bool_()))])

    def _near(self, labels: pa.Table) -> pa.Table:
        return classification.segments_near_labels(
            labels, self.segments.portions("segments", columns=["segment_id", "geometry"])
        )

    def _joined(self, labels: pa.Table) -> classification.TrainingSet:
        segments = self.segments_near_labels if labels is self._labels else self._near(labels)
        return classification.assemble_training_set(
            labels,
            segments,
            classification.rows_of_segments(segments["segment_id"], self.features.portions("features")),
            block_size_m=self.training.block_size_m,
            use_history=self.training.use_history,
        )

    def sizes(self, samples: classification.TrainingSet) -> dict[str, Any]:
        """Size classes of the segments that samples were joined to, for figures by size; none where they have no segments."""
        if samples.segment_ids is None:
            return {}
        table = self.segments.table("segments", columns=["segment_id", "area_ha"])
        area = dict(zip(table["segment_id"].to_pylist(), table["area_ha"].to_pylist(), strict=True))
        return {"parcel_size": classification.size_class([area[segment] for segment in samples.segment_ids.tolist()])}

    def sources(self, *names: str) -> dict[str, str]:
        """Content hashes of versions by their names here, for the model card; absent ones are left out."""
        found = {name: getattr(self, name) for name in names}
        return {name: version.version for name, version in found.items() if version is not None}

    def accuracy_report(
        self,
        samples: classification.TrainingSet,
        predicted: Sequence[Any] | npt.NDArray[Any],
        confidence: npt.NDArray[np.float64],
        taught: Sequence[str],
    ) -> classification.AccuracyReport:
        """Predictions of samples that did not teach them, blocks as places, by the size of their segments."""
        return classification.accuracy_report(
            samples.y,
            predicted,
            nomenclature=self.nomenclature,
            taught=taught,
            confidence=confidence,
            places=samples.groups,
            groupings=self.sizes(samples),
            seed=self.training.seed,
        )

    def card(self, **facts: Any) -> classification.ModelCard:
        """A model card of this season; `facts` as in `classification.model_card`."""
        return classification.model_card(
            title=f"Crop model of {self.region.code}, season {self.partition.season}",
            region=self.region.code,
            simulated=self.region.simulated,
            **facts,
        )


@dataclass(frozen=True)
class ModelResult:
    """What is told of a model whose files are written."""

    parameters: Mapping[str, Any]
    seeds: Mapping[str, int]
    metadata: Mapping[str, Any]
    checks: Sequence[dg.AssetCheckResult]


def support_by_code(support: pa.Table) -> dict[str, int]:
    """Samples by crop of a table of class support."""
    return dict(zip(support["crop_code"].to_pylist(), support["samples"].to_pylist(), strict=True))
