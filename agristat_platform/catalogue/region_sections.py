"""The sections of a region file: segmentation, survey, estimation, simulation.

Imagery and time series are in `imagery_sections`, features in `feature_sections`, training in `training_sections`, the
region itself and what is computed from it in `region`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from agristat_platform.catalogue.section import BandList, Positive, Section, Seed, Share


def _number_or_auto(value: Any) -> Any:
    if value == "auto" or (isinstance(value, int | float) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError('give a positive number or "auto"')


SIMULATED_REFERENCE = "simulation"


_OF_SHEPHERD = ("n_clusters", "max_distance", "max_clump_pixels")


class SegmentationSettings(Section):
    """Where segments come from: cut out of the imagery (Shepherd segmentation), or parcels of a register.

    Parameters
    ----------
    source:
        `segmentation`: the layers below decide; `register`: parcels of `file`, and nothing of the layers is used.
    method:
        `shepherd`: k-means, clumps, elimination, for a region of any size; `region_growing`: neighbours join as long as
        noise explains their difference, which takes the noise from the image and is held in memory whole.
    layers:
        Bands (`B08`) or indices (`ndvi`) that segments should be homogeneous in.
    n_clusters:
        Clusters of the k-means that seeds the segments (`shepherd`).
    min_pixels:
        Smaller segments are merged into a neighbour, with `shepherd` the nearest in spectrum.
    max_distance:
        Largest spectral distance over which clumps merge; `auto` takes it from the cluster centres (`shepherd`).
    max_clump_pixels:
        Size at which a clump is cut; None: never (`shepherd`).
    connectivity:
        Pixels are neighbours over their edges (4), or over corners too (8).
    max_intervals:
        The number of intervals with the most data to segment on; equally clear ones are spread over the season.
    file:
        Register of parcels, GeoParquet (fiboa) or any vector format; `{real_data}`, `{config}` and `{home}` stand for those
        folders of the settings, `{season}` for the season's key.
    file_layer:
        Layer of a file with several.
    id_column:
        Column with the register's identifier of a parcel.
    invalid:
        Polygons that cross themselves are repaired, or the register is refused.
    same_share:
        Share of each other's ground from which segments of two seasons are the same, above 0.5.
    reference:
        Parcels that segments are compared with, which change nothing of them: a vector file, with the placeholders of
        `file`; `simulation`: the true parcels of a simulated region; None: no comparison.
    reference_layer:
        Layer of a reference file with several.
    """

    source: Literal["segmentation", "register"] = "segmentation"
    method: Literal["shepherd", "region_growing"] = "shepherd"
    layers: BandList = ("ndvi", "B08", "B04")
    n_clusters: Annotated[int, Field(ge=2, le=1000)] = 60
    min_pixels: Annotated[int, Field(ge=1)] = 20
    max_distance: Annotated[Literal["auto"] | float, BeforeValidator(_number_or_auto)] = "auto"
    max_clump_pixels: Annotated[int, Field(ge=1)] | None = None
    connectivity: Literal[4, 8] = 4
    max_intervals: Annotated[int, Field(ge=1)] = 4
    seed: Seed = 1
    file: str | None = None
    file_layer: str | None = None
    id_column: Annotated[str, Field(min_length=1)] = "id"
    invalid: Literal["repair", "refuse"] = "repair"
    same_share: Annotated[float, Field(gt=0.5, le=1)] = 0.8
    reference: Annotated[str, Field(min_length=1)] | None = None
    reference_layer: str | None = None

    @model_validator(mode="after")
    def _register_is_named(self) -> SegmentationSettings:
        if self.source == "register" and not self.file:
            raise ValueError("source is register, but no file is named")
        if self.source == "segmentation" and self.file:
            raise ValueError(
                "a file of parcels is named, but source is segmentation: set it to register, "
                "or name it as reference to compare segments with"
            )
        return self

    @model_validator(mode="after")
    def _options_belong_to_the_method(self) -> SegmentationSettings:
        # by value, not by what was set: a region written out with its defaults can be read again
        defaults = {name: type(self).model_fields[name].default for name in _OF_SHEPHERD}
        of_shepherd = {name for name, default in defaults.items() if getattr(self, name) != default}
        if self.method == "region_growing" and of_shepherd:
            raise ValueError(f"method region_growing has no {' and no '.join(sorted(of_shepherd))}")
        if self.reference_layer and self.reference in (None, SIMULATED_REFERENCE):
            raise ValueError("reference_layer names a layer, but reference no file")
        return self


class StrataSettings(Section):
    """Strata by the cultivated share of a unit.

    `source`: the `land_use` map or the `crop_map` of the homologous season before (where there is none: land use).
    `bounds`: shares that part the strata, rising; two bounds make three strata.
    """

    source: Literal["land_use", "crop_map"] = "land_use"
    bounds: Annotated[tuple[Annotated[float, Field(gt=0, lt=1)], ...], Field(min_length=1, strict=False)] = (0.1, 0.5)

    @model_validator(mode="after")
    def _bounds_rise(self) -> StrataSettings:
        if any(after <= before for before, after in zip(self.bounds, self.bounds[1:], strict=False)):
            raise ValueError(f"bounds {list(self.bounds)} do not rise")
        return self


class RecordedSurvey(Section):
    """A published survey that comes with the platform or its data folder, by name."""

    dataset: Annotated[str, Field(min_length=1)]


class SurveySettings(Section):
    """How the probability sample of the estimates is drawn, or why there is none.

    Parameters
    ----------
    kind:
        `area_frame`: squares over the AOI, drawn by stratum; `recorded`: a sample that was drawn and observed
        elsewhere; `none`: no probability sample, so no official estimate.
    reason:
        Why there is none (with `none`), shown wherever an estimate would be.
    segment_side_m, sample_size:
        Side of a square and number of squares to draw (with `area_frame`).
    field_data:
        Where observations of the sample come from: simulation, `file`, or the recorded survey.
    field_data_file:
        Path with `field_data: file`; `{real_data}`, `{config}` and `{home}` stand for those folders of the settings, `{season}` for the
        season's key.
    """

    kind: Literal["area_frame", "recorded", "none"]
    reason: str | None = None
    segment_side_m: Positive | None = None
    sample_size: Annotated[int, Field(ge=2)] | None = None
    strata: StrataSettings = StrataSettings()
    allocation: Literal["proportional", "neyman"] = "proportional"
    min_per_stratum: Annotated[int, Field(ge=2)] = 2
    seed: Seed = 1
    field_data: Literal["simulation", "file", "recorded"] | None = None
    field_data_file: str | None = None
    recorded: RecordedSurvey | None = None

    @model_validator(mode="after")
    def _kind_has_its_fields(self) -> SurveySettings:
        needed = {
            "area_frame": ("segment_side_m", "sample_size", "field_data"),
            "recorded": ("recorded",),
            "none": ("reason",),
        }[self.kind]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"kind {self.kind} needs {' and '.join(missing)}")
        if self.field_data == "file" and self.field_data_file is None:
            raise ValueError("field_data is file, but no field_data_file is named")
        return self


def _all_or_codes(value: Any) -> Any:
    if value == "all":
        return value
    if isinstance(value, list | tuple) and value and all(isinstance(code, str) for code in value):
        return tuple(value)
    raise ValueError('give "all" or a list of crop codes')


class EstimationSettings(Section):
    """What is published and by which rules.

    Parameters
    ----------
    crops:
        Codes to publish; `all`: every cultivated class.
    variance:
        Variance estimator of the regression estimator: `residual`, `g_weighted` or `df`.
    confidence:
        Level of the confidence intervals.
    cv_threshold:
        Estimates with a larger coefficient of variation are flagged.
    """

    crops: Annotated[Literal["all"] | tuple[str, ...], BeforeValidator(_all_or_codes)] = "all"
    variance: Literal["residual", "g_weighted", "df"] = "residual"
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    cv_threshold: Annotated[float, Field(gt=0)] = 0.20


class SimulationSettings(Section):
    """The simulated landscape of a region.

    Parameters
    ----------
    seed:
        Of everything random in it.
    mean_parcel_ha, small_parcel_share:
        Mean area of a cultivated parcel, and share of these parcels below half a hectare.
    cultivated_share:
        Share of the land that is cultivated.
    merged_share, split_share:
        Share of parcels merged or split from one homologous season to the next.
    irrigable_reach:
        How far from the river land can be irrigated, as a share of the landscape's width.
    unlike_share:
        Share of the cultivated parcels that look like another crop (failed, weedy, mixed), drawn anew each season.
    clear_dates_share, partly_cloudy_dates_share:
        Share of the optical dates without cloud, and with cloud over less than a fifth of the land; the rest is cloudy.
    season_shift_days:
        Days by which canopies are late (negative: early), by season key; what isn't named is drawn from the seed.
    sentinel2_step_days, sentinel1_step_days, landsat_step_days:
        Days from one acquisition to the next.
    profiles:
        Growth profile by crop code, where the crop's LUCAS code doesn't say it (`VET: vetch`).
    crop_shares:
        Share of the cultivated parcels by crop code; None: the simulation's own.
    yield_noise:
        Relative standard deviation of a yield as the enumerator measures it.
    farms, households:
        Size of the farm and household populations (farms: at most one to three parcels).
    """

    seed: Seed = 1
    mean_parcel_ha: Positive = 2.5
    small_parcel_share: Annotated[float, Field(ge=0, le=0.6)] = 0.15
    cultivated_share: Annotated[float, Field(ge=0.1, le=0.95)] = 0.7
    merged_share: Annotated[float, Field(ge=0, le=0.2)] = 0.02
    split_share: Annotated[float, Field(ge=0, le=0.2)] = 0.02
    irrigable_reach: Annotated[float, Field(ge=0, le=1)] = 0.09
    unlike_share: Share = 0.06
    clear_dates_share: Share = 0.45
    partly_cloudy_dates_share: Share = 0.25
    season_shift_days: dict[str, Annotated[float, Field(ge=-60, le=60)]] = Field(default_factory=dict)
    sentinel2_step_days: Annotated[int, Field(ge=1, le=60)] = 10
    sentinel1_step_days: Annotated[int, Field(ge=1, le=60)] = 12
    landsat_step_days: Annotated[int, Field(ge=1, le=60)] = 16
    profiles: dict[str, str] = Field(default_factory=dict)
    crop_shares: dict[str, Share] | None = None
    yield_noise: Annotated[float, Field(ge=0, le=0.5)] = 0.06
    farms: Annotated[int, Field(ge=1)] = 300
    households: Annotated[int, Field(ge=1)] = 1200

    @model_validator(mode="after")
    def _dates_shares_fit(self) -> SimulationSettings:
        if self.clear_dates_share + self.partly_cloudy_dates_share > 1:
            raise ValueError("clear_dates_share and partly_cloudy_dates_share are more than 1 together")
        return self
