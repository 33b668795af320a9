"""The one table every estimator returns, and the arithmetic of its interval columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def _column(
    name: str, kind: pa.DataType, description: str, *, unit: str | None = None, nullable: bool = True
) -> pa.Field:
    described = {"description": description} | ({"unit": unit} if unit else {})
    return pa.field(name, kind, nullable=nullable, metadata=described)


ESTIMATES_SCHEMA = pa.schema(
    [
        _column("variable", pa.string(), "what is estimated; area:WHE is the area of crop WHE", nullable=False),
        _column("domain", pa.string(), "part of the population; all is the whole", nullable=False),
        _column("estimate", pa.float64(), "null: not estimated, never zero"),
        _column("standard_error", pa.float64(), "of the estimate, in its unit"),
        _column("cv", pa.float64(), "standard error over estimate", unit="share"),
        _column("ci_low", pa.float64(), "lower end of the confidence interval, Student's t with df"),
        _column("ci_high", pa.float64(), "upper end of the confidence interval"),
        _column("n", pa.int64(), "sampled units behind the estimate", unit="units", nullable=False),
        _column("df", pa.float64(), "degrees of freedom of the variance"),
        _column("estimator", pa.string(), "how the estimate was made", nullable=False),
        _column("variance_estimator", pa.string(), "how the standard error was made", nullable=False),
        _column("flags", pa.string(), "publication rule and what a reader must know, parted by ;", nullable=False),
        _column("unit", pa.string(), "unit of estimate, standard error and interval"),
        _column("relative_efficiency", pa.float64(), "variance from the ground alone over the assisted variance"),
    ]
)
"""`flags` holds sentences parted by "; ", empty when there is nothing to say. Null means "not estimated", never zero."""

WHOLE_POPULATION = "all"
FEW_DEGREES_OF_FREEDOM = 8


def join_flags(*flags: str) -> str:
    """Flags in the order given, without blanks and repetitions."""
    return "; ".join(dict.fromkeys(f for f in flags if f))


def tidy(
    *,
    variable: str | Sequence[str],
    domain: Sequence[str],
    estimate: ArrayLike,
    standard_error: ArrayLike,
    n: ArrayLike,
    df: ArrayLike,
    estimator: str,
    variance_estimator: str,
    flags: Sequence[str] | None = None,
    unit: str | None = None,
    confidence: float = 0.95,
) -> pa.Table:
    """Rows of `ESTIMATES_SCHEMA`, one per domain; intervals by Student's t with `df` degrees of freedom.

    NaN becomes null; without degrees of freedom there is no interval and a flag says so.
    """
    rows = len(domain)
    value = np.broadcast_to(np.asarray(estimate, dtype=np.float64), (rows,))
    error = np.broadcast_to(np.asarray(standard_error, dtype=np.float64), (rows,))
    degrees = np.broadcast_to(np.asarray(df, dtype=np.float64), (rows,))
    half = _t_quantile(degrees, confidence) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        cv = np.where(value != 0, error / np.abs(value), np.nan)
    given = list(flags) if flags is not None else [""] * rows
    notes = [join_flags(f, _df_flag(d, e)) for f, d, e in zip(given, degrees, error, strict=True)]
    return pa.table(
        [
            pa.array([variable] * rows if isinstance(variable, str) else list(variable), pa.string()),
            pa.array(list(domain), pa.string()),
            *(pa.array(v, from_pandas=True) for v in (value, error, cv, value - half, value + half)),
            pa.array(np.broadcast_to(np.asarray(n, dtype=np.int64), (rows,))),
            pa.array(degrees, from_pandas=True),
            pa.array([estimator] * rows, pa.string()),
            pa.array([variance_estimator] * rows, pa.string()),
            pa.array(notes, pa.string()),
            pa.array([unit] * rows, pa.string()),
            pa.nulls(rows, pa.float64()),
        ],
        schema=ESTIMATES_SCHEMA,
    )


def _t_quantile(df: NDArray[np.float64], confidence: float) -> NDArray[np.float64]:
    quantile = np.full(df.shape, np.nan)
    enough = df > 0
    quantile[enough] = stats.t.ppf(0.5 + confidence / 2, df[enough])
    return quantile


def _df_flag(df: float, standard_error: float) -> str:
    if not np.isfinite(standard_error) or df >= FEW_DEGREES_OF_FREEDOM:
        return ""
    return f"few degrees of freedom: {df:g}" if df > 0 else "no degrees of freedom: no interval"
