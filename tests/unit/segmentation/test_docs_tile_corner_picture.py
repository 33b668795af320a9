"""The picture in the docs can be made again, and what its captions say is counted."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "docs" / "pictures" / "segments_at_a_tile_corner.py"
TILE = 48


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("segments_at_a_tile_corner", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def corner(script, tmp_path_factory):
    """Fields of 24 pixels of two kinds, so that some lie across the tiles' edges, three by two tiles."""
    rng = np.random.default_rng(4)
    fields = np.add.outer(np.arange(2 * TILE) + 12, 7 * ((np.arange(3 * TILE) + 12) // 24)) // 24
    image = (1000 + 800 * (fields % 3) + rng.normal(0, 40, (12, *fields.shape))).astype(np.uint16)
    path = tmp_path_factory.mktemp("corner") / "image.tif"
    profile = {"driver": "GTiff", "dtype": "uint16", "count": 12, "width": 3 * TILE, "height": 2 * TILE, "nodata": 0}
    profile |= {"crs": "EPSG:32630", "transform": Affine(10, 0, 700_000, 0, -10, 4_600_000)}
    with rasterio.open(path, "w", **profile, tiled=True, blockxsize=TILE, blockysize=TILE) as raster:
        raster.write(image)
    return script.segmented_at_a_corner(path, TILE)


def test_no_pixel_differs_and_no_boundary_runs_along_the_tiles(corner):
    assert corner.differing == 0
    assert corner.along_edges(corner.alone) == 1.0
    assert corner.along_edges(corner.labels) < 0.5
    assert corner.elsewhere(corner.alone) < 0.5


def test_the_picture_shows_both(script, corner):
    picture = script.drawn(corner)
    side = 2 * script.AROUND * script.ZOOM
    assert picture.width > 2 * side
    pixels = np.array(picture.convert("RGB"))
    left, right = pixels[:side, :side], pixels[:side, -side:]
    assert (left != right).any()


def test_the_pictures_of_the_docs_are_small_and_shown():
    text = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    for path in sorted((ROOT / "docs" / "pictures").glob("*.png")):
        assert path.stat().st_size < 400_000
        assert f"pictures/{path.name}" in text
        assert Image.open(path).size[0] > 600


@pytest.mark.long  # half a minute: it simulates a season
def test_the_script_makes_the_picture_from_simulated_scenes(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["script", "--picture", str(tmp_path / "corner.png")])
    script.main()
    assert "0 pixels differ" in capsys.readouterr().out
    assert (tmp_path / "corner.png").stat().st_size > 10_000
