"""How a scene's file is opened wherever it lies: the address that GDAL takes and what it must know to be let in.

Keys come from the environment and go to GDAL alone; items, tables, manifests and messages hold plain addresses.
Files in Azure are signed by `signing`; files in S3 (Copernicus Data Space, AWS) need settings of the store.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import rasterio
from rasterio.session import Session

from agristat_platform.imagery.errors import MissingKeysError
from agristat_platform.imagery.signing import SasTokens

# Time-outs in seconds; GDAL repeats 429, 5xx and broken connections itself before an error reaches us.
REMOTE_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "120",
    # Threads that decode JPEG 2000 know no keys, and what they fail to read comes back as numbers without an error.
    "GDAL_NUM_THREADS": "1",
}
# Buckets whose readers pay for the transfer, and so must say who they are.
REQUESTER_PAYS = frozenset({"usgs-landsat", "sentinel-s2-l1c", "sentinel-s2-l2a", "sentinel-s1-l1c"})
AWS_IDENTITIES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


@dataclass(frozen=True)
class S3Store:
    """A store that speaks S3 outside AWS: its bucket, its endpoint and the variables with the keys to it."""

    name: str
    bucket: str
    endpoint: str
    key_variable: str
    secret_variable: str
    endpoint_variable: str
    region: str = "default"


# https://documentation.dataspace.copernicus.eu/APIs/S3.html
DATA_SPACE = S3Store(
    "Copernicus Data Space",
    "eodata",
    "https://eodata.dataspace.copernicus.eu",
    "CDSE_S3_ACCESS_KEY",
    "CDSE_S3_SECRET_KEY",
    "CDSE_S3_ENDPOINT",
)
S3_STORES = {DATA_SPACE.bucket: DATA_SPACE}
_SECRET_OPTIONS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class _StoreKeys(Session):
    """Keys of a store as rasterio hands them to GDAL; its own session for S3 needs boto3, which reading does not."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self._options = dict(options)

    @classmethod
    def hascreds(cls, config: Mapping[str, str]) -> bool:
        return all(name in config for name in _SECRET_OPTIONS)

    def get_credential_options(self) -> dict[str, str]:
        return self._options


class FileAccess:
    """Opens scenes' files: local paths, http(s) addresses, Azure's with a token, S3 with a store's keys.

    Parameters
    ----------
    tokens:
        Tokens for Planetary Computer's storage; None: its public service.
    environment:
        Where keys are taken from: CDSE_S3_ACCESS_KEY and CDSE_S3_SECRET_KEY for s3://eodata (CDSE_S3_ENDPOINT where
        another endpoint is nearer, such as inside the data centre), AWS's own variables for buckets at AWS.
    """

    def __init__(self, tokens: SasTokens | None = None, environment: Mapping[str, str] | None = None) -> None:
        self._tokens = tokens or SasTokens()
        self._environment = os.environ if environment is None else environment

    def signed(self, href: str) -> str:
        """The address at which a file that is no raster is fetched."""
        return self._tokens.signed(href)

    def open_options(self, href: str) -> tuple[str, dict[str, str]]:
        """The address that GDAL takes for an href, and GDAL's configuration to open it with.

        The configuration may hold keys: it is for `rasterio.Env` (`environment` does that), never for a log.

        Raises
        ------
        MissingKeysError
            The store asks for keys that are not in the environment.
        CatalogueUnreachableError
            The token service does not answer.
        """
        if href.startswith("s3://"):
            bucket = href.removeprefix("s3://").split("/", 1)[0]
            store = S3_STORES.get(bucket)
            options = self._aws_options(bucket, href) if store is None else self._store_options(store, href)
            return f"/vsis3/{href.removeprefix('s3://')}", {**REMOTE_OPTIONS, **options}
        if href.startswith(("http://", "https://")):
            return self._tokens.signed(href), dict(REMOTE_OPTIONS)
        return href, {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}

    @contextmanager
    def environment(self, href: str, **further: str) -> Iterator[str]:
        """The address of a file, within a GDAL environment in which it can be opened and read.

        Parameters
        ----------
        further:
            More of GDAL's configuration options.
        """
        address, options = self.open_options(href)
        keys = {name: options.pop(name) for name in _SECRET_OPTIONS if name in options}
        session = _StoreKeys(keys) if keys else None
        with rasterio.Env(session=session, **options, **further):
            yield address

    def _store_options(self, store: S3Store, href: str) -> dict[str, str]:
        key, secret = (self._environment.get(name) for name in (store.key_variable, store.secret_variable))
        if not key or not secret:
            raise MissingKeysError(
                f"the keys to the files of {store.name} are not in the environment",
                where=href,
                remedy=f"Set {store.key_variable} and {store.secret_variable} to the S3 keys of your account there, or "
                "name another catalogue in the region file (earth-search and planetary-computer need no account)",
            )
        endpoint = self._environment.get(store.endpoint_variable) or store.endpoint
        scheme, _, host = endpoint.rpartition("://")
        return {
            "AWS_S3_ENDPOINT": host.rstrip("/"),
            "AWS_HTTPS": "NO" if scheme == "http" else "YES",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_REGION": store.region,
            "AWS_SESSION_TOKEN": "",  # of AWS, should there be one, it would spoil the signature
            "AWS_REQUEST_PAYER": "",
            "AWS_NO_SIGN_REQUEST": "NO",
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
        }

    def _aws_options(self, bucket: str, href: str) -> dict[str, str]:
        known = any(self._environment.get(name) for name in AWS_IDENTITIES)
        if bucket not in REQUESTER_PAYS:
            return {} if known else {"AWS_NO_SIGN_REQUEST": "YES"}
        if not known:
            raise MissingKeysError(
                f"readers of the bucket {bucket} pay AWS for the transfer, and no AWS account is in the environment",
                where=href,
                remedy="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or take the collection from planetary-computer",
            )
        return {"AWS_REQUEST_PAYER": "requester"}


class StoreEnvironment:
    """The GDAL environment of the store that was read last, for a reader that goes back and forth between files.

    Files in S3 have to be read, not only opened, while GDAL knows the keys. The environment changes when a file of
    another store is asked for; files on the disk and on the web are read within any.
    """

    def __init__(self, access: FileAccess) -> None:
        self._access = access
        self._options: dict[str, str] = {}
        self._entered = ExitStack()

    def address(self, href: str) -> str:
        """The address that GDAL takes, once the environment is the one that its file is read in."""
        if "://" not in href:
            return href
        address, options = self._access.open_options(href)
        if href.startswith("s3://") and options != self._options:
            self.close()
            self._entered.enter_context(self._access.environment(href))
            self._options = options
        return address

    def close(self) -> None:
        """Leave the environment; keys are no longer known to GDAL."""
        self._entered.close()
        self._options = {}
