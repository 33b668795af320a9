"""Reading variables and labels out of whatever table a caller brings, with errors that name column and unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from agristat_platform.estimation.errors import MissingValueError, UnknownColumnError

Columnar = Any
"""A pyarrow table, a pandas frame or a mapping of column names to arrays."""


class Columns:
    """Column access over a pyarrow table, a pandas frame or a mapping; rows are named by `unit_id` where there is one."""

    def __init__(self, data: Columnar) -> None:
        self._data = data
        self.names: list[str] = list(data.column_names) if isinstance(data, pa.Table) else [str(name) for name in data]
        self.n = data.num_rows if isinstance(data, pa.Table) else len(data[self.names[0]]) if self.names else 0

    def arrow(self, source: str | Any) -> pa.Array:
        """A column by name, or an array brought along, as one arrow array of n values."""
        values = self._by_name(source) if isinstance(source, str) else source
        array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks)
        if not isinstance(array, pa.Array):
            array = pa.array(np.asarray(array), from_pandas=True)
        if len(array) != self.n:
            raise UnknownColumnError(f"{len(array)} values for {self.n} sample rows", where=_label(source))
        return array

    def numbers(self, source: str | Any) -> NDArray[np.float64]:
        """As float64, missing as NaN."""
        if isinstance(source, np.ndarray) and source.shape == (self.n,) and source.dtype.kind in "fiub":
            return source.astype(np.float64, copy=False)
        array = self.arrow(source)
        if pa.types.is_boolean(array.type):
            array = array.cast(pa.int8())
        return np.asarray(array.cast(pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)

    def labels(self, source: str | Any) -> tuple[NDArray[np.int64], list[str]]:
        """Codes 0…k-1 and their labels in sorted order; a missing label is an error."""
        array = self.arrow(source)
        if array.null_count:
            row = int(np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0])
            raise MissingValueError(f"{_label(source)} is missing", where=self.row_name(row))
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        values = encoded.dictionary
        order = pc.sort_indices(values).to_numpy()
        rank = np.empty(order.size, np.int64)
        rank[order] = np.arange(order.size)
        codes = rank[encoded.indices.to_numpy(zero_copy_only=False)]
        return codes, [str(value) for value in values.take(pa.array(order)).to_pylist()]

    def row_name(self, row: int) -> str:
        """`row 3, unit E0012N0034`, for messages."""
        if "unit_id" in self.names:
            return f"row {row}, unit {self.arrow('unit_id')[row].as_py()}"
        return f"row {row}"

    def variables(
        self, source: str | Sequence[str] | Mapping[str, Any] | NDArray[Any]
    ) -> dict[str, NDArray[np.float64]]:
        """Named numeric variables from a column name, several names, or a mapping of names to arrays."""
        if isinstance(source, str):
            return {source: self.numbers(source)}
        if isinstance(source, Mapping):
            return {str(name): self.numbers(values) for name, values in source.items()}
        if isinstance(source, (list, tuple)) and all(isinstance(name, str) for name in source):
            return {name: self.numbers(name) for name in source}
        return {"y": self.numbers(source)}

    def domains(self, by: str | Sequence[str] | Any) -> tuple[NDArray[np.int64], list[str]]:
        """Domain codes and labels; several columns are crossed, their labels joined by "|"."""
        if not (isinstance(by, (list, tuple)) and by and all(isinstance(name, str) for name in by)):
            return self.labels(by)
        codes, labels = self.labels(by[0])
        for name in by[1:]:
            inner, inner_labels = self.labels(name)
            crossed = codes * len(inner_labels) + inner
            present, codes = np.unique(crossed, return_inverse=True)
            labels = [
                f"{labels[k // len(inner_labels)]}|{inner_labels[k % len(inner_labels)]}" for k in present.tolist()
            ]
        return codes, labels

    def require(self, values: NDArray[np.float64], name: str) -> None:
        """Raise on the first value that is missing or infinite."""
        if np.isfinite(values.sum()):
            return
        missing = np.flatnonzero(~np.isfinite(values))
        if missing.size:
            raise MissingValueError(
                f"{name} is missing or infinite in {missing.size} row(s)",
                where=self.row_name(int(missing[0])),
                remedy="Complete the data, or ask for missing='drop', which is counted and recorded",
            )

    def _by_name(self, name: str) -> Any:
        if name not in self.names:
            raise UnknownColumnError(f"column {name!r} is not in the sample", where=f"it has {', '.join(self.names)}")
        return self._data[name]


def _label(source: Any) -> str:
    return f"column {source!r}" if isinstance(source, str) else "an array given in the call"
