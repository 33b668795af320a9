"""The audit sample: a probability sample of a map's parcels over all confidence strata.

It answers for the map: accuracy, calibration, acceptance threshold and conformal sets rest on it. What is worth learning from
is drawn elsewhere (`learning_queue`), and the two never share a parcel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.labels import listed
from agristat_platform.classification.review.chance import uniform
from agristat_platform.classification.review.errors import AuditSampleError
from agristat_platform.sampling import STRATA_SCHEMA, AllocationError, allocate

ROLE_AUDIT = "audit"
AUDIT_SIZE = 100
CONFIDENCE_STRATA = 5
MIN_PER_STRATUM = 10
LEAST_SPREAD = 0.25
"""Least standard deviation an allocation assumes in a stratum: stated confidence of 1 isn't known to be right."""

AUDIT_SCHEMA = pa.schema(
    [
        pa.field("segment_id", pa.uint32(), nullable=False),
        pa.field("stratum", pa.string(), nullable=False),
        pa.field("crop_code", pa.string(), nullable=False, metadata={"meaning": "the map's class when drawn"}),
        pa.field("confidence", pa.float64(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False, metadata={"meaning": "inclusion probability n_h / N_h"}),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("role", pa.string(), nullable=False, metadata={"values": ROLE_AUDIT}),
        pa.field("order", pa.int32(), nullable=False, metadata={"meaning": "of selection within the stratum"}),
    ]
)

AUDIT_STRATA_SCHEMA = pa.schema(
    [
        pa.field("stratum", pa.string(), nullable=False),
        pa.field("confidence_from", pa.float64(), nullable=False),
        pa.field("confidence_to", pa.float64(), nullable=False),
        pa.field("population_size", pa.int64(), nullable=False),
        pa.field("sample_size", pa.int64(), nullable=False),
        pa.field(
            "assumed_sd", pa.float64(), nullable=False, metadata={"meaning": "of being right, for the allocation"}
        ),
    ]
)


@dataclass(frozen=True)
class AuditSample:
    """An audit sample and its design.

    Attributes
    ----------
    sample:
        `AUDIT_SCHEMA`, sorted by stratum and order.
    strata:
        `AUDIT_STRATA_SCHEMA`; together they hold every parcel with a class.
    seed:
        The only source of chance.
    population_sha256:
        Of the parcels' numbers, classes and confidences: the map that was sampled.
    without_class:
        Parcels of the map without a class; nothing is said about them.
    notes:
        What was out of the ordinary, as sentences.
    """

    sample: pa.Table
    strata: pa.Table
    seed: int
    population_sha256: str
    without_class: int
    notes: tuple[str, ...]

    @property
    def population_sizes(self) -> dict[str, int]:
        """Parcels by stratum."""
        return dict(zip(self.strata["stratum"].to_pylist(), self.strata["population_size"].to_pylist(), strict=True))


def draw_audit_sample(
    classified: pa.Table,
    *,
    n: int = AUDIT_SIZE,
    strata: int = CONFIDENCE_STRATA,
    by_class: bool = False,
    min_per_stratum: int = MIN_PER_STRATUM,
    seed: int,
    excluded: Iterable[int] = (),
) -> AuditSample:
    """Draw parcels without replacement, simple random within strata of confidence.

    Strata are quantiles of confidence, so that each holds about as many parcels. Sizes are shared out by Neyman's rule,
    n_h ∝ N_h √(p(1 − p)) with p the mean confidence of the stratum and the root at least `LEAST_SPREAD`, within
    `min_per_stratum` ≤ n_h ≤ N_h. Within a stratum the parcels with the least permanent random numbers are drawn (Ohlsson 1995):
    the draw depends on the map's content and the seed, not on the order of rows, and a map made anew on the same segments shares
    most of its sample with the one before.

    Parameters
    ----------
    classified:
        `segment_id`, `crop_code`, `confidence` (highest probability) of every parcel of the map, null where it has no class.
    n:
        Parcels to draw.
    strata:
        Strata of confidence.
    by_class:
        Split each stratum by the map's class as well; a class with fewer than 2 · `min_per_stratum` parcels in the
        stratum stays with the stratum's other small ones.
    excluded:
        Parcels that can't be visited; they leave the population, so nothing is said about them. Noted.

    Raises
    ------
    AuditSampleError
        Columns missing, a parcel twice, confidences outside 0 … 1, no parcel with a class, or a sample smaller than its
        strata need or larger than the population.
    """
    ids, codes, confidence, without_class = _population(classified)
    out = np.isin(ids, np.fromiter(excluded, dtype=np.int64, count=-1))
    notes = [f"{int(out.sum())} parcels left out of the population on request"] if out.any() else []
    ids, codes, confidence = ids[~out], codes[~out], confidence[~out]
    if not len(ids):
        raise AuditSampleError("the map has no parcel with a class", remedy="Classify the parcels first")
    stratum = _confidence_strata(confidence, strata)
    if len(set(stratum.tolist())) == 1 and strata > 1:
        notes.append("all confidences lie in one stratum: the audit is a simple random sample")
    if by_class:
        stratum = _split_by_class(stratum, codes, 2 * min_per_stratum)
    table = _allocation(stratum, confidence, n, min_per_stratum)
    rows, order = _draw(ids, stratum, table, seed)
    sizes = {row["stratum"]: (row["population_size"], row["sample_size"]) for row in table.to_pylist()}
    probability = np.array([sizes[s][1] / sizes[s][0] for s in stratum[rows].tolist()])
    sample = pa.table(
        {
            "segment_id": ids[rows].astype(np.uint32),
            "stratum": stratum[rows].tolist(),
            "crop_code": codes[rows].tolist(),
            "confidence": confidence[rows],
            "probability": probability,
            "weight": 1 / probability,
            "role": [ROLE_AUDIT] * len(rows),
            "order": order.astype(np.int32),
        },
        schema=AUDIT_SCHEMA,
    )
    return AuditSample(sample, table, seed, _sha256(ids, codes, confidence), without_class, tuple(notes))


def _population(classified: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.float64], int]:
    absent = [name for name in ("segment_id", "crop_code", "confidence") if name not in classified.column_names]
    if absent:
        raise AuditSampleError(f"the map's table has no column {listed(absent)}")
    codes = classified["crop_code"].to_pylist()
    has = np.array([code is not None for code in codes], dtype=bool)
    ids = classified["segment_id"].to_numpy().astype(np.int64)[has]
    # By number: what is drawn must not depend on the order of rows.
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    twice = np.unique(ids[1:][ids[1:] == ids[:-1]])
    if len(twice):
        raise AuditSampleError("parcels stand more than once in the map", where=f"parcels {listed(twice.tolist())}")
    confidence = classified["confidence"].to_numpy(zero_copy_only=False).astype(np.float64)[has][order]
    bad = np.flatnonzero(~((confidence >= 0) & (confidence <= 1)))
    if len(bad):
        raise AuditSampleError(
            f"{len(bad)} confidences are not within 0 … 1", where=f"parcels {listed(ids[bad].tolist())}"
        )
    return (
        ids,
        np.array([code for code in codes if code is not None], dtype=np.str_)[order],
        confidence,
        int((~has).sum()),
    )


def _confidence_strata(confidence: NDArray[np.float64], strata: int) -> NDArray[np.str_]:
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, strata + 1)[1:-1]))
    index = np.searchsorted(edges, confidence, side="right")
    return np.array([f"confidence {h + 1}" for h in np.unique(index, return_inverse=True)[1].tolist()], dtype=np.str_)


def _split_by_class(stratum: NDArray[np.str_], codes: NDArray[np.str_], least: int) -> NDArray[np.str_]:
    split = np.char.add(np.char.add(stratum, " · "), codes)
    names, at, count = np.unique(split, return_inverse=True, return_counts=True)
    joined = np.where(count[at] < least, np.char.add(stratum, " · others"), names[at])
    _, at, count = np.unique(joined, return_inverse=True, return_counts=True)
    # Others too few to be a stratum of their own: the whole confidence stratum stays undivided.
    crowded = set(stratum[(count[at] < 2) & np.char.endswith(joined, " · others")].tolist())
    return np.where(np.isin(stratum, sorted(crowded)), stratum, joined)


def _allocation(stratum: NDArray[np.str_], confidence: NDArray[np.float64], n: int, least: int) -> pa.Table:
    names, at, count = np.unique(stratum, return_inverse=True, return_counts=True)
    mean = np.bincount(at, weights=confidence) / count
    spread = np.maximum(np.sqrt(mean * (1 - mean)), LEAST_SPREAD)
    frame = pa.table(
        {
            "stratum": names.tolist(),
            "population_size": count.astype(np.int64),
            "sample_size": np.zeros(len(names), dtype=np.int64),
            "area_ha": pa.nulls(len(names), pa.float64()),
        },
        schema=STRATA_SCHEMA,
    )
    sd = dict(zip(names.tolist(), spread.tolist(), strict=True))
    try:
        allocated = allocate(frame, n, "neyman", sd, min_per_stratum=least)
    except AllocationError as reason:
        raise AuditSampleError(
            f"an audit sample of {n} can't be drawn: {reason.what}",
            where=f"strata {listed(names.tolist())}",
            remedy="Draw more parcels, or ask for fewer strata or fewer parcels in each",
        ) from reason
    drawn = dict(zip(allocated["stratum"].to_pylist(), allocated["sample_size"].to_pylist(), strict=True))
    return pa.table(
        {
            "stratum": names.tolist(),
            "confidence_from": [float(confidence[at == h].min()) for h in range(len(names))],
            "confidence_to": [float(confidence[at == h].max()) for h in range(len(names))],
            "population_size": count.astype(np.int64),
            "sample_size": [int(drawn[name]) for name in names.tolist()],
            "assumed_sd": spread,
        },
        schema=AUDIT_STRATA_SCHEMA,
    )


def _draw(
    ids: NDArray[np.int64], stratum: NDArray[np.str_], table: pa.Table, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    # A number a parcel keeps: after a small change of the map most of the sample is the same, and stays decided.
    chance = uniform(ids, seed, "audit")
    rows, order = [], []
    for row in table.to_pylist():
        members = np.flatnonzero(stratum == row["stratum"])
        rows.append(members[np.argsort(chance[members], kind="stable")[: row["sample_size"]]])
        order.append(np.arange(1, row["sample_size"] + 1))
    return np.concatenate(rows), np.concatenate(order)


def _sha256(ids: NDArray[np.int64], codes: NDArray[np.str_], confidence: NDArray[np.float64]) -> str:
    digest = hashlib.sha256(ids.astype("<i8").tobytes())
    digest.update(confidence.astype("<f8").tobytes())
    digest.update("\n".join(codes.tolist()).encode())
    return digest.hexdigest()
