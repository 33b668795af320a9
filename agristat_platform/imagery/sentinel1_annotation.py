"""Annotation files of Sentinel-1 ground-range products: image geometry, calibration and thermal noise.

Structure: Sentinel-1 Product Specification (S1-RS-MDA-52-7441), data sets `product`, `calibration`, `noise`.
Belongs here: from XML to numbers. How they are applied to pixels is in `sentinel1_grd`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from agristat_platform.imagery.errors import InvalidAnnotationError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LookUpTable:
    """Values at some lines and pixels of an image, shape (lines, pixels); bilinear between, constant beyond."""

    lines: Floats
    pixels: Floats
    values: Floats

    def at(self, lines: NDArray[np.int64], pixels: NDArray[np.int64]) -> Floats:
        """Values at every line and pixel asked for (both ascending), shape (lines, pixels)."""
        place = np.interp(lines, self.lines, np.arange(self.lines.size))
        above = np.minimum(place.astype(np.int64), max(self.lines.size - 2, 0))
        below = np.minimum(above + 1, self.lines.size - 1)
        first, last = int(above[0]), int(below[-1])
        along = np.stack([np.interp(pixels, self.pixels, row) for row in self.values[first : last + 1]])
        weight = (place - above)[:, None]
        return np.asarray(along[above - first] * (1.0 - weight) + along[below - first] * weight)


@dataclass(frozen=True)
class NoiseBlock:
    """Azimuth scaling of thermal noise in a rectangle of the image (one sub-swath of TOPS); ends are inclusive."""

    first_line: int
    last_line: int
    first_pixel: int
    last_pixel: int
    lines: Floats
    factors: Floats


@dataclass(frozen=True)
class Noise:
    """Thermal noise power in DN²: range table times the factor of the block a pixel lies in (none: 1)."""

    table: LookUpTable
    blocks: tuple[NoiseBlock, ...]

    def at(self, lines: NDArray[np.int64], pixels: NDArray[np.int64]) -> Floats:
        """Noise at every line and pixel (both ascending), shape (lines, pixels); outside all blocks the nearest counts."""
        power = self.table.at(lines, pixels)
        if not self.blocks:
            return power
        nearest = np.full(power.shape, np.inf)
        factor = np.ones(power.shape)
        for block in self.blocks:
            beyond_lines = np.maximum(np.maximum(block.first_line - lines, lines - block.last_line), 0)
            beyond_pixels = np.maximum(np.maximum(block.first_pixel - pixels, pixels - block.last_pixel), 0)
            distance = (beyond_lines[:, None] + beyond_pixels).astype(np.float64)
            closer = distance < nearest
            if closer.any():
                here = np.broadcast_to(np.interp(lines, block.lines, block.factors)[:, None], power.shape)
                factor[closer], nearest[closer] = here[closer], distance[closer]
        return np.asarray(power * factor)


@dataclass(frozen=True)
class ImageGeometry:
    """A ground-range image: size, pixel spacing in metres, and places of a lattice of its pixels.

    `lines` (n,) and `pixels` (m,) number pixel centres from 0; `longitude`, `latitude` (degrees, WGS 84) and `height`
    (metres above the ellipsoid, of the coarse terrain that the processor assumed) have shape (n, m).
    """

    height_px: int
    width_px: int
    range_spacing_m: float
    azimuth_spacing_m: float
    noise_removed: bool
    lines: Floats
    pixels: Floats
    longitude: Floats
    latitude: Floats
    height: Floats


def parse_product(content: bytes, polarisation: str, where: str) -> ImageGeometry:
    """Geometry of a GRD image, from its `product` annotation.

    Parameters
    ----------
    content:
        The file's bytes.
    polarisation:
        "VV" or "VH"; another file's annotation is an error.
    where:
        Name of the file, for messages.

    Raises
    ------
    InvalidAnnotationError
        No XML, of another product or polarisation, or with a geolocation grid that is no lattice.
    """
    root = _root(content, "product", polarisation, where)
    kind = root.findtext(".//productType", "GRD")
    if kind != "GRD":
        _refuse(f"the product is {kind}, not GRD", where)
    points = list(root.iter("geolocationGridPoint"))
    if not points:
        _refuse("there is no geolocation grid", where)
    columns = {
        name: np.array([_number(point, name, where) for point in points])
        for name in ("line", "pixel", "latitude", "longitude", "height")
    }
    lines, pixels = np.unique(columns["line"]), np.unique(columns["pixel"])
    order = np.lexsort((columns["pixel"], columns["line"]))
    node_line, node_pixel = np.meshgrid(lines, pixels, indexing="ij")
    whole = min(lines.size, pixels.size) > 1 and len(points) == lines.size * pixels.size
    if not whole or (columns["line"][order] != node_line.ravel()).any() or (
        columns["pixel"][order] != node_pixel.ravel()
    ).any():  # fmt: skip
        _refuse(f"its {len(points)} geolocation points are no lattice of lines and pixels", where)
    longitude, latitude, height = (
        columns[name][order].reshape(lines.size, pixels.size) for name in ("longitude", "latitude", "height")
    )
    image = root.find(".//imageInformation")
    if image is None:
        _refuse("there is no imageInformation", where)
    performed = [flag.text or "" for flag in root.iter("thermalNoiseCorrectionPerformed")]
    return ImageGeometry(
        int(_number(image, "numberOfLines", where)),
        int(_number(image, "numberOfSamples", where)),
        _number(image, "rangePixelSpacing", where),
        _number(image, "azimuthPixelSpacing", where),
        any(text.strip().lower() == "true" for text in performed),
        lines,
        pixels,
        longitude,
        latitude,
        height,
    )


def parse_gamma(content: bytes, polarisation: str, where: str) -> LookUpTable:
    """Gamma look-up table A of a `calibration` file: gamma0 = (DN² - noise) / A².

    The table holds the cosine of the incidence angle on the ellipsoid, so that no angle has to be known.

    Raises
    ------
    InvalidAnnotationError
        As `parse_product`, or values that are not above 0.
    """
    root = _root(content, "calibration", polarisation, where)
    table = _table(root, "calibrationVector", "gamma", where)
    if not (table.values > 0).all():
        _refuse("its gamma table has values that are not above 0", where)
    return table


def parse_noise(content: bytes, polarisation: str, where: str) -> Noise:
    """Thermal noise of a `noise` file, in the form since IPF 2.90 (range and azimuth) or before (range alone).

    Raises
    ------
    InvalidAnnotationError
        As `parse_product`, or values below 0.
    """
    root = _root(content, "noise", polarisation, where)
    names = ("noiseRangeVector", "noiseRangeLut")
    if root.find(".//noiseRangeVector") is None:
        names = ("noiseVector", "noiseLut")
    table = _table(root, *names, where)
    if not (table.values >= 0).all():
        _refuse("its noise table has values below 0", where)
    return Noise(table, tuple(_noise_blocks(root, where)))


def _noise_blocks(root: ET.Element, where: str) -> Iterator[NoiseBlock]:
    for vector in root.iter("noiseAzimuthVector"):
        lines, factors = _numbers(vector, "line", where), _numbers(vector, "noiseAzimuthLut", where)
        if lines.size != factors.size:
            _refuse(f"a noiseAzimuthVector has {lines.size} lines and {factors.size} values", where)
        first_line, last_line, first_pixel, last_pixel = (
            int(_number(vector, name, where))
            for name in ("firstAzimuthLine", "lastAzimuthLine", "firstRangeSample", "lastRangeSample")
        )
        yield NoiseBlock(first_line, last_line, first_pixel, last_pixel, lines, factors)


def _table(root: ET.Element, vector_name: str, value_name: str, where: str) -> LookUpTable:
    """Vectors of a file on the union of their pixels: linear between its own, a vector loses nothing by that."""
    vectors = []
    for vector in root.iter(vector_name):
        pixels, values = _numbers(vector, "pixel", where), _numbers(vector, value_name, where)
        if pixels.size != values.size:
            _refuse(f"a {vector_name} has {pixels.size} pixels and {values.size} values", where)
        if (np.diff(pixels) <= 0).any():
            _refuse(f"pixels of a {vector_name} do not ascend", where)
        vectors.append((_number(vector, "line", where), pixels, values))
    if not vectors:
        _refuse(f"there is no {vector_name}", where)
    vectors.sort(key=lambda vector: vector[0])
    lines = np.array([line for line, _, _ in vectors])
    if (np.diff(lines) <= 0).any():
        _refuse(f"two {vector_name} have the same line", where)
    union = np.unique(np.concatenate([pixels for _, pixels, _ in vectors]))
    return LookUpTable(lines, union, np.stack([np.interp(union, pixels, values) for _, pixels, values in vectors]))


class _NoDocumentType(ET.TreeBuilder):
    """Entities can only be declared in a document type, which annotation files do not have: none is expanded."""

    def doctype(self, name: str, public: str | None, system: str | None) -> NoReturn:
        """Refuse the file before anything of its document type is read."""
        raise ET.ParseError(f"a document type ({name}) is not allowed")


def _root(content: bytes, name: str, polarisation: str, where: str) -> ET.Element:
    try:
        root = ET.fromstring(content, ET.XMLParser(target=_NoDocumentType()))  # no document type, so no entity
    except ET.ParseError as error:
        _refuse(f"it is not readable XML: {error}", where)
    if root.tag != name:
        _refuse(f"its root is {root.tag}, not {name}", where)
    found = root.findtext(".//polarisation", polarisation)
    if found.strip().upper() != polarisation:
        _refuse(f"it describes polarisation {found}, not {polarisation}", where)
    return root


def _number(element: ET.Element, name: str, where: str) -> float:
    numbers = _numbers(element, name, where)
    if numbers.size != 1:
        _refuse(f"{name} of a {element.tag} has {numbers.size} values instead of one", where)
    return float(numbers[0])


def _numbers(element: ET.Element, name: str, where: str) -> Floats:
    try:
        numbers = np.array((element.findtext(f".//{name}") or "").split(), dtype=np.float64)
    except ValueError:
        _refuse(f"{name} of a {element.tag} is no list of numbers", where)
    if not numbers.size or not np.isfinite(numbers).all():
        _refuse(f"{name} of a {element.tag} is missing or not finite", where)
    return numbers


def _refuse(what: str, where: str) -> NoReturn:
    raise InvalidAnnotationError(
        f"Sentinel-1 annotation cannot be used: {what}",
        where=where,
        remedy="Fetch the file again; if it is as the catalogue has it, leave the scene out or use sentinel-1-rtc",
    )
