"""Text messages through a site's own gateway: a small JSON contract that any vendor can be put to.

docs/providers.md describes it.
"""

import asyncio
import logging
from contextlib import AsyncExitStack
from datetime import timedelta

from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.platform.http import BUDGET_S, Answer, HttpError, Poster
from chroniccare.settings import Settings

_LONGEST_ID = 200
_LATER = frozenset({408, 425, 429})
_OURS_TO_MEND = frozenset({401, 403, 404, 405, 407})
log = logging.getLogger(__name__)


def driver(settings: Settings, stack: AsyncExitStack) -> Calls:
    """Return the driver; `stack` closes its connections."""
    poster = Poster(
        settings.http_sms_url,
        settings.http_sms_secret.get_secret_value(),
        settings.provider_connections,
    )
    stack.push_async_callback(poster.close)

    async def send(message: Message) -> Outcome:
        body = {
            "to": message.recipient,
            "text": message.text.body,
            "reference": str(message.attempt_id),
            "ttl_s": message.ttl_s,
        }
        try:
            return understand(await poster.post(body))
        except HttpError as error:
            return Outcome(error.kind, error.code)

    slots = asyncio.Semaphore(settings.provider_connections)
    return Calls("http", send, timedelta(seconds=BUDGET_S), slots)


def understand(answer: Answer) -> Outcome:
    """Return what a status means; only 504 leaves doubt: whoever says it has asked somebody."""
    status = answer.status
    if 200 <= status < 300:  # noqa: PLR2004
        found = answer.body.get("id")
        good = isinstance(found, str | int) and len(str(found)) <= _LONGEST_ID
        return Outcome("accepted", provider_message_id=str(found) if good else None)
    if status == 504:  # noqa: PLR2004
        return Outcome("unknown", "timeout")
    if status >= 500 or status in _LATER:  # noqa: PLR2004
        return Outcome("transient", f"http_{status}")
    if status < 400 or status in _OURS_TO_MEND:  # noqa: PLR2004
        log.error(
            "the SMS gateway refuses us: check CHRONICCARE_HTTP_SMS_URL and its secret",
            extra={"status": status},
        )
        return Outcome("transient", "configuration")
    code = answer.body.get("error")
    known = isinstance(code, str) and code in {"opted_out", "invalid_address"}
    return Outcome("rejected", code if known else f"http_{status}")
