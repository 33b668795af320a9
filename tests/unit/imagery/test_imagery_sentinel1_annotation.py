"""Annotation files of Sentinel-1: tables by hand, both forms of noise, and files that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from agristat_platform.imagery import InvalidAnnotationError
from agristat_platform.imagery.sentinel1_annotation import parse_gamma, parse_noise, parse_product

CALIBRATION = b"""<calibration><adsHeader><productType>GRD</productType><polarisation>VV</polarisation></adsHeader>
<calibrationVectorList count="2">
<calibrationVector><line>0</line><pixel count="3">0 10 20</pixel><sigmaNought count="3">1 1 1</sigmaNought>
<gamma count="3">100 200 400</gamma></calibrationVector>
<calibrationVector><line>10</line><pixel count="2">0 20</pixel><sigmaNought count="2">1 1</sigmaNought>
<gamma count="2">300 500</gamma></calibrationVector>
</calibrationVectorList></calibration>"""

NOISE = b"""<noise><adsHeader><polarisation>VV</polarisation></adsHeader>
<noiseRangeVectorList count="1"><noiseRangeVector><line>-5</line><pixel count="2">0 20</pixel>
<noiseRangeLut count="2">1000 2000</noiseRangeLut></noiseRangeVector></noiseRangeVectorList>
<noiseAzimuthVectorList count="2">
<noiseAzimuthVector><swath>IW1</swath><firstAzimuthLine>0</firstAzimuthLine><firstRangeSample>0</firstRangeSample>
<lastAzimuthLine>10</lastAzimuthLine><lastRangeSample>9</lastRangeSample>
<line count="2">0 10</line><noiseAzimuthLut count="2">1.0 3.0</noiseAzimuthLut></noiseAzimuthVector>
<noiseAzimuthVector><swath>IW2</swath><firstAzimuthLine>0</firstAzimuthLine><firstRangeSample>10</firstRangeSample>
<lastAzimuthLine>8</lastAzimuthLine><lastRangeSample>20</lastRangeSample>
<line count="1">4</line><noiseAzimuthLut count="1">0.5</noiseAzimuthLut></noiseAzimuthVector>
</noiseAzimuthVectorList></noise>"""

OLD_NOISE = b"""<noise><noiseVectorList count="2">
<noiseVector><line>0</line><pixel count="2">0 20</pixel><noiseLut count="2">10 30</noiseLut></noiseVector>
<noiseVector><line>10</line><pixel count="2">0 20</pixel><noiseLut count="2">20 40</noiseLut></noiseVector>
</noiseVectorList></noise>"""


def product(points: str = "", header: str = "<productType>GRD</productType><polarisation>VV</polarisation>") -> bytes:
    points = points or "".join(
        f"<geolocationGridPoint><line>{line}</line><pixel>{pixel}</pixel><latitude>{42 - line / 1e4}</latitude>"
        f"<longitude>{-3 + pixel / 1e4}</longitude><height>{line + pixel}</height></geolocationGridPoint>"
        for pixel in (0, 20)
        for line in (0, 10, 19)
    )
    return (
        f"<product><adsHeader>{header}</adsHeader><imageAnnotation><imageInformation><rangePixelSpacing>10</rangePixelSpacing>"
        "<azimuthPixelSpacing>10.5</azimuthPixelSpacing><numberOfSamples>21</numberOfSamples><numberOfLines>20</numberOfLines>"
        "</imageInformation><processingInformation><thermalNoiseCorrectionPerformed>false</thermalNoiseCorrectionPerformed>"
        f"</processingInformation></imageAnnotation><geolocationGrid><geolocationGridPointList>{points}"
        "</geolocationGridPointList></geolocationGrid></product>"
    ).encode()


def at(table, line: int, pixel: int) -> float:
    return float(table.at(np.array([line]), np.array([pixel]))[0, 0])


def test_gamma_is_bilinear_between_its_vectors_and_constant_beyond():
    table = parse_gamma(CALIBRATION, "VV", "c.xml")
    assert at(table, 0, 10) == 200
    assert at(table, 0, 15) == 300
    assert at(table, 10, 10) == 400  # the second vector has no value of its own there
    assert at(table, 5, 15) == pytest.approx((300 + 450) / 2)
    assert at(table, -3, 0) == 100
    assert at(table, 40, 33) == 500


def test_tables_do_not_depend_on_the_window():
    for table in (parse_gamma(CALIBRATION, "VV", "c.xml"), parse_noise(NOISE, "VV", "n.xml")):
        whole = table.at(np.arange(0, 14), np.arange(0, 25))
        np.testing.assert_array_equal(table.at(np.arange(4, 9), np.arange(7, 18)), whole[4:9, 7:18])


def test_noise_is_range_times_azimuth_within_each_block():
    noise = parse_noise(NOISE, "VV", "n.xml")
    assert at(noise, 0, 0) == 1000
    assert at(noise, 5, 8) == pytest.approx(1400 * 2.0)
    assert at(noise, 5, 10) == pytest.approx(1500 * 0.5)
    assert at(noise, 9, 19) == pytest.approx(1950 * 0.5)  # one line beyond its block, which is the nearest
    assert at(noise, 13, 0) == pytest.approx(1000 * 3.0)


def test_noise_before_ipf_2_90_has_range_vectors_alone():
    assert at(parse_noise(OLD_NOISE, "VV", "n.xml"), 5, 10) == pytest.approx(25.0)


def test_product_geometry():
    image = parse_product(product(), "VV", "p.xml")
    assert (image.height_px, image.width_px, image.range_spacing_m, image.azimuth_spacing_m) == (20, 21, 10.0, 10.5)
    assert image.lines.tolist() == [0, 10, 19]
    assert image.pixels.tolist() == [0, 20]
    assert image.height.tolist() == [[0, 20], [10, 30], [19, 39]]
    assert image.latitude[2, 0] == pytest.approx(42 - 0.0019)
    assert not image.noise_removed
    assert parse_product(product().replace(b">false<", b">TRUE<"), "VV", "p.xml").noise_removed


POINT = (
    "<geolocationGridPoint><line>{}</line><pixel>{}</pixel><latitude>42</latitude><longitude>{}</longitude>"
    "<height>0</height></geolocationGridPoint>"
)


@pytest.mark.parametrize(
    ("parse", "content", "says"),
    [
        (parse_gamma, CALIBRATION[:-20], "not readable XML"),
        (parse_gamma, NOISE, "its root is noise, not calibration"),
        (parse_gamma, CALIBRATION.replace(b">VV<", b">VH<"), "polarisation VH, not VV"),
        (parse_gamma, CALIBRATION.replace(b"300 500", b"300 0"), "not above 0"),
        (parse_gamma, CALIBRATION.replace(b"300 500", b"300"), "2 pixels and 1 values"),
        (parse_gamma, CALIBRATION.replace(b"300 500", b"300 nan"), "not finite"),
        (parse_gamma, CALIBRATION.replace(b"300 500", b"300 x"), "no list of numbers"),
        (parse_gamma, CALIBRATION.replace(b"0 10 20", b"0 20 10"), "do not ascend"),
        (parse_gamma, CALIBRATION.replace(b"<line>10", b"<line>0"), "same line"),
        (parse_gamma, b"<calibration/>", "no calibrationVector"),
        (parse_noise, NOISE.replace(b"1000 2000", b"1000 -1"), "below 0"),
        (parse_noise, NOISE.replace(b"1.0 3.0", b"1.0"), "2 lines and 1 values"),
        (parse_noise, NOISE.replace(b"<lastAzimuthLine>8</lastAzimuthLine>", b""), "lastAzimuthLine of a noiseAzimuth"),
        (parse_product, product("<x/>"), "no geolocation grid"),
        (
            parse_product,
            product(POINT.format(0, 0, -3) + POINT.format(9, 9, -3)),
            "2 geolocation points are no lattice",
        ),
        (parse_product, product(header="<productType>SLC</productType>"), "SLC, not GRD"),
        (parse_product, product().replace(b"imageInformation", b"other"), "no imageInformation"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(parse, content, says):
    with pytest.raises(InvalidAnnotationError, match=says) as caught:
        parse(content, "VV", "s1a-vv.xml")
    assert caught.value.where == "s1a-vv.xml"


def test_entities_are_never_expanded():
    bomb = b'<!DOCTYPE calibration [<!ENTITY a "1 2 3">]>' + CALIBRATION.replace(b"0 10 20", b"&a;")
    with pytest.raises(InvalidAnnotationError, match="document type"):
        parse_gamma(bomb, "VV", "c.xml")
