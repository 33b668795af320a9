"""From which confidence on a parcel is taken without a look: 0.65 on the first day, afterwards what the audit supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.errors import LengthMismatchError
from agristat_platform.classification.review.errors import AuditSampleError
from agristat_platform.classification.review.proportions import effective_number, lower_bound, number_behind

FIRST_DAY_THRESHOLD = 0.65
CANDIDATES = tuple(round(0.99 - 0.01 * i, 2) for i in range(70))
"""0.99 down to 0.30, fixed in advance."""
LEAST_ABOVE = 10
"""Audited parcels without which nothing is said of a threshold by the estimate alone."""

ACCEPTANCE_SCHEMA = pa.schema(
    [
        pa.field("threshold", pa.float64(), nullable=False),
        pa.field("audited", pa.int64(), nullable=False, metadata={"meaning": "audited parcels at or above it"}),
        pa.field("effective_number", pa.float64(), nullable=False),
        pa.field("share_right", pa.float64(), nullable=False),
        pa.field("standard_error", pa.float64(), nullable=False),
        pa.field("lower_bound", pa.float64(), nullable=False),
        pa.field("let_through", pa.float64(), nullable=False, metadata={"meaning": "estimated share of parcels"}),
        pa.field("tested", pa.bool_(), nullable=False),
        pa.field("holds", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Acceptance:
    """The recomputed threshold.

    Attributes
    ----------
    threshold:
        Least confidence at which a parcel is accepted; None where no threshold holds the share asked for.
    by_estimate:
        Least threshold with ten audited parcels whose estimated share right reaches the one asked for, and so does that of every
        higher one with enough of them for one error to leave that share (20 for 95 %); without any guarantee. None where there is none.
    table:
        `ACCEPTANCE_SCHEMA`, from high to low.
    reason:
        The outcome as a sentence.
    """

    threshold: float | None
    by_estimate: float | None
    table: pa.Table
    reason: str


def acceptance_threshold(
    confidence: Any,
    right: Any,
    weights: Any,
    strata: Any,
    *,
    population_sizes: dict[str, int] | None = None,
    share: float = 0.95,
    bound: float = 0.95,
) -> Acceptance:
    """Lowest confidence above which what is let through is right at `share`, with one-sided confidence `bound`.

    Candidates are tested from high to low and the first that fails ends it (fixed-sequence testing, after Angelopoulos et al.
    2021, "Learn then Test"), so that the chance of a threshold that doesn't hold stays at 1 − `bound` although many are
    tried. The first one tested is the highest with enough audited parcels that a faultless record would pass: it depends on
    confidences only, not on what was right.

    Parameters
    ----------
    confidence, right, weights, strata:
        (n,) of the audited parcels whose crop is known: the confidence that is compared with the threshold, whether the map
        was right, sampling weight, stratum.
    population_sizes:
        Parcels by stratum; None: no finite population correction.

    Raises
    ------
    AuditSampleError
        No audited parcel, or a share or bound outside 0 … 1.
    LengthMismatchError
        Different numbers.
    """
    p, r, w = (np.asarray(values, dtype=np.float64) for values in (confidence, right, weights))
    names = [str(s) for s in strata]
    if not len(p) == len(r) == len(w) == len(names):
        raise LengthMismatchError(f"{len(p)} confidences, {len(r)} outcomes, {len(w)} weights, {len(names)} strata")
    if not len(p) or not 0 < share < 1 or not 0 < bound < 1:
        raise AuditSampleError(
            f"{len(p)} audited parcels can't give a threshold for {share:.0%} right with confidence {bound:.0%}",
            remedy="Give audited parcels, and shares above 0 and below 1",
        )
    candidates = np.array(CANDIDATES)[np.array(CANDIDATES) <= p.max()]
    figures = _figures(p >= candidates[:, None], r, w, names, population_sizes, bound)
    needed = float(np.log(1 - bound) / np.log(share))
    rows: list[dict[str, Any]] = []
    going = True
    for candidate, row in zip(candidates.tolist(), figures, strict=True):
        tested = going and row["effective_number"] >= needed
        holds = tested and row["lower_bound"] >= share
        going = going and (not tested or holds)
        rows.append({"threshold": candidate, **row, "tested": tested, "holds": holds})
    holding = [row["threshold"] for row in rows if row["holds"]]
    threshold = min(holding) if holding else None
    return Acceptance(
        threshold,
        _by_estimate(rows, share),
        pa.Table.from_pylist(rows, schema=ACCEPTANCE_SCHEMA),
        _reason(threshold, rows, share, bound, needed),
    )


def _figures(
    above: NDArray[np.bool_],
    r: NDArray[np.float64],
    w: NDArray[np.float64],
    strata: list[str],
    population_sizes: dict[str, int] | None,
    bound: float,
) -> list[dict[str, Any]]:
    """Figures of the parcels above each candidate, from bool (candidates, n); all candidates at once.

    The share is a ratio of weighted totals, its variance that of the linearised totals within strata, as `estimation.ratio`
    has it; a stratum with one parcel counts with its square, uncentred.
    """
    weight = above * w
    total = weight.sum(axis=1)
    share = weight @ r / total
    linear = weight * (r - share[:, None]) / total[:, None]
    variance = np.zeros(len(above))
    for name in sorted(set(strata)):
        inside = np.array([stratum == name for stratum in strata], dtype=bool)
        n = int(inside.sum())
        z = linear[:, inside]
        unsampled = 1.0 if population_sizes is None else 1 - n / population_sizes[name]
        centred = z - z.mean(axis=1, keepdims=True) if n > 1 else z
        variance += unsampled * n / max(n - 1, 1) * (centred**2).sum(axis=1)
    rows = []
    for i in range(len(above)):
        number = number_behind(float(share[i]), float(np.sqrt(variance[i])), w[above[i]])
        rows.append(
            {
                "audited": int(above[i].sum()),
                "effective_number": effective_number(w[above[i]]),
                "share_right": float(share[i]),
                "standard_error": float(np.sqrt(variance[i])),
                "lower_bound": lower_bound(float(share[i]), number, bound),
                "let_through": float(total[i] / w.sum()),
            }
        )
    return rows


def _by_estimate(rows: list[dict[str, Any]], share: float) -> float | None:
    lowest = None
    for row in rows:
        if row["audited"] < LEAST_ABOVE:
            continue
        if row["share_right"] >= share:
            lowest = row["threshold"]
        elif row["audited"] >= 1 / (1 - share) - 1e-9:  # of fewer, a single error would end the search
            break
    return lowest


def _reason(threshold: float | None, rows: list[dict[str, Any]], share: float, bound: float, needed: float) -> str:
    if threshold is not None:
        row = next(row for row in rows if row["threshold"] == threshold)
        return (
            f"at {threshold:.2f} and above {row['share_right']:.1%} are right, at least {row['lower_bound']:.1%} with "
            f"confidence {bound:.0%}; {row['let_through']:.0%} of the parcels are let through"
        )
    tested = [row for row in rows if row["tested"]]
    if not tested:
        return (
            f"no threshold: {np.ceil(needed):.0f} equally weighted audited parcels above it are needed to show {share:.0%} with "
            f"confidence {bound:.0%}, even if all are right"
        )
    row = tested[0]
    return (
        f"no threshold: at {row['threshold']:.2f} and above {row['share_right']:.1%} of {row['audited']} audited parcels are "
        f"right, at least {row['lower_bound']:.1%} with confidence {bound:.0%}, and {share:.0%} was asked for"
    )
