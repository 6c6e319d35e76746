"""Posts receipts to an API, signed as its callback asks: what a forwarder behind AWS would do."""

import hmac
import time
from hashlib import sha256
from typing import Any

import orjson

from chroniccare.platform.http import Poster
from chroniccare.simulator.ledger import Service
from chroniccare.simulator.receipts import Tell


def forwarding(poster: Poster, secret: str) -> Tell:
    """Return what posts each receipt; with a secret also `X-Receipt-Signature`.

    That is the HMAC-SHA256, in hex, of the timestamp (seconds since 1970), a dot and the body.
    """

    async def tell(service: Service, event: dict[str, Any]) -> None:
        body = orjson.dumps({"receipts" if service == "http" else "events": [event]})
        timestamp = str(int(time.time()))
        headers = {"X-Receipt-Timestamp": timestamp}
        if secret:
            text = timestamp.encode() + b"." + body
            headers["X-Receipt-Signature"] = hmac.new(secret.encode(), text, sha256).hexdigest()
        await poster.post(body, headers=headers)

    return tell
