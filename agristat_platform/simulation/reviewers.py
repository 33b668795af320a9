"""Reviewers of a simulated region: they see the truth, err at a stated rate, and sign what they decide.

What a decision is, and what becomes of it, is the business of `classification.review`.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from agristat_platform.catalogue import Region, SimulatedReviewers
from agristat_platform.classification import review
from agristat_platform.geometry import read_geometry
from agristat_platform.simulation.errors import NotSimulatedError
from agristat_platform.simulation.seeding import generator
from agristat_platform.simulation.truth import true_parcels

REVIEWERS = ("simulated reviewer A", "simulated reviewer B")
SUPERVISOR = "simulated supervisor"
MIXED_BELOW = 0.6
"""Share of the parcel from which on its main crop is its crop."""
_FIRST_DAY, _DAYS, _HOURS = 7, 14, 9


def simulate_decisions(
    archive_dir: Path, region: Region, season: str, parcels: pa.Table, *, sample: str | None = None
) -> pa.Table:
    """What the simulated reviewers decide on drawn parcels, in the rounds that it takes.

    A parcel's crop is the true crop of most of its ground; with less than `MIXED_BELOW` of it the parcel is mixed, and without any
    simulated ground it is none. `review.reviewers` of the region says how often they err, can't tell, and are two; where two differ
    the supervisor decides in a second round. Each parcel has random numbers of its own, so that a decision doesn't depend on what else
    was drawn.

    Parameters
    ----------
    parcels:
        `segment_id`, `purpose` (audit, learning) and `geometry` (WKB polygons, the region's CRS).
    sample:
        `classification.review.sample_name` of the sample they belong to.

    Returns
    -------
    pyarrow.Table
        `classification.review.DECISIONS_SCHEMA`, by parcel, round and reviewer.

    Raises
    ------
    NotSimulatedError
        The region has no simulation settings.
    LandscapeNotPreparedError
        The season's truth isn't in the archive.
    """
    if region.simulation is None:
        raise NotSimulatedError(f"region {region.code} is not simulated", remedy="Read its decisions from a file")
    truth = true_parcels(archive_dir, region, season)
    codes = sorted(set(truth["crop_code"].to_pylist()))
    shares = _shares(truth, codes, read_geometry(parcels))
    opened = datetime.combine(region.season(season).end, time(_HOURS), UTC) + timedelta(days=_FIRST_DAY)
    rows: list[dict[str, Any]] = []
    numbers = parcels["segment_id"].to_pylist()
    for parcel, purpose, share in zip(numbers, parcels["purpose"].to_pylist(), shares, strict=True):
        random = generator(region.simulation.seed, "review", season, parcel)
        for who, turn, said, minutes in _words(region.review.reviewers, random, _seen(share, codes), codes):
            rows.append(
                {
                    "segment_id": parcel,
                    "decision": said,
                    "decided_by": who,
                    "decided_at": opened + timedelta(minutes=minutes),
                    "round": turn,
                    "drawn_for": purpose,
                    "note": "SIMULATED",
                    "sample": sample,
                }
            )
    rows.sort(key=lambda row: (row["segment_id"], row["round"], row["decided_by"]))
    return pa.Table.from_pylist(rows, schema=review.DECISIONS_SCHEMA)


def _shares(truth: pa.Table, codes: list[str], shapes: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    """Share of each parcel's ground under each true crop, (parcels, codes)."""
    ground = read_geometry(truth)
    crop = np.array([codes.index(code) for code in truth["crop_code"].to_pylist()])
    parcel, piece = shapely.STRtree(ground).query(shapes, predicate="intersects")
    areas = shapely.area(shapely.intersection(shapes[parcel], ground[piece]))
    under = np.zeros((len(shapes), len(codes)))
    np.add.at(under, (parcel, crop[piece]), areas)
    return np.asarray(under / shapely.area(shapes)[:, None])


def _seen(share: npt.NDArray[np.float64], codes: list[str]) -> str:
    whole = float(share.sum())
    if whole < 1 - MIXED_BELOW:
        return review.NOT_A_PARCEL
    return codes[int(share.argmax())] if share.max() >= MIXED_BELOW * whole else review.MIXED


def _words(
    habits: SimulatedReviewers, random: np.random.Generator, truth: str, codes: list[str]
) -> list[tuple[str, int, str, int]]:
    """Who decides what in which round, and how many minutes after the review was opened."""

    def word() -> str:
        luck, other = random.random(), int(random.integers(max(len(codes) - 1, 1)))
        if luck < habits.unknown_share:
            return review.UNKNOWN
        wrong = luck < habits.unknown_share + habits.error_rate
        others = [code for code in codes if code != truth]
        return others[other % len(others)] if wrong and others else truth

    first = int(random.integers(len(REVIEWERS)))
    minutes = int(random.integers(_DAYS * 24 * 60))
    said = [(REVIEWERS[first], 1, word(), minutes)]
    if random.random() < habits.second_opinions:
        said.append((REVIEWERS[1 - first], 1, word(), minutes + 60))
        if said[0][2] != said[1][2]:
            said.append((SUPERVISOR, 2, word(), _DAYS * 24 * 60 + minutes))
    return said
