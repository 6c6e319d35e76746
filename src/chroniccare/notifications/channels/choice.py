"""The channels of one process: the driver of each, as settings choose them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from chroniccare.notifications import rules
from chroniccare.notifications.channels import email, push, sms
from chroniccare.notifications.channels.message import Driver
from chroniccare.settings import Settings


@dataclass(frozen=True, slots=True)
class Channels:
    """What delivery needs of the settings."""

    drivers: Mapping[str, Driver]
    quiet: rules.QuietHours
    asks: str = "nothing"


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Channels]:
    """Yield the channels; their connections are opened when needed and closed at the end."""
    async with AsyncExitStack() as stack:
        drivers = {
            "sms": sms.driver(settings, stack),
            "email": email.driver(settings, stack),
            "push": push.driver(settings, stack),
        }
        yield Channels(drivers, rules.parse_quiet_hours(settings.quiet_hours), settings.sms_asks)
