"""Access to files that Planetary Computer keeps in Azure: a short-lived token is put on the address when it is opened.

Signed addresses are never kept: items in tables and manifests hold the plain ones, which stay valid.
Service: https://planetarycomputer.microsoft.com/docs/concepts/sas/
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from agristat_platform.imagery.errors import CatalogueUnreachableError

TOKEN_SERVICE = "https://planetarycomputer.microsoft.com/api/sas/v1/token"
STORAGE_HOST = ".blob.core.windows.net"
PUBLIC_ACCOUNTS = frozenset({"ai4edatasetspublicassets"})
KEY_VARIABLE = "PC_SDK_SUBSCRIPTION_KEY"
RENEW_BEFORE = timedelta(minutes=5)


class SasTokens:
    """Tokens by storage account and container, asked for once and renewed five minutes before they end.

    Parameters
    ----------
    service:
        Address of the token service.
    environment:
        Where an optional subscription key (PC_SDK_SUBSCRIPTION_KEY, for a higher request rate) is taken from.
    """

    def __init__(self, service: str = TOKEN_SERVICE, environment: Mapping[str, str] = os.environ) -> None:
        self._service = service
        self._key = environment.get(KEY_VARIABLE)
        self._tokens: dict[tuple[str, str], tuple[str, datetime]] = {}

    def signed(self, href: str) -> str:
        """The address with a valid token; any other address than an unsigned one in Azure's storage as it is.

        Raises
        ------
        CatalogueUnreachableError
            The token service does not answer.
        """
        parts = urlsplit(href)
        host = parts.hostname or ""
        if not host.endswith(STORAGE_HOST) or "sig=" in parts.query:
            return href
        account, container = host.removesuffix(STORAGE_HOST), parts.path.lstrip("/").split("/", 1)[0]
        if account in PUBLIC_ACCOUNTS:
            return href
        known = self._tokens.get((account, container))
        if known is None or datetime.now(UTC) > known[1] - RENEW_BEFORE:
            known = self._fetch(account, container)
            self._tokens[(account, container)] = known
        return f"{href}{'&' if parts.query else '?'}{known[0]}"

    def _fetch(self, account: str, container: str) -> tuple[str, datetime]:
        url = f"{self._service}/{account}/{container}"
        headers = {} if self._key is None else {"Ocp-Apim-Subscription-Key": self._key}
        retry = Retry(total=5, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), retry_after_max=60)
        try:
            with requests.Session() as session:
                session.mount(url, HTTPAdapter(max_retries=retry))
                answer = session.get(url, headers=headers, timeout=(10, 30))
                answer.raise_for_status()
                content = answer.json()
            return str(content["token"]), datetime.fromisoformat(content["msft:expiry"].replace("Z", "+00:00"))
        except (requests.RequestException, ValueError, KeyError) as error:
            raise CatalogueUnreachableError(
                f"no access token for imagery in Azure: {type(error).__name__}: {str(error)[:160]}",
                where=url,
                remedy=f"Check the network; with many requests set {KEY_VARIABLE}",
            ) from error
