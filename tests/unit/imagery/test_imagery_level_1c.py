"""Level-1C through a program that is called and answers as Sen2Cor does, and what happens when it fails or is absent."""

import json
import os
import stat
import sys
import time

import numpy as np
import pytest
import rasterio
from affine import Affine

from agristat_platform.cli import main
from agristat_platform.imagery import (
    COLLECTIONS,
    InvalidProductError,
    Sen2CorFailedError,
    Sen2CorMissingError,
    add_safe_product,
    band_encoding,
    find_sen2cor,
)
from agristat_platform.imagery.encoding import acquisition_of, tile_of
from resources.embedded_catalogue import EmbeddedCatalogue

NAME = "S2A_MSIL1C_20180503T110621_N0206_R137_T30TTM_20180503T150000"
MADE = "S2A_MSIL2A_20180503T110621_N9999_R137_T30TTM_20240101T000000"
S2 = COLLECTIONS["sentinel-2-l2a"]

# What Sen2Cor leaves behind: names and folders of a Level-2A product, small images, its metadata's elements.
PROGRAM = """#!{python}
import os, pathlib, shutil, sys, time
arguments = sys.argv[1:]
if arguments == ["--help"]:
    print("Sentinel-2 Level 2A Processor (Sen2Cor). Version: 2.11.0, created: 2022.09.01")
    sys.exit(0)
way = os.environ.get("FAKE_SEN2COR", "")
output = pathlib.Path(arguments[arguments.index("--output_dir") + 1])
pathlib.Path({calls!r}).open("a").write(" ".join(arguments) + "\\n")
print("Progress[%]:  0.00 : Generating datastrip metadata", flush=True)
if way == "fails":
    print("L2A_ProcessTile: out of memory", file=sys.stderr)
    sys.exit(1)
if way == "hangs":
    time.sleep(60)
if way != "nothing":
    shutil.copytree({template!r}, output / {made!r})
if way == "half":
    next((output / {made!r}).glob("GRANULE/*/IMG_DATA/R20m/*_SCL_20m.tif")).unlink()
print("Progress[%]: 100.00 : Application terminated successfully.", flush=True)
"""

METADATA = """<?xml version="1.0" encoding="UTF-8"?>
<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd"><n1:General_Info>
<Product_Info><PRODUCT_START_TIME>2018-05-03T11:06:21.024Z</PRODUCT_START_TIME>
<PROCESSING_BASELINE>99.99</PROCESSING_BASELINE><GENERATION_TIME>2024-01-01T00:00:00.000000Z</GENERATION_TIME>
<Datatake><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
<SENSING_ORBIT_DIRECTION>DESCENDING</SENSING_ORBIT_DIRECTION></Datatake></Product_Info>
<Product_Image_Characteristics><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>
{offsets}</Product_Image_Characteristics></n1:General_Info>
<n1:Quality_Indicators_Info><Cloud_Coverage_Assessment>12.5</Cloud_Coverage_Assessment></n1:Quality_Indicators_Info>
</n1:Level-2A_User_Product>"""


def write_level_2a(folder, offset=-1000):
    images = folder / "GRANULE" / "L2A_T30TTM_A014949_20180503T110639" / "IMG_DATA"
    for name, metres, number in [("B02", 10, 1200), ("B03", 10, 1300), ("B04", 10, 1500), ("B08", 10, 4000),
                                 ("B11", 20, 2500), ("B04", 20, 1500), ("SCL", 20, 4)]:  # fmt: skip
        path = images / f"R{metres}m" / f"T30TTM_20180503T110621_{name}_{metres}m.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        dtype = "uint8" if name == "SCL" else "uint16"
        with rasterio.open(
            path, "w", driver="GTiff", width=600 // metres, height=600 // metres, count=1, dtype=dtype,
            crs="EPSG:32630", transform=Affine(metres, 0, 249_600, 0, -metres, 4_610_400),
        ) as dataset:  # fmt: skip
            dataset.write(np.full((600 // metres,) * 2, number, dtype), 1)
    listed = "".join(f'<BOA_ADD_OFFSET band_id="{number}">{offset}</BOA_ADD_OFFSET>' for number in range(13))
    offsets = f"<BOA_ADD_OFFSET_VALUES_LIST>{listed}</BOA_ADD_OFFSET_VALUES_LIST>" if offset else ""
    (folder / "MTD_MSIL2A.xml").write_text(METADATA.replace("{offsets}", offsets))
    return folder


@pytest.fixture
def level_1c(tmp_path):
    folder = tmp_path / "input" / f"{NAME}.SAFE"
    folder.mkdir(parents=True)
    (folder / "MTD_MSIL1C.xml").write_text("<Level-1C_User_Product/>")
    return folder


@pytest.fixture
def sen2cor(tmp_path, monkeypatch):
    """Puts the program below SEN2COR_HOME; returns the file that lists its calls."""
    template, calls = write_level_2a(tmp_path / "template"), tmp_path / "calls"
    program = tmp_path / "Sen2Cor-02.11.00-Linux64" / "bin" / "L2A_Process"
    program.parent.mkdir(parents=True)
    program.write_text(
        PROGRAM.format(python=sys.executable, calls=str(calls), template=str(template), made=f"{MADE}.SAFE")
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("SEN2COR_HOME", str(program.parent.parent))
    return calls


def test_level_1c_becomes_an_item_of_the_archive(level_1c, sen2cor, tmp_path):
    lines = []
    item = add_safe_product(level_1c, tmp_path / "archive", "valley", log=lines.append)
    assert sen2cor.read_text().endswith(f"{level_1c}\n")
    assert "--resolution" not in sen2cor.read_text()
    assert lines[-1].startswith("Progress[%]: 100.00")
    assert item.id == MADE
    assert item.properties["processing:software"] == {"Sen2Cor": "2.11.0"}
    assert (tile_of(item), acquisition_of(item)[1:]) == ("30TTM", ("sentinel-2a", "2018-05-03", "137", "descending"))
    red = item.assets["B04_10m"]
    assert str(tmp_path / "archive" / "valley" / "scenes" / "sentinel-2-l2a" / f"{MADE}.SAFE") in red.href
    encoding = band_encoding(item, S2, S2.band("B04"))
    assert 1500 * encoding.scale + encoding.offset == pytest.approx(0.05)  # (1500 − 1000) / 10000
    written = json.loads((tmp_path / "archive" / "valley" / "items" / f"{MADE}.json").read_text())
    assert written["assets"]["SCL_20m"]["proj:shape"] == [30, 30]
    assert not list((tmp_path / "archive" / "valley" / "scenes").rglob(".sen2cor*"))
    with EmbeddedCatalogue(tmp_path / "archive", tmp_path / "scratch", regions=["valley"]) as server:
        assert server.url


def test_what_was_corrected_before_is_not_corrected_again(level_1c, sen2cor, tmp_path):
    first = add_safe_product(level_1c, tmp_path / "archive", "valley")
    assert add_safe_product(level_1c, tmp_path / "archive", "valley").id == first.id
    assert len(sen2cor.read_text().splitlines()) == 1
    (tmp_path / "archive" / "valley" / "items" / f"{MADE}.json").unlink()
    add_safe_product(level_1c, tmp_path / "archive", "valley", resolution=10)
    assert "--resolution 10 " in sen2cor.read_text().splitlines()[1]


@pytest.mark.parametrize(
    ("way", "error", "text"),
    [
        ("fails", Sen2CorFailedError, r"ended with status 1.*out of memory.*N0206"),
        ("nothing", Sen2CorFailedError, "left 0 Level-2A products.*Application terminated"),
        ("half", InvalidProductError, "no image of SCL"),
    ],
)
def test_a_run_without_a_whole_result_leaves_nothing(level_1c, sen2cor, tmp_path, monkeypatch, way, error, text):
    monkeypatch.setenv("FAKE_SEN2COR", way)
    with pytest.raises(error, match=text):
        add_safe_product(level_1c, tmp_path / "archive", "valley")
    assert not [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]


def test_a_run_that_takes_too_long_is_stopped(level_1c, sen2cor, tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_SEN2COR", "hangs")
    before = time.monotonic()
    with pytest.raises(Sen2CorFailedError, match=r"stopped after 1\.5 s"):
        add_safe_product(level_1c, tmp_path / "archive", "valley", timeout_s=1.5)
    assert time.monotonic() - before < 20


def test_without_sen2cor_there_is_a_way_on(level_1c, tmp_path):
    with pytest.raises(Sen2CorMissingError, match=r"SEN2COR_HOME nor on the PATH.*Install Sen2Cor.*Level-2A"):
        add_safe_product(level_1c, tmp_path / "archive", "valley", environment={"PATH": str(tmp_path)})


def test_sen2cor_on_the_path(sen2cor):
    home = os.environ["SEN2COR_HOME"]
    found = find_sen2cor({"PATH": os.path.join(home, "bin")})
    assert (found.version, found.program.parent.name) == ("2.11.0", "bin")


def test_level_2a_needs_no_sen2cor_and_stays_where_it_is(tmp_path):
    product = write_level_2a(tmp_path / "input" / MADE.replace("N9999", "N0214").__add__(".SAFE"), offset=0)
    item = add_safe_product(product, tmp_path / "archive", "valley", environment={})
    assert item.assets["B04_10m"].href.startswith(str(product))
    assert band_encoding(item, S2, S2.band("B04")).offset == 0.0


@pytest.mark.parametrize("name", ["holiday-pictures", "S2A_MSIL1C_20180503T110621_N0206_R137_T30TTM_20180503T150000"])
def test_what_is_no_product(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InvalidProductError, match="no folder of a Sentinel-2 product"):
        add_safe_product(tmp_path / name, tmp_path / "archive", "valley")


def test_metadata_that_are_torn_or_lack_something(tmp_path):
    product = write_level_2a(tmp_path / f"{MADE}.SAFE")
    metadata = product / "MTD_MSIL2A.xml"
    whole = metadata.read_text()
    metadata.write_text(whole.replace("BOA_QUANTIFICATION_VALUE", "OTHER"))
    with pytest.raises(InvalidProductError, match="do not tell BOA_QUANTIFICATION_VALUE"):
        add_safe_product(product, tmp_path / "archive", "valley")
    metadata.write_text(whole[:300])
    with pytest.raises(InvalidProductError, match="metadata cannot be read"):
        add_safe_product(product, tmp_path / "archive", "valley")
    metadata.unlink()
    with pytest.raises(InvalidProductError, match=r"has no MTD_MSIL2A\.xml"):
        add_safe_product(product, tmp_path / "archive", "valley")


def test_the_command(level_1c, sen2cor, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AGRISTAT_HOME", str(tmp_path / "home"))
    assert main(["scenes", "add", str(level_1c), "--region", "es-castilla-leon"]) == 0
    assert MADE in capsys.readouterr().out
    assert (tmp_path / "home" / "archive" / "es-castilla-leon" / "items" / f"{MADE}.json").is_file()
    assert main(["scenes", "add", str(level_1c), "--region", "es-castilla"]) == 1
    assert main(["scenes", "add"]) == 2
    monkeypatch.setenv("FAKE_SEN2COR", "fails")
    (tmp_path / "home" / "archive" / "es-castilla-leon" / "items" / f"{MADE}.json").unlink()
    capsys.readouterr()
    assert main(["scenes", "add", str(level_1c), "--region", "es-castilla-leon"]) == 1
    assert "agristat: Sen2Cor ended with status 1" in capsys.readouterr().err
