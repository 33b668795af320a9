"""Groups that accuracy is reported by: parcel size, stratum, region, season, flags."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform.classification.errors import LengthMismatchError

SIZE_CLASSES: tuple[tuple[str, float], ...] = (
    ("< 0.5 ha", 0.0),
    ("0.5–2 ha", 0.5),
    ("2–10 ha", 2.0),
    ("≥ 10 ha", 10.0),
)
"""Classes of parcels by area: name and least hectares, as `segmentation.agreement_with_parcels` has them."""

NO_GROUP = "(none)"
_SIZE_ORDER = {name: f"{i}" for i, (name, _) in enumerate(SIZE_CLASSES)}


def size_class(area_ha: npt.NDArray[Any] | Sequence[float]) -> list[str | None]:
    """Name of the class of each parcel by area in hectares (`SIZE_CLASSES`); None where the area is missing."""
    area = np.asarray(area_ha, dtype=np.float64)
    least = np.array([bound for _, bound in SIZE_CLASSES])
    index = np.searchsorted(least, area, side="right") - 1
    known = np.isfinite(area) & (area >= 0)
    return [SIZE_CLASSES[i][0] if k else None for i, k in zip(index.tolist(), known.tolist(), strict=True)]


def group_members(
    groupings: Mapping[str, Any], rows: npt.NDArray[np.int64], given: int
) -> list[tuple[str, str, npt.NDArray[np.int64]]]:
    """Grouping, group, and positions in `rows` of its members, every group that occurs; sizes from small to large.

    Parameters
    ----------
    groupings:
        As `accuracy_report` takes them, each of `given` samples.
    rows:
        Which of them are compared.

    Raises
    ------
    LengthMismatchError
        A grouping has another number of samples.
    """
    groups = []
    for grouping, of in groupings.items():
        if len(of) != given:
            raise LengthMismatchError(f"{given} labels but {len(of)} groups of {grouping}", remedy="Give one for each")
        values = of.tolist() if isinstance(of, np.ndarray) else list(of)
        members: dict[str, list[int]] = defaultdict(list)
        for position, row in enumerate(rows.tolist()):
            for name in _names(values[row]):
                members[name].append(position)
        order = sorted(members, key=lambda name: (name == NO_GROUP, _SIZE_ORDER.get(name, name)))
        groups += [(grouping, name, np.array(members[name])) for name in order]
    return groups


def _names(value: Any) -> list[str]:
    if isinstance(value, list | tuple | set | frozenset):
        return sorted({str(name) for name in value}) or [NO_GROUP]
    return [NO_GROUP] if value is None or value != value else [str(value)]
