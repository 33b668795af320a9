"""Labels from vector files as field teams deliver them: points or polygons with the crop's name in a column.

Belongs here: reading and naming. What contradicts itself is found by `labels.validate_labels` afterwards.
"""

from __future__ import annotations

from pathlib import Path

import geopandas
import pyogrio
import shapely

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.classification.errors import InvalidLabelsError
from agristat_platform.classification.labels import LabelCheck, dropped_table, label_table

NOT_IN_NOMENCLATURE = "not_in_nomenclature"
NO_GEOMETRY = "no_geometry"


def read_vector_labels(
    path: Path | str, nomenclature: CropNomenclature, crs: str, *, column: str, layer: str | None = None
) -> LabelCheck:
    """Read labelled points or polygons of any format GDAL knows.

    Parameters
    ----------
    path:
        GeoPackage, Shapefile, GeoJSON, …
    nomenclature:
        A class is found by its code or by one of its `labels`, capitals or not; other names are dropped and recorded.
    crs:
        CRS the geometries are brought to.
    column:
        The column with the crop's name or code.
    layer:
        Layer of a file with several; None: its only or first one.

    Returns
    -------
    LabelCheck
        `labels` (`LABELS_SCHEMA`; label_id is the file's name and the row number, from 1) and `dropped` with the reasons
        not_in_nomenclature (the name stands in `detail`) and no_geometry.

    Raises
    ------
    InvalidLabelsError
        The file cannot be read, has no CRS, or lacks the column.
    """
    source = Path(path)
    try:
        table = geopandas.read_file(source, layer=layer)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise InvalidLabelsError(f"labels cannot be read: {error}", where=str(source)) from error
    if table.crs is None:
        raise InvalidLabelsError("the file names no CRS", where=str(source), remedy="Save it with its CRS")
    if column not in table.columns:
        names = ", ".join(str(name) for name in table.columns if name != table.geometry.name)
        raise InvalidLabelsError(
            f"there is no column {column!r}", where=str(source), remedy=f"Set training.label_column to one of {names}"
        )
    codes = _codes_by_name(nomenclature)
    shapes = table.geometry.to_crs(crs).to_numpy()
    kept: list[dict[str, object]] = []
    dropped: list[tuple[str, str | None, str, str | None]] = []
    for row, (name, shape) in enumerate(zip(table[column].tolist(), shapes, strict=True), start=1):
        label_id = f"{source.stem}-{row}"
        code = codes.get(str(name).strip().casefold())
        if code is None:
            dropped.append((label_id, None, NOT_IN_NOMENCLATURE, str(name)))
        elif shape is None or shape.is_empty:
            dropped.append((label_id, code, NO_GEOMETRY, None))
        else:
            kept.append(
                {"label_id": label_id, "crop_code": code, "geometry": shapely.to_wkb(shape), "source": source.name}
            )
    return LabelCheck(labels=label_table(kept), dropped=dropped_table(dropped))


def _codes_by_name(nomenclature: CropNomenclature) -> dict[str, str]:
    known = {label.casefold(): crop.code for crop in nomenclature.crops for label in crop.labels}
    return known | {crop.code.casefold(): crop.code for crop in nomenclature.crops}
