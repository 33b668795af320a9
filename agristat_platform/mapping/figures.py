"""Pictures of crop maps: the same map gives the same bytes."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from rasterio.enums import Resampling

from agristat_platform.catalogue import CropNomenclature
from agristat_platform.mapping.crop_rasters import open_raster


def crop_map_png(
    path: Path | str,
    nomenclature: CropNomenclature,
    *,
    simulated: bool = False,
    title: str = "Crop map",
    language: str = "en",
) -> bytes:
    """Draw a crop map with a legend of the classes it holds; PNG of at most 700 × 700 pixels, deterministic."""
    # Imported here: every process of a run loads this module, and few draw.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    with open_raster(path) as source:
        shrink = max(source.width / 520, source.height / 520, 1.0)
        shape = max(int(source.height / shrink), 1), max(int(source.width / shrink), 1)
        classes = source.read(1, out_shape=shape, resampling=Resampling.nearest)
        bounds = source.bounds
    palette = np.zeros((256, 4), dtype=np.uint8)
    for class_id, colour in nomenclature.colour_table.items():
        palette[class_id] = colour
    figure = Figure(figsize=(7.0, 7.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(
        palette[classes], extent=(bounds.left, bounds.right, bounds.bottom, bounds.top), interpolation="nearest"
    )
    present = [crop for crop in nomenclature.crops if (classes == crop.class_id).any()]
    handles = [Patch(facecolor=crop.colour, label=crop.name.get(language, crop.code)) for crop in present]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    axes.set_title(f"{title} (simulated data)" if simulated else title, fontsize=11)
    axes.set_axis_off()
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
