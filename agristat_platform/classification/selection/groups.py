"""Groups of feature columns: one statistic of one index over all dates, or all there is of one date."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import pyarrow as pa

from agristat_platform.classification.errors import FeatureMismatchError
from agristat_platform.classification.labels import listed

WITHOUT_DATE = "whole season"
_DATE = re.compile(r"_t(\d+)(?=_|$)")


def feature_groups(
    names: Sequence[str], *, by: Literal["statistic", "date"] = "statistic", dictionary: pa.Table | None = None
) -> dict[str, tuple[int, ...]]:
    """Columns by group, groups in the order in which they first occur.

    Parameters
    ----------
    names:
        Feature columns, named `<band or index>_t<NN>_<statistic>` where they are of a date.
    by:
        "statistic": all dates of one statistic of one band or index (`ndvi_mean`). What has no date stands alone, or with a
        dictionary in one group a source and index (all of `ndvi`'s phenology). "date": everything of one date (`t03`), and
        everything that has none (`whole season`).
    dictionary:
        `features.DICTIONARY_SCHEMA`; None goes by the names alone.

    Raises
    ------
    FeatureMismatchError
        A column is not in the dictionary.
    """
    described = {} if dictionary is None else {row["name"]: row for row in dictionary.to_pylist()}
    unknown = [name for name in names if described and name not in described]
    if unknown:
        raise FeatureMismatchError(
            f"{len(unknown)} of {len(names)} features are not in the dictionary: {listed(unknown)}",
            remedy="Give the dictionary that was published with these features",
        )
    groups: dict[str, list[int]] = defaultdict(list)
    for j, name in enumerate(names):
        date = _DATE.search(name)
        if by == "date":
            group = f"t{int(date[1]):02d}" if date else WITHOUT_DATE
        elif date:
            group = _DATE.sub("", name)
        else:
            row = described.get(name)
            group = name if row is None else f"{row['source']}: {row['band_or_index']}"
        groups[group].append(j)
    return {group: tuple(columns) for group, columns in groups.items()}
