"""Small pictures of composites for people to look at; nothing is computed from them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from agristat_platform.imagery.errors import UnknownBandError
from agristat_platform.imagery.layers import read_layers

LONGEST_SIDE = 640
SIMULATED = "simulated data"

# Red, green and blue of the picture, first choice first: true colour, then near infrared, then what there is.
PICTURES: tuple[tuple[str, str, str], ...] = (
    ("B04", "B03", "B02"),
    ("B08", "B04", "B03"),
    ("red", "green", "blue"),
    ("swir16", "nir08", "red"),
    ("ndvi", "ndvi", "ndvi"),
    ("VV", "VH", "VV"),
)


def quicklook(
    folder: Path,
    layers: pa.Table,
    *,
    bands: tuple[str, str, str] | None = None,
    interval: int | None = None,
    simulated: bool = False,
    part: tuple[slice, slice] | None = None,
) -> bytes:
    """PNG of one interval of the composites, at most 640 pixels a side.

    Parameters
    ----------
    folder:
        Where the files of the layers table lie.
    layers:
        LAYERS_SCHEMA.
    bands:
        Red, green, blue; None: the first of PICTURES that the layers have.
    interval:
        Number of the interval; None: the one with most valid pixels (the first of equals).
    simulated:
        Write "simulated data" into the picture, which also names its interval and statistic where there is room.
    part:
        Rows and columns of the grid to show, with starts and stops; None: all of it.

    Returns
    -------
    Bytes of a PNG with transparent missing pixels, stretched between the 2nd and 98th percentile of each band; the same
    composites give the same bytes.

    Raises
    ------
    UnknownBandError
    """
    rows = [row for row in layers.to_pylist() if row["interval"] > 0]
    chosen = bands or _first_available({row["band"] for row in rows})
    candidates = [row for row in rows if row["band"] in chosen]
    if interval is None:
        interval = _clearest(candidates, set(chosen))
    picked: dict[str, Mapping[str, Any]] = {}
    for row in candidates:
        if row["interval"] == interval:
            picked.setdefault(row["band"], row)  # of two orbit directions the first
    absent = sorted(set(chosen) - set(picked))
    if absent:
        raise UnknownBandError(
            f"no layer {', '.join(absent)} in interval {interval}", where=str(folder), remedy="See the layers table"
        )
    values = np.stack([_values(folder, picked[band], part) for band in chosen])
    first = picked[chosen[0]]
    said = f"{first['interval_start']} to {first['interval_end'] - timedelta(days=1)}, {first['statistic']}"
    return _png(values, f"{SIMULATED}, {said}" if simulated else said)


def _first_available(bands: set[str]) -> tuple[str, str, str]:
    for picture in PICTURES:
        if set(picture) <= bands:
            return picture
    only = sorted(bands)[0]
    return (only, only, only)


def _clearest(rows: Sequence[Mapping[str, Any]], bands: set[str]) -> int:
    """Interval whose least complete band is the most complete."""
    intervals = sorted({int(row["interval"]) for row in rows})
    shares = {
        number: min((row["valid_share"] for row in rows if row["interval"] == number), default=0.0)
        for number in intervals
    }
    if not shares:
        raise UnknownBandError(f"no layer {', '.join(sorted(bands))}", remedy="See the layers table")
    return max(intervals, key=lambda number: (shares[number], -number))


def _values(folder: Path, row: Mapping[str, Any], part: tuple[slice, slice] | None) -> NDArray[np.float32]:
    if part is None:
        values = read_layers(folder / row["file"], [row], most_pixels=LONGEST_SIDE)[0]
    else:
        step = -(-max(side.stop - side.start for side in part) // LONGEST_SIDE)
        values = read_layers(folder / row["file"], [row], part[0])[0][::step, part[1]][:, ::step]
    if row["unit"].startswith("linear power"):
        values = (10 * np.log10(np.maximum(values, 1e-6))).astype(np.float32)
    return values


def _png(values: NDArray[np.float32], note: str) -> bytes:
    picture = np.zeros((*values.shape[1:], 4), np.uint8)
    seen = np.isfinite(values).all(axis=0)
    for channel in range(3):
        band = values[channel]
        if seen.any():
            low, high = np.percentile(band[seen], (2, 98))
            stretched = (np.where(seen, band, low) - low) / max(high - low, 1e-6)
            picture[..., channel] = np.rint(np.clip(stretched, 0, 1) * 255)
    picture[..., 3] = np.where(seen, 255, 0)
    buffer = io.BytesIO()
    image = Image.fromarray(picture, "RGBA")
    pen = ImageDraw.Draw(image)
    box = pen.textbbox((4, 2), note)
    if note.startswith(SIMULATED) or box[2] < image.width / 2:
        pen.rectangle((0, 0, box[2] + 4, box[3] + 3), fill=(255, 255, 255, 255))
        pen.text((4, 2), note, fill=(160, 0, 0, 255))
    image.save(buffer, format="PNG", optimize=False, compress_level=6)
    return buffer.getvalue()
