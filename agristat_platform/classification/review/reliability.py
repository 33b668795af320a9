"""How far stated confidence lies from the share that was right: tables by season and class, and the diagram.

Figures are of what they are computed on: held-out predictions, or an audit sample with its weights.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.errors import LengthMismatchError
from agristat_platform.classification.review.errors import CalibrationError

Bins = Literal["equal_width", "equal_mass"]

RELIABILITY_SCHEMA = pa.schema(
    [
        pa.field("bin_from", pa.float64(), nullable=False),
        pa.field("bin_to", pa.float64(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("share", pa.float64(), nullable=False, metadata={"meaning": "share of the weight"}),
        pa.field("mean_confidence", pa.float64(), nullable=False),
        pa.field("share_right", pa.float64(), nullable=False),
        pa.field("standard_error", pa.float64(), metadata={"meaning": "binomial, with Kish's effective number"}),
    ]
)

CALIBRATION_ERROR_SCHEMA = pa.schema(
    [
        pa.field("group_kind", pa.string(), nullable=False, metadata={"values": "all, season, predicted class, …"}),
        pa.field("group", pa.string(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("share_right", pa.float64(), nullable=False),
        pa.field("mean_confidence", pa.float64(), nullable=False),
        pa.field("ece_equal_width", pa.float64(), nullable=False),
        pa.field("ece_equal_mass", pa.float64(), nullable=False),
        pa.field(
            "ece_by_chance", pa.float64(), nullable=False, metadata={"meaning": "equal_mass, if perfectly calibrated"}
        ),
    ]
)


def reliability_table(
    confidence: Any, right: Any, *, weights: Any = None, bins: int = 10, kind: Bins = "equal_width"
) -> pa.Table:
    """Confidence and share right by bin of confidence (`RELIABILITY_SCHEMA`); empty bins have no row.

    Parameters
    ----------
    confidence, right:
        (n,) highest probability in [0, 1], and whether the class was right.
    weights:
        (n,) sampling weights; None for ones.
    kind:
        "equal_width", or "equal_mass": bins of equal weight, with equal confidences never parted.

    Raises
    ------
    CalibrationError, LengthMismatchError
        Nothing to compare, or different numbers.
    """
    p, r, w = _checked(confidence, right, weights)
    if kind == "equal_width":
        edges = np.linspace(0, 1, bins + 1)
        index = np.minimum((p * bins).astype(np.int64), bins - 1)
    else:
        edges, index = _equal_mass(p, w, bins)
    rows = []
    for b in np.unique(index).tolist():
        inside = index == b
        share, effective = float(w[inside].sum() / w.sum()), float(w[inside].sum() ** 2 / (w[inside] ** 2).sum())
        found = float(np.average(r[inside], weights=w[inside]))
        rows.append(
            {
                "bin_from": float(edges[b]),
                "bin_to": float(edges[b + 1]),
                "samples": int(inside.sum()),
                "share": share,
                "mean_confidence": float(np.average(p[inside], weights=w[inside])),
                "share_right": found,
                "standard_error": float(np.sqrt(found * (1 - found) / effective)),
            }
        )
    return pa.Table.from_pylist(rows, schema=RELIABILITY_SCHEMA)


def calibration_error(
    confidence: Any, right: Any, *, weights: Any = None, bins: int = 10, kind: Bins = "equal_width"
) -> float:
    """Expected calibration error: mean |share right − mean confidence| over bins, weighted by their share.

    With equal widths and no weights it is `scores.expected_calibration_error`.
    """
    table = reliability_table(confidence, right, weights=weights, bins=bins, kind=kind)
    share, stated, found = (np.asarray(table[name]) for name in ("share", "mean_confidence", "share_right"))
    return float(share @ np.abs(found - stated))


def error_by_chance(
    confidence: Any, *, weights: Any = None, bins: int = 10, repeats: int = 200, seed: int = 0
) -> float:
    """Mean equal-mass calibration error of as many samples if every confidence were exactly true.

    The error is a sum of absolute values and never reaches zero on a sample: only what exceeds this speaks against the
    probabilities.
    """
    p, _, w = _checked(confidence, np.ones(len(confidence), dtype=bool), weights)
    _, index = _equal_mass(p, w, bins)
    right = np.random.default_rng(seed).random((repeats, len(p))) < p
    gap = np.zeros(repeats)
    for b in np.unique(index).tolist():
        inside = index == b
        gap += np.abs((right[:, inside] - p[inside]) @ w[inside])
    return float(gap.mean() / w.sum())


def calibration_errors(
    confidence: Any,
    right: Any,
    *,
    groups: dict[str, Sequence[Any]] | None = None,
    weights: Any = None,
    bins: int = 10,
) -> pa.Table:
    """Calibration error of all samples and by groups (`CALIBRATION_ERROR_SCHEMA`).

    Parameters
    ----------
    groups:
        Kind of group to the group of each sample (n,): {"season": …, "predicted class": …}.
    """
    p, r, w = _checked(confidence, right, weights)
    kinds: dict[str, NDArray[Any]] = {"all": np.full(len(p), "all", dtype=object)}
    for kind, members in (groups or {}).items():
        if len(members) != len(p):
            raise LengthMismatchError(f"{len(p)} confidences but {len(members)} entries of {kind}")
        kinds[kind] = np.array([str(member) for member in members], dtype=object)
    rows = []
    for kind, member in kinds.items():
        for name in sorted(set(member.tolist())):
            i = member == name
            # A group of few samples can't fill ten bins: about ten samples a bin, as the error by chance grows with bins.
            some = max(1, min(bins, int(i.sum()) // 10))
            rows.append(
                {
                    "group_kind": kind,
                    "group": name,
                    "samples": int(i.sum()),
                    "share_right": float(np.average(r[i], weights=w[i])),
                    "mean_confidence": float(np.average(p[i], weights=w[i])),
                    "ece_equal_width": calibration_error(p[i], r[i], weights=w[i], bins=some),
                    "ece_equal_mass": calibration_error(p[i], r[i], weights=w[i], bins=some, kind="equal_mass"),
                    "ece_by_chance": error_by_chance(p[i], weights=w[i], bins=some),
                }
            )
    return pa.Table.from_pylist(rows, schema=CALIBRATION_ERROR_SCHEMA)


def reliability_png(
    tables: dict[str, pa.Table], *, title: str = "Confidence and share right", simulated: bool = False
) -> bytes:
    """Draw the reliability diagram of one or several tables (name → `RELIABILITY_SCHEMA`); points by their share.

    Bars are two standard errors to either side. Returns a PNG of 620 × 700 pixels; the same input gives the same bytes.
    """
    # Imported here: every process of a run loads this module, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.2, 7.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle="--", label="as stated")
    colours = ("#b2521d", "#1b6f5c", "#5b4a9c", "#8a7a00")
    for number, (name, table) in enumerate(tables.items()):
        colour = colours[number % len(colours)]
        stated, found = np.asarray(table["mean_confidence"]), np.asarray(table["share_right"])
        error, share = np.asarray(table["standard_error"]), np.asarray(table["share"])
        bar = np.stack([np.minimum(2 * error, found), np.minimum(2 * error, 1 - found)])
        above.errorbar(stated, found, yerr=bar, color=colour, linewidth=1.2, elinewidth=0.8, capsize=2)
        above.scatter(stated, found, s=12 + 160 * share, color=colour, label=name, zorder=3)
        below.plot(stated, share, color=colour, marker="o", markersize=3, linewidth=1)
    above.set_xlim(0, 1)
    above.set_ylim(0, 1.02)
    above.set_ylabel("share right")
    above.set_title(f"{title} (simulated data)" if simulated else title, fontsize=11)
    above.legend(loc="upper left", fontsize=9, frameon=False)
    below.set_ylim(bottom=0)
    below.set_ylabel("share of parcels", fontsize=9)
    below.set_xlabel("confidence")
    stream = io.BytesIO()
    # The writer would add its version to the file.
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _equal_mass(
    p: NDArray[np.float64], w: NDArray[np.float64], bins: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values, at = np.unique(p, return_inverse=True)
    mass = np.bincount(at, weights=w)
    # The middle of each value's mass decides, so that equal confidences stay together.
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()
    of_value = np.unique(np.minimum((middle * bins).astype(np.int64), bins - 1), return_inverse=True)[1]
    starts = np.flatnonzero(np.diff(of_value, prepend=-1))
    edges = np.concatenate([[0.0], (values[starts[1:]] + values[starts[1:] - 1]) / 2, [1.0]])
    return edges, of_value[at].astype(np.int64)


def _checked(
    confidence: Any, right: Any, weights: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    p, r = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, dtype=np.float64)
    if not len(p) == len(r) == len(w):
        raise LengthMismatchError(f"{len(p)} confidences, {len(r)} outcomes and {len(w)} weights")
    if not len(p) or not ((p >= 0) & (p <= 1 + 1e-9)).all() or not (w > 0).all():
        raise CalibrationError(
            "confidences and outcomes can't be compared",
            where=f"{len(p)} confidences",
            remedy="Give at least one; confidences within 0 … 1, weights above 0, rows without value left out",
        )
    return np.minimum(p, 1.0), r, w
