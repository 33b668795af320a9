"""The sample design: what an estimator must know about how units got into the sample.

Selection, estimator and variance estimator are kept apart: this module holds the first, `expansion` and `regression`
the second, `variance` the third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from agristat_platform.estimation.columns import Columnar, Columns
from agristat_platform.estimation.errors import (
    EstimationError,
    InvalidProbabilityError,
    InvalidWeightError,
    OverSampledStratumError,
    PopulationTotalsError,
    PsuInTwoStrataError,
)

Selection = Literal["srs", "systematic", "pps_systematic", "with_replacement"]
LonelyPsu = Literal["fail", "remove", "adjust", "average", "certainty"]
_CERTAINTY = " [certainty]"


@dataclass(frozen=True)
class Stage:
    """One stage of a multi-stage selection.

    Attributes
    ----------
    unit:
        Column (or array) that names the unit selected at this stage.
    stratum:
        Column of the strata within which it was selected; None for none.
    population_size:
        Units in the stratum at this stage: column, array, mapping by stratum or one number; None for no finite
        population correction.
    """

    unit: Any
    stratum: Any = None
    population_size: Any = None


@dataclass(frozen=True)
class StageCodes:
    """A stage as integers. `population` (per stratum) is NaN where there is no finite population correction."""

    row_unit: NDArray[np.int64]
    unit_stratum: NDArray[np.int64]
    stratum_labels: list[str]
    drawn: NDArray[np.int64]
    population: NDArray[np.float64]
    unit_is_row: bool

    @property
    def unsampled_share(self) -> NDArray[np.float64]:
        """1 − n_h/N_h per stratum, 1 without finite population correction."""
        return np.where(np.isnan(self.population), 1.0, 1.0 - self.drawn / self.population)


class SampleDesign:
    """A sample with its weights, strata and primary sampling units.

    Parameters
    ----------
    data:
        Sample rows: pyarrow table, pandas frame or mapping of arrays. Column arguments below are names in it or
        arrays as long as it.
    weight, probability:
        w or π; one is enough (w = 1/π). With neither, w = N_h/n_h from `population_size`.
    stratum, psu:
        Strata and primary sampling units of the first stage; each row is its own PSU by default.
    draw:
        Id of the draw: the PSU of a selection with replacement (a unit hit twice is two draws), and the random start
        of a systematic one.
    population_size:
        PSUs in the stratum (N_h): column, array, mapping by stratum or one number. None: no finite population
        correction.
    stages:
        `Stage`s in order instead of `psu`, `stratum`, `population_size`, when later stages are to enter the variance.
    selection:
        "srs" (simple or stratified random without replacement), "systematic", "pps_systematic" (variance as with
        replacement, units of π = 1 set apart), "with_replacement".
    lonely_psu:
        A stratum with a single PSU: "fail" raises; "remove" and "certainty" give it no variance; "adjust" takes its
        weighted total uncentred; "average" the mean of the other strata.
    adjust_lonely_domains:
        The same "adjust" for strata with a single PSU inside a domain.

    Raises
    ------
    InvalidWeightError, InvalidProbabilityError, OverSampledStratumError, PsuInTwoStrataError, MissingValueError
        Naming unit or stratum.

    Notes
    -----
    Domains are a property of estimation (`by=`), never of cutting the data down: a cut sample has lost part of its
    design.
    """

    def __init__(
        self,
        data: Columnar,
        *,
        weight: Any = None,
        probability: Any = None,
        stratum: Any = None,
        psu: Any = None,
        draw: Any = None,
        population_size: Any = None,
        stages: Sequence[Stage] | None = None,
        selection: Selection = "srs",
        lonely_psu: LonelyPsu = "fail",
        adjust_lonely_domains: bool = False,
    ) -> None:
        self.columns = Columns(data)
        self.n = self.columns.n
        self.selection = _one_of(selection, get_args(Selection), "selection")
        self.lonely_psu = _one_of(lonely_psu, get_args(LonelyPsu), "lonely_psu")
        self.adjust_lonely_domains = adjust_lonely_domains
        if self.n == 0:
            raise EstimationError("the sample has no rows")
        if stages is not None and (psu is not None or stratum is not None or population_size is not None):
            raise EstimationError("give either `stages` or `psu`, `stratum` and `population_size`")
        probabilities = None if probability is None else self._probabilities(probability)
        first = stages[0] if stages else Stage(self._first_unit(psu, draw), stratum, population_size)
        self.stages = self._encode_stages([first, *(stages[1:] if stages else [])], probabilities)
        self.weight = self._weights(weight, probabilities)
        self.draw = None if draw is None else self.columns.labels(draw)[0]

    @property
    def psus(self) -> int:
        """Primary sampling units in the sample."""
        return int(self.stages[0].unit_stratum.size)

    @property
    def strata(self) -> list[str]:
        """Labels of the first-stage strata."""
        return self.stages[0].stratum_labels

    @property
    def row_stratum(self) -> NDArray[np.int64]:
        """Stratum code of each row."""
        return self.stages[0].unit_stratum[self.stages[0].row_unit]

    @property
    def degrees_of_freedom(self) -> float:
        """PSUs minus strata, those taken with certainty left out."""
        chance = np.asarray([not label.endswith(_CERTAINTY) for label in self.strata])
        return float(self.stages[0].drawn[chance].sum() - chance.sum())

    def _first_unit(self, psu: Any, draw: Any) -> Any:
        if self.selection != "with_replacement":
            return psu
        if draw is None:
            raise EstimationError(
                "a selection with replacement needs `draw`: a unit hit twice is two draws", remedy="Name the draw id"
            )
        return draw

    def _probabilities(self, probability: Any) -> NDArray[np.float64]:
        values = self.columns.numbers(probability)
        bad = np.flatnonzero(~((values > 0) & (values <= 1)))
        if bad.size:
            raise InvalidProbabilityError(
                f"inclusion probability {values[bad[0]]} is not in (0, 1]; {bad.size} such row(s)",
                where=self.columns.row_name(int(bad[0])),
            )
        return values

    def _weights(self, weight: Any, probabilities: NDArray[np.float64] | None) -> NDArray[np.float64]:
        if weight is None and probabilities is not None:
            return 1.0 / probabilities
        if weight is None:
            first = self.stages[0]
            if np.isnan(first.population).any() or len(self.stages) > 1:
                raise InvalidWeightError("the design has neither weight, probability nor population size")
            return (first.population / first.drawn)[self.row_stratum]
        values = self.columns.numbers(weight)
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        if bad.size:
            raise InvalidWeightError(
                f"weight {values[bad[0]]} is not a positive number; {bad.size} such row(s)",
                where=self.columns.row_name(int(bad[0])),
                remedy="A unit outside the domain stays in the sample with its weight; use by= for domains",
            )
        return values

    def _encode_stages(self, stages: Sequence[Stage], probabilities: NDArray[np.float64] | None) -> list[StageCodes]:
        encoded: list[StageCodes] = []
        for number, stage in enumerate(stages):
            parent = encoded[-1] if encoded else None
            row_stratum, labels = self._row_strata(stage, parent, probabilities if number == 0 else None)
            if stage.unit is None:
                row_unit, unit_stratum, is_row = np.arange(self.n), row_stratum, True
                unit_labels: list[str] = []
            else:
                row_unit, unit_labels = self.columns.labels(stage.unit)
                if parent is not None:
                    _, row_unit = np.unique(parent.row_unit * len(unit_labels) + row_unit, return_inverse=True)
                unit_stratum, is_row = self._unit_strata(row_unit, row_stratum, labels, unit_labels), False
            drawn = np.bincount(unit_stratum, minlength=len(labels))
            population = self._population(stage, row_stratum, labels, drawn)
            encoded.append(StageCodes(row_unit, unit_stratum, labels, drawn, population, is_row))
        return encoded

    def _row_strata(
        self, stage: Stage, parent: StageCodes | None, probabilities: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.int64], list[str]]:
        codes, labels = np.zeros(self.n, np.int64), ["all"]
        if stage.stratum is not None:
            codes, labels = self.columns.labels(stage.stratum)
        if parent is not None:
            present, codes = np.unique(parent.row_unit * len(labels) + codes, return_inverse=True)
            labels = [f"{labels[k % len(labels)]} in unit {k // len(labels)}" for k in present.tolist()]
        if self.selection == "pps_systematic" and probabilities is not None and (probabilities == 1.0).any():
            split = codes * 2 + (probabilities == 1.0)
            present, codes = np.unique(split, return_inverse=True)
            labels = [labels[k // 2] + (_CERTAINTY if k % 2 else "") for k in present.tolist()]
        return codes, labels

    def _unit_strata(
        self, row_unit: NDArray[np.int64], row_stratum: NDArray[np.int64], labels: list[str], unit_labels: list[str]
    ) -> NDArray[np.int64]:
        units = int(row_unit.max()) + 1
        unit_stratum = np.zeros(units, np.int64)
        unit_stratum[row_unit] = row_stratum
        crossing = np.flatnonzero(unit_stratum[row_unit] != row_stratum)
        if crossing.size:
            row = int(crossing[0])
            name = unit_labels[row_unit[row]] if len(unit_labels) == units else str(row_unit[row])
            raise PsuInTwoStrataError(
                f"primary sampling unit {name!r} is in strata {labels[row_stratum[row]]!r} and "
                f"{labels[unit_stratum[row_unit[row]]]!r}",
                where=self.columns.row_name(row),
                remedy="Give PSUs ids that are unique over strata",
            )
        return unit_stratum

    def _population(
        self, stage: Stage, row_stratum: NDArray[np.int64], labels: list[str], drawn: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        if self.selection == "with_replacement":
            return np.full(len(labels), np.nan)
        if self.selection == "pps_systematic":
            return np.where([label.endswith(_CERTAINTY) for label in labels], drawn, np.nan)
        if stage.population_size is None:
            return np.full(len(labels), np.nan)
        sizes = _sizes_by_stratum(stage.population_size, self.columns, row_stratum, labels)
        over = np.flatnonzero(~(sizes >= drawn))
        if over.size:
            h = int(over[0])
            raise OverSampledStratumError(
                f"stratum {labels[h]!r} has {drawn[h]} sampled units and a population of {sizes[h]:g}",
                where="population_size",
            )
        return sizes


def _sizes_by_stratum(
    given: Any, columns: Columns, row_stratum: NDArray[np.int64], labels: list[str]
) -> NDArray[np.float64]:
    if isinstance(given, Mapping):
        absent = [label for label in labels if label not in given]
        if absent:
            raise PopulationTotalsError(f"stratum {absent[0]!r} has no population size", where="population_size")
        return np.asarray([given[label] for label in labels], dtype=np.float64)
    if np.isscalar(given) and not isinstance(given, str):
        return np.full(len(labels), float(given))  # type: ignore[arg-type]
    values = columns.numbers(given)
    sizes = np.full(len(labels), np.nan)
    sizes[row_stratum] = values
    differing = np.flatnonzero(~(sizes[row_stratum] == values))
    if differing.size:
        h = int(row_stratum[differing[0]])
        raise PopulationTotalsError(
            f"stratum {labels[h]!r} has more than one population size, or a missing one",
            where=columns.row_name(int(differing[0])),
        )
    return sizes


def _one_of(value: str, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed:
        raise EstimationError(f"unknown {name} {value!r}", remedy=f"Use one of {', '.join(allowed)}")
    return value
