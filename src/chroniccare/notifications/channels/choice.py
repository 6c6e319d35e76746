"""The channels of one process: the drivers of each, as settings choose them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from chroniccare.core.drivers import part_rates
from chroniccare.notifications import rules
from chroniccare.notifications.channels import email, push, sms
from chroniccare.notifications.channels.message import Calls
from chroniccare.notifications.mesh.switchboard import Line, Lines
from chroniccare.settings import Settings, drivers


@dataclass(frozen=True, slots=True)
class Channels:
    """What delivery needs of the settings."""

    drivers: Mapping[str, Lines]
    quiet: rules.QuietHours
    asks: str = "nothing"
    processes: int = 1


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Channels]:
    """Yield the channels; their connections are opened when needed and closed at the end."""
    async with AsyncExitStack() as stack:
        found = {channel: _lines(settings, stack, channel) for channel in _MODULES}
        quiet = rules.parse_quiet_hours(settings.quiet_hours)
        yield Channels(found, quiet, settings.sms_asks, settings.sender_processes)


_MODULES = {"sms": sms, "email": email, "push": push}


def _lines(settings: Settings, stack: AsyncExitStack, channel: str) -> Lines:
    rates = part_rates(settings.sms_parts_per_second) if channel == "sms" else {}
    made = [
        (_MODULES[channel].driver(name, settings, stack), weight)
        for name, weight in drivers(settings, channel).items()
    ]
    return tuple(
        Line(channel, one, weight, rates.get(one.name, 0) if isinstance(one, Calls) else 0)
        for one, weight in made
    )
