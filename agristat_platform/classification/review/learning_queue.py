"""The learning queue: parcels that a model would learn most from, and the queue of all that should be looked at.

Neither is a probability sample: nothing about the map may be estimated from them. No parcel of the audit is ever in either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.errors import LengthMismatchError
from agristat_platform.classification.labels import listed
from agristat_platform.classification.review.errors import LearningQueueError
from agristat_platform.classification.review.probabilities import check_probabilities

LEAST_QUEUE, MOST_QUEUE = 25, 100
FeaturesOf = Callable[[NDArray[np.int64]], NDArray[np.floating]]
"""Features (m, d) of parcels by their numbers (m,)."""
POOL = 2
"""Candidates of a class for each place it has in the queue: its most doubtful ones, from which the diverse are taken."""

LEARNING_QUEUE_SCHEMA = pa.schema(
    [
        pa.field("order", pa.int32(), nullable=False),
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("crop_code", pa.string(), nullable=False, metadata={"meaning": "the map's class"}),
        pa.field("second_crop_code", pa.string(), nullable=False),
        pa.field("margin", pa.float64(), nullable=False, metadata={"meaning": "first less second probability"}),
        pa.field("distance", pa.float64(), metadata={"meaning": "to the nearest taken before, standardised features"}),
    ]
)

REVIEW_QUEUE_SCHEMA = pa.schema(
    [
        pa.field("order", pa.int32(), nullable=False),
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("confidence", pa.float64(), metadata={"null": "no class"}),
        pa.field("reasons", pa.string(), nullable=False, metadata={"form": "separated by '; '"}),
    ]
)


def learning_queue(
    segment_ids: Any,
    probabilities: Any,
    features: Any,
    classes: Sequence[str],
    *,
    size: int = 50,
    excluded: Iterable[int],
) -> pa.Table:
    """Parcels for reviewers to teach the model: doubtful, unlike each other, and of all classes alike.

    Places are shared out evenly over the predicted classes; what a small class can't fill goes to the others. Of each class
    the parcels with the least margin between first and second class are candidates (margin sampling, Scheffer et
    al. 2001, IDA), `POOL` for each place. Classes take turns; each takes the candidate farthest in features from all taken
    before (greedy k-centre: Sener and Savarese 2018, ICLR), distances times 1 − margin. The first is the most doubtful
    one. Nothing is random: the same input, in any order of rows, gives the same queue.

    Parameters
    ----------
    segment_ids, probabilities, features:
        (n,), (n, k) and (n, d): all parcels of the map; features, or a latent representation, are standardised over the
        candidates, NaN becomes their median. `FeaturesOf` instead of (n, d) is asked for the candidates alone. Parcels without
        probabilities are left out.
    size:
        `LEAST_QUEUE` to `MOST_QUEUE`.
    excluded:
        Parcels that must not be in it: those of the audit, those on units of the estimation sample, those decided already.

    Returns
    -------
    pyarrow.Table
        `LEARNING_QUEUE_SCHEMA`; fewer rows than `size` where there are fewer parcels.

    Raises
    ------
    LearningQueueError
        A size outside the range, a parcel twice, or no parcel left.
    LengthMismatchError, InvalidProbabilitiesError
        Numbers differ; see `check_probabilities`.
    """
    if not LEAST_QUEUE <= size <= MOST_QUEUE:
        raise LearningQueueError(f"a learning queue of {size} parcels", remedy=f"Ask for {LEAST_QUEUE} to {MOST_QUEUE}")
    checked = check_probabilities(probabilities, classes)
    ids = np.asarray(segment_ids, dtype=np.int64)
    n = len(checked.rows) + checked.without_value
    given = None if callable(features) else np.asarray(features)
    if len(ids) != n or (given is not None and (given.ndim != 2 or len(given) != n)):
        shape = "" if given is None else f", features of shape {given.shape}"
        raise LengthMismatchError(f"{n} rows of probabilities, {len(ids)} parcels{shape}")
    _refuse_repeated(ids)
    out = np.isin(ids[checked.rows], _numbers(excluded))
    # By number: ties must not be settled by the order of rows.
    order = np.flatnonzero(~out)[np.argsort(ids[checked.rows][~out], kind="stable")]
    if not len(order):
        raise LearningQueueError("no parcel is left for the learning queue", remedy="Exclude fewer parcels")
    values, ids = checked.values[order], ids[checked.rows][order]
    ranked = np.argsort(-values, axis=1, kind="stable")
    rows = np.arange(len(values))
    first, second = ranked[:, 0], ranked[:, 1]
    margin = values[rows, first] - values[rows, second]
    places = _places(first, size)
    pool = _pool(first, margin, places)
    # Candidates alone are looked at: a map has many more parcels.
    candidates = features(ids[pool]) if given is None else given[checked.rows[order[pool]]]
    described = _standardised(candidates.astype(np.float64))
    among, distance = _take(first[pool], margin[pool], described, places)
    taken = pool[among]
    names = np.array(checked.classes, dtype=object)
    return pa.table(
        {
            "order": np.arange(1, len(taken) + 1, dtype=np.int32),
            "segment_id": ids[taken].astype(np.uint32),
            "crop_code": names[first[taken]].tolist(),
            "second_crop_code": names[second[taken]].tolist(),
            "margin": margin[taken],
            "distance": pa.array(distance, mask=~np.isfinite(distance)),
        },
        schema=LEARNING_QUEUE_SCHEMA,
    )


def review_queue(
    segment_ids: Sequence[int],
    confidence: Any,
    *,
    threshold: float,
    flags: pa.Table | None = None,
    excluded: Iterable[int] = (),
) -> pa.Table:
    """All parcels that shouldn't be taken without a look, with the reasons, most of them first.

    Parameters
    ----------
    confidence:
        (n,) highest probability; NaN or null where a parcel has no class.
    threshold:
        See `acceptance.acceptance_threshold`; where no threshold holds, 1.01 queues everything.
    flags:
        `parcel_flags.FLAGS_SCHEMA`; None: confidence alone.
    excluded:
        The audit's parcels, and those decided already.

    Raises
    ------
    LearningQueueError
        A parcel twice.
    LengthMismatchError
        Numbers differ.
    """
    ids = np.asarray(segment_ids, dtype=np.int64)
    p = np.array([np.nan if c is None else c for c in confidence], dtype=np.float64)
    if len(ids) != len(p):
        raise LengthMismatchError(f"{len(ids)} parcels but {len(p)} confidences")
    _refuse_repeated(ids)
    flagged: dict[int, list[str]] = {}
    if flags is not None:
        names = [name for name in flags.column_names if pa.types.is_boolean(flags.schema.field(name).type)]
        for name in names:
            hit = flags.filter(flags.column(name))["segment_id"].to_pylist()
            for parcel in hit:
                flagged.setdefault(parcel, []).append(name.replace("_", " "))
    out = set(_numbers(excluded).tolist())
    rows = []
    for parcel, stated in zip(ids.tolist(), p.tolist(), strict=True):
        reasons = ["no class"] if np.isnan(stated) else ["confidence below the threshold"] if stated < threshold else []
        reasons += flagged.get(parcel, [])
        if reasons and parcel not in out:
            rows.append((-len(reasons), 2.0 if np.isnan(stated) else stated, parcel, "; ".join(reasons)))
    rows.sort()
    return pa.Table.from_pylist(
        [
            {"order": i + 1, "segment_id": parcel, "confidence": None if p > 1 else p, "reasons": reasons}
            for i, (_, p, parcel, reasons) in enumerate(rows)
        ],
        schema=REVIEW_QUEUE_SCHEMA,
    )


def _pool(predicted: NDArray[np.int64], margin: NDArray[np.float64], places: dict[int, int]) -> NDArray[np.int64]:
    """Rows of the candidates: of each class its least margins, `POOL` for each place."""
    pools = []
    for k, count in sorted(places.items()):
        members = np.flatnonzero(predicted == k)
        pools.append(members[np.argsort(margin[members], kind="stable")[: POOL * count]])
    return np.concatenate(pools)


def _take(
    predicted: NDArray[np.int64], margin: NDArray[np.float64], described: NDArray[np.float64], places: dict[int, int]
) -> tuple[list[int], NDArray[np.float64]]:
    """Candidates in the order taken, and the distance of each to the nearest taken before."""
    left = {k: count for k, count in places.items() if count}
    pools = {k: np.flatnonzero(predicted == k) for k in left}
    doubt = 1.0 - margin
    nearest = np.full(len(predicted), np.inf)
    taken: list[int] = []
    distances: list[float] = []
    # The class with the most doubtful parcel begins.
    turns = sorted(left, key=lambda k: (float(margin[pools[k]].min()), k))
    while any(left.values()):
        for k in turns:
            if not left[k]:
                continue
            pool = pools[k]
            value = nearest[pool] * doubt[pool] if taken else doubt[pool]
            row = int(pool[int(np.argmax(value))])
            taken.append(row)
            distances.append(float(nearest[row]))
            left[k] -= 1
            pools[k] = pool[pool != row]
            nearest = np.minimum(nearest, np.sqrt(((described - described[row]) ** 2).mean(axis=1)))
    return taken, np.array(distances)


def _places(predicted: NDArray[np.int64], size: int) -> dict[int, int]:
    """Even shares of the queue by class, none above what the class has."""
    classes, counts = np.unique(predicted, return_counts=True)
    left = dict(zip(classes.tolist(), counts.tolist(), strict=True))
    places = dict.fromkeys(left, 0)
    remaining = min(size, len(predicted))
    while remaining:
        # The larger class first, where places don't come out even.
        for k in sorted(left, key=lambda k: (-left[k], k)):
            if remaining and places[k] < left[k]:
                places[k] += 1
                remaining -= 1
    return places


def _standardised(features: NDArray[np.float64]) -> NDArray[np.float64]:
    known = np.isfinite(features)
    features = features[:, known.any(axis=0)]
    if not features.shape[1]:
        raise LearningQueueError("no feature has a value", remedy="Give features, or a latent representation")
    filled = np.where(np.isfinite(features), features, np.nan)
    filled = np.where(np.isnan(filled), np.nanmedian(filled, axis=0), filled)
    spread = filled.std(axis=0)
    return np.asarray((filled - filled.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def _refuse_repeated(ids: NDArray[np.int64]) -> None:
    names, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise LearningQueueError(
            "parcels stand more than once", where=f"parcels {listed(names[counts > 1].tolist())}", remedy="One row each"
        )


def _numbers(parcels: Iterable[int]) -> NDArray[np.int64]:
    return np.array(sorted({int(parcel) for parcel in parcels}), dtype=np.int64)
