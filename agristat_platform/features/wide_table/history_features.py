"""What grew on a segment's ground, and on that of its neighbours, one and two years before.

Belongs here: columns made from crop maps of past seasons laid over this season's segments. So they are right whatever became
of outlines; whether a segment is still the parcel of the year before is told beside them, from `segmentation`'s links.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.features.errors import SegmentMismatchError
from agristat_platform.features.wide_table.dictionary import Feature
from agristat_platform.segmentation import IDENTITIES, count_file_overlaps, file_neighbours

HISTORY_PREFIX = "history_"
"""Beginning of the names of all columns made here."""

YEARS_BACK = (1, 2)
"""Years before whose homologous season is looked at."""

_SOURCE = "past crop_maps"


@dataclass(frozen=True)
class _Ground:
    """Pixels of segments, and how many of them a past map gives each class."""

    place: npt.NDArray[np.intp]
    class_id: npt.NDArray[np.uint32]
    pixels: npt.NDArray[np.int64]
    size: int

    def of_class(self, class_id: int) -> npt.NDArray[np.float64]:
        """(segments,) pixels of the class."""
        return self._counted(self.class_id == class_id)

    def mapped(self) -> npt.NDArray[np.float64]:
        """(segments,) pixels of any class."""
        return self._counted(self.class_id > 0)

    def all(self) -> npt.NDArray[np.float64]:
        """(segments,) pixels."""
        return self._counted(np.ones(len(self.place), np.bool_))

    def _counted(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        return np.bincount(self.place[rows], weights=self.pixels[rows], minlength=self.size).astype(np.float64)


def history_features(
    segment_ids: npt.NDArray[np.uint32],
    labels: Path,
    past_maps: Mapping[int, Path],
    nomenclature: CropNomenclature,
    identities: pa.Table | None = None,
) -> Iterator[Feature]:
    """Columns about the crops of past seasons, one after the other.

    The columns are the same in every season, so that a model of one can be used in another: of a year without a map all
    but `history_y<k>_known`, which is then 0, are missing. Shares are of all pixels of a segment, or of all its neighbours
    together, so they add up to the share that the map covered; a class of the past map that the nomenclature no longer has
    counts there and nowhere else.

    Parameters
    ----------
    segment_ids:
        (n,) in any order, which is that of the values.
    labels:
        Label raster of the segments.
    past_maps:
        By years before (`YEARS_BACK`) the crop map, class numbers with 0 = nodata, on the grid of the labels.
    nomenclature:
        Its crops, in order, give the columns.
    identities:
        `segmentation.segment_identities` with regard to the homologous season before, or None where there is none.

    Raises
    ------
    segmentation.LabelGridError
        A past map lies on another grid.
    SegmentMismatchError
        Labels, features and identities are of different segments.
    """
    ids = np.asarray(segment_ids, np.uint32)
    order = np.argsort(ids, kind="stable")
    places = np.empty(len(ids), np.intp)
    places[order] = np.arange(len(ids))
    for feature in _sorted_features(ids[order], labels, past_maps, nomenclature, identities):
        yield replace(feature, values=feature.values[places])


def _sorted_features(
    ids: npt.NDArray[np.uint32],
    labels: Path,
    past_maps: Mapping[int, Path],
    nomenclature: CropNomenclature,
    identities: pa.Table | None,
) -> Iterator[Feature]:
    """The columns in the order of rising segment numbers."""
    pairs = _neighbour_places(labels, ids) if past_maps else None
    for years in YEARS_BACK:
        ground = _ground(past_maps[years], labels, ids) if years in past_maps else None
        yield from _year_features(years, ground, pairs, nomenclature, len(ids))
    yield from _identity_features(identities, ids)


def _year_features(
    years: int,
    ground: _Ground | None,
    pairs: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None,
    nomenclature: CropNomenclature,
    size: int,
) -> Iterator[Feature]:
    """The columns of one past season, NaN but for the first where there is no map."""
    when = f"{years} year{'s' if years > 1 else ''} before"
    stem = f"{HISTORY_PREFIX}y{years}"
    known = np.full(size, float(ground is not None), np.float32)
    yield Feature(
        f"{stem}_known", _SOURCE, "any", None, None, f"1 where there is a crop map of {when}, else 0", "1", known
    )
    nothing = np.full(size, np.nan, np.float32)
    for whose, of in (("", "the segment's pixels"), ("neighbours_", "the pixels of adjacent segments")):
        whole = nothing if ground is None else _around(ground.all(), pairs, whose)
        for code, name in (("any", "mapped_share"), *((c.code, f"share_{c.code.lower()}") for c in nomenclature.crops)):
            values = nothing
            if ground is not None:
                counted = ground.mapped() if code == "any" else ground.of_class(nomenclature.by_code(code).class_id)
                values = _quotient(_around(counted, pairs, whose), whole)
            what = "a class" if code == "any" else f"class {code}"
            formula = f"share of {of} that the crop map of {when} gives {what}"
            yield Feature(f"{stem}_{whose}{name}", _SOURCE, code, None, "share", formula, "1", values)


def _identity_features(
    identities: pa.Table | None, ids: npt.NDArray[np.uint32]
) -> Iterator[Feature]:  # fmt: skip
    """1 in the column of what the segment is with regard to the season before."""
    identity = None
    if identities is not None:
        if not np.array_equal(np.sort(identities["segment_id"].to_numpy()), ids):
            raise SegmentMismatchError(
                f"there are identities of {identities.num_rows} segments and features of {len(ids)}, not the same",
                remedy="Materialise features for the current segments",
            )
        order = np.argsort(identities["segment_id"].to_numpy())
        identity = np.array(identities["identity"].to_pylist(), dtype=object)[order]
    for name in IDENTITIES:
        values = np.full(len(ids), np.nan, np.float32) if identity is None else (identity == name).astype(np.float32)
        formula = f"1 where the segment is {name} with regard to those of the season a year before, else 0"
        yield Feature(f"{HISTORY_PREFIX}identity_{name}", "segments", "any", None, None, formula, "1", values)


def _ground(past_map: Path, labels: Path, ids: npt.NDArray[np.uint32]) -> _Ground:
    """The past map's classes within each segment; `ids` ascending."""
    class_id, segment, pixels = count_file_overlaps(past_map, labels)
    inside = segment > 0
    place = _places(segment[inside], ids)
    return _Ground(place, class_id[inside], pixels[inside], len(ids))


def _neighbour_places(labels: Path, ids: npt.NDArray[np.uint32]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    one, other, _ = file_neighbours(labels)
    return _places(one, ids), _places(other, ids)


def _places(segments: npt.NDArray[np.uint32], ids: npt.NDArray[np.uint32]) -> npt.NDArray[np.intp]:
    places = np.minimum(np.searchsorted(ids, segments), max(0, len(ids) - 1))
    if len(segments) and (len(ids) == 0 or (ids[places] != segments).any()):
        raise SegmentMismatchError(
            f"the label raster has segments of which there are no features, {len(ids)} have some",
            remedy="Use labels and features of one version of `segments`",
        )
    return np.asarray(places, np.intp)


def _around(
    counted: npt.NDArray[np.float64], pairs: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None, whose: str
) -> npt.NDArray[np.float64]:
    """A count of each segment itself, or its sum over the segments adjacent to each."""
    if not whose or pairs is None:
        return counted
    one, other = pairs
    size = len(counted)
    around = np.bincount(one, weights=counted[other], minlength=size).astype(np.float64)
    around += np.bincount(other, weights=counted[one], minlength=size)
    return around


def _quotient(part: npt.NDArray[np.float64], whole: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """part / whole, NaN where there is nothing to be a part of (a segment without neighbours)."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0).astype(np.float32)
