"""Tokens for Planetary Computer's storage, from a small token service."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rasterio.errors import RasterioIOError

from agristat_platform.imagery import COLLECTIONS, CatalogueUnreachableError
from agristat_platform.imagery.reading import unreadable
from agristat_platform.imagery.signing import SasTokens

HREF = "https://sentinel1euwestrtc.blob.core.windows.net/sentinel1-grd-rtc/2024/a.tif"


@pytest.fixture
def service():
    asked = []
    state = {"minutes": 60, "status": 200, "asked": asked}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            asked.append((self.path, self.headers.get("Ocp-Apim-Subscription-Key")))
            ends = (datetime.now(UTC) + timedelta(minutes=state["minutes"])).strftime("%Y-%m-%dT%H:%M:%SZ")
            body = json.dumps({"msft:expiry": ends, "token": f"sig=number{len(asked)}"}).encode()
            self.send_response(state["status"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    state["url"] = f"http://127.0.0.1:{server.server_port}/token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_one_token_serves_a_container_until_it_ends(service):
    tokens = SasTokens(service["url"], {"PC_SDK_SUBSCRIPTION_KEY": "k"})
    assert tokens.signed(HREF) == f"{HREF}?sig=number1"
    assert tokens.signed(HREF + "?x=1") == f"{HREF}?x=1&sig=number1"
    assert service["asked"] == [("/token/sentinel1euwestrtc/sentinel1-grd-rtc", "k")]
    tokens.signed(HREF.replace("sentinel1-grd-rtc", "other"))
    assert len(service["asked"]) == 2


def test_a_token_about_to_end_is_renewed(service):
    service["minutes"] = 4
    tokens = SasTokens(service["url"], {})
    assert tokens.signed(HREF).endswith("number1")
    assert tokens.signed(HREF).endswith("number2")


@pytest.mark.parametrize(
    "href",
    [
        "/archive/a.tif",
        "https://sentinel-cogs.s3.us-west-2.amazonaws.com/a.tif",
        HREF + "?sig=already",
        "https://ai4edatasetspublicassets.blob.core.windows.net/assets/a.tif",
    ],
)
def test_other_addresses_stay_as_they_are(service, href):
    assert SasTokens(service["url"], {}).signed(href) == href
    assert service["asked"] == []


def test_refusal_is_named_without_the_key(service):
    service["status"] = 403
    with pytest.raises(CatalogueUnreachableError, match=r"no access token.*sentinel1euwestrtc") as caught:
        SasTokens(service["url"], {"PC_SDK_SUBSCRIPTION_KEY": "secret"}).signed(HREF)
    assert "secret" not in str(caught.value)


def test_tokens_stay_out_of_messages(make_item):
    band = COLLECTIONS["sentinel-1-rtc"].band("VV")
    error = RasterioIOError(f"'/vsicurl/{HREF}?sig=secret' not recognised")
    assert "secret" not in str(unreadable(make_item("S1", "sentinel-1-rtc", {}), band, HREF, error))
