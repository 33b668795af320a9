"""Layers of stored composites as the science functions take them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from agristat_platform import imagery
from resources.storage import StoredVersion


def layer_rows_reader(
    composites: StoredVersion,
) -> Callable[[Sequence[dict[str, Any]], slice], Iterator[npt.NDArray[np.float32]]]:
    """Physical values of rows of the layers table within some rows of the grid; of a file read at once, nothing is kept."""
    path = cache(composites.path)  # compared with its hash once, not at every strip

    def read(layers: Sequence[dict[str, Any]], rows: slice) -> Iterator[npt.NDArray[np.float32]]:
        for file, of_file in groupby(layers, key=lambda row: row["file"]):
            yield from imagery.read_layers(path(file), list(of_file), rows)

    return read


def folder_of(version: StoredVersion, names: Sequence[str]) -> Path:
    """The local folder in which the named files of a version lie, each compared with its recorded hash."""
    folders = {version.path(name).parent for name in names}
    if len(folders) != 1:
        raise ValueError(f"files of {version.asset} lie in different folders: {sorted(map(str, folders))}")
    return folders.pop()
