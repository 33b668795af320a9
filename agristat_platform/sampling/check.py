"""Is a sample what its frame allows? Run before field work and again before estimation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from agristat_platform.sampling.errors import (
    DuplicateSampleUnitError,
    InvalidSampleProbabilityError,
    SampleOutsideStratumError,
    UnknownSampleUnitError,
)

_WEIGHT_TOLERANCE = 1e-9


def check_sample(frame: pa.Table, sample: pa.Table, *, with_replacement: bool = False) -> None:
    """Raise on the first sample row that its frame does not allow.

    Parameters
    ----------
    frame, sample:
        `FRAME_SCHEMA` and `SAMPLE_SCHEMA`.
    with_replacement:
        Allows a unit more than once, as long as each is a draw of its own.

    Raises
    ------
    UnknownSampleUnitError, SampleOutsideStratumError, DuplicateSampleUnitError, InvalidSampleProbabilityError
        Each names the sample row (from 0) and the unit.
    """
    home = dict(zip(frame["unit_id"].to_pylist(), frame["stratum"].to_pylist(), strict=True))
    units, strata = sample["unit_id"].to_pylist(), sample["stratum"].to_pylist()
    draws = sample["draw_id"].to_pylist()
    seen: dict[tuple[str, int | None], int] = {}
    for row, (unit, stratum, draw) in enumerate(zip(units, strata, draws, strict=True)):
        where = f"sample row {row}, unit {unit}"
        if unit not in home:
            raise UnknownSampleUnitError(f"unit {unit} of the sample is not in the frame", where=where)
        if stratum != home[unit]:
            raise SampleOutsideStratumError(
                f"unit {unit} is in stratum {home[unit]!r} of the frame, the sample says {stratum!r}",
                where=where,
                remedy="Keep the stratum the unit was drawn in; a unit that changed its land use keeps its stratum",
            )
        key = (unit, draw if with_replacement else None)
        if key in seen:
            raise DuplicateSampleUnitError(
                f"unit {unit} is in the sample twice", where=f"{where}; first in sample row {seen[key]}"
            )
        seen[key] = row
    _check_probabilities(sample, units)


def _check_probabilities(sample: pa.Table, units: list[str]) -> None:
    probability = sample["probability"].to_numpy().astype(np.float64)
    weight = sample["weight"].to_numpy().astype(np.float64)
    bad = np.flatnonzero(~((probability > 0) & (probability <= 1)))
    if bad.size:
        row = int(bad[0])
        raise InvalidSampleProbabilityError(
            f"inclusion probability {probability[row]} of unit {units[row]} is not in (0, 1]",
            where=f"sample row {row}, unit {units[row]}",
        )
    off = np.flatnonzero(~(np.abs(weight * probability - 1.0) <= _WEIGHT_TOLERANCE))
    if off.size:
        row = int(off[0])
        raise InvalidSampleProbabilityError(
            f"weight {weight[row]} of unit {units[row]} is not the inverse of its probability {probability[row]}",
            where=f"sample row {row}, unit {units[row]}",
        )
