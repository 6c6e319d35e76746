"""The notification processor: messages of RabbitMQ that name what is to be delivered.

AWS acknowledges a whole event or none of it. So a message that is none of ours is counted and
passed over, and what fails for a while ends with an error and comes again with all beside it:
messages are wake-ups, and a row that is delivered already is passed over.
"""

import base64
import binascii
import logging
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from chroniccare.lambdas import environment
from chroniccare.notifications import delivery, relay
from chroniccare.notifications.channels import choice
from chroniccare.notifications.channels.choice import Channels

log = logging.getLogger(__name__)

NAME = "processor"
_QUEUES = "rmqMessagesByQueue"
environment.start()


def handler(event: Any, _context: Any) -> dict[str, int]:
    """Deliver what the messages name.

    Raises:
        Unavailable: PostgreSQL is away; AWS brings the messages again.
    """
    found: dict[UUID, list[UUID]] = {}
    rejected = 0
    for data in _messages(event):
        ids = None if data is None else relay.ids(data)
        if ids is None:
            rejected += 1
        else:
            found.setdefault(ids[0], []).append(ids[1])
    if rejected:
        log.error("messages are not ours", extra={"count": rejected})
    environment.count(NAME, RejectedMessages=rejected)
    delivered = environment.run(_delivered(found)) if found else 0
    return {"delivered": delivered, "rejected": rejected}


def _messages(event: Any) -> Iterator[bytes | None]:
    """Yield the bodies of an event's messages; None for what has none."""
    queues = event.get(_QUEUES) if isinstance(event, Mapping) else None
    if not isinstance(queues, Mapping):
        yield None
        return
    for messages in queues.values():
        for message in messages if isinstance(messages, list) else [None]:
            data = message.get("data") if isinstance(message, Mapping) else None
            try:
                yield base64.b64decode(data, validate=True) if isinstance(data, str) else None
            except binascii.Error:
                yield None


async def _delivered(found: Mapping[UUID, list[UUID]]) -> int:
    await environment.platform()
    channels = await _channels()
    return sum(
        [await delivery.deliver(tenant, ids, channels) for tenant, ids in found.items()]
    )  # fmt: skip


_open: list[Channels] = []


async def _channels() -> Channels:
    """Return the channels of this environment, whose connections are kept."""
    if not _open:
        _open.append(await environment.kept(choice.opened(environment.settings())))
    return _open[0]
