"""Which segment a label belongs to: largest overlap for polygons, containment for points."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

import numpy as np
import shapely

from agristat_platform.classification.labels import listed

Dropped = tuple[str, str | None, str, str | None]


class LabelMatch(NamedTuple):
    """Label (row index) and its segment; `cover` is the share of the segment that labels of the crop cover."""

    label: int
    segment_id: int
    cover: float


class _Hit(NamedTuple):
    label: int
    segment: int
    area: float
    inside: float
    point: bool


def match_labels(
    label_ids: list[str],
    codes: list[str],
    labels: np.ndarray,
    segment_ids: np.ndarray,
    segments: np.ndarray,
    *,
    min_purity: float,
    min_cover: float,
    min_inside: float,
) -> tuple[list[LabelMatch], list[Dropped]]:
    """Assign labels to segments and say why each of the others wasn't.

    Parameters
    ----------
    label_ids, codes, labels:
        Identifier, crop code and shapely geometry of each label.
    segment_ids, segments:
        Identifier and shapely polygon of each segment.
    min_purity:
        Smallest share of a segment's labelled area that must be of one crop. With points alone, of its points.
    min_cover:
        Smallest share of the segment that polygons of this crop must cover, unless the label lies inside it:
    min_inside:
        A label with at least this share of its own area in the segment teaches it whatever the cover: large homogeneous
        segments (woodland, water, pasture) hold many parcels, and one of them tells what they are.

    Returns
    -------
    tuple
        Matches in the order of labels, at most one for each segment, and `(label_id, code, reason, detail)` of the
        rest; reasons are no_segment, conflicting_crops, low_cover and same_segment.
    """
    hits = _hits(labels, segments)
    home = _largest_overlap(hits)
    evidence = _crop_evidence(hits, codes, segments)
    taken: dict[int, int] = {}
    matches: list[LabelMatch] = []
    dropped: list[Dropped] = []
    for label, (name, code) in enumerate(zip(label_ids, codes, strict=True)):
        hit = home.get(label)
        if hit is None:
            dropped.append((name, code, "no_segment", None))
            continue
        segment = int(segment_ids[hit.segment])
        by_crop = evidence[hit.segment]
        purity = by_crop[code] / sum(by_crop.values())
        cover = 1.0 if hit.point else min(by_crop[code], 1.0)
        if purity < min_purity:
            others = listed(sorted(by_crop))
            dropped.append((name, code, "conflicting_crops", f"segment {segment}: {others}, purity {purity:.2f}"))
        elif cover < min_cover and hit.inside < min_inside:
            dropped.append((name, code, "low_cover", f"segment {segment}: {cover:.2f} covered"))
        elif hit.segment in taken:
            first = label_ids[taken[hit.segment]]
            dropped.append((name, code, "same_segment", f"segment {segment} is taught by {first}"))
        else:
            taken[hit.segment] = label
            matches.append(LabelMatch(label, segment, cover))
    return matches, dropped


def _hits(labels: np.ndarray, segments: np.ndarray) -> list[_Hit]:
    tree = shapely.STRtree(segments)
    points = shapely.get_dimensions(labels) == 0
    label_index, segment_index = tree.query(labels, predicate="intersects")
    # The tree's order is its own affair; sorting makes ties fall the same way every time.
    order = np.lexsort((segment_index, label_index))
    label_index, segment_index = label_index[order], segment_index[order]
    areas = np.zeros(len(label_index))
    polygons = ~points[label_index]
    overlap = shapely.intersection(labels[label_index[polygons]], segments[segment_index[polygons]])
    areas[polygons] = shapely.area(overlap)
    inside = np.ones(len(label_index))
    inside[polygons] = areas[polygons] / np.maximum(shapely.area(labels[label_index[polygons]]), 1e-12)
    return [
        _Hit(int(label), int(segment), float(area), float(share), bool(points[label]))
        for label, segment, area, share in zip(label_index, segment_index, areas, inside, strict=True)
        if points[label] or area > 0
    ]


def _largest_overlap(hits: list[_Hit]) -> dict[int, _Hit]:
    home: dict[int, _Hit] = {}
    for hit in hits:
        if hit.label not in home or hit.area > home[hit.label].area:
            home[hit.label] = hit
    return home


def _crop_evidence(hits: list[_Hit], codes: list[str], segments: np.ndarray) -> dict[int, dict[str, float]]:
    """For each segment, the share of its area that each crop's labels cover; points alone count equally."""
    evidence: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    points: dict[int, list[str]] = defaultdict(list)
    size = shapely.area(segments)
    for hit in hits:
        if hit.point:
            points[hit.segment].append(codes[hit.label])
        else:
            evidence[hit.segment][codes[hit.label]] += hit.area / size[hit.segment]
    for segment, crops in points.items():
        # A point has no area. Beside polygons it weighs as much as the whole segment shared among the points.
        for code in crops:
            evidence[segment][code] += 1.0 / len(crops)
    return evidence
