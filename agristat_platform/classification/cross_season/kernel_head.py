"""A linear head on many columns: ridge regression on class indicators, in its dual form, with probabilities.

Penalty and temperature are chosen by leaving out whole groups (seasons, places, copies of one series), for which the dual
form has an exact short cut: the residuals of a group left out are (A_gg)⁻¹ (A Y)_g with A = (K + λI)⁻¹ (Rifkin and
Lippert 2007, MIT-CSAIL-TR-2007-025; the grouped case is the same partitioned inverse).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve

_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # times the mean diagonal of K / 100
_TEMPERATURES = np.geomspace(0.5, 20.0, 25)


@dataclass(frozen=True)
class KernelHead:
    """Linear scores of each class and the softmax that turns them into probabilities.

    Attributes
    ----------
    centre, scale:
        float64 (columns,): columns are standardised by these.
    coefficients:
        float64 (columns, classes).
    intercept:
        float64 (classes,).
    steepness:
        Factor on the scores before the softmax.
    penalty:
        λ that was chosen.
    """

    centre: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray
    steepness: float
    penalty: float

    def probabilities(self, columns: np.ndarray) -> np.ndarray:
        """Class probabilities, float64 (n, classes), rows sum to 1."""
        scores = ((columns - self.centre) / self.scale) @ self.coefficients + self.intercept
        return softmax(self.steepness * scores)


def fit_kernel_head(columns: np.ndarray, classes: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> KernelHead:
    """Fit the head.

    Parameters
    ----------
    columns:
        (n, columns) finite.
    classes:
        int64 (n,), numbers 0 … k − 1, each present.
    groups:
        (n,) what is left out together; dealt into at most five folds.
    seed:
        Deals groups into folds.
    """
    centre = columns.mean(axis=0, dtype=np.float64)
    scale = columns.std(axis=0, dtype=np.float64)
    scale[scale < 1e-8] = 1.0
    standard = (columns - centre) / scale
    indicator = np.where(classes[:, None] == np.arange(classes.max() + 1), 1.0, -1.0)
    intercept = indicator.mean(axis=0)
    gram = standard @ standard.T
    unit = float(np.trace(gram)) / len(gram) / 100.0
    folds = _deal(groups, seed)
    best: tuple[float, float, float] | None = None
    for penalty in (p * unit for p in _PENALTIES):
        held_out = _held_out_scores(gram, indicator - intercept, penalty, folds) + intercept
        for steepness in _TEMPERATURES:
            loss = -float(np.mean(np.log(softmax(steepness * held_out)[np.arange(len(classes)), classes] + 1e-12)))
            if best is None or loss < best[0] - 1e-12:
                best = (loss, penalty, float(steepness))
    assert best is not None
    _, penalty, steepness = best
    dual = cho_solve(cho_factor(gram + penalty * np.eye(len(gram))), indicator - intercept)
    return KernelHead(centre, scale, standard.T @ dual, intercept, steepness, penalty)


def softmax(scores: np.ndarray) -> np.ndarray:
    """Exponentials of each row's scores (n, classes), scaled to sum to 1."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _deal(groups: np.ndarray, seed: int, folds: int = 5) -> list[np.ndarray]:
    names, row = np.unique(groups, return_inverse=True)
    number = np.random.default_rng(seed).permutation(len(names)) % folds
    dealt = [np.flatnonzero(number[row] == fold) for fold in range(folds)]
    return [rows for rows in dealt if len(rows)]


def _held_out_scores(gram: np.ndarray, target: np.ndarray, penalty: float, folds: list[np.ndarray]) -> np.ndarray:
    factor = cho_factor(gram + penalty * np.eye(len(gram)))
    inverse = cho_solve(factor, np.eye(len(gram)))
    dual = inverse @ target
    scores = np.empty_like(target)
    for rows in folds:
        scores[rows] = target[rows] - solve(inverse[np.ix_(rows, rows)], dual[rows], assume_a="pos")
    return scores
