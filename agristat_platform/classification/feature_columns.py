"""Wide feature tables as matrices: floating-point columns by name, missing values as NaN."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from agristat_platform.classification.errors import FeatureMismatchError
from agristat_platform.classification.labels import listed
from agristat_platform.features import HISTORY_PREFIX


def feature_matrix(
    table: pa.Table, *, identifier: str, use_history: bool = False
) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
    """Floating-point columns of a wide table as (X float32 (n, p) with NaN, column names, identifiers).

    Parameters
    ----------
    use_history:
        Take the columns about crops of past seasons as well. They come from maps, whose errors a model would learn as
        rotation, and a first season has none: so they are left out unless somebody asks for them.

    Raises
    ------
    FeatureMismatchError
        No identifier column, no feature column, or an identifier twice.
    """
    if identifier not in table.column_names:
        raise FeatureMismatchError(f"feature table has no column {identifier}", where=listed(table.column_names))
    names = tuple(
        f.name
        for f in table.schema
        if f.name != identifier
        and pa.types.is_floating(f.type)
        and (use_history or not f.name.startswith(HISTORY_PREFIX))
    )
    if not names:
        raise FeatureMismatchError("feature table has no floating-point column", where=listed(table.column_names))
    identifiers = np.asarray(table.column(identifier).to_pylist())
    unique, counts = np.unique(identifiers, return_counts=True)
    if (counts > 1).any():
        raise FeatureMismatchError(
            f"{identifier} {listed(unique[counts > 1])} stands more than once in the feature table",
            remedy="Give one feature row for each",
        )
    return column_matrix(table, names), names, identifiers


def column_matrix(table: pa.Table, names: Collection[str]) -> np.ndarray:
    """The named columns as float32 (n, p); null and infinite values become NaN."""
    X = np.empty((table.num_rows, len(names)), dtype=np.float32)
    for j, name in enumerate(names):
        X[:, j] = table.column(name).cast(pa.float32()).to_numpy()
    X[~np.isfinite(X)] = np.nan
    return X
