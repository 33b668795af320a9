"""Scenes from a STAC API: asked once, counted, never a short list.

Only `collections`, `intersects` and `datetime` are asked of the server. `query` and `filter` are left out on purpose:
servers that do not know them answer with nothing or with everything, and neither looks like an error.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

import pystac
import requests
import shapely
import shapely.geometry
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import PystacClientWarning
from urllib3 import Retry

from agristat_platform.imagery.collections import COLLECTIONS
from agristat_platform.imagery.encoding import moment_of
from agristat_platform.imagery.errors import (
    CatalogueRefusedError,
    CatalogueUnreachableError,
    ItemWithoutDatetimeError,
    PartialAnswerError,
    UnknownCollectionError,
)

LOGGER = logging.getLogger(__name__)

RETRIED_STATUS = (429, 500, 502, 503, 504)
LONGEST_WAIT_S = 60
MOST_VERTICES_SENT = 500


@dataclass(frozen=True)
class SearchAnswer:
    """What a catalogue answered.

    `matched` is the count that the server told (None where it tells none), `received` the items that came, and
    `outside` those of them that turned out not to touch the area or the dates and are not in `items`.
    """

    url: str
    items: list[pystac.Item]
    matched: int | None
    received: int
    outside: int
    pages: int


def search_scenes(
    url: str, collections: Sequence[str], aoi: Any, start: date, end: date, **options: Any
) -> list[pystac.Item]:
    """The items of `search_catalogue`, oldest first."""
    return search_catalogue(url, collections, aoi, start, end, **options).items


def search_catalogue(
    url: str,
    collections: Sequence[str],
    aoi: Any,
    start: date,
    end: date,
    *,
    page_size: int = 100,
    timeout_s: tuple[float, float] = (10.0, 60.0),
    retries: int = 5,
    backoff_s: float = 0.5,
    headers: dict[str, str] | None = None,
    sign: Callable[[requests.Request], requests.Request | None] | None = None,
) -> SearchAnswer:
    """All scenes of the collections that touch an area within dates, from a STAC API (item search 1.0).

    Parameters
    ----------
    url:
        Landing page of the API.
    collections:
        Platform names (`sentinel-2-l2a`, …); where the catalogue has none of that name its known aliases are tried.
    aoi:
        shapely geometry in longitude and latitude.
    start, end:
        First day, and the first day after the last, UTC.
    page_size:
        Items asked for per page.
    timeout_s:
        Seconds to connect and to wait for data, per request.
    retries, backoff_s:
        How often a request is repeated after 429, 5xx or a broken connection, and the first pause in seconds,
        doubled each time and never above a minute whatever the server's Retry-After says.
    headers, sign:
        Sent with, or applied to, each request (keys come from the environment of the caller).

    Returns
    -------
    SearchAnswer with items whose `collection_id` is the platform name, sorted by moment and id.

    Raises
    ------
    CatalogueUnreachableError
        No answer, or server errors until the retries are spent.
    CatalogueRefusedError
        An answer that is an error or no STAC.
    UnknownCollectionError
        The catalogue has a collection under none of its names.
    PartialAnswerError
        Count told and items received differ, or an id comes twice.
    ItemWithoutDatetimeError
    """
    retry = Retry(
        total=retries,
        backoff_factor=backoff_s,
        backoff_max=LONGEST_WAIT_S,
        retry_after_max=LONGEST_WAIT_S,
        status_forcelist=RETRIED_STATUS,
        allowed_methods=None,
        raise_on_status=False,
    )
    io = StacApiIO(headers=headers, request_modifier=sign, timeout=timeout_s, max_retries=retry)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PystacClientWarning)
        client = _asked(url, lambda: Client.open(url, stac_io=io))
        names = {_name_at(client, url, name): name for name in dict.fromkeys(collections)}
        search = client.search(
            collections=sorted(names),
            intersects=shapely.geometry.mapping(_simple(aoi)),
            datetime=_period(start, end),
            limit=page_size,
        )
        pages = _asked(url, lambda: list(search.pages_as_dicts()))
    features = [feature for page in pages for feature in page.get("features", [])]
    matched = _require_whole(url, pages, features)
    inside = [feature for feature in features if _touches(feature, url, aoi, start, end)]
    items = [_item(feature, names, url) for feature in inside]
    answer = SearchAnswer(url, items, matched, len(features), len(features) - len(inside), len(pages))
    answer.items.sort(key=lambda item: (moment_of(item), item.id))
    LOGGER.info("%s: %d items received of %s, %d outside", url, answer.received, matched, answer.outside)
    return answer


def _asked(url: str, request: Callable[[], Any]) -> Any:
    """Run a request and name what went wrong: no answer and server errors apart from refusals."""
    try:
        return request()
    except APIError as error:
        raise _named(url, error) from error
    except (requests.RequestException, OSError) as error:
        raise _unreachable(url, str(error)) from error
    except (ClientTypeError, pystac.STACError, KeyError, TypeError, ValueError) as error:
        raise CatalogueRefusedError(
            f"the answer is no STAC API: {type(error).__name__}: {str(error)[:200]}",
            where=url,
            remedy="Give the landing page of a STAC API, the page that lists `conformsTo`",
        ) from error


def _named(url: str, error: APIError) -> CatalogueUnreachableError | CatalogueRefusedError:
    status = getattr(error, "status_code", None)
    if status is None or status in RETRIED_STATUS:
        return _unreachable(url, f"status {status}" if status else str(error))
    return CatalogueRefusedError(
        f"STAC catalogue refused the request with status {status}: {str(error)[:200]}",
        where=url,
        remedy="Check the address and, for a catalogue that needs one, the key in the environment",
    )


def _unreachable(url: str, reason: str) -> CatalogueUnreachableError:
    return CatalogueUnreachableError(
        f"STAC catalogue cannot be reached: {reason[:200]}",
        where=url,
        remedy="Check the network and the address under `catalogues` in config/agristat.yaml, or set "
        "AGRISTAT_CATALOGUE_URL_<NAME>; the embedded one needs no network",
    )


def _name_at(client: Client, url: str, name: str) -> str:
    """What this catalogue calls a collection; asking for one it lacks would look like an empty season."""
    table = COLLECTIONS.get(name)
    for candidate in (name, *(table.aliases if table else ())):
        found = _asked(url, partial(client.get_collection, candidate))
        if found is not None and found.id == candidate:  # without /collections another one may come back
            return candidate
    raise UnknownCollectionError(
        f"the catalogue has no collection {name!r}",
        where=url,
        remedy=f"It has: {', '.join(sorted(c.id for c in _asked(url, lambda: list(client.get_collections()))))}",
    )


def _period(start: date, end: date) -> str:
    last = datetime.combine(end, time(), UTC) - timedelta(milliseconds=1)
    return f"{start.isoformat()}T00:00:00Z/{last.strftime('%Y-%m-%dT%H:%M:%S.999Z')}"


def _simple(aoi: Any) -> Any:
    """The area as it is sent: its convex hull where it has so many vertices that servers refuse the request."""
    return aoi if shapely.get_num_coordinates(aoi) <= MOST_VERTICES_SENT else aoi.convex_hull


def _require_whole(url: str, pages: list[dict[str, Any]], features: list[dict[str, Any]]) -> int | None:
    """Compare what the server counted with what came; return its count."""
    for number, page in enumerate(pages, start=1):
        told = page.get("numberReturned", (page.get("context") or {}).get("returned"))
        if told is not None and told != len(page.get("features", [])):
            raise PartialAnswerError(
                f"page {number} holds {len(page.get('features', []))} items and says {told}",
                where=url,
                remedy="Repeat the search; if it stays so, the catalogue is faulty",
            )
    counts = [_matched(page) for page in pages if _matched(page) is not None]
    matched = counts[-1] if counts else None
    if matched is not None and matched != len(features):
        raise PartialAnswerError(
            f"the catalogue counts {matched} items and delivered {len(features)}",
            where=url,
            remedy="Repeat the search; new scenes may have arrived meanwhile. If it stays so, use smaller pages",
        )
    twice = [key for key, n in Counter((f.get("collection"), f.get("id")) for f in features).items() if n > 1]
    if twice:
        raise PartialAnswerError(
            f"{len(twice)} items came more than once, first {twice[0][1]}",
            where=url,
            remedy="The catalogue's paging is not stable: repeat the search with a larger page",
        )
    return matched


def _matched(page: dict[str, Any]) -> int | None:
    value = page.get("numberMatched", (page.get("context") or {}).get("matched"))
    return None if value is None else int(value)


def _touches(feature: dict[str, Any], url: str, aoi: Any, start: date, end: date) -> bool:
    """Whether an item lies within the dates and the area, for a server may have ignored either."""
    properties = feature.get("properties") or {}
    first = properties.get("datetime") or properties.get("start_datetime")
    if not first:
        raise ItemWithoutDatetimeError(
            f"item {feature.get('id')} of {feature.get('collection')} has neither datetime nor start_datetime",
            where=url,
            remedy="Correct the item in its catalogue; without a moment it belongs to no season",
        )
    begin = properties.get("start_datetime") or first
    finish = properties.get("end_datetime") or first
    dates = _day(begin) < end and _day(finish) >= start
    geometry = feature.get("geometry")
    return dates and (geometry is None or shapely.geometry.shape(geometry).intersects(aoi))


def _day(moment: str) -> date:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")).astimezone(UTC).date()


def _item(feature: dict[str, Any], names: dict[str, str], url: str) -> pystac.Item:
    """The item under the platform's collection name, without links (a child of no catalogue is a file of its own)."""
    collection = feature.get("collection")
    if collection not in names:
        raise CatalogueRefusedError(
            f"item {feature.get('id')} is of collection {collection!r}, which was not asked for",
            where=url,
            remedy="The catalogue ignores `collections`: use another one",
        )
    own = [link for link in feature.get("links", []) if link.get("rel") == "self"]
    item = pystac.Item.from_dict({**feature, "links": own})
    item.collection_id = names[collection]
    return item
