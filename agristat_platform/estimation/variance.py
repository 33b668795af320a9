"""Design variances of a weighted sum of influence values, for all domains at once.

Everything here works on z = w × (linearised variable); which variable that is, the estimators decide.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from agristat_platform.estimation.design import SampleDesign, StageCodes
from agristat_platform.estimation.errors import LonelyPsuError, VarianceNotDefinedError

VarianceEstimator = Literal["ultimate_cluster", "srs", "random_starts", "successive_differences"]
_CENSUS = 1e-12
_DENSE_CELLS_PER_ROW = 8


def variance_of_total(
    design: SampleDesign,
    z: NDArray[np.float64],
    domain: NDArray[np.int64],
    domains: int,
    variance: VarianceEstimator = "ultimate_cluster",
) -> NDArray[np.float64]:
    """Variance of Σ z over each domain.

    Parameters
    ----------
    z:
        Shape (n,), weighted influence values.
    domain:
        Shape (n,), codes 0…domains-1, or −1 for rows outside every domain (they count as zeros).
    variance:
        "ultimate_cluster": Σ_h (1 − f_h) n_h/(n_h − 1) Σ_i (z_hi − z̄_h)² over PSU totals, plus the later stages'
        parts where `stages` were given. "srs": the same with every row its own PSU. "random_starts": PSUs are
        the starts of a systematic sample, out of k possible ones. "successive_differences": (1 − f_h) n_h/(2(n_h − 1)) Σ (z_i − z_{i−1})²
        in the order of the rows.

    Returns
    -------
    numpy.ndarray
        Shape (domains,).
    """
    if variance not in get_args(VarianceEstimator):
        raise VarianceNotDefinedError(
            f"unknown variance estimator {variance!r}", remedy=f"Use one of {', '.join(get_args(VarianceEstimator))}"
        )
    if variance == "successive_differences":
        return _successive_differences(design, z, domain, domains)
    stages = design.stages
    if variance == "random_starts":
        stages = [_random_starts(design)]
    elif variance == "srs" and not design.stages[0].unit_is_row:
        raise VarianceNotDefinedError(
            "the srs variance treats every row as a unit of its own, and the design has primary sampling units"
        )
    result = np.zeros(domains)
    sampled_share = np.ones(1)
    for number, stage in enumerate(stages):
        share = np.ones(len(stage.stratum_labels))
        if number:
            parent = stages[number - 1]
            # a stratum of this stage lies in one unit of the stage before, which has one stratum
            share = np.zeros(len(stage.stratum_labels))
            row_stratum = stage.unit_stratum[stage.row_unit]
            inherited = (sampled_share * (1.0 - parent.unsampled_share))[parent.unit_stratum[parent.row_unit]]
            share[row_stratum] = inherited
            if not share.any():
                break
        result += _stage_variance(design, stage, z, domain, domains, share)
        sampled_share = share
    return result


def degrees_of_freedom(design: SampleDesign, variance: VarianceEstimator = "ultimate_cluster") -> float:
    """PSUs minus strata; starts minus strata for random starts."""
    if variance == "random_starts":
        starts = _random_starts(design)
        return float(starts.unit_stratum.size - len(starts.stratum_labels))
    return design.degrees_of_freedom


def _stage_variance(
    design: SampleDesign,
    stage: StageCodes,
    z: NDArray[np.float64],
    domain: NDArray[np.int64],
    domains: int,
    share: NDArray[np.float64],
) -> NDArray[np.float64]:
    if stage.unit_is_row:
        inside = domain >= 0
        total, unit, cell_domain = z[inside], stage.row_unit[inside], domain[inside]
    else:
        total, _, key = _sum_by_key(stage.row_unit, domain, domains, z)
        unit, cell_domain = key // domains, key % domains
    stratum = stage.unit_stratum[unit]
    first, cells, key = _sum_by_key(stratum, cell_domain, domains, total)
    cell = np.searchsorted(key, stratum * domains + cell_domain)
    h = key // domains
    drawn = stage.drawn[h]
    centre = first / drawn
    if design.adjust_lonely_domains:
        centre = np.where((cells == 1) & (drawn > 1), 0.0, centre)
    # units of the stratum outside the domain are zeros, at a distance of `centre` each
    squares = np.bincount(cell, (total - centre[cell]) ** 2, minlength=key.size) + (drawn - cells) * centre**2
    unsampled = stage.unsampled_share
    lonely = (stage.drawn == 1) & (unsampled > _CENSUS)
    squares, scale = _lonely(design, stage, lonely, squares, first, h)
    part = share[h] * unsampled[h] * scale * squares
    return np.asarray(
        np.bincount(key % domains, part, minlength=domains) * _average_factor(design, lonely), dtype=np.float64
    )


def _lonely(
    design: SampleDesign,
    stage: StageCodes,
    lonely: NDArray[np.bool_],
    squares: NDArray[np.float64],
    first: NDArray[np.float64],
    h: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    drawn = stage.drawn[h].astype(np.float64)
    scale = drawn / np.maximum(drawn - 1, 1)
    if not lonely.any():
        return squares, scale
    if design.lonely_psu == "fail":
        names = [stage.stratum_labels[k] for k in np.flatnonzero(lonely)]
        raise LonelyPsuError(
            f"stratum {names[0]!r} has only one primary sampling unit; {len(names)} such strata",
            where=", ".join(names[:10]),
            remedy="Merge strata, or ask for lonely_psu = remove, adjust, average or certainty",
        )
    alone = lonely[h]
    instead = first**2 if design.lonely_psu == "adjust" else np.zeros_like(first)
    return np.where(alone, instead, squares), scale


def _average_factor(design: SampleDesign, lonely: NDArray[np.bool_]) -> float:
    if design.lonely_psu != "average" or not lonely.any():
        return 1.0
    if lonely.all():
        raise LonelyPsuError("every stratum has only one primary sampling unit: there is nothing to average")
    return float(lonely.size / (lonely.size - lonely.sum()))


def _sum_by_key(
    group: NDArray[np.int64], domain: NDArray[np.int64], domains: int, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Sums, counts and sorted keys (group × domains + domain) of the cells that have rows."""
    if domain.size and domain.min() < 0:
        inside = domain >= 0
        group, domain, values = group[inside], domain[inside], values[inside]
    key = group * domains + domain
    cells = (int(group.max()) + 1) * domains if group.size else 0
    if cells <= _DENSE_CELLS_PER_ROW * max(group.size, 1024):
        count = np.bincount(key, minlength=cells)
        present = np.flatnonzero(count)
        sums = np.asarray(np.bincount(key, values, minlength=cells)[present], dtype=np.float64)
        return sums, count[present].astype(np.int64), present.astype(np.int64)
    present, inverse, count = np.unique(key, return_inverse=True, return_counts=True)
    sums = np.asarray(np.bincount(inverse, values, minlength=present.size), dtype=np.float64)
    return sums, count.astype(np.int64), present.astype(np.int64)


def _random_starts(design: SampleDesign) -> StageCodes:
    if design.draw is None:
        raise VarianceNotDefinedError("random starts need `draw`, the start each unit came in by")
    row_stratum, strata = design.row_stratum, len(design.strata)
    _, row_unit = np.unique(row_stratum * (int(design.draw.max()) + 1) + design.draw, return_inverse=True)
    unit_stratum = np.zeros(int(row_unit.max()) + 1, np.int64)
    unit_stratum[row_unit] = row_stratum
    drawn = np.bincount(unit_stratum, minlength=strata)
    weight = np.zeros(strata)
    weight[row_stratum] = design.weight
    if not np.allclose(weight[row_stratum], design.weight, rtol=1e-9):
        raise VarianceNotDefinedError("random starts need one weight per stratum: every start has the same chance")
    return StageCodes(row_unit, unit_stratum, design.strata, drawn, weight * drawn, False)


def _successive_differences(
    design: SampleDesign, z: NDArray[np.float64], domain: NDArray[np.int64], domains: int
) -> NDArray[np.float64]:
    stage = design.stages[0]
    _, first_row = np.unique(stage.row_unit, return_index=True)
    order = np.lexsort((first_row, stage.unit_stratum))
    stratum = stage.unit_stratum[order]
    same = stratum[1:] == stratum[:-1]
    drawn = stage.drawn.astype(np.float64)
    scale = stage.unsampled_share * np.where(drawn == 1, 1.0, drawn / (2 * np.maximum(drawn - 1, 1)))
    lonely = (stage.drawn == 1) & (stage.unsampled_share > _CENSUS)
    result = np.zeros(domains)
    for d in range(domains):
        totals = np.bincount(stage.row_unit, np.where(domain == d, z, 0.0), minlength=stage.unit_stratum.size)[order]
        jumps = np.asarray(np.bincount(stratum[1:][same], np.diff(totals)[same] ** 2, minlength=drawn.size), np.float64)
        first = np.asarray(np.bincount(stratum, totals, minlength=drawn.size), dtype=np.float64)
        squares, _ = _lonely(design, stage, lonely, jumps, first, np.arange(drawn.size))
        result[d] = (scale * squares).sum()
    return result * _average_factor(design, lonely)
