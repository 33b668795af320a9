"""Opening files where they lie: against a server that checks S3 signatures, with keys from the environment only."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pystac
import pytest
import rasterio
from affine import Affine
from rasterio.errors import RasterioIOError

from agristat_platform.imagery import COLLECTIONS, FileAccess, MissingKeysError, SceneReader
from agristat_platform.imagery.signing import SasTokens

KEYS = {"CDSE_S3_ACCESS_KEY": "OFFICE", "CDSE_S3_SECRET_KEY": "hush/hush+hush"}
NAME = "T30TTM_20240503T110621_B04_10m"
HREF = f"s3://eodata/Sentinel-2/MSI/L2A/2024/05/03/X.SAFE/GRANULE/IMG_DATA/R10m/{NAME}.jp2"


@pytest.fixture
def jp2(file_server):
    """A JPEG 2000 image of several blocks, as the Copernicus Data Space keeps them; returns its numbers."""
    path = file_server.folder / HREF.removeprefix("s3://")
    path.parent.mkdir(parents=True)
    numbers = np.random.default_rng(1).integers(1, 4000, (700, 700)).astype(np.uint16)
    options = {"QUALITY": "100", "REVERSIBLE": "YES", "BLOCKXSIZE": 256, "BLOCKYSIZE": 256}
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", width=700, height=700, count=1, dtype="uint16", crs="EPSG:32630",
        transform=Affine(10, 0, 249_600, 0, -10, 4_610_400), **options,
    ) as dataset:  # fmt: skip
        dataset.write(numbers, 1)
    file_server.keys = (KEYS["CDSE_S3_ACCESS_KEY"], KEYS["CDSE_S3_SECRET_KEY"])
    return numbers


def access(server, **changed):
    return FileAccess(environment={**KEYS, "CDSE_S3_ENDPOINT": server.url, **changed})


def test_data_space_is_read_with_the_offices_keys(file_server, jp2):
    with access(file_server).environment(HREF) as address:
        assert address == "/vsis3/" + HREF.removeprefix("s3://")
        with rasterio.open(address) as dataset:
            assert dataset.crs.to_epsg() == 32630
            np.testing.assert_array_equal(dataset.read(1), jp2)
    assert file_server.refused == 0
    assert file_server.requests


def test_scenes_are_read_in_blocks_beside_files_on_the_disk(file_server, jp2, make_item, monkeypatch, tmp_path, grid):
    """An account at AWS in the same environment is neither used nor disturbed."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "SOMEBODY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "temporary")
    table = COLLECTIONS["sentinel-2-l2a"]
    far = make_item("far", table.name, {}, **{"s2:processing_baseline": "02.14"})
    far.add_asset("B04_10m", pystac.Asset(HREF))
    near = make_item("near", table.name, {"B04": tmp_path / "near.tif"}, **{"s2:processing_baseline": "02.14"})
    with rasterio.open(
        tmp_path / "near.tif", "w", driver="GTiff", width=60, height=48, count=1, dtype="uint16", crs=grid.crs,
        transform=grid.transform, nodata=0,
    ) as dataset:  # fmt: skip
        dataset.write(np.full((48, 60), 2500, np.uint16), 1)
    with SceneReader(grid, access=access(file_server)) as reader:
        for rows in (slice(0, 20), slice(20, 48)):
            there = reader.values(far, table, table.band("B04"), rows)
            np.testing.assert_allclose(there, jp2[rows, :60] * 1e-4, atol=1e-6)
            assert (reader.values(near, table, table.band("B04"), rows) == np.float32(0.25)).all()
    assert file_server.refused == 0


@pytest.mark.parametrize("store", ["s3", "http"])
def test_a_transfer_that_breaks_off_is_an_error_and_no_picture(file_server, jp2, store):
    """Decoding in several threads returned invented numbers here without an error."""
    path = "/" + HREF.removeprefix("s3://")
    size = (file_server.folder / path.lstrip("/")).stat().st_size
    file_server.dies_after = {path: [size // 2] * 100}
    if store == "http":
        file_server.keys = None
    href = HREF if store == "s3" else file_server.url + path
    with (
        pytest.raises(RasterioIOError),
        access(file_server).environment(href) as address,
        rasterio.open(address) as dataset,
    ):
        dataset.read(1)


def test_threads_read_side_by_side(file_server, jp2):
    def total(_):
        with access(file_server).environment(HREF) as address, rasterio.open(address) as dataset:
            return int(dataset.read(1).sum())

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(total, range(6))) == {int(jp2.sum())}


def test_wrong_keys_are_refused_and_stay_out_of_the_message(file_server, jp2):
    wrong = access(file_server, CDSE_S3_SECRET_KEY="wrong-secret")
    with wrong.environment(HREF) as address, pytest.raises(RasterioIOError) as caught:
        rasterio.open(address)
    assert "wrong-secret" not in str(caught.value)
    assert file_server.refused > 0


@pytest.mark.parametrize("missing", list(KEYS))
def test_missing_keys_are_named_before_anything_is_asked(file_server, missing):
    with pytest.raises(MissingKeysError, match=r"Copernicus Data Space.*CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY"):
        access(file_server, **{missing: ""}).open_options(HREF)
    assert file_server.requests == []


def test_keys_leave_no_trace_in_the_process():
    """In a process of its own, as GDAL's configuration is the process's."""
    program = (
        "import rasterio, os\n"
        "from agristat_platform.imagery import FileAccess\n"
        f"a = FileAccess(environment={KEYS!r})\n"
        f"with a.environment({HREF!r}): pass\n"
        "with rasterio.Env():\n"
        "    print(rasterio.env.getenv())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert "hush" not in done.stdout
    assert "OFFICE" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("href", "environment", "expected"),
    [
        ("s3://sentinel-cogs/a.tif", {}, {"AWS_NO_SIGN_REQUEST": "YES"}),
        ("s3://sentinel-cogs/a.tif", {"AWS_PROFILE": "office"}, {}),
        ("s3://usgs-landsat/a.tif", {"AWS_ACCESS_KEY_ID": "k"}, {"AWS_REQUEST_PAYER": "requester"}),
    ],
)
def test_buckets_at_aws(href, environment, expected):
    address, options = FileAccess(environment=environment).open_options(href)
    assert address == "/vsis3/" + href.removeprefix("s3://")
    assert {name: value for name, value in options.items() if name.startswith("AWS_")} == expected


def test_readers_that_pay_must_say_who_they_are():
    with pytest.raises(MissingKeysError, match=r"usgs-landsat pay.*AWS_ACCESS_KEY_ID.*planetary-computer"):
        FileAccess(environment={}).open_options("s3://usgs-landsat/a.tif")


def test_addresses_on_the_web_and_on_the_disk(file_server):
    tokens = SasTokens(file_server.url, {})
    assert FileAccess(tokens, {}).open_options("https://a.org/b.tif")[0] == "https://a.org/b.tif"
    assert FileAccess(tokens, {}).open_options("/archive/b.tif")[0] == "/archive/b.tif"
    assert file_server.requests == []
