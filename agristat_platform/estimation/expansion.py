"""Estimates from the ground sample alone: totals, means and ratios, over domains."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.estimation.design import SampleDesign
from agristat_platform.estimation.results import ESTIMATES_SCHEMA, WHOLE_POPULATION, tidy
from agristat_platform.estimation.variance import VarianceEstimator, degrees_of_freedom, variance_of_total

Missing = Literal["raise", "drop"]
Variables = str | Sequence[str] | Mapping[str, Any] | NDArray[Any]
_Pointwise = Callable[[NDArray[np.float64], NDArray[np.int64], int], tuple[NDArray[np.float64], NDArray[np.float64]]]


def total(
    design: SampleDesign,
    y: Variables,
    *,
    by: Any = None,
    variance: VarianceEstimator = "ultimate_cluster",
    missing: Missing = "raise",
    confidence: float = 0.95,
    unit: str | None = None,
) -> pa.Table:
    """Horvitz-Thompson total Σ w y.

    Parameters
    ----------
    y:
        Column name, several names, a mapping of names to arrays, or one array.
    by:
        Domains: a column name, an array of labels, or several column names to be crossed.
    missing:
        "drop" leaves rows without y out as units outside every domain; they are counted in `flags`.

    Returns
    -------
    pyarrow.Table
        `ESTIMATES_SCHEMA`, one row per variable and domain.
    """

    def weighted_sum(
        values: NDArray[np.float64], domain: NDArray[np.int64], domains: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        z = design.weight * values
        return _sums(z, domain, domains), z

    return _by_domain(design, y, by, variance, missing, confidence, unit, "expansion total", weighted_sum)


def mean(
    design: SampleDesign,
    y: Variables,
    *,
    by: Any = None,
    variance: VarianceEstimator = "ultimate_cluster",
    missing: Missing = "raise",
    confidence: float = 0.95,
    unit: str | None = None,
) -> pa.Table:
    """Hájek mean Σ w y / Σ w, with the linearised variable (y − ȳ)/Σ w. Parameters as in `total`."""

    def weighted_mean(
        values: NDArray[np.float64], domain: NDArray[np.int64], domains: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        size = _sums(design.weight, domain, domains)
        centre = _divide(_sums(design.weight * values, domain, domains), size)
        inside = np.maximum(domain, 0)
        return centre, design.weight * _divide(values - centre[inside], size[inside])

    return _by_domain(design, y, by, variance, missing, confidence, unit, "Hajek mean", weighted_mean)


def ratio(
    design: SampleDesign,
    y: Variables,
    x: str | NDArray[Any],
    *,
    by: Any = None,
    variance: VarianceEstimator = "ultimate_cluster",
    missing: Missing = "raise",
    confidence: float = 0.95,
    unit: str | None = None,
) -> pa.Table:
    """Ratio of totals Σ w y / Σ w x, with the linearised variable (y − R x)/Σ w x. Parameters as in `total`.

    A domain whose denominator is zero gets a null estimate and a flag.
    """
    denominator = design.columns.numbers(x)
    label = x if isinstance(x, str) else "x"

    def ratio_of_totals(
        values: NDArray[np.float64], domain: NDArray[np.int64], domains: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        below = _sums(design.weight * denominator, domain, domains)
        quotient = _divide(_sums(design.weight * values, domain, domains), below)
        inside = np.maximum(domain, 0)
        return quotient, design.weight * _divide(values - quotient[inside] * denominator, below[inside])

    return _by_domain(
        design, y, by, variance, missing, confidence, unit, "ratio of totals", ratio_of_totals, (label, denominator)
    )


def _by_domain(
    design: SampleDesign,
    y: Variables,
    by: Any,
    variance: VarianceEstimator,
    missing: Missing,
    confidence: float,
    unit: str | None,
    estimator: str,
    pointwise: _Pointwise,
    second: tuple[str, NDArray[np.float64]] | None = None,
) -> pa.Table:
    columns = design.columns
    all_codes, labels = (np.zeros(design.n, np.int64), [WHOLE_POPULATION]) if by is None else columns.domains(by)
    df = degrees_of_freedom(design, variance)
    tables = []
    for name, given in columns.variables(y).items():
        values, codes, dropped = given, all_codes, 0
        needed = [(name, given)] if second is None else [(name, given), second]
        for needed_name, needed_values in needed:
            if missing == "raise":
                columns.require(needed_values, needed_name)
                continue
            absent = ~np.isfinite(needed_values)
            codes = np.where(absent, -1, codes)
        if missing == "drop":
            dropped = int((codes < 0).sum())
            values = np.where(codes < 0, 0.0, given)
        estimate, z = pointwise(values, codes, len(labels))
        z = np.where(codes < 0, 0.0, z) if dropped else z
        spread = variance_of_total(design, z, codes, len(labels), variance)
        n = (
            np.bincount(codes[codes >= 0], minlength=len(labels))
            if dropped
            else np.bincount(codes, minlength=len(labels))
        )
        variable = name if second is None else f"{name} / {second[0]}"
        tables.append(
            tidy(
                variable=variable,
                domain=labels,
                estimate=np.where(n > 0, estimate, np.nan),
                standard_error=np.where(np.isfinite(estimate) & (n > 0), np.sqrt(spread), np.nan),
                n=n,
                df=df,
                estimator=f"{estimator}",
                variance_estimator=_variance_name(design, variance),
                flags=_flags(n, estimate, dropped),
                unit=unit,
                confidence=confidence,
            )
        )
    return pa.concat_tables(tables) if tables else ESTIMATES_SCHEMA.empty_table()


def _variance_name(design: SampleDesign, variance: str) -> str:
    rule = "" if design.lonely_psu == "fail" else f", lonely PSU: {design.lonely_psu}"
    return f"{variance}{rule}"


def _flags(n: NDArray[np.int64], estimate: NDArray[np.float64], dropped: int) -> list[str]:
    notes = []
    for count, value in zip(n.tolist(), estimate.tolist(), strict=True):
        parts = [f"{dropped} row(s) with missing values dropped"] if dropped else []
        if count == 0:
            parts.append("empty domain")
        elif count == 1:
            parts.append("one-unit domain")
        if count and not np.isfinite(value):
            parts.append("denominator is zero")
        notes.append("; ".join(parts))
    return notes


def _sums(values: NDArray[np.float64], domain: NDArray[np.int64], domains: int) -> NDArray[np.float64]:
    if domain.size and domain.min() < 0:
        inside = domain >= 0
        values, domain = values[inside], domain[inside]
    return np.asarray(np.bincount(domain, values, minlength=domains), dtype=np.float64)


def _divide(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    result = np.full(np.broadcast(above, below).shape, np.nan)
    np.divide(above, below, out=result, where=below != 0)
    return result
