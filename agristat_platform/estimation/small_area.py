"""Area totals by a model: for domains where the sample alone says too little. Never to be taken for design-based."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.estimation.columns import Columnar, Columns
from agristat_platform.estimation.errors import PopulationTotalsError, SmallAreaError
from agristat_platform.estimation.results import tidy
from agristat_platform.estimation.unit_level_model import UnitLevelModel, fit_by_constants
from agristat_platform.estimation.weighted_regression import INTERCEPT

MODEL_BASED = "model-based"
SYNTHETIC_UNSAMPLED = "synthetic: area not sampled"
SYNTHETIC_NO_AREA_VARIANCE = "synthetic: variance between areas estimated as zero"
_CENSUS = "census: every unit of the area observed"


def small_area_estimate(
    sample: Columnar,
    y: str,
    x: str | Sequence[str],
    area: str,
    population_means: Mapping[str, Mapping[str, float]],
    population_sizes: Mapping[str, float],
    *,
    method: Literal["fitting_of_constants"] = "fitting_of_constants",
    confidence: float = 0.95,
    unit: str | None = None,
) -> pa.Table:
    """Totals by the empirical best linear unbiased predictor of the unit-level model (METHODS, section 3).

    Total of a sampled area: n_d ȳ_d + (N_d − n_d)[x̄_rd β̂ + γ_d (ȳ_d − x̄_d β̂)], x̄_rd the mean over its units outside
    the sample. Its mean squared error carries the corrected V_u and n** (the source paper's print understates it).

    Parameters
    ----------
    sample:
        One row per sampled unit.
    y, x, area:
        Columns: the variable, the auxiliaries (no constant), the area.
    population_means:
        Mean of each auxiliary over all units of the area.
    population_sizes:
        N_d. Areas in here without a sample get the synthetic estimate N_d X̄_d β̂, flagged.

    Returns
    -------
    pyarrow.Table
        `ESTIMATES_SCHEMA`, one row per area in the order of `population_sizes`; `standard_error` is the root of the
        mean squared error under the model and every row is flagged "model-based", but for areas observed in full.

    Raises
    ------
    PopulationTotalsError
        An area without size or means, N_d < n_d.
    SmallAreaError, SingularAuxiliariesError, MissingValueError
        The model cannot be fitted; the message names area, column or unit.
    """
    if method != "fitting_of_constants":
        raise SmallAreaError(f"unknown method {method!r}", remedy="Use fitting_of_constants")
    columns = Columns(sample)
    names = [x] if isinstance(x, str) else list(x)
    values = columns.numbers(y)
    auxiliaries = [columns.numbers(name) for name in names]
    for name, column in [(y, values), *zip(names, auxiliaries, strict=True)]:
        columns.require(column, name)
    codes, labels = columns.labels(area)
    areas, N, X_mean = _population(population_sizes, population_means, names, labels, codes)
    X = np.column_stack([np.ones(columns.n), *auxiliaries])
    model = fit_by_constants(values, X, codes, [INTERCEPT, *names])
    position = {label: d for d, label in enumerate(labels)}
    sampled = np.asarray([position.get(label, -1) for label in areas])
    estimate, mse = predict_totals(model, N, X_mean, sampled)
    n = np.where(sampled >= 0, model.size[sampled], 0.0)
    return tidy(
        variable=y,
        domain=areas,
        estimate=estimate,
        standard_error=np.sqrt(mse),
        n=n,
        df=float(model.degrees_of_freedom),
        estimator="EBLUP, unit-level model (fitting of constants)",
        variance_estimator="Prasad-Rao MSE, corrected",
        flags=[_flags(model, int(k), int(N_d)) for k, N_d in zip(sampled, N, strict=True)],
        unit=unit,
        confidence=confidence,
    )


def predict_totals(
    model: UnitLevelModel, N: NDArray[np.float64], X_mean: NDArray[np.float64], sampled: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Totals and mean squared errors of A areas.

    Parameters
    ----------
    N, X_mean:
        Sizes (A,) and means of all units (A, p), constant first.
    sampled:
        Row of each area in the model (A,), −1 for an area without a sample.
    """
    estimate = N * (X_mean @ model.beta)
    covariance = model.beta_covariance
    mse = N**2 * (model.sigma_u2 + np.einsum("dp,pq,dq->d", X_mean, covariance, X_mean)) + N * model.sigma_e2
    inside = np.flatnonzero(sampled >= 0)
    d = sampled[inside]
    n, x, gamma = model.size[d], model.x_mean[d], model.gamma[d]
    rest = N[inside] - n
    x_rest = np.divide(
        N[inside, None] * X_mean[inside] - n[:, None] * x, rest[:, None], out=x.copy(), where=rest[:, None] > 0
    )
    estimate[inside] = n * model.y_mean[d] + rest * (x_rest @ model.beta + model.effects[d])
    e2, u2 = model.sigma_e2, model.sigma_u2
    g1 = gamma * e2 / n
    gap = x_rest - gamma[:, None] * x
    g2 = np.einsum("dp,pq,dq->d", gap, covariance, gap)
    spread = e2**2 * model.var_sigma_u2 + u2**2 * model.var_sigma_e2 - 2 * e2 * u2 * model.cov_sigma
    g3 = n**-2.0 * (u2 + e2 / n) ** -3.0 * spread
    mse[inside] = rest**2 * (g1 + g2 + 2 * g3) + rest * e2
    return estimate, mse


def _population(
    sizes: Mapping[str, float],
    means: Mapping[str, Mapping[str, float]],
    names: Sequence[str],
    labels: Sequence[str],
    codes: NDArray[np.int64],
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    size_of: dict[str, Any] = {str(k): v for k, v in sizes.items()}
    mean_of: dict[str, Any] = {str(k): v for k, v in means.items()}
    for label in labels:
        if label not in size_of:
            raise PopulationTotalsError(
                f"area {label!r} of the sample has no population size", where="population_sizes"
            )
    for label in size_of:
        if label not in mean_of:
            raise PopulationTotalsError(f"area {label!r} has no population means", where="population_means")
        for name in names:
            if name not in mean_of[label] or not np.isfinite(float(mean_of[label][name])):
                raise PopulationTotalsError(
                    f"area {label!r} has no population mean of {name!r}", where="population_means"
                )
    drawn = dict(zip(labels, np.bincount(codes).tolist(), strict=True))
    for label, size in size_of.items():
        if not float(size) >= drawn.get(label, 1):
            raise PopulationTotalsError(
                f"area {label!r} has {drawn.get(label, 0)} sampled units and a population of {float(size):g}",
                where="population_sizes",
            )
    areas = list(size_of)
    X = np.asarray([[1.0, *(float(mean_of[label][name]) for name in names)] for label in areas])
    return areas, np.asarray([float(size_of[label]) for label in areas]), X


def _flags(model: UnitLevelModel, row: int, population: int) -> str:
    if row >= 0 and model.size[row] == population:
        return _CENSUS
    notes = [MODEL_BASED]
    if row < 0:
        notes.append(SYNTHETIC_UNSAMPLED)
    if model.sigma_u2_raw <= 0:
        notes.append(SYNTHETIC_NO_AREA_VARIANCE)
    return "; ".join(notes)
