"""A small receiver of Chronic Care webhooks: the standard library alone, to copy from.

    WEBHOOK_SECRET=whsec_... python examples/webhook_receiver.py --port 8090

It verifies the signature and the age of each delivery, passes over what it has had already, and
answers 204. During a rotation give both secrets, with a space between them.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import Any

TOLERANCE_S = 300
MOST_BODY = 1_048_576
Seen = dict[str, float]


class Refused(Exception):  # noqa: N818  what it is
    """This is no delivery of ours; the text says why."""


def verify(
    secrets: list[str], headers: Mapping[str, str], body: bytes, *, now: float
) -> tuple[str, dict[str, Any]]:
    """Return the id and the event of a delivery; `headers` are found in any case of letters.

    Raises:
        Refused: it is unsigned, altered, signed with another secret, or too old.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        event_id, stamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split(" ")
        age = abs(now - int(stamp))
    except (KeyError, ValueError):
        raise Refused("headers") from None
    if age > TOLERANCE_S:
        raise Refused("timestamp")
    # The bytes as they came: JSON that was read and written again is another text.
    text = f"{event_id}.{stamp}.".encode() + body
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, text, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        # In constant time, and each signature: during a rotation there are two.
        if any(hmac.compare_digest(expected.encode(), one.encode()) for one in signatures):
            event: dict[str, Any] = json.loads(body)
            return event_id, event
    raise Refused("signature")


class Inbox:
    """Hands each event on once, however often it is delivered.

    A real receiver keeps the ids in its database, in the transaction of what it does with the
    event; then it can die at any point.
    """

    def __init__(self, secrets: list[str], act: Callable[[str, dict[str, Any]], None]) -> None:
        self.secrets, self.act = secrets, act
        self.seen: set[str] = set()
        self.lock = Lock()

    def receive(self, headers: Mapping[str, str], body: bytes, *, now: float) -> int:
        """Return the status to answer."""
        try:
            event_id, event = verify(self.secrets, headers, body, now=now)
        except Refused:
            return 401
        with self.lock:
            if event_id not in self.seen:
                self.act(event_id, event)  # if it fails the sender tries again
                self.seen.add(event_id)
        return 204


def handler(inbox: Inbox) -> type[BaseHTTPRequestHandler]:
    """Return the handler of requests for an inbox."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            if not 0 < length <= MOST_BODY:
                self.send_error(413)
                return
            body = self.rfile.read(length)
            self.send_response(inbox.receive(dict(self.headers.items()), body, now=time.time()))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    return Handler


def _show(event_id: str, event: dict[str, Any]) -> None:
    sys.stdout.write(f"{event_id} {json.dumps(event)}\n")
    sys.stdout.flush()


def main() -> None:
    """Receive until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8090)
    inbox = Inbox(os.environ["WEBHOOK_SECRET"].split(), _show)
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), handler(inbox))
    server.serve_forever()


if __name__ == "__main__":
    main()
