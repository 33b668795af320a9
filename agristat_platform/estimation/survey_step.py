"""From enumerated segments and a crop map to crop areas with their standard errors: the official estimate's own step.

The estimators are in `expansion` and `regression`; this module makes their variables from field data and map areas.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from agristat_platform.estimation.design import LonelyPsu, SampleDesign
from agristat_platform.estimation.efficiency import variance_quotient
from agristat_platform.estimation.errors import (
    FieldDataError,
    PopulationTotalsError,
    SingularAuxiliariesError,
)
from agristat_platform.estimation.expansion import total
from agristat_platform.estimation.regression import RegressionVariance, regression_estimate
from agristat_platform.estimation.results import ESTIMATES_SCHEMA, WHOLE_POPULATION, join_flags, tidy
from agristat_platform.estimation.weighted_regression import INTERCEPT

NOT_OBSERVED = "not observed in the sample"
PUBLISH = "publish"
ENUMERATION_TOLERANCE = 0.01
FEW_UNITS_WITH_CROP = 12
_LEAST_TOLERANCE_HA = 0.01
_UNIT = "ha"


class EstimationRule(Protocol):
    """What of a region's estimation settings this step needs."""

    @property
    def variance(self) -> RegressionVariance:
        """Variance estimator of the regression estimate."""

    @property
    def confidence(self) -> float:
        """Level of the intervals, 0.95 by default."""

    @property
    def cv_threshold(self) -> float:
        """Largest coefficient of variation that is published, as a share."""


def crop_variable(crop: str) -> str:
    """Name of a crop's area in the estimates table, `area:WHE`."""
    return f"area:{crop}"


def crop_estimates(
    sample: pa.Table,
    strata: pa.Table,
    field_data: pa.Table,
    map_areas_by_unit: pa.Table,
    map_area_totals: Mapping[str, float],
    *,
    crops: Sequence[str],
    settings: EstimationRule,
    known_crops: Collection[str] | None = None,
    lonely_psu: LonelyPsu = "fail",
) -> pa.Table:
    """Area of each crop by expansion and by regression on its map area.

    y is the enumerated area of the crop in a sampled unit, x = (1, mapped area of the crop in the unit), population
    totals X = (N, mapped area over the frame). A unit without the crop is a true zero, because whole units are
    enumerated; that they were is checked first.

    Parameters
    ----------
    sample, strata, field_data:
        `SAMPLE_SCHEMA` (with `area_ha`), `STRATA_SCHEMA`, `FIELD_DATA_SCHEMA`.
    map_areas_by_unit:
        Columns unit_id, crop_code, area_ha (hectares) of the mapped crop inside units; units beyond the sample are
        passed over, a sampled unit without a row of a crop has none of it on the map.
    map_area_totals:
        Mapped area of each crop over the whole frame in hectares, by the same count of pixels.
    crops:
        Crop codes to estimate, in the order wanted.
    settings:
        Variance estimator, confidence level, CV threshold.
    known_crops:
        Every code that field data may have; a misspelt one would else count as land without any of `crops`. None: all.

    Returns
    -------
    pyarrow.Table
        `ESTIMATES_SCHEMA`, two rows per crop (expansion, regression), variable `area:<crop>`, unit ha. `flags` opens
        with the publication rule. A crop never seen has null estimates and says so; where the map has none of the crop
        in the sample the regression row is null and says why. `relative_efficiency` stands in the regression row.

    Raises
    ------
    FieldDataError
        Field data of a unit outside the sample, a unit not enumerated in full, a crop code that is unknown or missing
        (names the unit).
    PopulationTotalsError
        Map areas that share no unit with the sample or lack a unit's, a crop without a total, or less in total than in
        the sample.
    """
    units = sample["unit_id"].to_pylist()
    _check_field_data(field_data, units, known_crops)
    observed = _areas(field_data, units, crops)
    _check_enumeration(sample, field_data, units)
    _check_map_areas(map_areas_by_unit, units)
    mapped = _areas(map_areas_by_unit, units, crops)
    design = SampleDesign(
        sample,
        weight="weight",
        probability="probability",
        stratum="stratum",
        population_size=dict(zip(strata["stratum"].to_pylist(), strata["population_size"].to_pylist(), strict=True)),
        lonely_psu=lonely_psu,
    )
    population = float(sum(strata["population_size"].to_pylist()))
    y = {crop_variable(crop): observed[:, k] for k, crop in enumerate(crops)}
    expansion = total(design, y, confidence=settings.confidence, unit=_UNIT).to_pylist()
    rows = []
    for k, crop in enumerate(crops):
        map_total = _map_total(map_area_totals, crop, mapped[:, k])
        greg = _regression_row(design, crop, observed[:, k], mapped[:, k], population, map_total, settings)
        ground = expansion[k]
        if not observed[:, k].any():
            ground, greg = _unobserved(ground), _unobserved(greg)
        else:
            # with x = 1 alone all three regression variances become the centred one of the expansion
            greg["relative_efficiency"] = variance_quotient(ground["standard_error"], greg["standard_error"])
        few = _few_units_flag(int(np.count_nonzero(observed[:, k])))
        rows += [_publication(row, settings.cv_threshold, few) for row in (ground, greg)]
    return pa.Table.from_pylist(rows, schema=ESTIMATES_SCHEMA)


def published_rows(estimates: pa.Table) -> pa.Table:
    """One row per variable and domain: the assisted estimate, or where there is none the one from the ground alone.

    A ground-only row that stands in carries the assisted row's flags as well, so the reason is not lost.
    """
    chosen: dict[tuple[str, str], dict[str, Any]] = {}
    for row in estimates.to_pylist():
        key = (row["variable"], row["domain"])
        before = chosen.get(key)
        if before is None or row["estimate"] is not None:
            chosen[key] = row
        else:
            reason = [flag for flag in row["flags"].split("; ") if not flag.startswith("do not publish")]
            chosen[key] = before | {"flags": join_flags(*before["flags"].split("; "), *reason)}
    return pa.Table.from_pylist(list(chosen.values()), schema=estimates.schema)


def _check_field_data(table: pa.Table, units: Sequence[str], known_crops: Collection[str] | None) -> None:
    strange = pc.index_in(table["unit_id"], value_set=pa.array(units, pa.string())).is_null().to_numpy()
    if strange.any():
        row = int(np.flatnonzero(strange)[0])
        raise FieldDataError(
            f"unit {table['unit_id'][row].as_py()} has field data and is not in the sample",
            where=f"field data row {row}",
            remedy="Field data of other units cannot enter a design-based estimate",
        )
    for row, code in enumerate(table["crop_code"].to_pylist()):
        if code is None or (known_crops is not None and code not in known_crops):
            raise FieldDataError(
                "a crop code is missing" if code is None else f"the crop code {code} is unknown",
                where=f"field data row {row}, unit {table['unit_id'][row].as_py()}",
                remedy="Correct the code, or add the crop to the nomenclature: land without a known crop is no true zero",
            )
    area = table["area_ha"].to_numpy()
    bad = np.flatnonzero(~(np.isfinite(area) & (area >= 0)))
    if bad.size:
        raise FieldDataError(
            f"area {area[bad[0]]} ha is missing or negative",
            where=f"field data row {bad[0]}, unit {table['unit_id'][int(bad[0])].as_py()}",
            remedy="Correct the field data",
        )


def _check_map_areas(table: pa.Table, units: Sequence[str]) -> None:
    shared = pc.index_in(table["unit_id"], value_set=pa.array(units, pa.string())).is_valid()
    if table.num_rows and not pc.any(shared).as_py():
        raise PopulationTotalsError("no sampled unit is in the map areas", where=f"first sampled unit: {units[0]}")
    area = table["area_ha"].to_numpy()
    bad = np.flatnonzero(~(np.isfinite(area) & (area >= 0)))
    if bad.size:
        names = list(dict.fromkeys(table["unit_id"].take(pa.array(bad)).to_pylist()))
        raise PopulationTotalsError(
            f"{len(names)} unit(s) have no mapped area: nothing of them is classified on the map",
            where=", ".join(map(str, names[:10])),
            remedy="Complete the map there: a missing map area is not 0, and the totals would lack these units",
        )


def _areas(table: pa.Table, units: Sequence[str], crops: Sequence[str]) -> NDArray[np.float64]:
    """Hectares by unit and crop, shape (units, crops)."""
    row = pc.index_in(table["unit_id"], value_set=pa.array(units, pa.string()))
    column = pc.index_in(table["crop_code"], value_set=pa.array(list(crops), pa.string()))
    wanted = pc.and_(row.is_valid(), column.is_valid()).to_numpy()
    cell = row.fill_null(0).to_numpy().astype(np.int64) * len(crops) + column.fill_null(0).to_numpy().astype(np.int64)
    sums = np.bincount(cell[wanted], table["area_ha"].to_numpy()[wanted], minlength=len(units) * len(crops))
    return np.asarray(sums.reshape(len(units), len(crops)))


def _check_enumeration(sample: pa.Table, field_data: pa.Table, units: Sequence[str]) -> None:
    row = pc.index_in(field_data["unit_id"], value_set=pa.array(units, pa.string())).to_numpy()
    enumerated = np.bincount(row, field_data["area_ha"].to_numpy(), minlength=len(units))
    size = sample["area_ha"].to_numpy()
    off = np.flatnonzero(~(np.abs(enumerated - size) <= np.maximum(ENUMERATION_TOLERANCE * size, _LEAST_TOLERANCE_HA)))
    if off.size:
        i = int(off[0])
        raise FieldDataError(
            f"unit {units[i]} has {enumerated[i]:.3f} ha enumerated of {size[i]:.3f} ha; {off.size} such unit(s)",
            where=f"sample row {i}",
            remedy="Enumerate the whole unit (also what is not cropped): only then is an absent crop a true zero",
        )


def _map_total(totals: Mapping[str, float], crop: str, mapped: NDArray[np.float64]) -> float:
    if crop not in totals:
        raise PopulationTotalsError(
            f"crop {crop!r} has no mapped area over the frame",
            where="map_area_totals",
            remedy="Give 0 for a crop that the map does not have",
        )
    value = float(totals[crop])
    if not value >= mapped.sum() * (1 - 1e-9):
        raise PopulationTotalsError(
            f"crop {crop!r} has {value:.3f} ha on the map over the frame and {mapped.sum():.3f} ha in the sample alone",
            where="map_area_totals",
        )
    return value


def _regression_row(
    design: SampleDesign,
    crop: str,
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    population: float,
    map_total: float,
    settings: EstimationRule,
) -> dict[str, Any]:
    name = crop_variable(crop)
    try:
        table = regression_estimate(
            design,
            {name: y},
            {"map_area": x},
            {INTERCEPT: population, "map_area": map_total},
            variance=settings.variance,
            confidence=settings.confidence,
            unit=_UNIT,
        )
    except SingularAuxiliariesError as singular:
        reason = "the map has none of the crop in the sampled units" if not x.any() else singular.what
        table = tidy(
            variable=name,
            domain=[WHOLE_POPULATION],
            estimate=np.nan,
            standard_error=np.nan,
            n=design.n,
            df=design.degrees_of_freedom,
            estimator="regression (GREG)",
            variance_estimator=settings.variance,
            flags=[f"no regression estimate: {reason}"],
            unit=_UNIT,
        )
    row: dict[str, Any] = table.to_pylist()[0]
    if isinstance(row["estimate"], float) and row["estimate"] < 0:
        row["flags"] = join_flags(str(row["flags"]), "negative estimate")
    return row


def _unobserved(row: dict[str, Any]) -> dict[str, Any]:
    empty = dict.fromkeys(("estimate", "standard_error", "cv", "ci_low", "ci_high", "relative_efficiency"))
    return {**row, **empty, "flags": NOT_OBSERVED}


def _few_units_flag(units: int) -> str:
    """A crop in a handful of units has a skewed distribution, and the residuals of a regression on it tell little."""
    if not 0 < units < FEW_UNITS_WITH_CROP:
        return ""
    return f"observed in {units} sampled units only: the standard error may be much too small"


def _publication(row: dict[str, Any], threshold: float, few: str) -> dict[str, Any]:
    cv = row["cv"]
    if not isinstance(cv, float):
        rule = "do not publish: no estimate"
    elif cv > threshold:
        rule = f"do not publish: CV {100 * cv:.1f} % above {100 * threshold:g} %"
    else:
        rule = PUBLISH
    return {**row, "flags": join_flags(rule, str(row["flags"]), few)}
