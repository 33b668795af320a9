"""The registry of spectral indices: what each needs, where it comes from, and which of them a collection's bands allow.

Belongs here: names and availability. The formulas are in `vegetation_indices`, `water_and_soil_indices`,
`red_edge_indices` and `tasselled_cap`, radar in `radar`, aggregation over segments in `segment_statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from agristat_platform.features.errors import UnknownIndexError
from agristat_platform.features.indices import red_edge_indices as red_edge
from agristat_platform.features.indices import tasselled_cap as cap
from agristat_platform.features.indices import vegetation_indices as vegetation
from agristat_platform.features.indices import water_and_soil_indices as ground
from agristat_platform.features.indices.reflectance import Index, Reflectance
from agristat_platform.imagery import collection_table

# Common names that can stand in for a band an index takes, best first.
STAND_INS = {"nir": ("nir", "nir08")}


@dataclass(frozen=True)
class SpectralIndex:
    """A spectral index.

    Attributes
    ----------
    name:
        In feature columns and series, lower case.
    bands:
        Common names of the bands that `function` takes as keywords.
    formula:
        As text; of indices with coefficients per sensor see `formula_for`.
    function:
        Reflectance by keyword → index; with `sensors` it takes the keyword `collection` as well.
    source:
        Author and year.
    unit:
        "1" unless the index has one.
    sensors:
        Collections whose coefficients are known; empty: any with the bands.
    """

    name: str
    bands: tuple[str, ...]
    formula: str
    function: Callable[..., Index]
    source: str
    unit: str = "1"
    sensors: tuple[str, ...] = ()

    def compute(self, bands: Mapping[str, Reflectance], collection: str | None = None) -> Index:
        """The index of bands by common name; those it doesn't take are ignored.

        `collection` is needed where there are coefficients per sensor.

        Raises
        ------
        UnknownIndexError
            A band is lacking, or the collection has no coefficients.
        ReflectanceScaleError
            A band is of integer type or exceeds 10.
        """
        absent = [band for band in self.bands if band not in bands]
        if absent:
            raise UnknownIndexError(
                f"{self.name} needs {', '.join(absent)}, which is not among the bands {', '.join(bands) or '(none)'}",
                remedy="Request that band from the imagery source or leave the index out",
            )
        taken = {band: bands[band] for band in self.bands}
        return self.function(**taken, collection=collection) if self.sensors else self.function(**taken)

    def formula_for(self, collection: str) -> str:
        """The formula with the collection's coefficients."""
        if not self.sensors:
            return self.formula
        return cap.tasselled_cap_formula(self.name.removeprefix("tc_"), collection)


def _tasselled_cap(component: str) -> SpectralIndex:
    return SpectralIndex(
        f"tc_{component}",
        cap.TASSELLED_CAP_BANDS,
        f"tasselled-cap {component}",
        partial(cap.tasselled_cap_component, component),
        "; ".join(f"{collection}: {source}" for collection, source in cap.TASSELLED_CAP_SOURCES.items()),
        sensors=tuple(cap.TASSELLED_CAP_COEFFICIENTS),
    )


_EDGES = ("rededge078", "red", "rededge071", "rededge075")
INDICES: dict[str, SpectralIndex] = {
    index.name: index
    for index in (
        SpectralIndex("ndvi", ("nir", "red"), "(nir - red) / (nir + red)", vegetation.ndvi, "Rouse et al. 1974"),
        SpectralIndex(
            "evi",
            ("nir", "red", "blue"),
            "2.5 (nir - red) / (nir + 6 red - 7.5 blue + 1)",
            vegetation.evi,
            "Huete et al. 2002",
        ),
        SpectralIndex("ndwi", ("green", "nir"), "(green - nir) / (green + nir)", ground.ndwi, "McFeeters 1996"),
        SpectralIndex("gcvi", ("nir", "green"), "nir / green - 1", vegetation.gcvi, "Gitelson et al. 2003"),
        SpectralIndex("lswi", ("nir", "swir16"), "(nir - swir16) / (nir + swir16)", ground.lswi, "Xiao et al. 2004"),
        SpectralIndex(
            "msavi2",
            ("nir", "red"),
            "(2 nir + 1 - sqrt((2 nir + 1)^2 - 8 (nir - red))) / 2",
            vegetation.msavi2,
            "Qi et al. 1994",
        ),
        SpectralIndex("ndsvi", ("swir16", "red"), "(swir16 - red) / (swir16 + red)", ground.ndsvi, "Qi et al. 2002"),
        SpectralIndex(
            "ndti",
            ("swir16", "swir22"),
            "(swir16 - swir22) / (swir16 + swir22)",
            ground.ndti,
            "van Deventer et al. 1997",
        ),
        SpectralIndex(
            "lai", ("nir", "red", "blue"), "3.618 evi - 0.118", vegetation.lai, "Boegh et al. 2002", unit="m²/m²"
        ),
        *(_tasselled_cap(component) for component in cap.TASSELLED_CAP_COMPONENTS),
        SpectralIndex(
            "ndre",
            ("nir", "rededge071"),
            "(nir - rededge071) / (nir + rededge071)",
            red_edge.ndre,
            "Gitelson and Merzlyak 1994",
        ),
        SpectralIndex(
            "cire",
            ("rededge078", "rededge071"),
            "rededge078 / rededge071 - 1",
            red_edge.cire,
            "Clevers and Gitelson 2013",
        ),
        SpectralIndex(
            "mtci",
            ("rededge075", "rededge071", "red"),
            "(rededge075 - rededge071) / (rededge071 - red)",
            red_edge.mtci,
            "Dash and Curran 2004",
        ),
        SpectralIndex(
            "ireci", _EDGES, "(rededge078 - red) / (rededge071 / rededge075)", red_edge.ireci, "Frampton et al. 2013"
        ),
        SpectralIndex(
            "s2rep",
            _EDGES,
            "705 + 35 ((rededge078 + red) / 2 - rededge071) / (rededge075 - rededge071)",
            red_edge.s2rep,
            "Frampton et al. 2013",
            unit="nm",
        ),
        SpectralIndex(
            "psri", ("red", "blue", "rededge075"), "(red - blue) / rededge075", red_edge.psri, "Merzlyak et al. 1999"
        ),
    )
}


def spectral_index(name: str) -> SpectralIndex:
    """The index of that name (lower case), or UnknownIndexError naming those that exist."""
    if name not in INDICES:
        raise UnknownIndexError(f"there is no spectral index {name!r}", remedy=f"Known are {', '.join(INDICES)}")
    return INDICES[name]


def spectral_indices(
    bands: Mapping[str, Reflectance], names: Iterable[str] | None = None, *, collection: str | None = None
) -> dict[str, Index]:
    """Several indices at once from bands by common name ("blue", "green", "red", "nir", "swir16", …).

    Parameters
    ----------
    bands:
        Reflectance arrays of one shape, 0–1 scale, NaN where missing.
    names:
        Indices wanted; None: all that the bands (and the collection's coefficients) allow.
    collection:
        Where the bands come from; needed for the tasselled cap.

    Raises
    ------
    UnknownIndexError
        An index is unknown, or wanted without the bands or the coefficients it takes.
    ReflectanceScaleError
        A band is of integer type or exceeds 10.
    """
    if names is None:
        names = [
            index.name
            for index in INDICES.values()
            if set(index.bands) <= set(bands) and (not index.sensors or collection in index.sensors)
        ]
    return {name: spectral_index(name).compute(bands, collection) for name in names}


def index_bands(name: str, collection: str, bands: Iterable[str]) -> dict[str, str] | None:
    """Which of a collection's bands an index takes: {"nir": "B08", "red": "B04"}; None where they don't allow it.

    Parameters
    ----------
    name:
        The index.
    collection, bands:
        A collection by any catalogue's name, and the bands of its table that there are ("B04", "B08").

    Raises
    ------
    UnknownIndexError, UnknownCollectionError, UnknownBandError
        A name is unknown.
    """
    index = spectral_index(name)
    found, absent = _matched(index, collection, bands)
    return None if absent else found


def unavailable_indices(bands: Mapping[str, Iterable[str]], wanted: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Indices that none of the collections allows, with the common names of the bands that are lacking.

    Parameters
    ----------
    bands:
        Band names by collection, as `imagery.requested_bands` gives them.
    wanted:
        Names of indices. One that a collection delivers ready-made is available.

    Returns
    -------
    The lacking bands of the collection that comes closest, in the order of `wanted`; empty: all are available.

    Raises
    ------
    UnknownIndexError, UnknownCollectionError, UnknownBandError
        A name is unknown.
    """
    lacking = {}
    for index in map(spectral_index, wanted):
        absent = index.bands
        for collection, names in bands.items():
            names = tuple(names)
            if any(collection_table(collection).band(name).kind == "index" and name == index.name for name in names):
                absent = ()
                break
            own = _matched(index, collection, names)[1]
            if len(own) < len(absent):
                absent = own
        if absent:
            lacking[index.name] = absent
    return lacking


def _matched(index: SpectralIndex, collection: str, names: Iterable[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Arguments with the bands that fill them, and the arguments that stay empty."""
    table = collection_table(collection)
    present = (table.band(name) for name in names)
    by_common_name = {band.common_name: band.name for band in present if band.kind == "optical" and band.common_name}
    if index.sensors and table.name not in index.sensors:
        return {}, index.bands
    found = {}
    for wanted in index.bands:
        for name in STAND_INS.get(wanted, (wanted,)):
            if name in by_common_name:
                found[wanted] = by_common_name[name]
                break
    return found, tuple(band for band in index.bands if band not in found)
