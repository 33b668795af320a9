"""The unit-level linear mixed model y = xβ + u_d + e of Battese, Harter and Fuller (1988), fitted by constants.

Only the fit stands here; predicting areas from it is in `small_area`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agristat_platform.estimation.errors import SmallAreaError
from agristat_platform.estimation.weighted_regression import check_independent


@dataclass(frozen=True)
class UnitLevelModel:
    """A fitted model; D sampled areas, p coefficients with the constant first.

    Attributes
    ----------
    beta, beta_covariance:
        Generalised least squares coefficients (p,) and their covariance (p, p).
    sigma_u2, sigma_e2:
        Variance components between areas and within; `sigma_u2_raw` is the first before truncation at zero.
    var_sigma_u2, var_sigma_e2, cov_sigma:
        Sampling variances of the components and their covariance.
    n_star, n_starstar:
        Constants of the fit (METHODS, section 3).
    size, y_mean, x_mean:
        n_d (D,), ȳ_d (D,), x̄_d (D, p).
    degrees_of_freedom:
        n − rank[X, Z].
    """

    beta: NDArray[np.float64]
    beta_covariance: NDArray[np.float64]
    sigma_u2: float
    sigma_e2: float
    sigma_u2_raw: float
    var_sigma_u2: float
    var_sigma_e2: float
    cov_sigma: float
    n_star: float
    n_starstar: float
    size: NDArray[np.float64]
    y_mean: NDArray[np.float64]
    x_mean: NDArray[np.float64]
    degrees_of_freedom: int

    @property
    def gamma(self) -> NDArray[np.float64]:
        """γ_d = σu²/(σu² + σe²/n_d), shape (D,)."""
        return np.asarray(self.sigma_u2 / (self.sigma_u2 + self.sigma_e2 / self.size))

    @property
    def effects(self) -> NDArray[np.float64]:
        """Predicted area effects γ_d (ȳ_d − x̄_d β̂), shape (D,)."""
        return np.asarray(self.gamma * (self.y_mean - self.x_mean @ self.beta))


def fit_by_constants(
    y: NDArray[np.float64], X: NDArray[np.float64], area: NDArray[np.int64], names: Sequence[str]
) -> UnitLevelModel:
    """Henderson's method III.

    Parameters
    ----------
    y:
        Shape (n,).
    X:
        Shape (n, p), constant first.
    area:
        Shape (n,), codes 0…D-1, each present.
    names:
        p names for messages.

    Raises
    ------
    SmallAreaError
        No area with two units, or no degrees of freedom between areas.
    SingularAuxiliariesError
        Columns of X dependent.
    """
    n, p = X.shape
    size = np.bincount(area).astype(np.float64)
    if size.max() < 2:
        raise SmallAreaError(
            "every area has one unit: the variance within areas cannot be estimated", where=f"{size.size} areas"
        )
    gram = X.T @ X
    check_independent(gram, names)
    x_mean = np.column_stack([np.bincount(area, column) for column in X.T]) / size[:, None]
    y_mean = np.bincount(area, y) / size
    sse_within, rank_within = _within(y - y_mean[area], X[:, 1:] - x_mean[area, 1:])
    r = size.size + rank_within
    if n <= r:
        raise SmallAreaError(f"{n} units leave no degrees of freedom for {r} constants")
    inverse = np.linalg.inv(gram)
    leverage = size * np.einsum("dp,pq,dq->d", x_mean, inverse, x_mean)
    n_star = float((size * (1 - leverage)).sum())
    if r <= p or n_star <= 1e-9 * n:
        raise SmallAreaError(
            f"{size.size} areas leave no degrees of freedom between areas for {p} coefficients",
            remedy="Use fewer auxiliaries, or a design-based estimate",
        )
    between = (x_mean * (size**2)[:, None]).T @ x_mean
    product = inverse @ between
    n_starstar = float((size**2 * (1 - 2 * leverage)).sum() + np.trace(product @ product))
    residual = y - X @ (inverse @ (X.T @ y))
    sigma_e2 = sse_within / (n - r)
    sigma_u2_raw = float((residual @ residual - (n - p) * sigma_e2) / n_star)
    sigma_u2 = max(0.0, sigma_u2_raw)
    beta, covariance = _generalised_least_squares(y_mean, X.T @ y, gram, x_mean, size, sigma_u2, sigma_e2)
    var_e = 2 * sigma_e2**2 / (n - r)
    var_u = (2 / n_star**2) * (
        (r - p) * (n - p) * sigma_e2**2 / (n - r) + 2 * n_star * sigma_e2 * sigma_u2 + n_starstar * sigma_u2**2
    )
    return UnitLevelModel(
        beta=beta,
        beta_covariance=covariance,
        sigma_u2=sigma_u2,
        sigma_e2=sigma_e2,
        sigma_u2_raw=sigma_u2_raw,
        var_sigma_u2=var_u,
        var_sigma_e2=var_e,
        cov_sigma=-(r - p) * var_e / n_star,
        n_star=n_star,
        n_starstar=n_starstar,
        size=size,
        y_mean=y_mean,
        x_mean=x_mean,
        degrees_of_freedom=n - r,
    )


def _within(y: NDArray[np.float64], X: NDArray[np.float64]) -> tuple[float, int]:
    """Residual sum of squares and rank of the regression of deviations from area means."""
    if X.shape[1] == 0:
        return float(y @ y), 0
    scale = np.sqrt((X**2).sum(axis=0))
    moving = scale > 1e-10 * max(float(scale.max()), 1e-300)
    scaled = X[:, moving] / scale[moving]
    coefficients, _, rank, _ = np.linalg.lstsq(scaled.T @ scaled, scaled.T @ y, rcond=1e-12)
    residual = y - scaled @ coefficients
    return float(residual @ residual), int(rank)


def _generalised_least_squares(
    y_mean: NDArray[np.float64],
    cross: NDArray[np.float64],
    gram: NDArray[np.float64],
    x_mean: NDArray[np.float64],
    size: NDArray[np.float64],
    sigma_u2: float,
    sigma_e2: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shrunk = sigma_u2 / (sigma_u2 + sigma_e2 / size) * size
    A = gram - (x_mean * shrunk[:, None]).T @ x_mean
    inverse = np.linalg.inv(A)
    return inverse @ (cross - x_mean.T @ (shrunk * y_mean)), np.asarray(sigma_e2 * inverse, dtype=np.float64)
