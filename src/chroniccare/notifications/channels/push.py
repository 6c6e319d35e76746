"""Messages to a device: kept, dropped, or handed to AWS."""

from contextlib import AsyncExitStack

from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Driver
from chroniccare.settings import Settings


def driver(name: str, settings: Settings, stack: AsyncExitStack) -> Driver:
    """Return the driver of this name; `stack` closes its connections."""
    if name == "sns":
        from chroniccare.notifications.channels import push_sns

        return push_sns.driver(settings, stack)
    return LOCAL[name]
