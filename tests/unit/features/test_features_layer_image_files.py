"""The image to segment made strip by strip: the bytes of the whole, whatever the values and the strips."""

import tempfile
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agristat_platform.features import NODATA, LayerTableError, layer_image, write_layer_image
from agristat_platform.imagery import LAYERS_SCHEMA

BANDS = [("sentinel-2-l2a", band, interval) for interval in (1, 2, 3) for band in ("B04", "B08")]
FLOATS = st.floats(-3.0, 3.0, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-42, 3e38, -3e38])


def both(layers, values, wanted, **options):
    """The image in memory and the file's, of the same layers (values: row's file and band to an array)."""
    whole = layer_image(layers, lambda row: values[row["band"], row["interval"]], wanted, max_intervals=3)
    shape = next(iter(values.values())).shape

    def read(rows, strip):
        return (values[row["band"], row["interval"]][strip] for row in rows)

    with tempfile.TemporaryFile() as file:
        written = write_layer_image(layers, read, shape, wanted, file, max_intervals=3, **options)
        return whole, written, np.concatenate([written.read(slice(r, r + 1)) for r in range(shape[0])], axis=1)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.just(6), st.integers(1, 7), st.integers(1, 6)), elements=FLOATS),
    st.integers(1, 8),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of infinities that an index subtracts
def test_every_height_of_strips_gives_the_bytes_of_the_whole(layers_of_bands, stack, rows_per_strip):
    values = {(band, interval): stack[k] for k, (_, band, interval) in enumerate(BANDS)}
    reflectance = not (stack > 10).any()  # what is none gives no index
    wanted = ["ndvi", "B08", "B04"] if reflectance else ["B04", "B08"]
    whole, written, pixels = both(layers_of_bands, values, wanted, rows_per_strip=rows_per_strip)
    assert pixels.tobytes() == whole.image.tobytes()
    assert (written.names, written.shape) == (whole.names, whole.image.shape)
    assert written.filled_share == whole.filled_share


def test_percentiles_are_numpys_on_many_values(layers_of_bands):
    rng = np.random.default_rng(3)
    stack = rng.gamma(2.0, 0.1, (6, 211, 97)).astype(np.float32) - np.float32(0.1)
    stack[rng.random(stack.shape) < 0.2] = np.nan
    values = {(band, interval): stack[k] for k, (_, band, interval) in enumerate(BANDS)}
    whole, _, pixels = both(layers_of_bands, values, ["B08", "ndvi"], rows_per_strip=64)
    assert pixels.tobytes() == whole.image.tobytes()
    # by hand: a fiftieth of the values at each end
    present = pixels[0][pixels[0] != NODATA]
    assert (present == 0).mean() == pytest.approx(0.02, abs=0.002)
    assert (present == 1000).mean() == pytest.approx(0.02, abs=0.002)


def test_a_layer_without_a_value_stays_nodata(layers_of_bands):
    values = {(band, interval): np.full((3, 2), np.nan, np.float32) for _, band, interval in BANDS}
    whole, written, pixels = both(layers_of_bands, values, ["B08"])
    assert (pixels == NODATA).all()
    assert written.filled_share == whole.filled_share == 0.0


def test_each_strip_is_read_in_one_call_a_pass(layers_of_bands):
    asked = []

    def read(rows, strip):
        asked.append((len(rows), strip.start, strip.stop))
        return (np.full((strip.stop - strip.start, 2), 0.1 * row["band_index"], np.float32) for row in rows)

    with tempfile.TemporaryFile() as file:
        write_layer_image(layers_of_bands, read, (5, 2), ["ndvi", "B08"], file, max_intervals=2, rows_per_strip=3)
    assert asked == [(4, 0, 3), (4, 3, 5)] * 3


def test_memory_follows_the_strip_and_not_the_image(layers_of_bands):
    def read(rows, strip):
        return (np.full((strip.stop - strip.start, 500), 0.1 * row["band_index"], np.float32) for row in rows)

    peaks = []
    for rows in (1000, 4000):
        with tempfile.TemporaryFile() as file:
            tracemalloc.start()
            write_layer_image(
                layers_of_bands, read, (rows, 500), ["ndvi", "B08"], file, max_intervals=3, rows_per_strip=100
            )
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    held = 100 * 500 * 4 * (6 + 2 * 3)  # a strip's layers as read and as chosen
    counts = 6 * (1 << 16) * 8 * 6
    assert peaks[0] < 2 * held + counts
    assert peaks[1] < 1.05 * peaks[0]


def test_bad_input_is_named(layers_of_bands):
    read = lambda rows, strip: iter(())  # noqa: E731
    with tempfile.TemporaryFile() as file:
        with pytest.raises(LayerTableError, match="tc_wetness"):
            write_layer_image(layers_of_bands, read, (2, 2), ["tc_wetness"], file, max_intervals=2)
        with pytest.raises(ValueError, match="rows_per_strip is 0"):
            write_layer_image(layers_of_bands, read, (2, 2), ["B08"], file, max_intervals=2, rows_per_strip=0)
        values = {(band, interval): np.ones((2, 2), np.float32) for _, band, interval in BANDS}
        written = write_layer_image(
            layers_of_bands,
            lambda rows, strip: (values[row["band"], row["interval"]][strip] for row in rows),
            (2, 2), ["B08"], file, max_intervals=2,
        )  # fmt: skip
        file.truncate(9)
        with pytest.raises(OSError, match="rows 0 to 2 of layer 1"):
            written.read(slice(0, 2))


@pytest.fixture(scope="module")
def layers_of_bands() -> pa.Table:
    """A layers table of two bands in three intervals of equal valid share."""
    rows = []
    for index, (collection, band, interval) in enumerate(BANDS, start=1):
        row = {
            field.name: None if field.nullable else "" if field.type == pa.string() else 0 for field in LAYERS_SCHEMA
        }
        row |= {"file": "a.tif", "band_index": index, "collection": collection, "band": band, "layer": band}
        row |= {"statistic": "median", "interval": interval, "valid_share": 0.9}
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=LAYERS_SCHEMA)
