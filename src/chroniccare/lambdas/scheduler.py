"""The notification scheduler: each minute, what is due goes to the broker, or out at once.

For installations without worker processes; those dispatch to the second, and both may run.
"""

import logging
from collections.abc import Callable
from typing import Any

from chroniccare.core.errors import Unavailable
from chroniccare.lambdas import environment
from chroniccare.notifications import dispatch, relay
from chroniccare.notifications.channels import choice
from chroniccare.platform.broker import BrokerAway

log = logging.getLogger(__name__)

NAME = "scheduler"
RESERVE_S = 30.0
"""Seconds before the function's time is up in which nothing new is claimed."""
environment.start()


def handler(_event: Any, context: Any) -> dict[str, int]:
    """Hand on what is due; any event is a tick.

    Raises:
        Unavailable: PostgreSQL is away; BrokerAway: RabbitMQ is. The rows stay due.
    """
    try:
        claimed = environment.run(
            _dispatched(lambda: context.get_remaining_time_in_millis() / 1000 > RESERVE_S)
        )
    except (Unavailable, BrokerAway):
        environment.count(NAME, FailedRounds=1)
        raise
    environment.count(NAME, Claimed=claimed, Runs=1)
    return {"claimed": claimed}


async def _dispatched(has_time: Callable[[], bool]) -> int:
    settings = environment.settings()
    await environment.platform()
    if settings.rabbitmq_url:
        return await relay.publish_due(settings.rabbitmq_url, has_time)
    async with choice.opened(settings) as channels:
        return await dispatch.drain(channels, has_time)
