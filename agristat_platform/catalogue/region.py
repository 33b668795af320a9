"""A region: area of interest, grid, seasons and the settings of every stage, whose sections are in files of their own."""

from __future__ import annotations

from typing import Annotated, Any

import shapely
from affine import Affine
from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator

from agristat_platform.catalogue.area_of_interest import Aoi, AoiBounds, AoiGeometry, aoi_shape
from agristat_platform.catalogue.errors import IntervalsFromItemsError, InvalidGridError, UnknownSeasonError, closest
from agristat_platform.catalogue.feature_sections import FeatureSettings
from agristat_platform.catalogue.grid import LONLAT, Grid, near_area_of_use, reproject, require_projected
from agristat_platform.catalogue.imagery_sections import ImagerySource, TimeSeriesSettings
from agristat_platform.catalogue.partition import REGION_CODE, SEASON_KEY
from agristat_platform.catalogue.region_sections import (
    SIMULATED_REFERENCE,
    EstimationSettings,
    SegmentationSettings,
    SimulationSettings,
    SurveySettings,
)
from agristat_platform.catalogue.review_section import ReviewSettings
from agristat_platform.catalogue.seasons import Interval, Names, Season, homologous_key, season_intervals
from agristat_platform.catalogue.section import Positive, Section
from agristat_platform.catalogue.training_sections import TrainingSettings

SIMULATED_COUNTRY = "ZZ"  # ISO 3166 keeps ZZ free for users


class ExplicitGrid(Section):
    """A grid given number by number, to lie exactly on existing rasters.

    `transform`: the six numbers a, b, c, d, e, f of x = a·column + b·row + c, y = d·column + e·row + f.
    """

    transform: Annotated[tuple[float, float, float, float, float, float], Field(strict=False)]
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]


def _projected(crs: str) -> str:
    try:
        require_projected(crs)
    except InvalidGridError as error:
        raise ValueError(str(error)) from error
    return crs


class Region(Section):
    """One region as its file in `config/regions` describes it.

    Parameters
    ----------
    code:
        Name of the file without `.yaml`; names the partition.
    name:
        Names by language.
    country:
        ISO 3166-1 alpha-2, or ZZ for a simulated one.
    crs:
        Projected CRS in metres of all rasters and geometries of the region.
    resolution_m:
        Side of a pixel.
    aoi:
        Area of interest; may be left out where `grid` is given, which then is the area.
    grid:
        Only to lie exactly on existing rasters; else it follows from AOI and resolution.
    crops:
        Name of the nomenclature in `config/crops`.
    seasons:
        By season key.
    imagery, training, simulation:
        None where the region has no such stage.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    code: str
    name: Names
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    description: str | None = None
    simulated: bool = False
    crs: Annotated[str, AfterValidator(_projected)]
    resolution_m: Positive
    aoi: Aoi | None = None
    explicit_grid: ExplicitGrid | None = Field(default=None, alias="grid")
    crops: str
    seasons: Annotated[dict[str, Season], Field(min_length=1)]
    imagery: ImagerySource | None = None
    time_series: TimeSeriesSettings = TimeSeriesSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    features: FeatureSettings = FeatureSettings()
    training: TrainingSettings | None = None
    review: ReviewSettings = ReviewSettings()
    survey: SurveySettings
    estimation: EstimationSettings = EstimationSettings()
    simulation: SimulationSettings | None = None

    @field_validator("code")
    @classmethod
    def _code_is_a_name(cls, code: str) -> str:
        if not REGION_CODE.fullmatch(code):
            raise ValueError("use small letters and digits joined by hyphens, such as demo-valley")
        return code

    @field_validator("seasons")
    @classmethod
    def _season_keys(cls, seasons: dict[str, Season]) -> dict[str, Season]:
        for key in seasons:
            if not SEASON_KEY.fullmatch(key):
                raise ValueError(f'"{key}" is not a season key; use year and month, such as 2023-10')
        return dict(sorted(seasons.items()))

    @model_validator(mode="after")
    def _parts_agree(self) -> Region:
        problems = [*self._contradictions(), *self._misplaced_area()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _contradictions(self) -> list[str]:
        checks = {
            "simulated: true and a section simulation go together": self.simulated == (self.simulation is not None),
            f"country {SIMULATED_COUNTRY} is for simulated regions, and only for those": self.simulated
            == (self.country == SIMULATED_COUNTRY),
            "training needs a section imagery to learn from": self.imagery is not None or self.training is None,
            "training.source simulation is for simulated regions": self.simulated
            or self.training is None
            or self.training.source != "simulation",
            "survey.field_data simulation is for simulated regions": self.simulated
            or self.survey.field_data != "simulation",
            "review.decisions simulation is for simulated regions": self.simulated
            or self.review.decisions != "simulation",
            "segmentation.reference simulation is for simulated regions": self.simulated
            or self.segmentation.reference != SIMULATED_REFERENCE,
        }
        return [problem for problem, holds in checks.items() if not holds]

    def _misplaced_area(self) -> list[str]:
        if self.aoi is None and self.explicit_grid is None:
            return ["the region has no aoi"]
        try:
            grid = self.grid()
            if isinstance(self.aoi, AoiGeometry) and not near_area_of_use(self.crs, aoi_shape(self.aoi)):
                return [
                    f"the aoi lies far outside the area that {self.crs} is made for; "
                    "coordinates are longitude, latitude, in that order"
                ]
        except InvalidGridError as error:
            return [f"no grid: {error}"]
        if not grid.outline().intersects(self.aoi_projected()):
            return ["the grid lies outside the aoi"]
        return []

    def grid(self) -> Grid:
        """Return the region's pixel grid: the explicit one, or the AOI snapped outwards to multiples of resolution_m.

        Raises
        ------
        InvalidGridError
            The AOI has no extent in the CRS.
        """
        if self.explicit_grid is not None:
            given = self.explicit_grid
            return Grid(self.crs, Affine(*given.transform), given.width, given.height)
        return Grid.from_bounds(self.aoi_projected().bounds, self.crs, self.resolution_m)

    def aoi_geometry(self) -> Any:
        """Return the AOI as a shapely geometry in longitude and latitude."""
        if isinstance(self.aoi, AoiGeometry):
            return aoi_shape(self.aoi)
        return reproject(self.aoi_projected(), self.crs, LONLAT)

    def aoi_projected(self) -> Any:
        """Return the AOI as a shapely geometry in the region's CRS, metres."""
        if isinstance(self.aoi, AoiGeometry):
            return reproject(aoi_shape(self.aoi), LONLAT, self.crs)
        if isinstance(self.aoi, AoiBounds):
            return shapely.box(*self.aoi.bounds)
        return self.grid().outline()

    def season(self, key: str) -> Season:
        """Return a season.

        Raises
        ------
        UnknownSeasonError
            The region has none of this key; the error names those it has.
        """
        if key in self.seasons:
            return self.seasons[key]
        near = closest(key, self.seasons)
        hint = f'Did you mean "{near}"? ' if near else ""
        raise UnknownSeasonError(
            f'region {self.code} has no season "{key}"',
            where=f"config/regions/{self.code}.yaml",
            remedy=f"{hint}It has: {', '.join(self.seasons)}",
        )

    def intervals(self, key: str) -> list[Interval]:
        """Return the time steps of a season, by the length that the imagery section names (month without one).

        Raises
        ------
        UnknownSeasonError
            See `season`.
        IntervalsFromItemsError
            The length is `item`: number the items' own periods by `seasons.item_intervals`.
        """
        season = self.season(key)
        length = self.imagery.interval if self.imagery else "month"
        if length == "item":
            raise IntervalsFromItemsError(
                f"the intervals of region {self.code} are those of its imagery items",
                where=f"season {key}",
                remedy="Take them from the scenes table of that season",
            )
        return season_intervals(season.start, season.end, length)

    def homologous(self, key: str) -> str:
        """Return the key of the same season one year earlier, whether the region has it or not."""
        return homologous_key(key)
