"""As much of S3 as exports ask for, over HTTP: keys below one bucket, listed in small pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

PAGE = 2
_NS = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(slots=True)
class Fake:
    """One bucket.

    Attributes:
        fails: status that every request gets; 0: it is done.
    """

    name: str = "clinic-exports"
    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    fails: int = 0

    def listed(self, asked: dict[str, str]) -> bytes:
        begin, cut = asked.get("prefix", ""), asked.get("delimiter")
        keys = sorted(one for one in self.objects if one.startswith(begin))
        if cut:
            folders = sorted({begin + one[len(begin) :].partition(cut)[0] + cut for one in keys})
            inner = "".join(
                f"<CommonPrefixes><Prefix>{f}</Prefix></CommonPrefixes>" for f in folders
            )
            return _xml("ListBucketResult", f"<IsTruncated>false</IsTruncated>{inner}")
        keys = [one for one in keys if one > asked.get("continuation-token", "")]
        inner = "".join(f"<Contents><Key>{one}</Key></Contents>" for one in keys[:PAGE])
        if len(keys) > PAGE:
            inner += f"<NextContinuationToken>{keys[PAGE - 1]}</NextContinuationToken>"
        return _xml(
            "ListBucketResult", f"<IsTruncated>{str(len(keys) > PAGE).lower()}</IsTruncated>{inner}"
        )

    def removed(self, body: bytes) -> bytes:
        for one in ET.fromstring(body).iter():  # noqa: S314  boto's own
            if one.tag.removeprefix(_NS) == "Key":
                self.objects.pop(one.text or "", None)
        return _xml("DeleteResult", "")


def _xml(name: str, inner: str) -> bytes:
    return f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{name}>'.encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Fake

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _asked(self) -> tuple[str, dict[str, str], bytes]:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        asked = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        key = unquote(parts.path).removeprefix(f"/{self.fake.name}").lstrip("/")
        self.fake.seen.append(self.command)
        return key, asked, body

    def do_PUT(self) -> None:
        key, _, body = self._asked()
        if not self.fake.fails:
            self.fake.objects[key] = body
        self._answer(self.fake.fails or 200)

    def do_GET(self) -> None:
        key, asked, _ = self._asked()
        if self.fake.fails:
            self._answer(self.fake.fails)
        elif not key:
            self._answer(200, self.fake.listed(asked))
        elif key in self.fake.objects:
            self._answer(200, self.fake.objects[key])
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_POST(self) -> None:
        _, _, body = self._asked()
        self._answer(self.fake.fails or 200, b"" if self.fake.fails else self.fake.removed(body))

    def log_message(self, *_args: Any) -> None: ...


@contextmanager
def serving() -> Iterator[Fake]:
    """Serve a bucket."""
    fake = Fake()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Own", (_Handler,), {"fake": fake}))
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
