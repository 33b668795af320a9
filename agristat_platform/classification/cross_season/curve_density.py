"""How likely curves are under each class: Student's t on the principal components of smoothed curves.

It serves questions about a season as a whole (`season_timing`); classes are named by the members of the ensemble.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

_SMOOTHING = 0.7  # steps, SD: reading between steps then takes no more noise away than reading at them
_REACH = 4  # steps beyond which the weights are nothing
_EXPLAINED, _MOST_COMPONENTS = 0.95, 12
_FREEDOM = 5.0  # degrees of freedom of the t: an outlier counts for little
_MOST_FITTED = 4_000


@dataclass(frozen=True)
class CurveDensity:
    """Densities of classes; `edge` steps at either end aren't looked at, since a moved curve has no values there.

    Attributes
    ----------
    centre, components:
        (values,) and (values, q), `components` for standardised curves.
    means, roots, log_scale:
        (classes, q), (classes, q, q) lower Cholesky factors, (classes,); NaN of a class without samples.
    """

    edge: int
    centre: np.ndarray
    components: np.ndarray
    means: np.ndarray
    roots: np.ndarray
    log_scale: np.ndarray

    def log(self, series: np.ndarray, later: float = 0.0) -> np.ndarray:
        """Log density up to a constant (n, classes) of series (n, steps, features) moved `later` by so many steps.

        −inf for a class without samples.
        """
        scores = (_inner(smoothed(series, later), self.edge) - self.centre) @ self.components
        q = scores.shape[1]
        found = np.full((len(series), len(self.means)), -np.inf)
        for c in np.flatnonzero(np.isfinite(self.log_scale)):
            distance = (solve_triangular(self.roots[c], (scores - self.means[c]).T, lower=True) ** 2).sum(axis=0)
            found[:, c] = -self.log_scale[c] - 0.5 * (_FREEDOM + q) * np.log1p(distance / _FREEDOM)
        return found


def fit_curve_density(series: np.ndarray, label: np.ndarray, classes: int, *, edge: int, seed: int) -> CurveDensity:
    """Fit densities.

    Parameters
    ----------
    series, label:
        (n, steps, features) without NaN and int64 (n,); 4,000 at most are drawn at random.
    classes:
        Number of classes; those without samples get no density.
    edge:
        Steps left out at either end, fewer than half of them.
    seed:
        Draws samples.

    Notes
    -----
    A class's covariance is shrunk to the one within classes by n_c / (n_c + 2 q), q components.
    """
    if len(series) > _MOST_FITTED:
        rows = np.sort(np.random.default_rng(seed).permutation(len(series))[:_MOST_FITTED])
        series, label = series[rows], label[rows]
    values = _inner(smoothed(series, 0.0), edge)
    spread = np.tile(series.std(axis=(0, 1)), values.shape[1] // series.shape[2])
    spread[spread < 1e-12] = 1.0
    centre = values.mean(axis=0)
    standard = (values - centre) / spread
    variance, axes = np.linalg.eigh(standard.T @ standard)
    variance, axes = np.maximum(variance[::-1], 0.0), axes[:, ::-1]
    share = np.cumsum(variance) / max(variance.sum(), 1e-12)
    q = min(int(np.searchsorted(share, _EXPLAINED)) + 1, _MOST_COMPONENTS, len(variance))
    components = axes[:, :q] / spread[:, None]
    scores = (values - centre) @ components
    counts = np.bincount(label, minlength=classes)
    means = np.stack([scores[label == c].mean(axis=0) if counts[c] else np.full(q, np.nan) for c in range(classes)])
    within = _covariance(scores - means[label], max(len(scores) - (counts > 0).sum(), 1))
    floor = 1e-6 * max(float(np.trace(within)), 1e-12) / q * np.eye(q)
    roots, log_scale = np.full((classes, q, q), np.nan), np.full(classes, np.nan)
    for c in np.flatnonzero(counts):
        own = counts[c] / (counts[c] + 2.0 * q)
        mixed = own * _covariance(scores[label == c] - means[c], counts[c]) + (1 - own) * within
        roots[c] = np.linalg.cholesky(mixed + floor)
        log_scale[c] = np.log(np.diag(roots[c])).sum()
    return CurveDensity(edge, centre, components, means, roots, log_scale)


def smoothed(series: np.ndarray, later: float) -> np.ndarray:
    """Series (n, steps, features) moved later by so many steps and smoothed along time, level beyond their ends.

    The weights are a Gaussian's of 0.7 steps: linear interpolation smooths most midway between steps, so that noisy curves
    would look better moved by half a step.
    """
    steps = series.shape[1]
    at = np.clip(np.arange(steps) - later, 0.0, steps - 1.0)
    around = np.arange(-_REACH, steps + _REACH)
    weight = np.exp(-0.5 * ((at[:, None] - around[None, :]) / _SMOOTHING) ** 2)
    operator = np.zeros((steps, steps))
    np.add.at(operator.T, np.clip(around, 0, steps - 1), (weight / weight.sum(axis=1, keepdims=True)).T)
    return np.matmul(operator, series)


def _inner(series: np.ndarray, edge: int) -> np.ndarray:
    return series[:, edge : series.shape[1] - edge].reshape(len(series), -1)


def _covariance(centred: np.ndarray, freedom: int) -> np.ndarray:
    return centred.T @ centred / freedom
