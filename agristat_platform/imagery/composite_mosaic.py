"""Finished units put together: one Cloud Optimized GeoTIFF per file of a plan, and its rows of the layers table."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pyproj
import rasterio

from agristat_platform.imagery.composite_plan import SEASON, CompositePlan, PlannedLayer, season_of
from agristat_platform.imagery.composite_tiles import UnitResult, finished_unit
from agristat_platform.imagery.composite_tiling import TileUnit
from agristat_platform.imagery.errors import UnfinishedUnitError
from agristat_platform.imagery.layers import BLOCK_CACHE_BYTES, STORAGE, Storage, write_cog
from agristat_platform.imagery.overviews import write_overviews

Parts = list[tuple[TileUnit, UnitResult]]

GDAL_TYPES = {"uint16": "UInt16", "int16": "Int16", "float32": "Float32"}


def assemble_file(plan: CompositePlan, folder: Path, target_dir: Path, file: str) -> list[dict[str, Any]]:
    """Write one file of a plan from its finished units.

    Its bytes are those of the pixels alone: how the grid was cut into tiles leaves no trace.

    Parameters
    ----------
    folder:
        Where `compose_unit` left the units.
    target_dir:
        Where the COG goes.
    file:
        One of `plan.files`.

    Returns
    -------
    The file's rows of the layers table (LAYERS_SCHEMA), in the order of its bands.

    Raises
    ------
    UnfinishedUnitError
        A unit is missing.
    """
    numbered = [(index, layer) for index, layer in enumerate(plan.layers) if layer.file == file]
    numbered.sort(key=lambda pair: pair[1].band_index)
    wanted = {index for index, _ in numbered}
    parts = [(unit, _finished(plan, unit, folder)) for unit in plan.units if wanted & set(unit.layers)]
    mosaic = target_dir / f".{Path(file).stem}.vrt"
    overviews: list[Path] = []
    try:
        mosaic.write_text(_mosaic(plan, numbered, parts, overviews))
        with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES):
            overviews = write_overviews(mosaic, target_dir, mosaic.stem)
        mosaic.write_text(_mosaic(plan, numbered, parts, overviews))
        write_cog(mosaic, target_dir / file, with_overviews=True)
    finally:
        for path in (mosaic, *target_dir.glob(f"{mosaic.stem}.overview*.tif")):  # also those of a pass that failed
            path.unlink(missing_ok=True)
    return [_layer_row(plan, index, layer, parts) for index, layer in numbered]


def _finished(plan: CompositePlan, unit: TileUnit, folder: Path) -> UnitResult:
    done = finished_unit(plan, unit, folder)
    if done is None:
        raise UnfinishedUnitError(
            "a tile of the composites is missing",
            where=str(folder / unit.name),
            remedy="Compose it again, then assemble",
        )
    return done


def _mosaic(plan: CompositePlan, numbered: list[tuple[int, PlannedLayer]], parts: Parts, overviews: list[Path]) -> str:
    """The units' files as one raster, in GDAL's virtual format."""
    grid, storage = plan.grid, STORAGE[numbered[0][1].band.kind]
    place = grid.transform.to_gdal()
    lines = [
        f'<VRTDataset rasterXSize="{grid.width}" rasterYSize="{grid.height}">',
        f"<SRS>{escape(pyproj.CRS.from_user_input(grid.crs).to_wkt('WKT2_2019'))}</SRS>",
        f"<GeoTransform>{', '.join(repr(number) for number in place)}</GeoTransform>",
        f'<Metadata><MDI key="collection">{escape(numbered[0][1].collection)}</MDI></Metadata>',
    ]
    for band, (index, layer) in enumerate(numbered, start=1):
        lines += _band(plan, band, layer, storage)
        lines += [_source(unit, result.path, unit.layers.index(index) + 1) for unit, result in parts
                  if index in unit.layers]  # fmt: skip
        for path in overviews:
            lines.append(f"<Overview>{_file(path)}<SourceBand>{band}</SourceBand></Overview>")
        lines.append("</VRTRasterBand>")
    return "\n".join([*lines, "</VRTDataset>"])


def _band(plan: CompositePlan, number: int, layer: PlannedLayer, storage: Storage) -> list[str]:
    scale = STORAGE[layer.band.kind].scale
    start, end = _dates(plan, layer)
    tags = {
        "band": layer.band.name,
        "statistic": layer.statistic,
        "interval_start": start.isoformat(),
        "interval_end": end.isoformat(),
        "unit": _unit(layer),
    }
    return [
        f'<VRTRasterBand dataType="{GDAL_TYPES[storage.dtype]}" band="{number}">',
        f"<Description>{escape(layer.layer)}_{layer.label}</Description>",
        f"<NoDataValue>{'nan' if storage.nodata != storage.nodata else int(storage.nodata)}</NoDataValue>",
        f"<Scale>{scale!r}</Scale>",
        "<Metadata>" + "".join(f'<MDI key="{key}">{escape(text)}</MDI>' for key, text in tags.items()) + "</Metadata>",
    ]


def _unit(layer: PlannedLayer) -> str:
    """Unit as stored; radar's is that of its band, which says so where it is not terrain-corrected."""
    return layer.band.unit if layer.band.kind == "radar" else STORAGE[layer.band.kind].unit


def _source(unit: TileUnit, path: Path, band: int) -> str:
    width, height = unit.cols.stop - unit.cols.start, unit.rows.stop - unit.rows.start
    size = f'xSize="{width}" ySize="{height}"'
    return (
        f"<SimpleSource>{_file(path)}"
        f'<SourceBand>{band}</SourceBand><SrcRect xOff="0" yOff="0" {size}/>'
        f'<DstRect xOff="{unit.cols.start}" yOff="{unit.rows.start}" {size}/></SimpleSource>'
    )


def _file(path: Path) -> str:
    return f'<SourceFilename relativeToVRT="0">{escape(str(path.absolute()))}</SourceFilename>'


def _dates(plan: CompositePlan, layer: PlannedLayer) -> tuple[Any, Any]:
    return (layer.interval.start, layer.interval.end) if layer.interval is not None else season_of(plan)


def _layer_row(plan: CompositePlan, index: int, layer: PlannedLayer, parts: Parts) -> dict[str, Any]:
    """One row of the layers table, its shares counted over the units of the layer."""
    pixels = valid = observations = 0
    for unit, result in parts:
        if index in unit.layers:
            position = unit.layers.index(index)
            pixels += result.aoi_pixels
            valid += result.valid[position]
            observations += result.observations[position]
    storage = STORAGE[layer.band.kind]
    start, end = _dates(plan, layer)
    return {
        "file": layer.file,
        "band_index": layer.band_index,
        "collection": layer.collection,
        "band": layer.band.name,
        "layer": layer.layer,
        "statistic": layer.statistic,
        "orbit": layer.orbit,
        "interval": layer.interval.index if layer.interval is not None else SEASON,
        "interval_start": start,
        "interval_end": end,
        "scale": storage.scale,
        "offset": 0.0,
        "nodata": storage.nodata,
        "unit": _unit(layer),
        "valid_share": valid / pixels,
        "observations_mean": observations / pixels,
    }
