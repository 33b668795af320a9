"""Class areas and accuracies of a map from a stratified reference sample of points (strata are the map classes).

Good practice after Olofsson et al. (2014), Remote Sensing of Environment 148, 42-57. Counting pixels is shown beside
it for comparison only: it has no standard error and is biased wherever the map errs more one way than the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.estimation.columns import Columns
from agristat_platform.estimation.errors import MapAreaError
from agristat_platform.estimation.results import WHOLE_POPULATION, tidy

NOT_IN_REFERENCE = "not observed in the reference sample"
NOT_ON_MAP = "not a class of the map"
PIXEL_COUNT = "comparison only: pixel counting has no standard error"
_ESTIMATOR = "error-adjusted, stratified by map class"
_VARIANCE = "stratified binomial"


def map_area(
    map_class: Any,
    reference_class: Any,
    map_areas: Mapping[str, float],
    *,
    confidence: float = 0.95,
    unit: str = "ha",
) -> pa.Table:
    """Error-adjusted areas Â_j = A Σ_i W_i n_ij/n_i with overall, user's and producer's accuracy.

    Parameters
    ----------
    map_class, reference_class:
        Shape (n,), class of each sampled point on the map and on the ground.
    map_areas:
        Area (or pixels) of every map class over the whole map, the sampling strata.
    unit:
        Unit of `map_areas`.

    Returns
    -------
    pyarrow.Table
        `ESTIMATES_SCHEMA`; domain is the class. Variables "area" (error-adjusted, then the pixel count without standard
        error), "overall_accuracy", "users_accuracy", "producers_accuracy" (shares).

    Raises
    ------
    MapAreaError
        A map class of the sample without an area, a mapped class with fewer than two points, an area that is negative
        or missing.
    MissingValueError
        A point without a class.
    """
    columns = Columns({"map_class": np.asarray(map_class), "reference_class": np.asarray(reference_class)})
    (m, map_labels), (r, reference_labels) = columns.labels("map_class"), columns.labels("reference_class")
    strata, area = _strata(map_areas, map_labels)
    classes = sorted({*strata, *reference_labels})
    counts = np.zeros((len(strata), len(classes)))
    row = np.asarray([strata.index(label) for label in map_labels])
    column = np.asarray([classes.index(label) for label in reference_labels])
    np.add.at(counts, (row[m], column[r]), 1)
    n_i = counts.sum(axis=1)
    for name, n in zip(strata, n_i, strict=True):
        if n < 2:
            raise MapAreaError(
                f"map class {name!r} has {n:.0f} reference points and needs two or more for a standard error",
                where="map_class",
                remedy="Sample it, or merge it with a class of its kind",
            )
    W, p = area / area.sum(), counts / n_i[:, None]
    share = W @ p
    share_se = np.sqrt((W[:, None] ** 2 * p * (1 - p) / (n_i - 1)[:, None]).sum(axis=0))
    own = np.asarray([classes.index(name) for name in strata])
    users = p[np.arange(len(strata)), own]
    users_variance = users * (1 - users) / (n_i - 1)
    producers, producers_se = _producers(W, p, n_i, own, share)
    n, df = int(n_i.sum()), float(n_i.sum() - len(strata))
    absent = counts.sum(axis=0) == 0
    common: dict[str, Any] = {
        "n": n,
        "df": df,
        "estimator": _ESTIMATOR,
        "variance_estimator": _VARIANCE,
        "confidence": confidence,
    }
    unseen = [
        NOT_IN_REFERENCE if a else "" if c in strata else NOT_ON_MAP for a, c in zip(absent, classes, strict=True)
    ]
    return pa.concat_tables(
        [
            tidy(
                variable="area",
                domain=classes,
                estimate=np.where(absent, np.nan, area.sum() * share),
                standard_error=np.where(absent, np.nan, area.sum() * share_se),
                flags=unseen,
                unit=unit,
                **common,
            ),
            tidy(
                variable="area",
                domain=strata,
                estimate=area,
                standard_error=np.nan,
                n=n,
                df=np.nan,
                estimator="pixel counting",
                variance_estimator="none",
                flags=[PIXEL_COUNT] * len(strata),
                unit=unit,
            ),
            tidy(
                variable="overall_accuracy",
                domain=[WHOLE_POPULATION],
                estimate=W @ users,
                standard_error=np.sqrt((W**2 * users_variance).sum()),
                unit="share",
                **common,
            ),
            tidy(
                variable="users_accuracy",
                domain=strata,
                estimate=users,
                standard_error=np.sqrt(users_variance),
                unit="share",
                **{**common, "n": n_i.astype(np.int64), "df": n_i - 1},
            ),
            tidy(
                variable="producers_accuracy",
                domain=strata,
                estimate=producers,
                standard_error=producers_se,
                flags=[unseen[k] for k in own],
                unit="share",
                **common,
            ),
        ]
    )


def _strata(map_areas: Mapping[str, float], sampled: list[str]) -> tuple[list[str], NDArray[np.float64]]:
    areas = {str(name): float(value) for name, value in map_areas.items()}
    for name, value in areas.items():
        if not (np.isfinite(value) and value >= 0):
            raise MapAreaError(f"map class {name!r} has the area {value}", where="map_areas")
    for name in sampled:
        if not areas.get(name):
            raise MapAreaError(
                f"map class {name!r} of the reference sample has no area on the map",
                where="map_areas",
                remedy="Sample and map must be of the same version",
            )
    strata = sorted(name for name, value in areas.items() if value > 0)
    return strata, np.asarray([areas[name] for name in strata])


def _producers(
    W: NDArray[np.float64],
    p: NDArray[np.float64],
    n_i: NDArray[np.float64],
    own: NDArray[np.int64],
    share: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Producer's accuracies P_j = W_j U_j / p_.j of the map's classes and their standard errors (equation 7)."""
    strata = np.arange(W.size)
    total = share[own]
    users = p[strata, own]
    producers = np.divide(W * users, total, out=np.full(W.size, np.nan), where=total > 0)
    spread = W[:, None] ** 2 * (p * (1 - p))[:, own] / (n_i - 1)[:, None]  # (strata, classes of the map)
    itself = spread[strata, strata]
    others = spread.sum(axis=0) - itself
    variance = ((1 - producers) ** 2 * itself + producers**2 * others) / np.where(total > 0, total, np.nan) ** 2
    return producers, np.sqrt(variance)
