"""Scenes from a STAC API: asked once, counted, never a short list.

Only `collections`, `intersects` and `datetime` are asked of the server. `query` and `filter` are left out on purpose:
servers that do not know them answer with nothing or with everything, and neither looks like an error.
"""

from __future__ import annotations

import logging
import warnings
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
from pystac_client.warnings import PystacClientWarning

from agristat_platform.imagery.collections import COLLECTIONS, collection_table
from agristat_platform.imagery.encoding import moment_of
from agristat_platform.imagery.errors import CatalogueRefusedError, ItemWithoutDatetimeError, UnknownCollectionError
from agristat_platform.imagery.paging import Requests, whole_answer

LOGGER = logging.getLogger(__name__)

MOST_VERTICES_SENT = 500


@dataclass(frozen=True)
class SearchAnswer:
    """What a catalogue answered, with what was expected against what was received.

    `expected` is the count that the server told; None: it tells none (Planetary Computer, Copernicus Data Space), so
    that only the pages' own consistency could be checked. `received` are the items that came, `duplicates` those of
    them that came again on a later page, and `outside` those that turned out not to touch the area or the dates;
    `items` has neither.
    """

    url: str
    items: list[pystac.Item]
    expected: int | None
    received: int
    outside: int
    pages: int
    duplicates: int = 0

    @property
    def counts(self) -> dict[str, int | str | None]:
        """The same as one row of a table."""
        return {
            "catalogue": self.url,
            "expected": self.expected,
            "received": self.received,
            "duplicates": self.duplicates,
            "outside": self.outside,
            "taken": len(self.items),
            "pages": self.pages,
        }


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
        Platform names (`sentinel-2-l2a`, …), where the catalogue has none of that name its known aliases are tried; or
        one catalogue's own name (`sentinel-2-c1-l2a`), then nothing else.
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
        An answer that is an error or no STAC; also a link to a next page that has expired.
    UnknownCollectionError
        The catalogue has a collection under none of its names.
    PartialAnswerError
        Count told and items received differ, a page is no list of items, pages go in circles, or items come twice
        without a count that shows that none was missed.
    ItemWithoutDatetimeError
    """
    api = Requests(url, timeout_s=timeout_s, retries=retries, backoff_s=backoff_s, headers=headers, sign=sign)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PystacClientWarning)
        client = api.opened()
        names = {_name_at(client, api, name): _platform_name(name) for name in dict.fromkeys(collections)}
        search = client.search(
            collections=sorted(names),
            intersects=shapely.geometry.mapping(_simple(aoi)),
            datetime=_period(start, end),
            limit=page_size,
        )
        pages = api.pages(search.url, search.method, search.get_parameters())
    whole = whole_answer(url, pages)
    inside = [feature for feature in whole.features if _touches(feature, url, aoi, start, end)]
    items = [_item(feature, names, url) for feature in inside]
    items.sort(key=lambda item: (moment_of(item), item.id))
    outside = len(whole.features) - len(inside)
    answer = SearchAnswer(url, items, whole.expected, whole.received, outside, len(pages), whole.duplicates)
    LOGGER.info("%s: %s", url, answer.counts)
    return answer


def _platform_name(name: str) -> str:
    """The band table's name of a collection that may have been asked for by a catalogue's own name."""
    known = name in COLLECTIONS or any(name in table.aliases for table in COLLECTIONS.values())
    return collection_table(name).name if known else name


def _name_at(client: Client, api: Requests, name: str) -> str:
    """What this catalogue calls a collection; asking for one it lacks would look like an empty season."""
    table = COLLECTIONS.get(name)
    for candidate in (name, *(table.aliases if table else ())):
        found = api.asked(partial(client.get_collection, candidate))
        if found is not None and found.id == candidate:  # without /collections another one may come back
            return candidate
    raise UnknownCollectionError(
        f"the catalogue has no collection {name!r}",
        where=api.url,
        remedy=f"It has: {', '.join(sorted(c.id for c in api.asked(lambda: list(client.get_collections()))))}",
    )


def _period(start: date, end: date) -> str:
    last = datetime.combine(end, time(), UTC) - timedelta(milliseconds=1)
    return f"{start.isoformat()}T00:00:00Z/{last.strftime('%Y-%m-%dT%H:%M:%S.999Z')}"


def _simple(aoi: Any) -> Any:
    """The area as it is sent: its convex hull where it has so many vertices that servers refuse the request."""
    return aoi if shapely.get_num_coordinates(aoi) <= MOST_VERTICES_SENT else aoi.convex_hull


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
