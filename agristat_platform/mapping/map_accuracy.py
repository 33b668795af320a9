"""Design-based accuracy of a crop map, from the parcels observed in the units of a probability sample.

The unit (an area-frame segment) is the sampling unit, so every figure is a ratio of two totals over units of unequal
content, with the design's own variance: Olofsson et al. (2014), Remote Sensing of Environment 148, carried over from
pixels to segments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.estimation import SampleDesign, ratio, total
from agristat_platform.mapping.crop_rasters import pixel_counts
from agristat_platform.mapping.errors import SampleMismatchError, UnmappableClassError
from agristat_platform.mapping.unit_areas import class_areas

ACCURACY_SCHEMA = pa.schema(
    [
        pa.field("row", pa.string(), nullable=False),
        pa.field("crop_code", pa.string()),
        pa.field("users_accuracy", pa.float64()),
        pa.field("users_accuracy_se", pa.float64()),
        pa.field("producers_accuracy", pa.float64()),
        pa.field("producers_accuracy_se", pa.float64()),
        pa.field("overall_accuracy", pa.float64()),
        pa.field("overall_accuracy_se", pa.float64()),
        pa.field("units", pa.int64(), nullable=False),
    ]
)

ADJUSTED_AREAS_SCHEMA = pa.schema(
    [
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("mapped_area_ha", pa.float64(), nullable=False, metadata={"unit": "ha"}),
        pa.field("adjusted_area_ha", pa.float64(), nullable=False, metadata={"unit": "ha"}),
        pa.field("standard_error", pa.float64(), metadata={"unit": "ha"}),
        pa.field("flags", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True)
class MapAccuracy:
    """Accuracy of a map, estimated over a sample's design.

    Attributes
    ----------
    table:
        One row for each crop mapped or found, and a last row "overall" (`ACCURACY_SCHEMA`); null where a crop was not
        mapped (user's) or not found (producer's) in the sample. `units` counts sampled units where the crop occurs.
    areas:
        Area of each crop by the map and adjusted for the map's errors (`ADJUSTED_AREAS_SCHEMA`).
    confusion:
        Weighted hectares: a row for each reference crop, a column for each mapped crop.
    units:
        Number of sampled units.
    unmapped_share:
        Share of the observed area (weighted) that has no class on the map; it is left out of the accuracies.
    """

    table: pa.Table
    areas: pa.Table
    confusion: pa.Table
    units: int
    unmapped_share: float

    @property
    def overall_accuracy(self) -> float:
        """Share of the observed area that the map has right."""
        return float(self._last["overall_accuracy"])

    @property
    def overall_accuracy_se(self) -> float:
        """Standard error of the overall accuracy."""
        return float(self._last["overall_accuracy_se"])

    @property
    def _last(self) -> dict[str, float]:
        row: dict[str, float] = self.table.slice(self.table.num_rows - 1).to_pylist()[0]
        return row


def map_accuracy(
    field_data: pa.Table,
    crop_map_path: Path | str,
    sample: pa.Table,
    strata: pa.Table,
    nomenclature: CropNomenclature,
    *,
    mapped_area_ha: Mapping[str, float] | None = None,
    unobserved: Literal["fail", "domain"] = "fail",
) -> MapAccuracy:
    """Compare map and ground inside the sampled units and carry the comparison to the population.

    Parcels are laid over the map with exact pixel shares, which gives hectares by map class and observed crop in each
    unit; overall, user's and producer's accuracy are ratios of their totals. The adjusted area of crop j is
    Σ_i A_i · r_ij with A_i the mapped area of class i and r_ij the estimated share of it that is j; its variance is
    that of the linearised total.

    Parameters
    ----------
    field_data:
        `unit_id`, `crop_code`, `geometry` (WKB, the part of the parcel inside the unit, the map's CRS).
    crop_map_path:
        Map written by `write_crop_map`.
    sample:
        `unit_id`, `stratum`, `weight`: the probability sample, one row for each unit.
    strata:
        `stratum`, `population_size`.
    mapped_area_ha:
        A_i over the sampled population, by crop code; the whole map's pixel counts when None.
    unobserved:
        Sampled units without field data: "fail" raises; "domain" says that they hold none of the ground in question
        (as when parcels that taught the model were left out), so they stay in the design with zeros.

    Raises
    ------
    SampleMismatchError
        Field data outside the sample, sampled units without field data (see `unobserved`), no field data at all,
        or strata without a size; all named.
    UnmappableClassError
        Observed crops that the nomenclature doesn't have.
    estimation.LonelyPsuError
        A stratum with one sampled unit, out of several.
    """
    _check_match(field_data, sample, strata, unobserved)
    codes = _known_codes(field_data, nomenclature)
    areas, unmapped = _unit_confusions(field_data, crop_map_path, sample, nomenclature)
    sizes = dict(zip(strata.column("stratum").to_pylist(), strata.column("population_size").to_pylist(), strict=True))
    design = SampleDesign(
        sample.select(["unit_id", "stratum", "weight"]), weight="weight", stratum="stratum", population_size=sizes
    )
    if mapped_area_ha is None:
        counts = pixel_counts(crop_map_path)
        mapped_area_ha = dict(zip(counts["crop_code"].to_pylist(), counts["area_ha"].to_pylist(), strict=True))
    mapped = np.array([mapped_area_ha.get(code, 0.0) for code in codes])
    weighted = np.einsum("u,uij->ij", design.weight, areas)
    lost = float(design.weight @ unmapped)
    return MapAccuracy(
        table=_accuracy_table(design, areas, codes),
        areas=_adjusted_areas(design, areas, codes, mapped),
        confusion=_confusion_table(weighted, codes),
        units=sample.num_rows,
        unmapped_share=lost / (lost + float(weighted.sum())),
    )


def _check_match(field_data: pa.Table, sample: pa.Table, strata: pa.Table, unobserved: str) -> None:
    sampled = sample.column("unit_id").to_pylist()
    observed = set(field_data.column("unit_id").to_pylist())
    repeated = sorted(unit for unit, rows in Counter(sampled).items() if rows > 1)
    strangers = sorted(observed - set(sampled))
    silent = sorted(set(sampled) - observed) if unobserved == "fail" or not observed else []
    sized = set(strata.column("stratum").to_pylist())
    unsized = sorted(set(sample.column("stratum").to_pylist()) - sized)
    problems = (
        (repeated, "units stand more than once in the sample", "Accuracy takes one row for each unit"),
        (strangers, "units of the field data are not in the sample", "Use the field data of this sample"),
        (silent, "sampled units have no field data", "Collect them, or draw replacements and record that"),
        (unsized, "strata of the sample have no population size", "Give the strata table of this sample"),
    )
    for names, what, remedy in problems:
        if names:
            rest = f" and {len(names) - 10} more" if len(names) > 10 else ""
            raise SampleMismatchError(f"{len(names)} {what}", where=", ".join(names[:10]) + rest, remedy=remedy)


def _known_codes(field_data: pa.Table, nomenclature: CropNomenclature) -> list[str]:
    strangers = sorted(set(field_data.column("crop_code").to_pylist()) - set(nomenclature.codes))
    if strangers:
        raise UnmappableClassError(
            f"observed crops {', '.join(map(str, strangers))} are not in the nomenclature {nomenclature.code}",
            where="field data",
            remedy="Correct the codes or add the crops to the nomenclature",
        )
    return nomenclature.codes


def _unit_confusions(
    field_data: pa.Table, crop_map_path: Path | str, sample: pa.Table, nomenclature: CropNomenclature
) -> tuple[np.ndarray, np.ndarray]:
    """Hectares (units, map class, reference crop) and unmapped hectares (units,), units in the sample's order."""
    unit_row = {unit: row for row, unit in enumerate(sample.column("unit_id").to_pylist())}
    crop_row = {code: row for row, code in enumerate(nomenclature.codes)}
    units = field_data.column("unit_id").to_pylist()
    names = [f"parcel in row {row} of unit {unit}" for row, unit in enumerate(units)]
    by_class, unmapped = class_areas(crop_map_path, names, field_data.column("geometry").to_pylist(), nomenclature)
    areas = np.zeros((len(unit_row), len(crop_row), len(crop_row)))
    lost = np.zeros(len(unit_row))
    for parcel, (unit, code) in enumerate(zip(units, field_data.column("crop_code").to_pylist(), strict=True)):
        areas[unit_row[unit], :, crop_row[code]] += by_class[parcel]
        lost[unit_row[unit]] += unmapped[parcel]
    return areas, lost


def _accuracy_table(design: SampleDesign, areas: np.ndarray, codes: list[str]) -> pa.Table:
    rows = []
    for k, code in enumerate(codes):
        mapped, found = areas[:, k, :].sum(axis=1), areas[:, :, k].sum(axis=1)
        units = int(((mapped > 0) | (found > 0)).sum())
        if not units:
            continue
        users, users_se = _ratio(design, areas[:, k, k], mapped)
        producers, producers_se = _ratio(design, areas[:, k, k], found)
        rows.append(
            {
                "row": "class",
                "crop_code": code,
                "users_accuracy": users,
                "users_accuracy_se": users_se,
                "producers_accuracy": producers,
                "producers_accuracy_se": producers_se,
                "units": units,
            }
        )
    overall, overall_se = _ratio(design, np.einsum("uii->u", areas), areas.sum(axis=(1, 2)))
    last = {"row": "overall", "overall_accuracy": overall, "overall_accuracy_se": overall_se, "units": len(areas)}
    return pa.Table.from_pylist([*rows, last], schema=ACCURACY_SCHEMA)


def _ratio(design: SampleDesign, right: np.ndarray, whole: np.ndarray) -> tuple[float | None, float | None]:
    if not whole.any():
        return None, None
    row = ratio(design, {"right": right}, whole).to_pylist()[0]
    return row["estimate"], row["standard_error"]


def _adjusted_areas(design: SampleDesign, areas: np.ndarray, codes: list[str], mapped: np.ndarray) -> pa.Table:
    by_map = np.einsum("u,uij->ij", design.weight, areas)
    sampled = by_map.sum(axis=1)
    seen = sampled > 0
    share = np.divide(by_map, sampled[:, None], out=np.zeros_like(by_map), where=seen[:, None])
    # A mapped class that no sampled unit holds can't be corrected: its area stays as mapped, and is flagged.
    share[~seen] = np.eye(len(codes))[~seen]
    adjusted = mapped @ share
    scale = np.divide(mapped, sampled, out=np.zeros_like(mapped), where=seen)
    # Linearised Σ_i A_i r_ij, by unit and crop.
    influence = np.einsum("i,uij->uj", scale, areas - share[None] * areas.sum(axis=2, keepdims=True))
    errors = total(design, {code: influence[:, j] for j, code in enumerate(codes)}).column("standard_error")
    present = (adjusted > 0) | (mapped > 0)
    unchecked = (mapped > 0) & ~seen
    rows = [
        {
            "crop_code": code,
            "mapped_area_ha": float(mapped[j]),
            "adjusted_area_ha": float(adjusted[j]),
            "standard_error": None if unchecked[j] else errors[j].as_py(),
            "flags": "mapped class not in the sample: area as mapped" if unchecked[j] else "",
        }
        for j, code in enumerate(codes)
        if present[j]
    ]
    return pa.Table.from_pylist(rows, schema=ADJUSTED_AREAS_SCHEMA)


def _confusion_table(weighted: np.ndarray, codes: list[str]) -> pa.Table:
    names = ["reference", *codes]
    return pa.Table.from_arrays([pa.array(codes), *(pa.array(column) for column in weighted)], names=names)
