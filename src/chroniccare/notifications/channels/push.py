"""Messages to a device."""

from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Driver
from chroniccare.settings import Settings


def driver(settings: Settings) -> Driver:
    """Return the driver that the settings choose."""
    return LOCAL[settings.push_driver]
