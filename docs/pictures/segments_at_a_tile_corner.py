"""The picture `segments_at_a_tile_corner.png`: outlines over simulated imagery, where four tiles of the file meet.

    python docs/pictures/segments_at_a_tile_corner.py [--picture PATH] [--tile 128]

On the left `segment_raster`, reading one row of tiles at a time; on the right each tile segmented for itself, which is
what seams look like. Figures in the captions are counted here: pixels that differ from `segment_image` of the whole
image, and how much of the tiles' edges a boundary of segments lies on, beside that of other rows and columns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from PIL import Image, ImageDraw, ImageFont

from agristat_platform.catalogue import load_catalogue, load_settings
from agristat_platform.segmentation import segment_image, segment_raster
from agristat_platform.simulation import prepare_region, smaller_region

REGION, SEASON, SCALE = "demo-valley", "2023-10", 0.45
SENSOR_TILE, MONTHS = "30TTM", ("2023-12", "2024-04", "2024-05")  # emergence, full cover, ripening
BANDS = ("blue", "green", "red", "nir")
SHOWN = (7, 6, 5)  # near infrared, red and green of April, as red, green and blue
MIN_PIXELS = 20
AROUND = 44  # pixels shown on each side of the corner
ZOOM = 7
OUTLINE, TILE_EDGE, PAPER, INK = (255, 230, 0), (255, 255, 255), (255, 255, 255), (20, 20, 20)
ROOT = Path(__file__).resolve().parents[2]

Labels = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Corner:
    """What the picture shows: the image, labels by either way, and what was counted."""

    image: npt.NDArray[np.uint16]
    tile: int
    labels: Labels
    alone: Labels
    differing: int

    def along_edges(self, labels: Labels) -> float:
        """Share of the tiles' edges that a boundary of segments lies on."""
        return _boundary_share(labels, [self.tile * k for k in range(1, max(labels.shape) // self.tile + 1)])

    def elsewhere(self, labels: Labels) -> float:
        """The same of rows and columns half a tile off."""
        return _boundary_share(
            labels, [self.tile * k + self.tile // 2 for k in range(max(labels.shape) // self.tile + 1)]
        )


def simulated_image(folder: Path, tile: int, *, scale: float = SCALE) -> Path:
    """Three scenes of the demo region without a cloud or gap, as one tiled GeoTIFF in `folder`."""
    catalogue = load_catalogue(load_settings(ROOT / "config", env={}))
    region = smaller_region(catalogue.region(REGION), scale=scale)
    archive = prepare_region(region, folder, nomenclature=catalogue.nomenclature(REGION), seasons=[SEASON])
    items = [json.loads(path.read_text()) for path in sorted(archive.items_directory.glob(f"*_{SENSOR_TILE}_*.json"))]
    lacking = ("eo:cloud_cover", "s2:nodata_pixel_percentage")
    clear = [item for item in items if all(item["properties"].get(name) == 0 for name in lacking)]
    chosen = [next(item for item in clear if item["properties"]["datetime"].startswith(month)) for month in MONTHS]
    files = [item["assets"][band]["href"].removeprefix("file://") for item in chosen for band in BANDS]
    path = folder / "image.tif"
    with rasterio.open(files[0]) as first:
        profile = {"driver": "GTiff", "dtype": "uint16", "count": len(files), "crs": first.crs, "nodata": 0}
        profile |= {"width": first.width, "height": first.height, "transform": first.transform}
    with rasterio.open(path, "w", **profile, tiled=True, blockxsize=tile, blockysize=tile) as image:
        for number, file in enumerate(files, start=1):
            with rasterio.open(file) as band:
                image.write(band.read(1), number)
    return path


def segmented_at_a_corner(path: Path, tile: int) -> Corner:
    """The image segmented by rows of tiles, as a whole, and each tile alone."""
    target = path.with_name("segments.tif")
    segment_raster(path, target, tile_size=tile, min_pixels=MIN_PIXELS)
    with rasterio.open(target) as raster:
        labels = raster.read(1)
    with rasterio.open(path) as raster:
        image = raster.read()
    whole = segment_image(image, nodata=0, min_pixels=MIN_PIXELS).labels
    alone = np.zeros_like(labels)
    for top in range(0, image.shape[1], tile):
        for left in range(0, image.shape[2], tile):
            part = image[:, top : top + tile, left : left + tile]
            if not (part > 0).all(axis=0).any():  # beyond the region
                continue
            found = segment_image(part, nodata=0, min_pixels=MIN_PIXELS).labels
            alone[top : top + tile, left : left + tile] = np.where(found > 0, found + alone.max(), 0)
    return Corner(image, tile, labels, alone, int((labels != whole).sum()))


def drawn(corner: Corner) -> Image.Image:
    """Both results around the tiles' corner, with captions."""
    captions = [
        (
            f"read by rows of tiles: {corner.differing} pixels differ from the whole",
            f"boundaries on {corner.along_edges(corner.labels):.0%} of the tiles' edges, "
            f"on {corner.elsewhere(corner.labels):.0%} elsewhere",
        ),
        (
            "each tile for itself",
            f"boundaries on {corner.along_edges(corner.alone):.0%} of the tiles' edges, "
            f"on {corner.elsewhere(corner.alone):.0%} elsewhere",
        ),
    ]
    side, gap, line = 2 * AROUND * ZOOM, 16, 22
    sheet = Image.new("RGB", (2 * side + gap, side + 3 * line), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=15)
    for column, (labels, text) in enumerate(zip((corner.labels, corner.alone), captions, strict=True)):
        left = column * (side + gap)
        sheet.paste(_panel(corner, labels), (left, 0))
        for row, words in enumerate(text):
            draw.text((left + 4, side + 4 + row * line), words, INK, font)
    note = f"Simulated Sentinel-2 of three dates (near infrared, red, green of April); dashed: tiles of {corner.tile} pixels"
    draw.text((4, side + 4 + 2 * line), note, INK, font)
    return sheet.quantize(128, method=Image.Quantize.MEDIANCUT)


def _panel(corner: Corner, labels: Labels) -> Image.Image:
    window = (slice(corner.tile - AROUND, corner.tile + AROUND),) * 2
    bands = np.stack([corner.image[band][window] for band in SHOWN], axis=-1).astype(np.float64)
    low, high = np.percentile(bands, (1, 99), axis=(0, 1))
    shades = np.rint(np.clip((bands - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    large = shades.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    numbers = labels[window].repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    across, down = numbers[:, 1:] != numbers[:, :-1], numbers[1:] != numbers[:-1]
    for line in (slice(None, -1), slice(1, None)):  # a pixel on either side
        large[:, line][across] = OUTLINE
        large[line][down] = OUTLINE
    middle = AROUND * ZOOM
    dashes = np.flatnonzero(np.arange(len(large)) % 16 < 4)
    large[middle, dashes] = large[dashes, middle] = TILE_EDGE
    return Image.fromarray(large, "RGB")


def _boundary_share(labels: Labels, lines: list[int]) -> float:
    """Share of the pairs of pixels across these rows and columns that belong to two segments."""
    rows, cols = ([line for line in lines if 0 < line < size] for size in labels.shape)
    pairs = [(labels[row - 1], labels[row]) for row in rows] + [(labels[:, col - 1], labels[:, col]) for col in cols]
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    both = (one > 0) & (other > 0)
    return float((one != other)[both].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, default=Path(__file__).with_suffix(".png"))
    parser.add_argument("--tile", type=int, default=128, help="pixels on a side; a multiple of 16")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        corner = segmented_at_a_corner(simulated_image(Path(folder), options.tile), options.tile)
    drawn(corner).save(options.picture, optimize=True)
    print(f"{options.picture}: {corner.differing} pixels differ from the whole image's labels")


if __name__ == "__main__":
    main()
