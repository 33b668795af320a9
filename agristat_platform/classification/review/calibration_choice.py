"""Which calibration to use, judged on seasons, or places, that it was not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.classification.errors import LengthMismatchError
from agristat_platform.classification.review.calibration import METHODS, Calibration, Method, fit_calibration
from agristat_platform.classification.review.errors import CalibrationError
from agristat_platform.classification.review.probabilities import check_probabilities, label_columns, log_loss

CALIBRATION_SCHEMA = pa.schema(
    [
        pa.field("method", pa.string(), nullable=False),
        pa.field(
            "held_out", pa.string(), nullable=False, metadata={"meaning": "season or fold; 'all' for all of them"}
        ),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("log_loss", pa.float64(), nullable=False, metadata={"unit": "nat"}),
        pa.field("gain", pa.float64(), nullable=False, metadata={"meaning": "log loss less than without calibration"}),
        pa.field("gain_se", pa.float64(), metadata={"meaning": "over places; null for one fold's row"}),
        pa.field("chosen", pa.bool_(), nullable=False),
    ]
)


@dataclass(frozen=True)
class ChosenCalibration:
    """A calibration fitted on everything, and why its method was taken.

    Attributes
    ----------
    calibration:
        Of the chosen method, fitted on all samples.
    trials:
        `CALIBRATION_SCHEMA`: log loss by method and what was held out.
    held_out_probabilities:
        (m, k) calibrated by the chosen method fitted without the row's own season (fold): what figures of calibration are
        to be computed on.
    rows:
        (m,) position of each of them in what was given.
    reason:
        The choice as a sentence.
    without_value:
        NaN rows left out.
    """

    calibration: Calibration
    trials: pa.Table
    held_out_probabilities: NDArray[np.float64]
    rows: NDArray[np.int64]
    reason: str
    without_value: int


def choose_calibration(
    probabilities: Any,
    labels: Sequence[Any],
    classes: Sequence[str],
    *,
    seasons: Sequence[Any] | None = None,
    places: Sequence[Any] | None = None,
    weights: Sequence[float] | None = None,
    methods: Sequence[Method] = METHODS,
    folds: int = 5,
    seed: int = 0,
) -> ChosenCalibration:
    """Choose between calibrations by held-out log loss, and fit the chosen one on everything.

    With two seasons or more each is held out in turn, and no sample at its places takes part in the fit; otherwise places
    are shared out to `folds`. From stiff to flexible, a method is taken if it is better than the one held so far by
    one standard error of the gain over places (Breiman et al. 1984, the one-standard-error rule): flexible ones
    fit past seasons' chances.

    Parameters
    ----------
    probabilities:
        (n, k), each row from a model that learned neither from the row's season nor from its place. NaN rows are left out.
    labels, seasons, places, weights:
        (n,). Places None: each sample for itself. Weights None: ones.
    methods:
        Which to try; "none" always is.

    Raises
    ------
    CalibrationError
        Fewer than two places to hold out.
    InvalidProbabilitiesError, UnknownCropCodeError, LengthMismatchError
        See `check_probabilities` and `label_columns`.
    """
    checked = check_probabilities(probabilities, classes)
    n = len(checked.rows) + checked.without_value
    for name, given in (("seasons", seasons), ("places", places), ("weights", weights)):
        if given is not None and len(given) != n:
            raise LengthMismatchError(f"{n} rows of probabilities but {len(given)} {name}")
    label = label_columns(
        [labels[i] for i in checked.rows] if len(labels) == n else labels, classes, rows=len(checked.rows)
    )
    weight = None if weights is None else np.asarray(weights, dtype=np.float64)[checked.rows]
    place = _codes(range(n) if places is None else places, checked.rows)
    fold, names = _folds(None if seasons is None else [seasons[i] for i in checked.rows], place, folds, seed)
    tried = [method for method in METHODS if method in methods or method == "none"]
    held_out = {
        method: _held_out(checked.values, label, checked.classes, weight, place, fold, method) for method in tried
    }
    losses = {method: log_loss(values, label, weight) for method, values in held_out.items()}
    chosen, reason = _choose(tried, losses, place)
    rows = [row for method in tried for row in _rows(method, losses, fold, names, place, chosen)]
    return ChosenCalibration(
        fit_calibration(checked.values, label, checked.classes, chosen, weights=weight),
        pa.Table.from_pylist(rows, schema=CALIBRATION_SCHEMA),
        held_out[chosen],
        checked.rows,
        reason,
        checked.without_value,
    )


def _codes(keys: Any, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique([str(keys[i]) for i in rows], return_inverse=True)[1].astype(np.int64)


def _folds(
    seasons: list[Any] | None, place: NDArray[np.int64], folds: int, seed: int
) -> tuple[NDArray[np.int64], list[str]]:
    """Number of each sample's fold, and the folds' names."""
    if seasons is not None and len({str(s) for s in seasons}) > 1:
        names, fold = np.unique([str(s) for s in seasons], return_inverse=True)
        return fold.astype(np.int64), [str(name) for name in names]
    places = int(place.max()) + 1 if len(place) else 0
    if places < 2:
        raise CalibrationError(
            f"{places} places: nothing can be held out to judge a calibration", remedy="Give more held-out predictions"
        )
    count = min(folds, places)
    of_place = np.random.default_rng(seed).permutation(places) % count
    return of_place[place].astype(np.int64), [f"fold {f + 1} of {count}" for f in range(count)]


def _held_out(
    values: NDArray[np.float64],
    label: NDArray[np.int64],
    classes: tuple[str, ...],
    weight: NDArray[np.float64] | None,
    place: NDArray[np.int64],
    fold: NDArray[np.int64],
    method: Method,
) -> NDArray[np.float64]:
    """Calibrated without the row's own fold and its places; as they are where nothing else is left to fit on."""
    result = values.copy()
    for f in range(int(fold.max()) + 1):
        out = fold == f
        fit = ~out & ~np.isin(place, place[out])
        if not fit.any():
            fit = ~out
        fitted = fit_calibration(
            values[fit], label[fit], classes, method, weights=None if weight is None else weight[fit]
        )
        result[out] = fitted.apply(values[out])
    return result


def _gain(better: NDArray[np.float64], than: NDArray[np.float64], place: NDArray[np.int64]) -> tuple[float, float]:
    """Mean gain in log loss a sample, and its standard error with places as the units that vary."""
    gain = than - better
    centred = np.bincount(place, weights=gain - gain.mean())
    units = len(centred)
    error = np.sqrt(units / max(units - 1, 1) * float(centred @ centred)) / len(gain)
    return float(gain.mean()), float(error)


def _choose(
    tried: Sequence[Method], losses: dict[Method, NDArray[np.float64]], place: NDArray[np.int64]
) -> tuple[Method, str]:
    chosen = tried[0]
    for method in tried[1:]:
        gain, error = _gain(losses[method], losses[chosen], place)
        if gain > error:
            chosen = method
    gain, error = _gain(losses[chosen], losses["none"], place)
    if chosen == "none":
        return chosen, "no calibration was better than none by a standard error on what was held out"
    return chosen, f"{chosen}: log loss {gain:.4f} lower than without (standard error {error:.4f}) on what was held out"


def _rows(
    method: Method,
    losses: dict[Method, NDArray[np.float64]],
    fold: NDArray[np.int64],
    names: list[str],
    place: NDArray[np.int64],
    chosen: Method,
) -> list[dict[str, Any]]:
    loss, plain = losses[method], losses["none"]
    gain, error = _gain(loss, plain, place)
    rows: list[dict[str, Any]] = []
    for f, name in [*enumerate(names), (-1, "all")]:
        inside = fold == f if f >= 0 else np.ones(len(fold), dtype=bool)
        rows.append(
            {
                "method": method,
                "held_out": name,
                "samples": int(inside.sum()),
                "log_loss": float(loss[inside].mean()),
                "gain": float((plain - loss)[inside].mean()) if f >= 0 else gain,
                "gain_se": None if f >= 0 else error,
                "chosen": method == chosen,
            }
        )
    return rows
