"""Sampling designs and the seeded drawing of units. Probabilities are exact, draws repeatable.

A draw depends on the frame's content, the design and the seed, not on the order of the frame's rows, and what happens
in one stratum does not change the draw in another. Field work and non-response are not in here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from agristat_platform.sampling.errors import DesignError
from agristat_platform.sampling.frame import UNSTRATIFIED
from agristat_platform.sampling.probabilities import inclusion_probabilities
from agristat_platform.sampling.schemas import SAMPLE_SCHEMA

ROLE_ESTIMATE = "estimate"


@dataclass(frozen=True)
class SimpleRandom:
    """`n` units without replacement, all subsets alike; π = n/N."""

    n: int


@dataclass(frozen=True)
class StratifiedRandom:
    """Simple random samples without replacement, one per stratum; π = n_h/N_h.

    Attributes
    ----------
    sample_sizes:
        n_h by stratum; every stratum of the frame must be named (0 leaves one out and is refused: its units would
        have no chance of selection).
    """

    sample_sizes: Mapping[str, int]

    @classmethod
    def from_strata(cls, strata: pa.Table) -> StratifiedRandom:
        """The design of an allocated `STRATA_SCHEMA` table."""
        return cls(dict(zip(strata["stratum"].to_pylist(), strata["sample_size"].to_pylist(), strict=True)))


@dataclass(frozen=True)
class Systematic:
    """Every k-th unit along the frame's rows from `starts` random starts without replacement; π = starts/k.

    k = round(N starts / n) possible starts, so the sample has n units up to rounding; units of one start share a
    `draw_id`, which is the primary sampling unit of the random-starts variance.
    """

    n: int
    starts: int = 1


@dataclass(frozen=True)
class PPSSystematic:
    """`n` units with probability proportional to `size` along the frame's rows, one random start; π by
    `inclusion_probabilities`, certainty units taken first.

    Attributes
    ----------
    size:
        Name of the frame's column with the measure of size.
    """

    n: int
    size: str = "area_ha"


Design = SimpleRandom | StratifiedRandom | Systematic | PPSSystematic


def draw(frame: pa.Table, design: Design, *, seed: int) -> pa.Table:
    """Draw a probability sample.

    Parameters
    ----------
    frame:
        `FRAME_SCHEMA`; further columns are allowed (a measure of size).
    design:
        What to draw; see the design classes.
    seed:
        The only source of chance.

    Returns
    -------
    pyarrow.Table
        `SAMPLE_SCHEMA` sorted by stratum and order of selection; weight = 1/π, role "estimate".

    Raises
    ------
    DesignError
        Sample larger than the frame or a stratum, strata that do not match, a unit listed twice.
    """
    ordered = _ordered_frame(frame)
    if isinstance(design, StratifiedRandom):
        return _draw_stratified(ordered, design, seed)
    strata = ordered["stratum"].unique().to_pylist()
    if len(strata) > 1:
        raise DesignError(
            f"the frame has {len(strata)} strata and {type(design).__name__} selects across them",
            remedy="Use StratifiedRandom, or draw from the unstratified frame",
        )
    stratum = strata[0] if strata else UNSTRATIFIED
    rng = _generator(seed, stratum)
    if isinstance(design, SimpleRandom):
        _check_size(design.n, ordered.num_rows, stratum)
        chosen = rng.choice(ordered.num_rows, design.n, replace=False)
        return _sample(ordered, chosen, np.full(design.n, design.n / ordered.num_rows))
    if isinstance(design, Systematic):
        return _draw_systematic(ordered, design, rng)
    return _draw_pps_systematic(ordered, design, rng)


def _ordered_frame(frame: pa.Table) -> pa.Table:
    ordered = frame.sort_by([("stratum", "ascending"), ("row", "ascending"), ("col", "ascending")])
    ids = ordered["unit_id"]
    if len(ids.unique()) != len(ids):
        counts = ids.value_counts().to_pylist()
        twice = min(c["values"] for c in counts if c["counts"] > 1)
        raise DesignError(f"unit {twice} stands more than once in the frame", remedy="A unit has one row")
    return ordered


def _generator(seed: int, stratum: str) -> np.random.Generator:
    name = int.from_bytes(hashlib.sha256(stratum.encode()).digest()[:8], "little")
    return np.random.default_rng(np.random.SeedSequence([seed, name]))


def _check_size(n: int, population: int, stratum: str) -> None:
    if not 1 <= n <= population:
        raise DesignError(
            f"sample size {n} is outside 1 … {population} units of stratum {stratum!r}",
            remedy="Every unit of the frame needs a chance of selection, and no more units than there are can be drawn",
        )


def _draw_stratified(frame: pa.Table, design: StratifiedRandom, seed: int) -> pa.Table:
    strata = np.asarray(frame["stratum"].to_pylist(), dtype=np.str_)
    names = np.unique(strata).tolist()
    unmatched = sorted(set(names) ^ set(design.sample_sizes))
    if unmatched:
        raise DesignError(
            f"stratum {unmatched[0]!r} is not in both the frame and the design",
            where=f"frame: {', '.join(names)}; design: {', '.join(sorted(design.sample_sizes))}",
        )
    chosen: list[NDArray[np.int64]] = []
    probability: list[NDArray[np.float64]] = []
    for name in names:
        members = np.flatnonzero(strata == name)
        n = int(design.sample_sizes[name])
        _check_size(n, members.size, name)
        chosen.append(members[_generator(seed, name).choice(members.size, n, replace=False)])
        probability.append(np.full(n, n / members.size))
    return _sample(frame, np.concatenate(chosen), np.concatenate(probability))


def _draw_systematic(frame: pa.Table, design: Systematic, rng: np.random.Generator) -> pa.Table:
    population = frame.num_rows
    _check_size(design.n, population, frame["stratum"][0].as_py() if population else UNSTRATIFIED)
    possible = round(population * design.starts / design.n)
    if not 1 <= design.starts <= possible:
        raise DesignError(f"{design.starts} random starts out of {possible} possible ones", where="starts")
    starts = np.sort(rng.choice(possible, design.starts, replace=False))
    chosen = [np.arange(s, population, possible) for s in starts]
    draw_id = np.concatenate([np.full(c.size, r + 1) for r, c in enumerate(chosen)])
    units = np.concatenate(chosen)
    return _sample(frame, units, np.full(units.size, design.starts / possible), draw_id)


def _draw_pps_systematic(frame: pa.Table, design: PPSSystematic, rng: np.random.Generator) -> pa.Table:
    if design.size not in frame.column_names:
        raise DesignError(f"the frame has no column {design.size!r} for the measure of size", where="size")
    size = frame[design.size].to_numpy().astype(np.float64)
    probability = inclusion_probabilities(size, design.n)
    certain = np.flatnonzero(probability == 1.0)
    rest = np.flatnonzero(probability < 1.0)
    left = design.n - certain.size
    chosen = certain
    if left:
        reach = np.cumsum(size[rest])
        points = (rng.random() + np.arange(left)) * (reach[-1] / left)
        picked = np.minimum(np.searchsorted(reach, points, side="right"), rest.size - 1)
        chosen = np.concatenate([certain, rest[picked]])
    return _sample(frame, chosen, probability[chosen])


def _sample(
    frame: pa.Table,
    chosen: NDArray[np.int64],
    probability: NDArray[np.float64],
    draw_id: NDArray[np.int64] | None = None,
) -> pa.Table:
    order = np.arange(1, chosen.size + 1, dtype=np.int32)
    rows = frame.take(pa.array(chosen))
    draws = order if draw_id is None else draw_id.astype(np.int32)
    return pa.table(
        [
            rows["unit_id"].combine_chunks(),
            pa.array(draws, pa.int32()),
            rows["stratum"].combine_chunks(),
            pa.array(probability),
            pa.array(1.0 / probability),
            pa.array([ROLE_ESTIMATE] * chosen.size, pa.string()),
            pa.array(order),
            rows["area_ha"].combine_chunks(),
        ],
        schema=SAMPLE_SCHEMA,
    )
