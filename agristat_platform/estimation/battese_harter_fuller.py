"""Small-area crop areas from a recorded survey whose units have hectares on the ground and pixels on the map."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from agristat_platform.estimation.errors import SmallAreaError
from agristat_platform.estimation.results import ESTIMATES_SCHEMA
from agristat_platform.estimation.small_area import small_area_estimate
from agristat_platform.estimation.survey_step import crop_variable
from agristat_platform.sampling import RecordedSurvey


def small_area_crop_estimates(
    recorded: RecordedSurvey, crops: Sequence[str] | None = None, *, confidence: float = 0.95
) -> pa.Table:
    """Hectares of each crop per domain by the unit-level model.

    y is hectares of the crop in a segment, the auxiliaries are the pixels classed as each of the survey's crops in it
    (all crops stand in the model of each, as Battese, Harter and Fuller 1988 have it), so β turns pixels into hectares
    and totals come out in hectares.

    The result is not design-based: inclusion probabilities were not handed down, the standard error is the root mean
    squared error under the model, and there is no total over the domains here, because errors of domains are
    correlated through β̂ and adding their variances up would be wrong.

    Parameters
    ----------
    recorded:
        From `sampling.load_battese_harter_fuller`.
    crops:
        Crop codes; all of the survey's by default.

    Returns
    -------
    pyarrow.Table
        `ESTIMATES_SCHEMA`, one row per crop and domain, every row flagged "model-based".
    """
    chosen = list(recorded.crops if crops is None else crops)
    unknown = [crop for crop in chosen if crop not in recorded.crops]
    if unknown:
        raise SmallAreaError(
            f"crop {unknown[0]!r} is not in {recorded.name}", remedy=f"It has {', '.join(recorded.crops)}"
        )
    units = recorded.sample["unit_id"].to_pylist()
    hectares = _by_unit(recorded.field_data, "area_ha", recorded.crops)
    pixels = _by_unit(recorded.auxiliaries, "map_pixels", recorded.crops)
    pixel_names = [f"pixels of {crop}" for crop in recorded.crops]
    sample = {"unit_id": units, "domain": recorded.sample["stratum"].to_pylist()}
    for crop, name in zip(recorded.crops, pixel_names, strict=True):
        sample[crop_variable(crop)] = [hectares[crop][unit] for unit in units]
        sample[name] = [pixels[crop][unit] for unit in units]
    means: dict[str, dict[str, float]] = {}
    for row in recorded.domain_means.to_pylist():
        means.setdefault(row["domain"], {})[f"pixels of {row['crop_code']}"] = row["mean_map_pixels"]
    sizes = dict(
        zip(recorded.strata["stratum"].to_pylist(), recorded.strata["population_size"].to_pylist(), strict=True)
    )
    tables = [
        small_area_estimate(
            sample, crop_variable(crop), pixel_names, "domain", means, sizes, confidence=confidence, unit="ha"
        )
        for crop in chosen
    ]
    return pa.concat_tables(tables) if tables else ESTIMATES_SCHEMA.empty_table()


def _by_unit(table: pa.Table, column: str, crops: Sequence[str]) -> dict[str, dict[str, float]]:
    values: dict[str, dict[str, float]] = {crop: {} for crop in crops}
    for row in table.to_pylist():
        values[row["crop_code"]][row["unit_id"]] = row[column]
    return values
