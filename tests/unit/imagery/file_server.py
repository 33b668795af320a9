"""A folder served over HTTP with ranges and over S3 (path style, signature version 4 checked), with faults on demand."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit


class FileServer:
    """`keys` None: anybody may read. `dies_after`: places in a path's file beyond which nothing is sent before the
    connection breaks, one after the other. `statuses`: answers given first, by path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.keys: tuple[str, str] | None = None
        self.dies_after: dict[str, list[int]] = {}
        self.statuses: dict[str, list[int]] = {}
        self.requests: list[tuple[str, str]] = []
        self.refused = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"

    def __enter__(self) -> FileServer:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def bodies(self, path: str) -> int:
        """How often bytes of a path were asked for."""
        return sum(1 for method, asked in self.requests if method == "GET" and asked == path)

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                self._serve(with_body=False)

            def do_GET(self) -> None:
                self._serve(with_body=True)

            def _serve(self, *, with_body: bool) -> None:
                path = unquote(urlsplit(self.path).path)
                server.requests.append((self.command, path))
                file = server.folder / path.lstrip("/")
                if server.keys is not None and not signed_by(server.keys, self.command, self.path, self.headers):
                    server.refused += 1
                    return self._end(403, b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
                if with_body and server.statuses.get(path):
                    return self._end(server.statuses[path].pop(0), b"")
                if not file.is_file():
                    return self._end(404, b"<Error><Code>NoSuchKey</Code></Error>")
                content = file.read_bytes()
                start, stop, status = 0, len(content), 200
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
                if asked:
                    start, status = int(asked[1]), 206
                    stop = min(stop, int(asked[2]) + 1) if asked[2] else stop
                if start >= len(content):
                    return self._end(416, b"")
                self.send_response(status)
                if asked:
                    self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(stop - start))
                self.end_headers()
                if not with_body:
                    return None
                if server.dies_after.get(path) and stop > server.dies_after[path][0]:
                    self.wfile.write(content[start : max(start, server.dies_after[path].pop(0))])
                    self.wfile.flush()
                    self.close_connection = True
                    self.connection.close()
                    return None
                self.wfile.write(content[start:stop])
                return None

            def _end(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

        return Handler


def signed_by(keys: tuple[str, str], method: str, target: str, headers: object) -> bool:
    """Whether a request carries the AWS signature (version 4) that these keys give."""
    access, secret = keys
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?"
        r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})",
        headers.get("Authorization") or "",  # type: ignore[attr-defined]
    )
    if match is None or match[1] != access:
        return False
    _, day, region, names, signature = match.groups()
    parts = urlsplit(target)
    query = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(parts.query, True))
    signed = "".join(f"{name}:{(headers.get(name) or '').strip()}\n" for name in names.split(";"))  # type: ignore[attr-defined]
    payload = headers.get("x-amz-content-sha256") or hashlib.sha256(b"").hexdigest()  # type: ignore[attr-defined]
    request = "\n".join([method, parts.path, "&".join(f"{k}={v}" for k, v in query), signed, names, payload])
    scope = f"{day}/{region}/s3/aws4_request"
    moment = headers.get("x-amz-date") or ""  # type: ignore[attr-defined]
    text = "\n".join(["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature)
