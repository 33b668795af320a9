"""Linear model-assisted (GREG) totals: the ground sample, made sharper by what is known of the whole population."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.estimation.design import SampleDesign
from agristat_platform.estimation.errors import (
    PopulationTotalsError,
    VarianceNotDefinedError,
)
from agristat_platform.estimation.expansion import Variables
from agristat_platform.estimation.results import ESTIMATES_SCHEMA, WHOLE_POPULATION, tidy
from agristat_platform.estimation.variance import variance_of_total
from agristat_platform.estimation.weighted_regression import INTERCEPT, WeightedRegression, fit_regression, solve_gram

RegressionVariance = Literal["residual", "g_weighted", "df"]
DomainForm = Literal["ratio", "additive", "calibration"]


def regression_estimate(
    design: SampleDesign,
    y: Variables,
    x: str | Sequence[str] | Mapping[str, Any],
    population_totals: Mapping[str, Any],
    *,
    by: Any = None,
    variance: RegressionVariance = "residual",
    domain_form: DomainForm = "ratio",
    intercept: bool = True,
    confidence: float = 0.95,
    unit: str | None = None,
) -> pa.Table:
    """General regression estimate of totals, Ŷ = X_N B̂ + Σ w e (METHODS, section 2).

    Parameters
    ----------
    y:
        Variables, as in `total`.
    x:
        Auxiliary variables (column names or mapping of arrays), without the constant.
    population_totals:
        Population total per auxiliary; with `intercept` also "(Intercept)", the number of units N. With `by` in the
        ratio or additive form: such a mapping per domain.
    by:
        Domains R.
    variance:
        "residual" V(Σ w e), "g_weighted" V(Σ w g e), or "df" N²(1 − f) RSS/(n(n − p)), the last for one simple random
        sample. Residuals are centred within strata with divisor n_h − 1: the source paper prints them uncentred with
        n_h − 2, which overstates.
    domain_form:
        "ratio": X_R B̂ + (N_R/N̂_R) Σ_R w e, N_R known (does not add up over domains); "additive": X_R B̂ + Σ_R w e;
        "calibration": Σ_R w g y with national totals, which adds up too.
    intercept:
        Put the constant into x. Without it the domain's N_R is unknown and the ratio form is refused.

    Returns
    -------
    pyarrow.Table
        `ESTIMATES_SCHEMA`.

    Raises
    ------
    SingularAuxiliariesError
        Auxiliaries linearly dependent in the sample (names the column).
    PopulationTotalsError
        An auxiliary or domain of the sample without population totals, or a total too many.
    VarianceNotDefinedError
        "df" for anything but one simple random sample, or a variance without a domain form.
    MissingValueError
        Missing y or x (names unit and column).
    """
    if variance not in get_args(RegressionVariance):
        raise VarianceNotDefinedError(
            f"unknown variance estimator {variance!r}", remedy=f"Use {', '.join(get_args(RegressionVariance))}"
        )
    variables = design.columns.variables(y)
    for name, values in variables.items():
        design.columns.require(values, name)
    fit = fit_regression(design, variables, x, intercept=intercept)
    if by is None:
        rows = [
            _national(design, name, k, fit, _totals(population_totals, fit.names, None), variance, confidence, unit)
            for k, name in enumerate(variables)
        ]
    elif domain_form == "calibration":
        totals = _totals(population_totals, fit.names, None)
        rows = [
            _calibrated_domains(design, name, values, fit, totals, by, variance, confidence, unit)
            for name, values in variables.items()
        ]
    else:
        rows = [
            _model_domains(design, name, k, fit, population_totals, by, variance, domain_form, confidence, unit)
            for k, name in enumerate(variables)
        ]
    return pa.concat_tables(rows) if rows else ESTIMATES_SCHEMA.empty_table()


def _totals(given: Mapping[str, Any], names: Sequence[str], domain: str | None) -> NDArray[np.float64]:
    place = f"domain {domain}" if domain is not None else "population_totals"
    lacking = [name for name in names if name not in given]
    if lacking:
        raise PopulationTotalsError(f"auxiliary {lacking[0]!r} has no population total", where=place)
    foreign = sorted(set(map(str, given)) - set(names))
    if foreign:
        raise PopulationTotalsError(
            f"population total {foreign[0]!r} belongs to no auxiliary of the sample", where=place
        )
    values = np.asarray([given[name] for name in names], dtype=np.float64)
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise PopulationTotalsError(f"the population total of {names[bad[0]]!r} is missing or infinite", where=place)
    return values


def _national(
    design: SampleDesign,
    name: str,
    k: int,
    fit: WeightedRegression,
    totals: NDArray[np.float64],
    variance: RegressionVariance,
    confidence: float,
    unit: str | None,
) -> pa.Table:
    e = fit.residuals[:, k]
    estimate = totals @ fit.coefficients[:, k] + design.weight @ e
    everyone, df = np.zeros(design.n, np.int64), design.degrees_of_freedom
    if variance == "df":
        spread = np.asarray([_df_variance(design, e, len(fit.names))])
        df = float(design.n - len(fit.names))
    else:
        g = fit.g_weights(design.weight, totals) if variance == "g_weighted" else 1.0
        spread = variance_of_total(design, design.weight * g * e, everyone, 1)
    return tidy(
        variable=name,
        domain=[WHOLE_POPULATION],
        estimate=estimate,
        standard_error=np.sqrt(spread),
        n=design.n,
        df=df,
        estimator="regression (GREG)",
        variance_estimator=_name(design, variance),
        unit=unit,
        confidence=confidence,
    )


def _df_variance(design: SampleDesign, e: NDArray[np.float64], p: int) -> float:
    stage = design.stages[0]
    simple = len(design.strata) == 1 and stage.unit_is_row and np.ptp(design.weight) <= 1e-9 * design.weight[0]
    if not simple:
        raise VarianceNotDefinedError(
            "the df variance is defined for one simple random sample with equal weights only",
            where=f"{len(design.strata)} strata, {design.psus} PSUs",
            remedy="Use variance='residual' or 'g_weighted'",
        )
    if design.n <= p:
        raise VarianceNotDefinedError(f"{design.n} units leave no degrees of freedom for {p} coefficients")
    N = design.weight.sum()
    return float(N**2 * stage.unsampled_share[0] * (e @ e) / (design.n * (design.n - p)))


def _model_domains(
    design: SampleDesign,
    name: str,
    k: int,
    fit: WeightedRegression,
    population_totals: Mapping[str, Any],
    by: Any,
    variance: RegressionVariance,
    domain_form: DomainForm,
    confidence: float,
    unit: str | None,
) -> pa.Table:
    if variance != "residual":
        raise VarianceNotDefinedError(f"the {domain_form} domain form has the residual variance only, not {variance}")
    codes, present = design.columns.domains(by)
    labels = [*present, *sorted(set(map(str, population_totals)) - set(present))]
    given = {str(domain): totals for domain, totals in population_totals.items()}
    lacking = [label for label in present if label not in given]
    if lacking:
        raise PopulationTotalsError(f"domain {lacking[0]!r} of the sample has no population totals", where="by")
    X = np.vstack([_totals(given[label], fit.names, label) for label in labels])
    D, w, e = len(labels), design.weight, fit.residuals[:, k]
    size, adjusted = np.bincount(codes, w, minlength=D), np.bincount(codes, w * e, minlength=D)
    n = np.bincount(codes, minlength=D)
    synthetic = X @ fit.coefficients[:, k]
    if domain_form == "ratio":
        if INTERCEPT not in fit.names:
            raise VarianceNotDefinedError("the ratio domain form needs the domains' sizes: keep the intercept")
        N = X[:, fit.names.index(INTERCEPT)]
        blown_up = np.divide(N, size, out=np.full(D, np.nan), where=n > 0)
        centre = np.divide(adjusted, size, out=np.zeros(D), where=n > 0)
        estimate = synthetic + blown_up * adjusted
        z = w * (e - centre[codes]) * blown_up[codes]
    else:
        estimate, z = np.where(n > 0, synthetic + adjusted, np.nan), w * e
    spread = variance_of_total(design, z, codes, D)
    return tidy(
        variable=name,
        domain=labels,
        estimate=estimate,
        standard_error=np.where(n > 0, np.sqrt(spread), np.nan),
        n=n,
        df=design.degrees_of_freedom,
        estimator=f"regression (GREG), {domain_form} domain form",
        variance_estimator=_name(design, variance),
        flags=["empty domain" if c == 0 else "one-unit domain" if c == 1 else "" for c in n.tolist()],
        unit=unit,
        confidence=confidence,
    )


def _calibrated_domains(
    design: SampleDesign,
    name: str,
    values: NDArray[np.float64],
    fit: WeightedRegression,
    totals: NDArray[np.float64],
    by: Any,
    variance: RegressionVariance,
    confidence: float,
    unit: str | None,
) -> pa.Table:
    if variance == "df":
        raise VarianceNotDefinedError("the calibration domain form has no df variance")
    codes, labels = design.columns.domains(by)
    calibrated = design.weight * fit.g_weights(design.weight, totals)
    outer = calibrated if variance == "g_weighted" else design.weight
    everyone, spread = np.zeros(design.n, np.int64), np.zeros(len(labels))
    weighted = fit.auxiliaries * design.weight[:, None]
    for d in range(len(labels)):  # each domain variable, zero outside, has a regression of its own
        inside = np.where(codes == d, values, 0.0)
        coefficients = solve_gram(fit.gram, (weighted.T @ inside)[:, None])[:, 0]
        spread[d] = variance_of_total(design, outer * (inside - fit.auxiliaries @ coefficients), everyone, 1)[0]
    n = np.bincount(codes, minlength=len(labels))
    return tidy(
        variable=name,
        domain=labels,
        estimate=np.bincount(codes, calibrated * values, minlength=len(labels)),
        standard_error=np.sqrt(spread),
        n=n,
        df=design.degrees_of_freedom,
        estimator="regression (GREG), calibration domain form",
        variance_estimator=_name(design, variance),
        flags=["one-unit domain" if c == 1 else "" for c in n.tolist()],
        unit=unit,
        confidence=confidence,
    )


def _name(design: SampleDesign, variance: str) -> str:
    return variance if design.lonely_psu == "fail" else f"{variance}, lonely PSU: {design.lonely_psu}"
