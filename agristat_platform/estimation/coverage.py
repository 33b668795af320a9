"""Does the survey step keep its promise? Draws again and again from a population whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from agristat_platform.estimation.errors import EstimationError
from agristat_platform.estimation.survey_step import EstimationRule, crop_estimates
from agristat_platform.sampling import FIELD_DATA_SCHEMA, Design, draw, strata_table

COVERAGE_SCHEMA = pa.schema(
    [
        pa.field("crop", pa.string(), nullable=False),
        pa.field("estimator", pa.string(), nullable=False),
        pa.field("coverage", pa.float64(), metadata={"unit": "share of the intervals that hold the truth"}),
        pa.field("bias", pa.float64(), metadata={"unit": "share of the truth"}),
        pa.field("se_ratio", pa.float64(), metadata={"unit": "mean SE / empirical SD"}),
        pa.field("mean_se", pa.float64(), metadata={"unit": "ha"}),
        pa.field("empirical_sd", pa.float64(), metadata={"unit": "ha"}),
        pa.field("truth", pa.float64(), nullable=False, metadata={"unit": "ha"}),
        pa.field("draws", pa.int64(), nullable=False),
        pa.field("estimated", pa.int64(), nullable=False, metadata={"unit": "draws with an estimate"}),
    ]
)
"""`coverage`, `bias` and the standard errors are over the draws with an estimate; `estimated` says how many."""


@dataclass(frozen=True)
class SurveyRule:
    """Estimation settings where no region file gives them."""

    variance: Literal["residual", "g_weighted", "df"] = "residual"
    confidence: float = 0.95
    cv_threshold: float = 0.20


def coverage_of_survey_step(
    frame: pa.Table,
    true_area_by_unit: pa.Table,
    map_area_by_unit: pa.Table,
    design: Design,
    *,
    seeds: Iterable[int],
    crops: Sequence[str],
    settings: EstimationRule | None = None,
) -> pa.Table:
    """Repeat draw and estimation over seeds and compare with the known totals.

    Parameters
    ----------
    frame:
        `FRAME_SCHEMA`, stratified.
    true_area_by_unit, map_area_by_unit:
        Columns unit_id, crop_code, area_ha for all units of the frame; the true areas fill every unit.
    design:
        What to draw each time.
    seeds:
        One draw per seed.
    crops:
        Crop codes.

    Returns
    -------
    pyarrow.Table
        `COVERAGE_SCHEMA`, one row per crop and estimator.

    Notes
    -----
    It goes through `crop_estimates` itself, so what is certified is what is published.
    """
    rule = settings or SurveyRule()
    truth, map_totals = _totals(true_area_by_unit, crops), _totals(map_area_by_unit, crops)
    population = _field_data(true_area_by_unit)
    collected: dict[tuple[str, str], list[tuple[float, float, bool]]] = {}
    draws = 0
    for seed in seeds:
        sample = draw(frame, design, seed=seed)
        drawn = sample["unit_id"].combine_chunks()
        estimates = crop_estimates(
            sample,
            strata_table(frame, sample),
            population.filter(pc.is_in(population["unit_id"], value_set=drawn)),
            map_area_by_unit.filter(pc.is_in(map_area_by_unit["unit_id"], value_set=drawn)),
            map_totals,
            crops=crops,
            settings=rule,
        )
        draws += 1
        for row in estimates.to_pylist():
            crop = row["variable"].removeprefix("area:")
            results = collected.setdefault((crop, row["estimator"]), [])
            if row["estimate"] is not None and row["ci_low"] is not None:
                held = row["ci_low"] <= truth[crop] <= row["ci_high"]
                results.append((row["estimate"], row["standard_error"], held))
    if not draws:
        raise EstimationError("no seeds were given: there is nothing to repeat", where="seeds")
    rows = [_summary(crop, name, results, truth[crop], draws) for (crop, name), results in collected.items()]
    return pa.Table.from_pylist(rows, schema=COVERAGE_SCHEMA)


def _totals(areas: pa.Table, crops: Sequence[str]) -> dict[str, float]:
    sums = areas.group_by("crop_code", use_threads=False).aggregate([("area_ha", "sum")])
    found = dict(zip(sums["crop_code"].to_pylist(), sums["area_ha_sum"].to_pylist(), strict=True))
    return {crop: float(found.get(crop, 0.0)) for crop in crops}


def _field_data(areas: pa.Table) -> pa.Table:
    rows = areas.num_rows
    columns = {
        "unit_id": areas["unit_id"].cast(pa.string()),
        "parcel_id": pa.nulls(rows, pa.string()),
        "crop_code": areas["crop_code"].cast(pa.string()),
        "area_ha": areas["area_ha"].cast(pa.float64()),
        "yield_t_ha": pa.nulls(rows, pa.float64()),
        "geometry": pa.nulls(rows, pa.binary()),
    }
    return pa.table([columns[name] for name in FIELD_DATA_SCHEMA.names], schema=FIELD_DATA_SCHEMA)


def _summary(
    crop: str, estimator: str, results: list[tuple[float, float, bool]], truth: float, draws: int
) -> dict[str, object]:
    estimates = np.asarray([r[0] for r in results])
    errors = np.asarray([r[1] for r in results])
    spread = float(estimates.std(ddof=1)) if estimates.size > 1 else None
    mean_se = float(errors.mean()) if errors.size else None
    return {
        "crop": crop,
        "estimator": estimator,
        "coverage": float(np.mean([r[2] for r in results])) if results else None,
        "bias": float(estimates.mean() / truth - 1) if results and truth else None,
        "se_ratio": mean_se / spread if mean_se is not None and spread else None,
        "mean_se": mean_se,
        "empirical_sd": spread,
        "truth": truth,
        "draws": draws,
        "estimated": len(results),
    }
