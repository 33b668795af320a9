"""Raster attribute tables of class maps, where GDAL, QGIS and ArcGIS look for them: beside the raster, in XML.

Format: GDAL's persistent auxiliary metadata (PAM), `<name>.tif.aux.xml`, with a thematic table. There is no column of pixel
counts: counts are no estimate of area, and a table in a map's window would be taken for one.
"""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

from agristat_platform.catalogue import CropNomenclature

SUFFIX = ".aux.xml"
_INTEGER, _TEXT = "0", "2"
# names of columns with GDAL's GDALRATFieldType and GDALRATFieldUsage
_COLUMNS = (
    ("Value", _INTEGER, "5"),
    ("Code", _TEXT, "0"),
    ("Class", _TEXT, "2"),
    ("Cultivated", _INTEGER, "0"),
    ("Red", _INTEGER, "6"),
    ("Green", _INTEGER, "7"),
    ("Blue", _INTEGER, "8"),
)


def class_table(nomenclature: CropNomenclature, language: str = "en") -> bytes:
    """Value, code, name, whether cultivated, and colour of every class, by rising value; equal input gives equal bytes."""
    root = ElementTree.Element("PAMDataset")
    band = ElementTree.SubElement(root, "PAMRasterBand", band="1")
    table = ElementTree.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, kind, usage) in enumerate(_COLUMNS):
        column = ElementTree.SubElement(table, "FieldDefn", index=str(index))
        for tag, text in (("Name", name), ("Type", kind), ("Usage", usage)):
            ElementTree.SubElement(column, tag).text = text
    for index, crop in enumerate(sorted(nomenclature.crops, key=lambda crop: crop.class_id)):
        red, green, blue, _ = nomenclature.colour_table[crop.class_id]
        values = (crop.class_id, crop.code, crop.name.get(language, crop.code), int(crop.cultivated), red, green, blue)
        row = ElementTree.SubElement(table, "Row", index=str(index))
        for value in values:
            ElementTree.SubElement(row, "F").text = str(value)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8") + b"\n"


def write_class_table(raster: Path, nomenclature: CropNomenclature) -> Path:
    """Write the table beside a class map, whole or not at all, and return its path."""
    target = raster.with_name(raster.name + SUFFIX)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(class_table(nomenclature))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target
