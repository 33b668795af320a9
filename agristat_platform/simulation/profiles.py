"""How each kind of cover grows, looks and yields: the constants of the simulation, and which crop follows which.

Days count from 1 September before the harvest (southern hemisphere: from 1 March), in an average year's thermal time.
Reflectances are bottom-of-atmosphere, 0–1, for blue, green, red, near infrared, 1.6 and 2.2 µm, of a closed canopy.
The figures are plausible ones for a Mediterranean-continental plain; they claim no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from agristat_platform.catalogue import Crop, CropNomenclature
from agristat_platform.simulation.errors import UnknownCoverError
from agristat_platform.simulation.landscape import Cover

BANDS = ("blue", "green", "red", "nir", "swir16", "swir22")
SOIL = (0.072, 0.103, 0.142, 0.212, 0.295, 0.256)
DRY_PLANTS = (0.085, 0.128, 0.178, 0.285, 0.335, 0.238)
RAPESEED_FLOWERS = (0.042, 0.150, 0.128, 0.470, 0.190, 0.092)


@dataclass(frozen=True)
class Profile:
    """One kind of cover.

    Attributes
    ----------
    rises:
        Steps of green cover: (gain, day of half gain, scale in days), logistic in thermal time.
    senescence:
        (day of half loss, scale in days); None: stays green.
    drops:
        Days on which a cut or the plough takes most of the cover.
    regrowth_days:
        Time in which a cut canopy comes back; 0: it was ploughed in.
    residue:
        Share of the soil under last crop's residue at the start; gone when the soil is worked on day `tilled`.
    flowering:
        (day of full flower, standard deviation in days) of flowers that colour the canopy; None elsewhere.
    sowing_spread_days, cover_spread:
        Standard deviation between parcels of the curves' place in time, and of log cover.
    scatter_vh_db, scatter_vv_db, extinction:
        Cloud-of-water model: what a dense canopy scatters back (γ0, dB), and how it hides the soil.
    yield_t_ha, yield_spread:
        Mean yield (None: no harvest) and the parcels' relative spread that vigour doesn't explain.
    share, irrigated:
        Share of the cultivated parcels, and whether it is bound to land that can be irrigated.
    """

    name: str
    cover: Cover
    green: tuple[float, float, float, float, float, float]
    rises: tuple[tuple[float, float, float], ...]
    senescence: tuple[float, float] | None = None
    drops: tuple[float, ...] = ()
    regrowth_days: float = 0.0
    residue: float = 0.0
    tilled: float = 40.0
    flowering: tuple[float, float] | None = None
    sowing_spread_days: float = 5.0
    cover_spread: float = 0.12
    scatter_vh_db: float = -17.0
    scatter_vv_db: float = -11.0
    extinction: float = 0.35
    yield_t_ha: float | None = None
    yield_spread: float = 0.10
    share: float = 0.0
    irrigated: bool = False


_WHEAT = (0.026, 0.053, 0.030, 0.430, 0.200, 0.094)
PROFILES: dict[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile(
            "winter_wheat", Cover.CROP, _WHEAT, ((0.33, 92, 11), (0.58, 196, 12)), (286, 7),
            sowing_spread_days=7, cover_spread=0.17, scatter_vh_db=-17.8, scatter_vv_db=-14.2, extinction=0.42,
            yield_t_ha=4.6, share=0.28,
        ),
        Profile(
            "barley", Cover.CROP, (0.028, 0.059, 0.033, 0.440, 0.212, 0.102), ((0.35, 87, 10), (0.54, 184, 11)), (263, 7),
            sowing_spread_days=7, cover_spread=0.17, scatter_vh_db=-16.6, scatter_vv_db=-13.4, extinction=0.39,
            yield_t_ha=3.9, share=0.20,
        ),
        Profile(
            "rapeseed", Cover.CROP, (0.027, 0.066, 0.032, 0.500, 0.185, 0.085), ((0.52, 62, 11), (0.40, 176, 10)), (274, 8),
            flowering=(222, 10), scatter_vh_db=-12.8, scatter_vv_db=-9.2, extinction=0.45, yield_t_ha=2.6, share=0.10,
        ),
        Profile(
            "vetch", Cover.CROP, (0.027, 0.061, 0.031, 0.460, 0.205, 0.098), ((0.22, 96, 12), (0.66, 202, 10)), (264, 8),
            drops=(268,), sowing_spread_days=9, cover_spread=0.20, scatter_vh_db=-15.2, scatter_vv_db=-11.4,
            yield_t_ha=2.1, share=0.11,
        ),
        Profile(
            "chickpea", Cover.CROP, (0.028, 0.060, 0.034, 0.430, 0.220, 0.110), ((0.72, 232, 10),), (292, 8),
            residue=0.30, tilled=172, scatter_vh_db=-15.6, scatter_vv_db=-11.8, yield_t_ha=1.3, share=0.05,
        ),
        Profile(
            "maize", Cover.CROP, (0.026, 0.058, 0.031, 0.470, 0.205, 0.095), ((0.88, 271, 8),), (390, 10),
            residue=0.50, tilled=186, scatter_vh_db=-13.2, scatter_vv_db=-9.8, yield_t_ha=11.5, share=0.09, irrigated=True,
        ),
        Profile(
            "sunflower", Cover.CROP, (0.029, 0.064, 0.033, 0.480, 0.220, 0.105), ((0.82, 262, 8),), (345, 9),
            residue=0.28, tilled=165, scatter_vh_db=-12.6, scatter_vv_db=-9.6, yield_t_ha=1.5, share=0.08,
        ),
        Profile(
            "alfalfa", Cover.CROP, (0.024, 0.056, 0.025, 0.490, 0.190, 0.086), ((0.34, 40, 12), (0.52, 176, 10)),
            drops=(228, 263), regrowth_days=24, scatter_vh_db=-15.4, scatter_vv_db=-11.2, yield_t_ha=12.0, share=0.08,
            irrigated=True,
        ),
        Profile(
            "fallow", Cover.CROP, (0.034, 0.064, 0.050, 0.330, 0.250, 0.145), ((0.14, 95, 18), (0.20, 185, 16)), (270, 12),
            drops=(232,), sowing_spread_days=14, cover_spread=0.45, residue=0.35, tilled=225,
            scatter_vh_db=-18.0, scatter_vv_db=-12.5, share=0.14,
        ),
        Profile(
            "grassland", Cover.GRASS, (0.036, 0.066, 0.052, 0.330, 0.235, 0.132), ((0.30, 70, 14), (0.28, 186, 14)), (266, 11),
            cover_spread=0.25, residue=0.35, tilled=600, scatter_vh_db=-16.8, scatter_vv_db=-11.6, extinction=0.30,
        ),
        Profile(
            "woodland", Cover.WOOD, (0.022, 0.038, 0.026, 0.265, 0.125, 0.056), ((0.76, -200, 10), (0.08, 185, 14)),
            cover_spread=0.08, scatter_vh_db=-13.4, scatter_vv_db=-8.6, extinction=0.8,
        ),
        Profile("water", Cover.WATER, (0.052, 0.050, 0.036, 0.022, 0.012, 0.008), ((1.0, -200, 10),), cover_spread=0.0,
                scatter_vh_db=-26.0, scatter_vv_db=-20.5, extinction=3.0),
        Profile("built_up", Cover.BUILT, (0.120, 0.140, 0.156, 0.205, 0.230, 0.215), ((1.0, -200, 10),), cover_spread=0.0,
                scatter_vh_db=-11.5, scatter_vv_db=-5.5, extinction=3.0),
    )
}  # fmt: skip

# What tends to follow what on a parcel: weights over the next crop, on top of each crop's own share and place.
FOLLOWS: dict[str, dict[str, float]] = {
    "winter_wheat": {"winter_wheat": 0.45, "barley": 0.9, "rapeseed": 1.7, "vetch": 1.6, "chickpea": 1.8,
                     "sunflower": 1.7, "maize": 0.8, "alfalfa": 0.5, "fallow": 1.3},
    "barley": {"winter_wheat": 0.5, "barley": 0.7, "rapeseed": 1.4, "vetch": 1.7, "chickpea": 1.8, "sunflower": 1.8,
               "maize": 0.7, "alfalfa": 0.5, "fallow": 1.7},
    "rapeseed": {"winter_wheat": 2.4, "barley": 1.2, "rapeseed": 0.05, "vetch": 0.3, "fallow": 0.4, "maize": 0.7},
    "vetch": {"winter_wheat": 2.2, "barley": 1.2, "rapeseed": 0.9, "vetch": 0.1, "fallow": 0.3, "sunflower": 0.7},
    "chickpea": {"winter_wheat": 2.3, "barley": 1.4, "chickpea": 0.02, "rapeseed": 0.5, "fallow": 0.4},
    "maize": {"maize": 5.0, "winter_wheat": 0.8, "alfalfa": 1.5, "sunflower": 0.6, "barley": 0.4, "fallow": 0.2},
    "sunflower": {"winter_wheat": 1.9, "barley": 1.6, "vetch": 0.8, "sunflower": 0.1, "fallow": 0.9},
    "alfalfa": {"alfalfa": 28.0, "winter_wheat": 1.0, "maize": 1.5, "barley": 0.3},
    "fallow": {"winter_wheat": 1.9, "barley": 1.7, "rapeseed": 0.8, "vetch": 0.4, "fallow": 0.6, "sunflower": 0.4},
}  # fmt: skip

_PROFILE_OF_LUCAS = {
    "B11": "winter_wheat", "B12": "winter_wheat", "B13": "barley", "B15": "barley", "B16": "maize", "B31": "sunflower",
    "B32": "rapeseed", "B41": "chickpea", "B43": "vetch", "B51": "vetch", "B52": "alfalfa", "B53": "vetch",
    "B55": "grassland", "BX1": "fallow", "F40": "fallow", "E10": "grassland", "E20": "grassland", "E30": "grassland",
    "D10": "grassland", "D20": "grassland", "A10": "built_up", "A11": "built_up", "A12": "built_up", "A20": "built_up",
    "A22": "built_up", "G10": "water", "G11": "water", "G12": "water", "G20": "water", "G21": "water",
}  # fmt: skip


def profile_of(crop: Crop, named: Mapping[str, str]) -> Profile:
    """The growth profile of a crop: the one `named` for its code, else by its LUCAS code.

    Raises
    ------
    UnknownCoverError
        Neither leads to a profile; the error names the profiles there are.
    """
    name = named.get(crop.code)
    if name is None and crop.lucas is not None:
        name = "woodland" if crop.lucas.startswith("C") else _PROFILE_OF_LUCAS.get(crop.lucas)
    if name not in PROFILES:
        raise UnknownCoverError(
            f"no growth profile for the crop {crop.code}" + (f": {name!r} is none" if name else ""),
            where=f"LUCAS code {crop.lucas}",
            remedy=f"Name one under simulation.profiles in the region file; there are: {', '.join(PROFILES)}",
        )
    return PROFILES[name]


def crops_by_cover(nomenclature: CropNomenclature, named: Mapping[str, str]) -> dict[Cover, list[tuple[Crop, Profile]]]:
    """The nomenclature's crops with their profiles, by the kind of cover that they can stand on.

    Raises
    ------
    UnknownCoverError
        A crop has no profile, or a kind of cover has no crop.
    """
    found: dict[Cover, list[tuple[Crop, Profile]]] = {cover: [] for cover in Cover}
    for crop in nomenclature.crops:
        profile = profile_of(crop, named)
        found[profile.cover].append((crop, profile))
    empty = [cover.name.lower() for cover, crops in found.items() if not crops]
    if empty:
        raise UnknownCoverError(
            f"the nomenclature {nomenclature.code} has no class for {', '.join(empty)}",
            where=f"config/crops/{nomenclature.code}.yaml",
            remedy="A simulated region needs classes for crops, grassland, woodland, water and built-up land",
        )
    return found
