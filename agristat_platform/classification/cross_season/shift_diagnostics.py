"""How unlike past seasons the target is, as far as its curves alone can tell."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score

from agristat_platform.classification.cross_season.samples import Samples

_MOST = 1_000  # curves of either side


def shift_diagnostics(samples: Samples, target: np.ndarray, predicted: np.ndarray, seed: int) -> dict[str, Any]:
    """Figures for the gate's report.

    Parameters
    ----------
    target:
        (m, steps, features) without NaN.
    predicted:
        Share of each class among the predictions, (classes,).

    Returns
    -------
    dict
        `domain_auc`: how well trees tell target curves from training curves, 0.5 not at all, 1 always (other shares of
        classes raise it as well as other curves). `curve_drift`: RMS distance of the mean curves of the target and the
        training samples, in training SDs; `past_drift`: the largest such distance of one past season from the others
        (None with one season). `predicted_shares`, `training_shares` by class; `share_distance`: half the sum of their
        absolute differences; `absent_classes`: classes that the past has and the predictions don't.
    """
    curves = samples.curves.values
    shares = {name: float(s) for name, s in zip(samples.classes.tolist(), samples.shares, strict=True)}
    forecast = {name: float(s) for name, s in zip(samples.classes.tolist(), predicted, strict=True)}
    return {
        "domain_auc": domain_auc(curves, target, seed),
        "curve_drift": _drift(target, curves, curves),
        "past_drift": _past_drift(samples),
        "predicted_shares": forecast,
        "training_shares": shares,
        "share_distance": float(np.abs(predicted - samples.shares).sum() / 2),
        "absent_classes": [name for name, share in forecast.items() if share == 0 and shares[name] > 0],
    }


def domain_auc(first: np.ndarray, second: np.ndarray, seed: int) -> float:
    """Area under the ROC curve of small trees that tell two sets of curves (n, steps, features) apart, two-fold."""
    random = np.random.default_rng(seed)
    sides = [s[np.sort(random.permutation(len(s))[:_MOST])].reshape(min(len(s), _MOST), -1) for s in (first, second)]
    if min(map(len, sides)) < 4:
        return float("nan")
    side = np.repeat([0, 1], [len(s) for s in sides])
    values = np.concatenate(sides)
    half = np.concatenate([random.permutation(len(s)) % 2 for s in sides])
    said = np.empty(len(side))
    for fold in (0, 1):
        trees = ExtraTreesClassifier(50, min_samples_leaf=3, class_weight="balanced", n_jobs=1, random_state=seed)
        said[half == fold] = trees.fit(values[half != fold], side[half != fold]).predict_proba(values[half == fold])[
            :, 1
        ]
    return float(roc_auc_score(side, said))


def _drift(one: np.ndarray, other: np.ndarray, scale: np.ndarray) -> float:
    spread = scale.std(axis=0)
    distance = (one.mean(axis=0) - other.mean(axis=0)) / np.where(spread < 1e-12, 1.0, spread)
    return float(np.sqrt((distance**2).mean()))


def _past_drift(samples: Samples) -> float | None:
    curves, season = samples.curves.values, samples.season
    if len(np.unique(season)) < 2:
        return None
    return max(_drift(curves[season == s], curves[season != s], curves) for s in np.unique(season))
