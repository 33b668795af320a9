"""What remote sensing is worth: the variance of the ground sample alone over the variance with the map."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from agristat_platform.estimation.errors import VarianceNotDefinedError

RELATIVE_EFFICIENCY_SCHEMA = pa.schema(
    [
        pa.field("variable", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("relative_efficiency", pa.float64()),
        pa.field("effect", pa.float64(), metadata={"unit": "share of the variance saved"}),
        pa.field("equivalent_sample_size", pa.float64(), metadata={"unit": "units with the map as good as n without"}),
        pa.field("n", pa.int64(), nullable=False),
    ]
)
# with x = 1 alone the three regression variances become the centred variance of the expansion
_SAME_VARIANCE = {name: ("ultimate_cluster", "srs", name) for name in ("residual", "g_weighted", "df")}


def relative_efficiency(ground: pa.Table, assisted: pa.Table) -> pa.Table:
    """RE = V_ground / V_assisted per variable and domain, the effect 1 − 1/RE and the equivalent sample size n/RE.

    Parameters
    ----------
    ground, assisted:
        `ESTIMATES_SCHEMA` from the same sample; rows are matched by variable and domain.

    Returns
    -------
    pyarrow.Table
        `RELATIVE_EFFICIENCY_SCHEMA`, in the order of `assisted`, null where either variance is null or zero.

    Raises
    ------
    VarianceNotDefinedError
        The two sides use variance estimators that do not compare (random starts against residual), or a row is missing
        on the ground side.
    """
    base = {(r["variable"], r["domain"]): r for r in ground.to_pylist()}
    rows = []
    for row in assisted.to_pylist():
        key = (row["variable"], row["domain"])
        if key not in base:
            raise VarianceNotDefinedError(f"{key[0]}, domain {key[1]}: there is no ground estimate to compare with")
        _check_comparable(base[key], row)
        efficiency = variance_quotient(base[key]["standard_error"], row["standard_error"])
        rows.append(
            {
                "variable": key[0],
                "domain": key[1],
                "relative_efficiency": efficiency,
                "effect": None if efficiency is None else 1 - 1 / efficiency,
                "equivalent_sample_size": None if efficiency is None else row["n"] / efficiency,
                "n": row["n"],
            }
        )
    return pa.Table.from_pylist(rows, schema=RELATIVE_EFFICIENCY_SCHEMA)


def variance_quotient(ground_error: float | None, assisted_error: float | None) -> float | None:
    """(SE ground / SE assisted)², None where either is missing or zero."""
    if not ground_error or not assisted_error or not np.isfinite(ground_error) or not np.isfinite(assisted_error):
        return None
    return float((ground_error / assisted_error) ** 2)


def _check_comparable(ground: dict[str, str], assisted: dict[str, str]) -> None:
    without_rule = [side["variance_estimator"].split(",")[0] for side in (ground, assisted)]
    allowed = _SAME_VARIANCE.get(without_rule[1], (without_rule[1],))
    rules = [side["variance_estimator"].partition(",")[2] for side in (ground, assisted)]
    if without_rule[0] not in allowed or rules[0] != rules[1]:
        raise VarianceNotDefinedError(
            f"{ground['variable']}: {ground['variance_estimator']!r} and {assisted['variance_estimator']!r} "
            "are different variance estimators",
            remedy="Compute both sides with the same one: residual goes with the expansion's centred variance",
        )
