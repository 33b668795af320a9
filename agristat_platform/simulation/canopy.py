"""What stands on every parcel on a day, what it reflects, emits and scatters back, and what it yields.

Belongs here: the state and the signal of whole parcels. Pixels, clouds and sensors come after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agristat_platform.catalogue import SimulationSettings
from agristat_platform.simulation.noise import Floats, smooth_field_at
from agristat_platform.simulation.profiles import DRY_PLANTS, RAPESEED_FLOWERS, SOIL, Profile
from agristat_platform.simulation.rotation import SeasonParcels
from agristat_platform.simulation.seeding import generator

_FIELD_PATCHES = 0.13
_SOIL_PATCHES = 0.10


@dataclass(frozen=True)
class ParcelTraits:
    """What makes one parcel differ from the next of the same crop; one entry per polygon.

    `late_days`: sowing after the usual day; `vigour`: canopy relative to the crop's usual (1); `soil`: brightness of
    the bare soil relative to the usual (1); `leaf`: the variety's own reflectance, relative, (n, 6); `rough_db`:
    surface roughness as the radar sees it; `stand_db`: how the stand's structure scatters
    (n, 2: VV, VH); `yield_t_ha`: NaN where nothing is harvested.
    """

    late_days: Floats
    vigour: Floats
    soil: Floats
    leaf: Floats
    rough_db: Floats
    stand_db: Floats
    yield_t_ha: Floats


@dataclass(frozen=True)
class CanopyState:
    """Shares of the ground seen from above on one day, per polygon: green leaves, flowers, dry plants; rest is soil."""

    green: Floats
    flowers: Floats
    dry: Floats
    structure: Floats


@dataclass(frozen=True)
class Reflectance:
    """Parcels' reflectance on one day, (n, 6), and how it answers to a unit of canopy and of soil texture."""

    mean: npt.NDArray[np.float32]
    by_canopy: npt.NDArray[np.float32]
    by_soil: npt.NDArray[np.float32]


def parcel_traits(parcels: SeasonParcels, settings: SimulationSettings, season: str) -> ParcelTraits:
    """Draw the parcels' traits of a season. Soil lasts from season to season, management does not."""
    x, y = parcels.centres
    n = len(x)
    profiles = [profile for _, profile in parcels.classes]
    rng = generator(settings.seed, "traits", season)

    def of_crop(values: list[float]) -> Floats:
        return np.array(values)[parcels.crop]

    neighbours = smooth_field_at(generator(settings.seed, "sowing", season), x, y, 800.0)
    late = of_crop([p.sowing_spread_days for p in profiles]) * (0.5 * neighbours + 0.87 * rng.standard_normal(n))
    fertility = smooth_field_at(generator(settings.seed, "fertility"), x, y, 1000.0)
    spread = of_crop([p.cover_spread for p in profiles])
    vigour = np.exp(spread * (0.55 * fertility + 0.84 * rng.standard_normal(n)))
    soil_field = smooth_field_at(generator(settings.seed, "soil"), x, y, 700.0)
    soil = np.exp(0.13 * soil_field + 0.06 * rng.standard_normal(n))
    own = rng.standard_normal((n, 5)) * np.array([1.0, 1.0, 1.0, 0.8, 0.8])
    # leaf water darkens 1.6 and 2.2 µm together
    apart = generator(settings.seed, "leaf at 2.2 µm", season).standard_normal(n)
    leaf = np.exp(0.055 * np.column_stack([own, 0.9 * own[:, 4] + 0.35 * apart]))
    good_year = float(np.exp(0.08 * generator(settings.seed, "year", season).standard_normal()))
    usual = of_crop([np.nan if p.yield_t_ha is None else p.yield_t_ha for p in profiles])
    luck = np.exp(of_crop([p.yield_spread for p in profiles]) * rng.standard_normal(n))
    # vigour and lateness show in the canopy, luck doesn't: that bounds what imagery can say about yield
    harvest = usual * good_year * vigour**0.9 * (1.0 - 0.006 * np.clip(late, -20, 20)) * luck
    stand = rng.standard_normal((n, 2)) * np.array([0.7, 0.8])
    return ParcelTraits(late, vigour, soil, leaf, 0.9 * rng.standard_normal(n), stand, harvest)


def canopy_state(parcels: SeasonParcels, traits: ParcelTraits, crop_day: float) -> CanopyState:
    """The canopy on a day of thermal time (`Weather.crop_day`)."""
    n = len(parcels.crop)
    green, flowers, dry, structure = (np.zeros(n) for _ in range(4))
    for number, (_, profile) in enumerate(parcels.classes):
        rows = np.flatnonzero(parcels.crop == number)
        if not len(rows):
            continue
        late, vigour = traits.late_days[rows], traits.vigour[rows]
        green[rows], dry[rows], structure[rows] = _cover(profile, crop_day - late, crop_day - 0.45 * late, vigour)
        if profile.flowering is not None:
            middle, width = profile.flowering
            flowers[rows] = 0.62 * green[rows] * np.exp(-0.5 * ((crop_day - 0.6 * late - middle) / width) ** 2)
    return CanopyState(green - flowers, flowers, dry, structure)


def _cover(profile: Profile, day: Floats, ripe_day: Floats, vigour: Floats) -> tuple[Floats, Floats, Floats]:
    """Green and dry cover and plant volume; sown late is caught up in part by ripening (`ripe_day`)."""
    grown = np.zeros_like(day)
    for gain, middle, scale in profile.rises:
        grown += gain / (1.0 + np.exp(-(day - middle) / scale))
    grown = np.clip(grown * vigour, 0.0, 0.985)
    ripe = np.zeros_like(day)
    if profile.senescence is not None:
        middle, scale = profile.senescence
        ripe = 1.0 / (1.0 + np.exp(-(ripe_day - middle) / scale))
    standing = np.ones_like(day)
    for drop in profile.drops:
        fallen = 1.0 / (1.0 + np.exp(-(ripe_day - drop) / 1.0))
        back = np.clip((ripe_day - drop) / profile.regrowth_days, 0.0, 1.0) if profile.regrowth_days else 0.0
        standing *= 1.0 - 0.8 * fallen * (1.0 - back)
    green = grown * (1.0 - ripe) * standing
    residue = profile.residue / (1.0 + np.exp((ripe_day - profile.tilled) / 2.0))
    dry = np.minimum(0.85 * grown * ripe * standing + residue, 1.0 - green)
    # plant water grows faster than cover: a young canopy hides the soil from the eye sooner than from the radar
    volume = 3.0 * grown**1.7 * (1.0 - 0.55 * ripe) * standing
    return green, dry, volume


def parcel_reflectance(
    parcels: SeasonParcels, traits: ParcelTraits, state: CanopyState, moisture: float
) -> Reflectance:
    """Linear mixing of leaves, flowers, dry plants and soil; wet soil is darker."""
    leaves = np.array([profile.green for _, profile in parcels.classes])[parcels.crop] * traits.leaf
    soil = np.array(SOIL) * (traits.soil * (1.0 - 0.36 * moisture))[:, None]
    bare = 1.0 - state.green - state.flowers - state.dry
    dry = np.array(DRY_PLANTS) * (1.0 - 0.12 * moisture)
    mean = (
        state.green[:, None] * leaves
        + state.flowers[:, None] * np.array(RAPESEED_FLOWERS)
        + state.dry[:, None] * dry
        + bare[:, None] * soil
    )
    flat = np.array([profile.name in {"water", "built_up"} for _, profile in parcels.classes])[parcels.crop]
    # canopies vary within a parcel most when they are neither closed nor absent
    swing = np.where(flat, 0.0, _FIELD_PATCHES * np.sqrt(np.maximum(state.green * (1.02 - state.green), 0.0)))
    swing = np.where(parcels.cover == 2, 0.16, np.where(parcels.cover == 1, 1.5 * swing, swing))
    by_canopy = swing[:, None] * (leaves - soil)
    by_soil = np.where(flat[:, None], 0.18 * mean, _SOIL_PATCHES * bare[:, None] * soil)
    return Reflectance(mean.astype(np.float32), by_canopy.astype(np.float32), by_soil.astype(np.float32))


def surface_temperature_k(
    parcels: SeasonParcels, state: CanopyState, air_c: float, moisture: float, sun: float
) -> npt.NDArray[np.float32]:
    """Temperature at overpass: bare dry soil heats up, transpiring leaves don't. `sun`: sine of the sun's elevation."""
    excess = 24.0 * sun * (1.0 - 0.45 * moisture) - 1.0
    built = np.array([profile.name == "built_up" for _, profile in parcels.classes])[parcels.crop]
    leaves = np.where(built, 0.0, np.clip(state.green + state.flowers, 0.0, 1.0))
    return np.asarray(273.15 + air_c + 3.0 + excess * (1.0 - 0.85 * leaves), dtype=np.float32)


def parcel_backscatter(
    parcels: SeasonParcels, traits: ParcelTraits, state: CanopyState, moisture: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """γ0 in linear power, VV and VH: a cloud of water over moist, rough soil (Attema and Ulaby 1978)."""
    profiles = [profile for _, profile in parcels.classes]
    extinction = np.array([p.extinction for p in profiles])[parcels.crop]
    seen = np.exp(-2.0 * extinction * state.structure)
    bands = []
    for band, (scatter, soil_db) in enumerate(
        (
            ([p.scatter_vv_db for p in profiles], -14.5 + 6.5 * moisture + traits.rough_db),
            ([p.scatter_vh_db for p in profiles], -22.5 + 4.5 * moisture + 0.8 * traits.rough_db),
        )
    ):
        canopy = 10.0 ** ((np.array(scatter)[parcels.crop] + traits.stand_db[:, band]) / 10.0)
        bands.append((canopy * (1.0 - seen) + 10.0 ** (soil_db / 10.0) * seen).astype(np.float32))
    return bands[0], bands[1]
