"""Both samples of a map at once: the audit, and a learning queue that shares no parcel with it nor with the estimation sample."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from agristat_platform.classification.review.audit_sample import (
    AUDIT_SIZE,
    CONFIDENCE_STRATA,
    MIN_PER_STRATUM,
    AuditSample,
    draw_audit_sample,
)
from agristat_platform.classification.review.decisions import AUDIT, LEARNING
from agristat_platform.classification.review.errors import LearningQueueError
from agristat_platform.classification.review.learning_queue import (
    LEARNING_QUEUE_SCHEMA,
    FeaturesOf,
    learning_queue,
)
from agristat_platform.classification.review.map_probabilities import MapProbabilities

LARGEST_AUDITED_SHARE = 0.5
"""Of a small map's parcels: the rest stays for learning."""


@dataclass(frozen=True)
class ReviewSamples:
    """The audit sample, the learning queue (`LEARNING_QUEUE_SCHEMA`), and what was out of the ordinary, as sentences."""

    audit: AuditSample
    queue: pa.Table
    notes: tuple[str, ...]

    @property
    def drawn(self) -> dict[str, list[int]]:
        """Parcels by purpose, in the order to be looked at."""
        return {AUDIT: self.audit.sample["segment_id"].to_pylist(), LEARNING: self.queue["segment_id"].to_pylist()}

    @property
    def sha256(self) -> str:
        """Of the map that was sampled and the parcels drawn."""
        text = f"{self.audit.population_sha256}|{self.audit.seed}|{sorted(self.drawn.items())}"
        return hashlib.sha256(text.encode()).hexdigest()


def draw_review_samples(
    classified: pa.Table,
    probabilities: MapProbabilities,
    features_of: FeaturesOf,
    *,
    audit_size: int = AUDIT_SIZE,
    strata: int = CONFIDENCE_STRATA,
    queue_size: int = 50,
    seed: int,
    on_estimation_ground: Iterable[int],
    outside: Iterable[int] = (),
) -> ReviewSamples:
    """Draw an audit over the whole map, then the queue from what is left.

    A map with fewer parcels than twice the audit gets an audit of half of them, in as many strata as ten parcels each allow.

    Parameters
    ----------
    classified:
        `segment_id`, `crop_code`, `confidence` of every parcel of the map.
    features_of:
        Gives the features (m, d) of parcels by their numbers (m,).
    on_estimation_ground:
        Parcels on drawn units of the estimation sample: they may be audited, which teaches nobody, and never learned from.
    outside:
        Parcels outside the area of interest, which are in no sample and not in the audit's population.

    Raises
    ------
    AuditSampleError
        The map has no parcel with a class; see `draw_audit_sample`.
    """
    beyond = np.array(sorted({int(parcel) for parcel in outside}), dtype=np.int64)
    inside = ~np.isin(classified["segment_id"].to_numpy().astype(np.int64), beyond)
    classified = classified.filter(pa.array(inside))
    with_class = classified.num_rows - classified["crop_code"].null_count
    size = max(1, min(audit_size, int(LARGEST_AUDITED_SHARE * with_class)))
    least = min(MIN_PER_STRATUM, size)
    audit = draw_audit_sample(
        classified, n=size, strata=max(1, min(strata, size // least)), min_per_stratum=least, seed=seed
    )
    notes = list(audit.notes)
    if len(beyond):
        notes.append(f"{len(beyond)} parcels lie outside the area of interest: they are in no sample")
    if size < audit_size:
        notes.append(f"the map has {with_class} parcels with a class: {size} are audited, not {audit_size}")
    excluded = {
        *audit.sample["segment_id"].to_pylist(),
        *(int(parcel) for parcel in on_estimation_ground),
        *beyond.tolist(),
    }
    try:
        queue = learning_queue(
            probabilities.ids,
            probabilities.values,
            features_of,
            probabilities.classes,
            size=queue_size,
            excluded=excluded,
        )
    except LearningQueueError as reason:
        # a map that lies wholly on the sample's ground can be judged, only nothing can be learned from it
        notes.append(f"no learning queue: {reason.what}")
        queue = LEARNING_QUEUE_SCHEMA.empty_table()
    if 0 < queue.num_rows < queue_size:
        notes.append(f"only {queue.num_rows} parcels are left for the learning queue of {queue_size}")
    return ReviewSamples(audit, queue, tuple(notes))
