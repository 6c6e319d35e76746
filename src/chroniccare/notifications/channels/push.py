"""Messages to a device: kept, dropped, or handed to AWS."""

from contextlib import AsyncExitStack

from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Driver
from chroniccare.settings import Settings


def driver(settings: Settings, stack: AsyncExitStack) -> Driver:
    """Return the driver that the settings choose; `stack` closes its connections."""
    if settings.push_driver == "sns":
        from chroniccare.notifications.channels import push_sns

        return push_sns.driver(settings, stack)
    return LOCAL[settings.push_driver]
