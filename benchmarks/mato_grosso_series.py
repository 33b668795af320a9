"""The 2,115 labelled MODIS series of Mato Grosso, read for the benchmarks beside this file; imported by them, not run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

LAYERS = ("blue", "red", "nir", "mir", "ndvi", "evi")
CELL_DEGREES = 0.5


@dataclass(frozen=True)
class LabelledSeries:
    """Samples n; `places` are names of cells of half a degree, `seasons` the years in which they start."""

    series: np.ndarray  # (n, steps, layers) float64
    labels: np.ndarray
    seasons: np.ndarray
    places: np.ndarray


def read() -> LabelledSeries:
    """All samples, by sample_id."""
    path = Path(os.environ.get("AGRISTAT_REAL_DATA", "../shared/data")) / "mato_grosso_modis" / "series.parquet"
    if not path.is_file():
        raise SystemExit(f"{path} isn't there: set AGRISTAT_REAL_DATA to the folder with the real data")
    table = pq.read_table(path).sort_by([("sample_id", "ascending"), ("step", "ascending")])
    steps = len(np.unique(np.asarray(table["step"])))
    series = np.stack([np.asarray(table[layer]) for layer in LAYERS], axis=1).reshape(-1, steps, len(LAYERS))
    lon, lat = (np.floor(np.asarray(table[name])[::steps] / CELL_DEGREES) for name in ("longitude", "latitude"))
    places = np.array([f"{x:.0f} {y:.0f}" for x, y in zip(lon, lat, strict=True)])
    labels = np.array(table["label"].to_pylist()[::steps])
    return LabelledSeries(series, labels, np.asarray(table["season_start_year"])[::steps], places)
