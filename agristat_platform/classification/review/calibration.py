"""Calibration: probabilities that mean what they say, fitted on predictions for seasons or parcels the model didn't learn.

Three maps from a model's probabilities to calibrated ones, from stiff to flexible, and the choice between them. How well
they do is told in `reliability`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar
from sklearn.isotonic import IsotonicRegression

from agristat_platform.classification.review.errors import CalibrationError
from agristat_platform.classification.review.probabilities import LEAST_PROBABILITY

Method = Literal["none", "temperature", "vector", "isotonic"]
METHODS: tuple[Method, ...] = get_args(Method)
"""From stiff to flexible: 0, 1, 2k numbers, and a step curve for each of k classes."""

RIDGE = 5.0
"""Pull of a class's slope and offset towards the common temperature, in samples: a class with five samples is held halfway."""

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """A map from probabilities to calibrated ones; arrays and names only.

    Attributes
    ----------
    method:
        "none" leaves probabilities as they are. "temperature" and "vector": softmax(slopes · log p + offsets), with one
        slope and no offsets for temperature (Guo et al. 2017, ICML). "isotonic": a rising curve for each class against the
        rest, rows divided by their sum (Zadrozny and Elkan 2002, KDD).
    classes:
        Codes of the columns (k,).
    slopes, offsets:
        (k,); ones and zeros where they aren't used.
    knots, heights:
        For "isotonic" the curve of each class as points; else empty.
    """

    method: Method
    classes: tuple[str, ...]
    slopes: _Floats
    offsets: _Floats
    knots: tuple[_Floats, ...] = field(default=())
    heights: tuple[_Floats, ...] = field(default=())

    def apply(self, probabilities: Any) -> _Floats:
        """Calibrated probabilities (n, k) of probabilities (n, k); NaN rows stay NaN.

        Raises
        ------
        CalibrationError
            Another number of classes.
        """
        values = np.asarray(probabilities, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.classes):
            raise CalibrationError(
                f"the calibration is of {len(self.classes)} classes, the probabilities have shape {values.shape}"
            )
        if self.method == "none":
            return values.copy()
        if self.method == "isotonic":
            curves = zip(values.T, self.knots, self.heights, strict=True)
            raised = np.stack([np.interp(p, x, y) for p, x, y in curves], axis=1)
            raised = np.maximum(raised, LEAST_PROBABILITY)
            raised[np.isnan(values).any(axis=1)] = np.nan
            return np.asarray(raised / raised.sum(axis=1, keepdims=True))
        return _softmax(self.slopes * _logarithms(values) + self.offsets)


def identity(classes: Sequence[str]) -> Calibration:
    """The calibration that changes nothing."""
    k = len(classes)
    return Calibration("none", tuple(str(c) for c in classes), np.ones(k), np.zeros(k))


def fit_calibration(
    probabilities: _Floats,
    label: NDArray[np.int64],
    classes: Sequence[str],
    method: Method,
    *,
    weights: _Floats | None = None,
) -> Calibration:
    """Fit a calibration by weighted log loss (isotonic: weighted squares) on predictions that were held out.

    Parameters
    ----------
    probabilities:
        (n, k), checked (see `probabilities.check_probabilities`).
    label:
        (n,) column of the true class.
    weights:
        (n,) positive; of an audit sample its sampling weights, so that the fit is that of the population. None for ones.

    Raises
    ------
    CalibrationError
        No samples, weights that aren't positive, or an unknown method.
    """
    names = tuple(str(c) for c in classes)
    weight = _unit_weights(weights, len(label))
    if method not in METHODS:
        raise CalibrationError(f"unknown calibration {method!r}", remedy=f"Use one of {', '.join(METHODS)}")
    if method == "none":
        return identity(names)
    if method == "isotonic":
        return _fit_isotonic(probabilities, label, names, weight)
    logs = _logarithms(probabilities)
    slope = _fit_temperature(logs, label, weight)
    k = len(names)
    if method == "temperature":
        return Calibration("temperature", names, np.full(k, slope), np.zeros(k))
    return _fit_vector(logs, label, names, weight, slope)


def _fit_temperature(logs: _Floats, label: NDArray[np.int64], weight: _Floats) -> float:
    def loss(log_slope: float) -> float:
        return _loss(np.exp(log_slope) * logs, label, weight)

    # Between a twentieth and twenty times as sharp: beyond this the samples name no optimum.
    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def _fit_vector(
    logs: _Floats, label: NDArray[np.int64], names: tuple[str, ...], weight: _Floats, slope: float
) -> Calibration:
    k = len(names)
    truth = np.zeros(logs.shape)
    truth[np.arange(len(label)), label] = 1.0

    def loss(parameters: _Floats) -> tuple[float, _Floats]:
        change, offsets = parameters[:k], parameters[k:]
        scores = slope * np.exp(change) * logs + offsets
        error = weight[:, None] * (_softmax(scores) - truth)
        slopes_gradient = (error * slope * np.exp(change) * logs).sum(axis=0)
        penalty = 0.5 * RIDGE * float(parameters @ parameters)
        gradient = np.concatenate([slopes_gradient, error.sum(axis=0)]) + RIDGE * parameters
        return _loss(scores, label, weight) + penalty, gradient

    found = minimize(loss, np.zeros(2 * k), jac=True, method="L-BFGS-B", bounds=[(-3.0, 3.0)] * k + [(None, None)] * k)
    return Calibration("vector", names, slope * np.exp(found.x[:k]), np.asarray(found.x[k:]))


def _fit_isotonic(
    probabilities: _Floats, label: NDArray[np.int64], names: tuple[str, ...], weight: _Floats
) -> Calibration:
    knots, heights = [], []
    for j in range(len(names)):
        curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        curve.fit(probabilities[:, j], (label == j).astype(np.float64), sample_weight=weight)
        knots.append(np.asarray(curve.X_thresholds_, dtype=np.float64))
        heights.append(np.asarray(curve.y_thresholds_, dtype=np.float64))
    k = len(names)
    return Calibration("isotonic", names, np.ones(k), np.zeros(k), tuple(knots), tuple(heights))


def _loss(scores: _Floats, label: NDArray[np.int64], weight: _Floats) -> float:
    top = scores.max(axis=1)
    normaliser = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
    return float(weight @ (normaliser - scores[np.arange(len(label)), label]))


def _softmax(scores: _Floats) -> _Floats:
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _logarithms(probabilities: _Floats) -> _Floats:
    return np.log(np.maximum(probabilities, LEAST_PROBABILITY))


def _unit_weights(weights: _Floats | None, n: int) -> _Floats:
    """Weights of mean one."""
    if n == 0:
        raise CalibrationError("no sample to calibrate on", remedy="Give held-out predictions with their labels")
    if weights is None:
        return np.ones(n)
    given = np.asarray(weights, dtype=np.float64)
    if given.shape != (n,) or not (np.isfinite(given) & (given > 0)).all():
        raise CalibrationError(f"the weights of {n} samples are not {n} positive numbers")
    return np.asarray(given / given.mean())
