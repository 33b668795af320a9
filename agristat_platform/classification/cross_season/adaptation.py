"""Ways to bend what was learned in past seasons to an unlabelled one. Each can do harm; the gate decides on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from agristat_platform.classification.cross_season.curve_features import curve_features
from agristat_platform.classification.cross_season.members import MemberSettings, fit_trees

_CONFIDENT = 0.8


def coral(training: np.ndarray, target: np.ndarray, *, ridge: float = 1.0) -> np.ndarray:
    """Training curves (n, steps, features) with the mean and covariance of the target's (m, steps, features).

    Correlation alignment (Sun, Feng and Saenko 2016, AAAI): whiten with the training covariance, colour with the target's,
    both of values standardised by the training SD and with `ridge` added to the diagonal.
    """
    a, b = training.reshape(len(training), -1), target.reshape(len(target), -1)
    scale = np.where(a.std(axis=0) < 1e-12, 1.0, a.std(axis=0))
    a, b = a / scale, b / scale
    unit = ridge * np.eye(a.shape[1])
    whiten = _power(np.cov(a, rowvar=False) + unit, -0.5)
    colour = _power(np.cov(b, rowvar=False) + unit, 0.5)
    return (((a - a.mean(axis=0)) @ whiten @ colour + b.mean(axis=0)) * scale).reshape(training.shape)


def trees_after_coral(
    training: np.ndarray, classes: np.ndarray, target: np.ndarray, settings: MemberSettings, seed: int
) -> Any:
    """Trees fitted on `coral` curves."""
    return fit_trees(curve_features(coral(training, target)), classes, settings, seed)


def trees_after_self_training(
    training: np.ndarray,
    classes: np.ndarray,
    target: np.ndarray,
    said: np.ndarray,
    settings: MemberSettings,
    seed: int,
) -> Any:
    """Trees that also learn from the target curves the ensemble is sure of.

    `said` (m, classes) are its probabilities; at 0.8 and above a curve joins the training samples under its own name, at
    most as many of a class as there are training samples of it, the surest first.
    """
    sure, named = said.max(axis=1), said.argmax(axis=1)
    joined: list[np.ndarray] = []
    for c in range(said.shape[1]):
        rows = np.flatnonzero((named == c) & (sure >= _CONFIDENT))
        joined.append(rows[np.argsort(-sure[rows], kind="stable")][: int((classes == c).sum())])
    rows = np.concatenate(joined)
    table = curve_features(np.concatenate([training, target[rows]]))
    return fit_trees(table, np.concatenate([classes, named[rows]]), settings, seed)


def _power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 1e-12) ** exponent) @ vectors.T
