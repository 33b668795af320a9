"""reviewed_parcels: what reviewers said of a season's parcels, as the season's own model reads it when it is taught again.

Decisions rest on a map, and so on the model that learns from them. Over time that is no circle, but among assets it would be
one: `crop_models` reads an external asset, to which publishing `review_decisions` reports its version, as crop maps do for
`past_crop_maps` (docs/decisions/0013-history-through-external-assets.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform import classification
from assets.families import FAMILIES
from assets.materialisation import upstream
from assets.past_crop_maps import DATA_VERSION
from resources.storage import StoredVersion

NAME, STORED_AS = "reviewed_parcels", "review_decisions"
NOT_ASKED = "not used: training.use_review is false"


@dataclass(frozen=True)
class ReviewedParcels:
    """Parcels that teach because a reviewer named them; never those of an audit or of the estimation sample.

    Attributes
    ----------
    labels: `classification.LABELS_SCHEMA`, a row a parcel with the segment's outline.
    said: what became of the decisions there are.
    """

    labels: pa.Table
    said: str

    @property
    def segment_ids(self) -> npt.NDArray[np.int64]:
        """(n,) segments, in the order of the labels."""
        return np.array([int(name.rpartition("/")[2]) for name in self.labels["label_id"].to_pylist()], dtype=np.int64)


def build(seasons: dg.MultiPartitionsDefinition) -> dg.AssetSpec:
    """The external asset."""
    family = FAMILIES[STORED_AS]
    return dg.AssetSpec(
        NAME,
        partitions_def=seasons,
        group_name=family.group,
        kinds=set(family.kinds),
        owners=[family.owner],
        description="Reviewers' decisions as the season's model reads them when it is taught again. "
        "Each event points to a version of review_decisions, which reports it when it is published",
    )


def asset_in() -> dg.AssetIn:
    """The input of crop_models: the season's decisions, or None before there are any."""
    return upstream("training", optional=True, stored_as=STORED_AS)


def report(context: dg.AssetExecutionContext, published: StoredVersion) -> None:
    """Tell Dagster that a version of review_decisions is there to learn from."""
    context.log_event(
        dg.AssetMaterialization(
            NAME,
            partition=str(published.partition),
            tags={DATA_VERSION: published.version},
            metadata={
                "asset": STORED_AS,
                "version": published.version,
                "uri": dg.MetadataValue.path(published.uri),
                "manifest_sha256": published.manifest_sha256,
            },
        )
    )


def parcels_that_teach(
    decisions: StoredVersion | None, segments: StoredVersion, *, wanted: bool, log: Any
) -> ReviewedParcels:
    """The labels that decisions give; none, and why, where they are not asked for or are about other segments."""
    none = classification.LABELS_SCHEMA.empty_table()
    if not wanted:
        return ReviewedParcels(none, NOT_ASKED)
    if decisions is None:
        return ReviewedParcels(none, "none: nothing of this season was reviewed yet")
    reviewed_on = {record.version for record in decisions.manifest.inputs if record.asset == "segments"}
    if reviewed_on != {segments.version}:
        said = "left out: the decisions are about other segments than the season has now; review it anew"
        log.warning("reviewed parcels are %s", said)
        return ReviewedParcels(none, said)
    table = decisions.table("labels").replace_schema_metadata(None).select(classification.LABELS_SCHEMA.names)
    return ReviewedParcels(
        table.cast(classification.LABELS_SCHEMA), f"{table.num_rows} parcels teach, but where labels cover their ground"
    )
