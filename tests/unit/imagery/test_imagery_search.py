"""Search against a small STAC API that misbehaves on request; nothing of pystac-client is replaced."""

import json
import threading
import time
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import shapely

from agristat_platform.imagery import (
    CatalogueRefusedError,
    CatalogueUnreachableError,
    ItemWithoutDatetimeError,
    PartialAnswerError,
    UnknownCollectionError,
    search_catalogue,
    search_scenes,
)

AOI = shapely.box(-6.05, 41.55, -5.95, 41.65)
NOVEMBER = (date(2023, 11, 1), date(2023, 12, 1))
FAST = {"backoff_s": 0.01, "timeout_s": (2.0, 2.0)}


def feature(number, when="2023-11-10T11:00:00Z", collection="sentinel-2-l2a", west=-6.1):
    ring = [[west, 41.5], [west + 0.2, 41.5], [west + 0.2, 41.7], [west, 41.7], [west, 41.5]]
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": f"scene{number}", "collection": collection,
        "bbox": [west, 41.5, west + 0.2, 41.7], "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"datetime": when}, "links": [], "assets": {},
    }  # fmt: skip


class Api:
    """What the server holds, and how it misbehaves."""

    def __init__(self):
        self.features = []
        self.collections = {"sentinel-2-l2a"}
        self.failures = []  # status codes answered first
        self.requests = []
        self.told = None  # numberMatched; None: the truth, False: nothing
        self.page_told = None
        self.repeat_pages = False
        self.landing = None
        self.retry_after = "0"
        self.raw = {}  # number of the request → (status, bytes sent, Content-Length told) in place of an answer
        self.next_body = None  # makes the body of the link to the next page
        self.slow = set()  # numbers of requests that are answered too late


@pytest.fixture
def api():
    state = Api()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, status, content, headers=()):
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            base = state.url
            if self.path in ("/", ""):
                landing = {
                    "type": "Catalog", "id": "test", "stac_version": "1.0.0", "description": "test",
                    "conformsTo": [f"https://api.stacspec.org/v1.0.0/{part}" for part in
                                   ("core", "item-search", "collections", "ogcapi-features")],
                    "links": [{"rel": "search", "href": f"{base}/search", "method": "POST"},
                              {"rel": "data", "href": f"{base}/collections"},
                              {"rel": "self", "href": base}, {"rel": "root", "href": base}],
                }  # fmt: skip
                return self.answer(200, landing if state.landing is None else state.landing)
            name = self.path.rsplit("/", 1)[1]
            if name == "collections":
                return self.answer(200, {"collections": [described(c) for c in sorted(state.collections)], "links": []})
            if name in state.collections:
                return self.answer(200, described(name))
            return self.answer(404, {"code": "NotFound"})

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.requests.append(body)
            state.sent_headers = dict(self.headers)
            number = len(state.requests)
            if number in state.slow:
                time.sleep(0.6)
            if number in state.raw:
                status, sent, told = state.raw[number]
                self.send_response(status)
                self.send_header("Content-Length", str(told))
                self.end_headers()
                self.wfile.write(sent)
                self.close_connection = True
                return None
            if state.failures:
                headers = [] if state.retry_after is None else [("Retry-After", state.retry_after)]
                return self.answer(state.failures.pop(0), {"code": "busy"}, headers)
            start, limit = int(body.get("token", 0)), body["limit"]
            page = state.features[0 if state.repeat_pages else start :][:limit]
            links = []
            if start + limit < len(state.features):
                links = [{"rel": "next", "href": f"{state.url}/search", "method": "POST",
                          "body": state.next_body(body) if state.next_body
                          else {**body, "token": start + limit}}]  # fmt: skip
            answer = {"type": "FeatureCollection", "features": page, "links": links}
            answer["numberReturned"] = len(page) if state.page_told is None else state.page_told
            if state.told is not False:
                answer["numberMatched"] = len(state.features) if state.told is None else state.told
            return self.answer(200, answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def described(name):
    return {
        "type": "Collection", "id": name, "stac_version": "1.0.0", "description": name, "license": "other", "links": [],
        "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
    }  # fmt: skip


def find(api, collections=("sentinel-2-l2a",), **options):
    return search_catalogue(api.url, collections, AOI, *NOVEMBER, **{**FAST, **options})


def test_all_pages_are_read_counted_and_sorted(api):
    api.features = [feature(n, f"2023-11-{30 - n:02d}T11:00:00Z") for n in range(1, 24)]
    answer = find(api, page_size=10)
    assert (answer.pages, answer.received, answer.expected, answer.outside) == (3, 23, 23, 0)
    moments = [item.datetime for item in answer.items]
    assert moments == sorted(moments)
    assert len(moments) == 23
    first = api.requests[0]
    assert first["datetime"] == "2023-11-01T00:00:00Z/2023-11-30T23:59:59.999Z"
    assert not {"query", "filter"} & set(first)


def test_items_that_an_ignorant_server_sends_are_left_out_and_counted(api):
    api.features = [feature(1), feature(2, "2023-12-01T00:00:00Z"), feature(3, west=10.0)]
    answer = find(api)
    assert [item.id for item in answer.items] == ["scene1"]
    assert (answer.received, answer.outside) == (3, 2)


def test_busy_server_is_asked_again(api):
    api.features = [feature(1)]
    api.failures = [503, 429]
    assert len(search_scenes(api.url, ["sentinel-2-l2a"], AOI, *NOVEMBER, **FAST)) == 1
    assert len(api.requests) == 3


def test_retries_are_bounded(api):
    api.failures = [503] * 50
    with pytest.raises(CatalogueUnreachableError, match=r"attempts: 3: status 503.*127.0.0.1.*agristat.yaml"):
        find(api, retries=2)
    assert len(api.requests) == 3


def test_refusal_is_told_apart(api):
    api.failures = [403]
    with pytest.raises(CatalogueRefusedError, match=r"status 403.*127.0.0.1"):
        find(api)
    assert len(api.requests) == 1


def test_nobody_there():
    with pytest.raises(CatalogueUnreachableError, match=r"http://127.0.0.1:9.*AGRISTAT_CATALOGUE_URL"):
        search_catalogue("http://127.0.0.1:9", ["sentinel-2-l2a"], AOI, *NOVEMBER, retries=0)


def test_a_page_that_is_no_stac_api(api):
    api.landing = {"hello": "world"}
    with pytest.raises(CatalogueRefusedError, match="landing page of a STAC API"):
        find(api)


@pytest.mark.parametrize(
    ("told", "text"), [(5, "counts 5 items and delivered 3"), (2, "counts 2 items and delivered 3")]
)
def test_partial_answer_is_an_error(api, told, text):
    api.features = [feature(n) for n in range(3)]
    api.told = told
    with pytest.raises(PartialAnswerError, match=text):
        find(api)


def test_page_shorter_than_it_says(api):
    api.features = [feature(1)]
    api.told, api.page_told = False, 2
    with pytest.raises(PartialAnswerError, match="page 1 holds 1 items and says 2"):
        find(api)


def test_same_page_twice(api):
    api.features = [feature(n) for n in range(4)]
    api.repeat_pages = True
    with pytest.raises(PartialAnswerError, match="counts 4 items and delivered 2, 2 of its items twice"):
        find(api, page_size=2)


def test_without_a_count_the_pages_are_taken(api):
    api.features = [feature(n) for n in range(4)]
    api.told = False
    answer = find(api, page_size=3)
    assert (answer.expected, answer.received) == (None, 4)


def test_item_without_datetime_is_named(api):
    broken = feature(7)
    broken["properties"] = {"datetime": None}
    api.features = [feature(1), broken]
    with pytest.raises(ItemWithoutDatetimeError, match=r"scene7 of sentinel-2-l2a"):
        find(api)


def test_composite_with_a_period_only_is_taken(api):
    period = feature(1)
    period["properties"] = {
        "datetime": None, "start_datetime": "2023-10-20T00:00:00Z", "end_datetime": "2023-11-04T23:59:59Z"
    }  # fmt: skip
    api.features = [period]
    assert len(find(api).items) == 1


def test_another_catalogues_name_is_found_and_ours_comes_back(api):
    api.collections = {"sentinel-2-c1-l2a"}
    api.features = [feature(1, collection="sentinel-2-c1-l2a")]
    assert find(api).items[0].collection_id == "sentinel-2-l2a"
    assert api.requests[0]["collections"] == ["sentinel-2-c1-l2a"]


def test_unknown_collection_is_no_empty_season(api):
    with pytest.raises(UnknownCollectionError, match=r"no collection 'landsat-c2-l2'.*It has: sentinel-2-l2a"):
        find(api, ["landsat-c2-l2"])


def test_items_of_a_collection_not_asked_for(api):
    api.features = [feature(1, collection="naip")]
    with pytest.raises(CatalogueRefusedError, match=r"naip.*not asked for"):
        find(api)


def test_complicated_areas_are_sent_as_their_hull(api):
    api.features = [feature(1)]
    angles = shapely.Point(-6, 41.6).buffer(0.05, quad_segs=400)
    search_scenes(api.url, ["sentinel-2-l2a"], angles.difference(shapely.box(-6, 41.6, -5.9, 41.7)), *NOVEMBER, **FAST)
    sent = shapely.geometry.shape(api.requests[0]["intersects"])
    assert sent.equals(sent.convex_hull)


def test_a_server_says_when_to_come_back(api):
    api.features, api.failures, api.retry_after = [feature(1)], [429], "1"
    before = time.monotonic()
    assert find(api).received == 1
    assert time.monotonic() - before >= 1.0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_later_page_that_keeps_failing_is_no_short_list(api, status):
    api.features = [feature(n) for n in range(4)]
    sent = b'{"code": "broken"}'
    api.raw = {number: (status, sent, len(sent)) for number in range(2, 9)}
    with pytest.raises(CatalogueUnreachableError, match=f"attempts: 2: status {status}"):
        find(api, page_size=2, retries=1)
    assert len(api.requests) == 3


def test_a_link_to_the_next_page_that_has_expired(api):
    api.features = [feature(n) for n in range(4)]
    sent = b'{"code": "InvalidToken", "description": "token has expired"}'
    api.raw = {2: (400, sent, len(sent))}
    with pytest.raises(CatalogueRefusedError, match=r"status 400.*token has expired.*repeat the search"):
        find(api, page_size=2)


def test_an_answer_that_comes_too_late_is_asked_for_again(api):
    api.features, api.slow = [feature(1)], {1}
    assert find(api, timeout_s=(2.0, 0.2)).received == 1
    assert len(api.requests) == 2
    api.slow = {3, 4}
    with pytest.raises(CatalogueUnreachableError, match=r"attempts: 2: .*timed out"):
        find(api, timeout_s=(2.0, 0.2), retries=1)


def test_a_transfer_that_breaks_off_is_repeated_and_never_taken_for_the_end(api):
    api.features = [feature(1)]
    api.raw = {1: (200, b'{"type": "FeatureCollection", "feat', 4000)}
    assert find(api).received == 1
    api.raw = dict.fromkeys(range(3, 9), (200, b'{"type": "Fea', 4000))
    with pytest.raises(CatalogueUnreachableError, match="attempts: 3"):
        find(api, retries=2)


@pytest.mark.parametrize("page", [1, 2])
def test_what_is_no_json(api, page):
    api.features = [feature(n) for n in range(4)]
    sent = b"<html>Sign in to the hotel's network</html>"
    api.raw = {page: (200, sent, len(sent))}
    with pytest.raises(CatalogueRefusedError, match=r"JSONDecodeError.*127.0.0.1"):
        find(api, page_size=2)


@pytest.mark.parametrize("page", [1, 2])
def test_an_error_in_the_shape_of_an_answer_is_not_the_end_of_the_list(api, page):
    api.features, api.told = [feature(n) for n in range(4)], False
    sent = b'{"code": "DatabaseError", "description": "out of connections"}'
    api.raw = {page: (200, sent, len(sent))}
    with pytest.raises(PartialAnswerError, match=f"page {page} of the answer holds no list.*out of connections"):
        find(api, page_size=2)


def test_an_empty_answer_that_counts_items_is_no_empty_season(api):
    api.told = 7
    with pytest.raises(PartialAnswerError, match="counts 7 items and delivered 0"):
        find(api)


def test_an_empty_page_with_a_next_one_is_not_the_end(api):
    api.features = [feature(n) for n in range(4)]
    following = {"rel": "next", "href": f"{api.url}/search", "method": "POST"}
    asked = {"collections": ["sentinel-2-l2a"], "limit": 2, "token": 2}
    sent = json.dumps({"type": "FeatureCollection", "features": [], "links": [{**following, "body": asked}]}).encode()
    api.raw, api.told = {2: (200, sent, len(sent))}, False
    api.next_body = lambda body: {**body, "token": 1}
    assert [item.id for item in find(api, page_size=2).items] == ["scene0", "scene1", "scene2", "scene3"]


def test_pages_that_link_back_to_themselves(api):
    api.features, api.told = [feature(n) for n in range(6)], False
    api.next_body = lambda body: {**body, "token": 2}
    with pytest.raises(PartialAnswerError, match="go in circles: after page 2"):
        find(api, page_size=2)


def test_pages_without_end_whose_links_always_differ(api):
    api.features, api.told, api.repeat_pages = [feature(n) for n in range(6)], False, True
    api.next_body = lambda body: {**body, "token": 0, "nonce": len(api.requests)}
    with pytest.raises(PartialAnswerError, match="go in circles: after page 2"):
        find(api, page_size=2)


def test_items_that_come_again_are_counted_where_the_count_shows_that_none_is_missing(api):
    api.features = [feature(n) for n in (0, 1, 1, 2)]
    api.told = 3
    answer = find(api, page_size=2)
    assert (answer.expected, answer.received, answer.duplicates, len(answer.items)) == (3, 4, 1, 3)
    assert answer.counts["taken"] == 3
    api.told = False
    with pytest.raises(PartialAnswerError, match="1 items came more than once and the catalogue tells no count"):
        find(api, page_size=2)
    api.features = [feature(0), feature(1), feature(1, west=-6.2), feature(2)]
    with pytest.raises(PartialAnswerError, match="scene1 of sentinel-2-l2a came twice with different contents"):
        find(api, page_size=2)


def test_a_catalogues_own_collection_name_is_asked_for_and_no_other(api):
    api.collections = {"sentinel-2-l2a", "sentinel-2-c1-l2a"}
    api.features = [feature(1, collection="sentinel-2-c1-l2a")]
    assert [item.collection_id for item in find(api, ["sentinel-2-c1-l2a"]).items] == ["sentinel-2-l2a"]
    api.collections = {"sentinel-2-l2a"}
    with pytest.raises(UnknownCollectionError, match="sentinel-2-c1-l2a"):
        find(api, ["sentinel-2-c1-l2a"])


def test_every_request_is_signed_and_carries_the_headers(api):
    def sign(request):
        request.headers["Authorization"] = "Bearer secret"
        return request

    api.features = [feature(n) for n in range(3)]
    find(api, page_size=2, sign=sign, headers={"X-Office": "INE"})
    assert (api.sent_headers["Authorization"], api.sent_headers["X-Office"]) == ("Bearer secret", "INE")
