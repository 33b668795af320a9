"""Surveys that others drew and handed down. What was not handed down (probabilities, geometry) stays null.

Estimation from them is in `estimation`; the numbers themselves are read from a folder and are never part of the
platform.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from agristat_platform.sampling.errors import MissingRecordedSurveyError
from agristat_platform.sampling.schemas import FIELD_DATA_SCHEMA, SAMPLE_SCHEMA, STRATA_SCHEMA

AUXILIARY_SCHEMA = pa.schema(
    [
        pa.field("unit_id", pa.string(), nullable=False),
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("map_pixels", pa.float64(), nullable=False, metadata={"unit": "pixels per segment"}),
    ]
)
"""Satellite classification of the sampled units: pixels classed as each crop."""

DOMAIN_MEANS_SCHEMA = pa.schema(
    [
        pa.field("domain", pa.string(), nullable=False),
        pa.field("crop_code", pa.string(), nullable=False),
        pa.field("mean_map_pixels", pa.float64(), nullable=False, metadata={"unit": "pixels per segment"}),
    ]
)
"""The same classification over all units of each domain."""

BATTESE_HARTER_FULLER_FILE = "09_ebluP_BHF_cornsoybean.json"
_CROP_COLUMNS = {"CORN": ("CornHec", "CornPix"), "SOYB": ("SoyBeansHec", "SoyBeansPix")}
_IOWA_COUNTIES = (
    "Cerro Gordo",
    "Hamilton",
    "Worth",
    "Humboldt",
    "Franklin",
    "Pocahontas",
    "Winnebago",
    "Wright",
    "Webster",
    "Hancock",
    "Kossuth",
    "Hardin",
)


@dataclass(frozen=True)
class RecordedSurvey:
    """A survey as it was handed down.

    Attributes
    ----------
    name, source:
        Title and publication.
    sample:
        `SAMPLE_SCHEMA`; `stratum` is the domain, `probability` and `weight` are null where they were not recorded.
    strata:
        `STRATA_SCHEMA`, one row per domain.
    field_data:
        `FIELD_DATA_SCHEMA`, hectares of each crop per sampled unit.
    auxiliaries:
        `AUXILIARY_SCHEMA`, pixels of each crop per sampled unit.
    domain_means:
        `DOMAIN_MEANS_SCHEMA`, mean pixels per unit over all units of each domain.
    notes:
        What a reader must know before using it.
    """

    name: str
    source: str
    sample: pa.Table
    strata: pa.Table
    field_data: pa.Table
    auxiliaries: pa.Table
    domain_means: pa.Table
    notes: tuple[str, ...]

    @property
    def crops(self) -> tuple[str, ...]:
        """Crop codes in the order of the source."""
        return tuple(dict.fromkeys(self.field_data["crop_code"].to_pylist()))


def load_battese_harter_fuller(oracles_dir: str | Path) -> RecordedSurvey:
    """Corn and soybeans in 12 counties of north-central Iowa, 1978 (Battese, Harter and Fuller 1988, JASA 83, 28-36).

    37 segments were enumerated by the US Department of Agriculture's June survey; the stored file has the 36 that the
    authors kept after setting one segment of Hardin county aside as an outlier. Crop areas are hectares per segment,
    the Landsat classification is pixels per segment (about 0.45 ha each), a segment is about 250 ha.

    Raises
    ------
    MissingRecordedSurveyError
        The file is absent or lacks a column.
    """
    path = Path(oracles_dir) / BATTESE_HARTER_FULLER_FILE
    content = _read(path)
    try:
        rows, means, sizes = content["rows"], content["popmeans"], content["popsize"]
        county = [f"{int(c):02d} {_IOWA_COUNTIES[int(c) - 1]}" for c in rows["County"]]
        domains = [f"{int(c):02d} {_IOWA_COUNTIES[int(c) - 1]}" for c in sizes["CountyIndex"]]
        number = {d: sum(c == d for c in county) for d in domains}
        order = [county[: i + 1].count(c) for i, c in enumerate(county)]
        units = [f"{c[:2]}-{k}" for c, k in zip(county, order, strict=True)]
        hectares = {crop: [float(v) for v in rows[y]] for crop, (y, _) in _CROP_COLUMNS.items()}
        pixels = {crop: [float(v) for v in rows[x]] for crop, (_, x) in _CROP_COLUMNS.items()}
        domain_pixels = {crop: [float(v) for v in means[x]] for crop, (_, x) in _CROP_COLUMNS.items()}
        population = [int(v) for v in sizes["N"]]
    except KeyError as missing:
        raise MissingRecordedSurveyError(
            f"column {missing} is not in the recorded survey", where=str(path)
        ) from missing
    n, crops = len(units), list(_CROP_COLUMNS)
    return RecordedSurvey(
        name="Iowa 1978, corn and soybeans (recorded survey)",
        source="Battese, Harter and Fuller (1988), JASA 83(401), 28-36",
        sample=pa.table(
            [
                units,
                pa.array(range(1, n + 1), pa.int32()),
                county,
                pa.nulls(n, pa.float64()),
                pa.nulls(n, pa.float64()),
                ["estimate"] * n,
                pa.array(range(1, n + 1), pa.int32()),
                pa.nulls(n, pa.float64()),
            ],
            schema=SAMPLE_SCHEMA,
        ),
        strata=pa.table(
            [domains, population, [number[d] for d in domains], pa.nulls(len(domains), pa.float64())],
            schema=STRATA_SCHEMA,
        ),
        field_data=pa.table(
            [
                units * len(crops),
                pa.nulls(n * len(crops), pa.string()),
                [crop for crop in crops for _ in units],
                np.concatenate([hectares[crop] for crop in crops]),
                pa.nulls(n * len(crops), pa.float64()),
                pa.nulls(n * len(crops), pa.binary()),
            ],
            schema=FIELD_DATA_SCHEMA,
        ),
        auxiliaries=pa.table(
            [units * len(crops), [c for c in crops for _ in units], np.concatenate([pixels[c] for c in crops])],
            schema=AUXILIARY_SCHEMA,
        ),
        domain_means=pa.table(
            [
                domains * len(crops),
                [c for c in crops for _ in domains],
                np.concatenate([domain_pixels[c] for c in crops]),
            ],
            schema=DOMAIN_MEANS_SCHEMA,
        ),
        notes=(
            "36 of the 37 enumerated segments: the authors left one of Hardin county out as an outlier",
            "inclusion probabilities were not handed down: no design-based estimate can be made from these data",
        ),
    )


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingRecordedSurveyError(
            f"the recorded survey {path.name} is not there",
            where=str(path.parent),
            remedy="Put the folder `oracles` beside the one named by AGRISTAT_REAL_DATA",
        )
    content = json.loads(path.read_text())
    if "data" not in content:
        raise MissingRecordedSurveyError("the recorded survey has no section `data`", where=str(path))
    return dict(content["data"])
