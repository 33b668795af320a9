"""Rolling origin: each season as a target with all earlier ones to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from agristat_platform.classification.errors import InvalidSeasonsError, LengthMismatchError
from agristat_platform.classification.labels import listed

Rows = npt.NDArray[np.int64]


class Origin(NamedTuple):
    """A season to name, and the samples of the seasons before it; `unseen` classes occur in none of these."""

    season: Any
    training: Rows
    target: Rows
    unseen: tuple[str, ...]


def rolling_origins(y: npt.NDArray[Any], seasons: Sequence[Any] | npt.NDArray[Any], *, least: int = 1) -> list[Origin]:
    """Each season as a target with all earlier ones to learn from, earliest first; `least` seasons are always learned from.

    Raises
    ------
    LengthMismatchError, InvalidSeasonsError
        Numbers differ; a season is missing, seasons can't be sorted, or there is none left to name.
    """
    keys = [key.item() if isinstance(key, np.generic) else key for key in seasons]
    if len(keys) != len(y):
        raise LengthMismatchError(f"{len(y)} labels but {len(keys)} seasons")
    missing = [row for row, key in enumerate(keys) if key is None or key != key or key == ""]
    if missing:
        raise InvalidSeasonsError(f"{len(missing)} samples have no season", where=f"rows {listed(missing)}")
    try:
        names = sorted(set(keys))
    except TypeError as error:
        raise InvalidSeasonsError("seasons are of several kinds", remedy="Give keys of one kind that sort") from error
    if least < 1 or len(names) <= least:
        raise InvalidSeasonsError(
            f"seasons {listed(names)} leave none to name after {least} to learn from",
            remedy="Give labels of more seasons",
        )
    number = np.array([names.index(key) for key in keys])
    labels = np.asarray(y).astype(str)
    origins = []
    for i in range(least, len(names)):
        training, target = np.flatnonzero(number < i), np.flatnonzero(number == i)
        unseen = tuple(sorted(set(labels[target]) - set(labels[training])))
        origins.append(Origin(names[i], training, target, unseen))
    return origins
