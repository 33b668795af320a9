"""Windows of kept scenes over a region copied to the archive, so that later work reads them there.

What has been copied is remembered beside it with its hash, so that a run that was stopped goes on where it was. How
one window is copied is in `window_copies`, what is remembered in `window_records`.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pystac
import rasterio
from rasterio.errors import RasterioError

from agristat_platform.catalogue import Grid, ImagerySource
from agristat_platform.imagery.access import FileAccess
from agristat_platform.imagery.collections import Band, requested_bands
from agristat_platform.imagery.encoding import asset_of, collection_of, href_of
from agristat_platform.imagery.reading import unreadable
from agristat_platform.imagery.scene_files import ORIGIN, bands_read
from agristat_platform.imagery.window_copies import WindowCopy, copy_window, window_over
from agristat_platform.imagery.window_records import WindowRecords

MARGIN_PX = 2
FIRST_PAUSE_S = 0.5
NOTHING_CACHED = "/vsicurl/:/vsis3/"
WINDOW_TYPE = "image/tiff; application=geotiff"
_OF_THE_WHOLE_FILE = ("file:size", "file:checksum", "proj:geometry", "proj:centroid")

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class IngestedWindows:
    """Items whose files are windows in the archive, and how they came there.

    `fetched` windows were copied now (`bytes` on the disk together), `reused` ones were there, and files `left` where
    they are have no window: they lie outside the region or are not on a map's pixels (Sentinel-1 GRD).
    """

    items: list[pystac.Item]
    fetched: int
    reused: int
    left: int
    bytes: int


def ingest_kept_scenes(
    scenes: pa.Table, grid: Grid, imagery: ImagerySource, directory: Path, *, progress: Progress | None = None
) -> tuple[pa.Table, IngestedWindows]:
    """`ingest_windows` of every kept scene of a table, those around the season with them.

    Parameters
    ----------
    scenes:
        `SCENES_SCHEMA`.
    imagery:
        Bands by collection, and the masks' dilation, which decides how far around the region masks are copied.

    Returns
    -------
    The table with the column `item` of kept scenes replaced, and the windows.

    Raises
    ------
    As `ingest_windows`.
    """
    rows = scenes.select(["kept", "item"]).to_pylist()
    items = [pystac.Item.from_dict(json.loads(row["item"])) for row in rows if row["kept"]]
    margin_m = max(imagery.masks.cloud_dilation_m, imagery.masks.shadow_dilation_m)
    done = ingest_windows(
        items, grid, requested_bands(imagery.collections), directory, mask_margin_m=margin_m, progress=progress
    )
    moved = iter(done.items)
    texts = [
        json.dumps(next(moved).to_dict(include_self_link=True, transform_hrefs=False), sort_keys=True)
        if row["kept"]
        else row["item"]
        for row in rows
    ]
    place = scenes.schema.get_field_index("item")
    return scenes.set_column(place, scenes.schema.field("item"), pa.array(texts, pa.string())), done


@dataclass(frozen=True)
class _Task:
    item: pystac.Item
    band: Band
    asset: str
    origin: str
    path: Path
    key: str
    margin_m: float


def ingest_windows(
    items: Sequence[pystac.Item],
    grid: Grid,
    bands_by_collection: Mapping[str, Sequence[str]],
    directory: Path,
    *,
    mask_margin_m: float = 0.0,
    workers: int = 4,
    retries: int = 3,
    progress: Progress | None = None,
    access: FileAccess | None = None,
) -> IngestedWindows:
    """Copy what a region needs of each scene to `<directory>/<collection>/<scene id>/<asset>.tif`.

    A window holds the file's own numbers on its own pixels: bounds of the grid in the scene's CRS and two pixels more,
    tiled, compressed without loss. A window that is there with the hash it was recorded with is not fetched again.
    The result of composing windows is that of composing the whole files.

    Parameters
    ----------
    items:
        Kept scenes; they are left as they are.
    grid:
        The region's pixel grid.
    bands_by_collection:
        Band names by platform collection name (`requested_bands`); masks are always copied with them.
    directory:
        `<archive>/<region>/windows`.
    mask_margin_m:
        Metres more around masks: how far cloud reaches into the region from outside (the larger dilation).
    workers:
        Files copied at a time; memory is a strip of 1 024 rows of each.
    retries:
        How often a file is tried again after it could not be read.
    progress:
        Called with ("windows", done, all).
    access:
        How files are let be read; None: with the keys of the process's environment.

    Returns
    -------
    IngestedWindows; their assets' addresses are the windows, the field `agristat:origin` has where each came from,
    and the projection fields are the window's.

    Raises
    ------
    UnreadableSceneError
        A file cannot be read, however often it was tried; finished windows are kept.
    ArchiveFullError
        A window cannot be written; no half file is left.
    MissingAssetError, MissingKeysError, CatalogueUnreachableError
    """
    access = access or FileAccess()
    tasks = _tasks(items, grid, bands_by_collection, Path(directory), mask_margin_m)
    records = WindowRecords({task.path.parent for task in tasks})
    copies: dict[Path, WindowCopy] = {}
    fetched = reused = left = size = 0
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="ingest") as pool:
        futures = {pool.submit(_ingest, task, grid, records, retries, access): task for task in tasks}
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                task, (copy, is_new) = futures[future], future.result()
                if copy is None:
                    left += 1
                else:
                    copies[task.path] = copy
                    fetched, reused = fetched + is_new, reused + (not is_new)
                    size += copy.bytes if is_new else 0
                if progress is not None:
                    progress("windows", number, len(tasks))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)  # copies under way come to their end and are kept
            raise
    moved = [_moved(item, [task for task in tasks if task.item is item], copies) for item in items]
    return IngestedWindows(moved, fetched, reused, left, size)


def _tasks(
    items: Sequence[pystac.Item],
    grid: Grid,
    wanted: Mapping[str, Sequence[str]],
    directory: Path,
    mask_margin_m: float,
) -> list[_Task]:
    place = [str(grid.crs), *tuple(grid.transform)[:6], grid.width, grid.height]
    tasks = []
    for item in items:
        folder = directory / collection_of(item).name / _file_safe(item.id)
        for band in bands_read(item, wanted):
            asset = asset_of(item, band)
            name = next(key for key, candidate in item.assets.items() if candidate is asset)
            origin = str(asset.extra_fields.get(ORIGIN) or href_of(item, band))
            margin_m = mask_margin_m if band.kind == "mask" else 0.0
            text = json.dumps([origin, place, MARGIN_PX, margin_m])
            key = hashlib.sha256(text.encode()).hexdigest()
            tasks.append(_Task(item, band, name, origin, folder / f"{_file_safe(name)}.tif", key, margin_m))
    return tasks


def _file_safe(name: str) -> str:
    return re.sub(r"[^\w.\-]", "_", name).lstrip(".") or "_"


def _ingest(
    task: _Task, grid: Grid, records: WindowRecords, retries: int, access: FileAccess
) -> tuple[WindowCopy | None, bool]:
    """The window of one file and whether it was fetched now; None where the file has none."""
    known = records.copy_of(task.path, task.key)
    if known is not None:
        return known, False
    copy = _fetched(task, grid, retries, access)
    if copy is not None:
        records.remember(task.path, task.origin, task.key, copy)
    return copy, True


def _fetched(task: _Task, grid: Grid, retries: int, access: FileAccess) -> WindowCopy | None:
    for attempt in range(retries + 1):
        try:
            # what GDAL remembers of a file that broke off must not come back at the next attempt
            with ExitStack() as stack:
                address = stack.enter_context(access.environment(task.origin, CPL_VSIL_CURL_NON_CACHED=NOTHING_CACHED))
                source = stack.enter_context(rasterio.open(address))
                window = None if source.crs is None else window_over(source, grid, MARGIN_PX, task.margin_m)
                return None if window is None else copy_window(source, window, task.path)
        except RasterioError as error:
            if attempt == retries:
                named = unreadable(task.item, task.band, task.origin, error)
                named.what += f" (attempts: {retries + 1})"
                raise named from error
            time.sleep(FIRST_PAUSE_S * 2**attempt)
    raise AssertionError("a file is tried at least once")


def _moved(item: pystac.Item, tasks: list[_Task], copies: Mapping[Path, WindowCopy]) -> pystac.Item:
    """The item with its files in the archive."""
    moved = item.clone()
    for task in tasks:
        copy = copies.get(task.path)
        if copy is None:
            continue
        asset = moved.assets[task.asset]
        asset.href = str(task.path.resolve())
        asset.media_type = WINDOW_TYPE
        for name in _OF_THE_WHOLE_FILE:
            asset.extra_fields.pop(name, None)
        asset.extra_fields[ORIGIN] = task.origin
        asset.extra_fields["proj:shape"] = list(copy.shape)
        asset.extra_fields["proj:transform"] = list(copy.transform)
        asset.extra_fields["proj:bbox"] = list(copy.bbox)
        if copy.epsg is not None:
            asset.extra_fields["proj:code"] = f"EPSG:{copy.epsg}"
    return moved
