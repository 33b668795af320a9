"""Design-weighted linear regression: coefficients, residuals, g-weights. What is estimated from it stands in `regression`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from agristat_platform.estimation.design import SampleDesign
from agristat_platform.estimation.errors import SingularAuxiliariesError, UnknownColumnError

INTERCEPT = "(Intercept)"
_SINGULAR = 1e-12


@dataclass(frozen=True)
class WeightedRegression:
    """A design-weighted regression. `coefficients` is (p, variables), `residuals` (n, variables)."""

    names: list[str]
    auxiliaries: NDArray[np.float64]
    gram: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    residuals: NDArray[np.float64]

    def g_weights(self, weight: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
        """g_i = 1 + (X_N − X_π)(Σ w x'x)⁻¹ x_i', shape (n,)."""
        gap = totals - weight @ self.auxiliaries
        return np.asarray(1.0 + self.auxiliaries @ solve_gram(self.gram, gap[:, None])[:, 0])


def fit_regression(
    design: SampleDesign,
    variables: Mapping[str, NDArray[np.float64]],
    x: str | Sequence[str] | Mapping[str, Any],
    *,
    intercept: bool = True,
) -> WeightedRegression:
    """B̂ = (Σ w x'x)⁻¹ Σ w x'y for each variable; raises when the auxiliaries are dependent."""
    auxiliaries = design.columns.variables(x)
    for name, values in auxiliaries.items():
        design.columns.require(values, name)
    if intercept and INTERCEPT in auxiliaries:
        raise UnknownColumnError(f"{INTERCEPT} is added by intercept=True and must not be in x as well", where="x")
    names = [INTERCEPT, *auxiliaries] if intercept else list(auxiliaries)
    columns = [np.ones(design.n), *auxiliaries.values()] if intercept else list(auxiliaries.values())
    X = np.column_stack(columns)
    weighted = X * design.weight[:, None]
    gram = weighted.T @ X
    check_independent(gram, names)
    Y = np.column_stack(list(variables.values()))
    B = solve_gram(gram, weighted.T @ Y)
    B += solve_gram(gram, weighted.T @ (Y - X @ B))  # one step of refinement wins back what squaring X lost
    return WeightedRegression(names, X, gram, B, Y - X @ B)


def check_independent(gram: NDArray[np.float64], names: Sequence[str]) -> None:
    """Raise `SingularAuxiliariesError` naming the columns that depend on the others."""
    scale = np.sqrt(np.diag(gram))
    zero = [name for name, s in zip(names, scale, strict=True) if s == 0]
    if zero:
        raise SingularAuxiliariesError(
            f"auxiliary {zero[0]!r} is zero in the whole sample", where=", ".join(zero), remedy="Leave it out of x"
        )
    _, R, order = scipy.linalg.qr(gram / np.outer(scale, scale), pivoting=True)
    small = np.abs(np.diag(R)) < _SINGULAR * np.abs(R[0, 0])
    if small.any():
        dependent = [names[k] for k in order[small]]
        raise SingularAuxiliariesError(
            f"auxiliary {dependent[0]!r} is linearly dependent on the others in the sample",
            where=", ".join(names),
            remedy="Leave it out of x",
        )


def solve_gram(gram: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """(X'WX)⁻¹ B by a scaled Cholesky factor; `gram` has passed `check_independent`."""
    scale = 1.0 / np.sqrt(np.diag(gram))
    factor = scipy.linalg.cho_factor(gram * np.outer(scale, scale))
    return np.asarray(scipy.linalg.cho_solve(factor, right * scale[:, None]) * scale[:, None])
