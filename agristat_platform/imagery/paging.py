"""All pages of a STAC search, or an error: requests that fail, circles, short pages and counts that do not agree.

pystac-client stops without a word at a page that holds no items, which may be an error in the shape of an answer; so
the pages are followed in here. What is asked for, and what an item must be, is in `search`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pystac
import requests
from pystac_client import Client
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from urllib3 import Retry

from agristat_platform.imagery.errors import CatalogueRefusedError, CatalogueUnreachableError, PartialAnswerError

RETRIED_STATUS = (429, 500, 502, 503, 504)
LONGEST_WAIT_S = 60
MOST_EMPTY_PAGES = 20  # in a row, each with a link to a next one


class WholeAnswer(NamedTuple):
    """Items of all pages, each once, the count that the server told (None: told none) and how many came again."""

    features: list[dict[str, Any]]
    expected: int | None
    received: int
    duplicates: int


class Requests:
    """Requests to one STAC API with bounded retries and named errors.

    Parameters
    ----------
    url:
        Landing page.
    timeout_s:
        Seconds to connect and to wait for data, per request.
    retries, backoff_s:
        How often a request is repeated after 429, 5xx or a broken connection, and the first pause in seconds, doubled
        each time; a server's Retry-After is followed, up to a minute.
    headers, sign:
        Sent with, or applied to, each request.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: tuple[float, float],
        retries: int,
        backoff_s: float,
        headers: dict[str, str] | None = None,
        sign: Callable[[requests.Request], requests.Request | None] | None = None,
    ) -> None:
        self.url = url
        self.attempts = retries + 1
        policy = Retry(
            total=retries,
            backoff_factor=backoff_s,
            backoff_max=LONGEST_WAIT_S,
            retry_after_max=LONGEST_WAIT_S,
            status_forcelist=RETRIED_STATUS,
            allowed_methods=None,
            raise_on_status=False,
        )
        self._timeout_s = timeout_s
        self._sign = sign
        self.io = StacApiIO(headers=headers, max_retries=policy)

    def opened(self) -> Client:
        """A client of the API; time-out and signature are given here, as opening a client replaces those of its io."""
        return self.asked(
            lambda: Client.open(self.url, stac_io=self.io, request_modifier=self._sign, timeout=self._timeout_s)
        )

    def asked(self, request: Callable[[], Any]) -> Any:
        """Run a request and name what went wrong: no answer and server errors apart from refusals."""
        try:
            return self._with_broken_transfers_repeated(request)
        except APIError as error:
            raise self._named(error) from error
        except (requests.RequestException, OSError) as error:
            raise self._unreachable(str(error)) from error
        except (ClientTypeError, pystac.STACError, KeyError, TypeError, ValueError) as error:
            raise CatalogueRefusedError(
                f"the answer is no STAC API: {type(error).__name__}: {str(error)[:200]}",
                where=self.url,
                remedy="Give the landing page of a STAC API, the page that lists `conformsTo`; if it is one, it "
                "answered with something else this time: repeat the search",
            ) from error

    def _with_broken_transfers_repeated(self, request: Callable[[], Any]) -> Any:
        """The transport repeats requests that get no answer; one that breaks off within its body is repeated here."""
        for attempt in range(1, self.attempts + 1):
            try:
                return request()
            except APIError as error:
                broken = isinstance(error.__context__, requests.exceptions.ChunkedEncodingError)
                if not broken or attempt == self.attempts:
                    raise
        raise AssertionError("a request is made at least once")

    def pages(self, url: str, method: str | None, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Every page of a search, first to last.

        Raises
        ------
        CatalogueUnreachableError, CatalogueRefusedError
        PartialAnswerError
            A page is no collection of features, or the pages go in circles.
        """
        page = self.asked(lambda: self.io.read_json(url, method=method, parameters=parameters))
        pages = [self._checked(page, 1)]
        asked_before, seen, empty = {_link_key({"href": url, "body": parameters})}, _ids(page), 0
        while link := _next_link(page):
            key = _link_key(link)
            if key in asked_before:
                raise self._circular(len(pages))
            asked_before.add(key)
            target = pystac.Link.from_dict(link)
            page = self.asked(lambda target=target: self.io.read_json(target, parameters=parameters))  # type: ignore[misc]
            pages.append(self._checked(page, len(pages) + 1))
            empty = 0 if page["features"] else empty + 1
            if empty > MOST_EMPTY_PAGES or (page["features"] and _ids(page) <= seen and _next_link(page)):
                raise self._circular(len(pages))
            seen |= _ids(page)
        return pages

    def _checked(self, page: Any, number: int) -> dict[str, Any]:
        if not isinstance(page, dict) or not isinstance(page.get("features"), list):
            said = json.dumps(page)[:160]
            raise PartialAnswerError(
                f"page {number} of the answer holds no list of items but {said}",
                where=self.url,
                remedy="Repeat the search; if it stays so, the catalogue is faulty",
            )
        told = page.get("numberReturned", (page.get("context") or {}).get("returned"))
        if told is not None and told != len(page["features"]):
            raise PartialAnswerError(
                f"page {number} holds {len(page['features'])} items and says {told}",
                where=self.url,
                remedy="Repeat the search; if it stays so, the catalogue is faulty",
            )
        return page

    def _circular(self, number: int) -> PartialAnswerError:
        return PartialAnswerError(
            f"the catalogue's pages go in circles: after page {number} nothing new comes and yet a next one is offered",
            where=self.url,
            remedy="Repeat the search with a larger page; if it stays so, the catalogue is faulty",
        )

    def _named(self, error: APIError) -> CatalogueUnreachableError | CatalogueRefusedError:
        status = getattr(error, "status_code", None)
        if status is None or status in RETRIED_STATUS:
            return self._unreachable(f"status {status}" if status else str(error))
        return CatalogueRefusedError(
            f"STAC catalogue refused the request with status {status}: {str(error)[:200]}",
            where=self.url,
            remedy="Check the address and, for a catalogue that needs one, the key in the environment; a link to a "
            "next page may have expired: repeat the search",
        )

    def _unreachable(self, reason: str) -> CatalogueUnreachableError:
        return CatalogueUnreachableError(
            f"STAC catalogue cannot be reached, attempts: {self.attempts}: {reason[:200]}",
            where=self.url,
            remedy="Check the network and the address under `catalogues` in config/agristat.yaml, or set "
            "AGRISTAT_CATALOGUE_URL_<NAME>; the embedded one needs no network",
        )


def whole_answer(url: str, pages: list[dict[str, Any]]) -> WholeAnswer:
    """Put pages together and compare what the server counted with what came.

    Items that came again, the same on both pages, are counted and taken once, but only where the server's count shows
    that none was missed for them.

    Raises
    ------
    PartialAnswerError
        The counts differ, an item came twice with different contents, or came again with no count to compare with.
    """
    received = [feature for page in pages for feature in page["features"]]
    unique: dict[tuple[Any, Any], dict[str, Any]] = {}
    for feature in received:
        key = (feature.get("collection"), feature.get("id"))
        if unique.setdefault(key, feature) != feature:
            raise PartialAnswerError(
                f"item {key[1]} of {key[0]} came twice with different contents",
                where=url,
                remedy="The catalogue changed while it was read: repeat the search",
            )
    counts = [count for count in map(_told, pages) if count is not None]
    expected = counts[-1] if counts else None
    duplicates = len(received) - len(unique)
    if expected is not None and expected != len(unique):
        again = f", {duplicates} of its items twice" if duplicates else ""
        raise PartialAnswerError(
            f"the catalogue counts {expected} items and delivered {len(unique)}{again}",
            where=url,
            remedy="Repeat the search; new scenes may have arrived meanwhile. If it stays so, use larger pages",
        )
    if duplicates and expected is None:
        raise PartialAnswerError(
            f"{duplicates} items came more than once and the catalogue tells no count, so others may be missing",
            where=url,
            remedy="The catalogue's paging is not stable: repeat the search with a larger page",
        )
    return WholeAnswer(list(unique.values()), expected, len(received), duplicates)


def _told(page: dict[str, Any]) -> int | None:
    value = page.get("numberMatched", (page.get("context") or {}).get("matched"))
    return None if value is None else int(value)


def _next_link(page: dict[str, Any]) -> dict[str, Any] | None:
    return next((link for link in page.get("links") or [] if link.get("rel") == "next"), None)


def _link_key(link: dict[str, Any]) -> str:
    return json.dumps([link.get("href"), link.get("body")], sort_keys=True)


def _ids(page: dict[str, Any]) -> set[tuple[Any, Any]]:
    return {(feature.get("collection"), feature.get("id")) for feature in page["features"]}
