"""Text messages: kept, dropped, or handed to AWS or to a vendor's gateway.

A provider's library is loaded only where the settings choose it.
"""

from contextlib import AsyncExitStack

from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Driver
from chroniccare.settings import Settings


def driver(name: str, settings: Settings, stack: AsyncExitStack) -> Driver:
    """Return the driver of this name; `stack` closes its connections."""
    if name == "aws":
        from chroniccare.notifications.channels import sms_aws

        return sms_aws.driver(settings, stack)
    if name == "sns":
        from chroniccare.notifications.channels import sms_sns

        return sms_sns.driver(settings, stack)
    if name == "http":
        from chroniccare.notifications.channels import sms_http

        return sms_http.driver(settings, stack)
    return LOCAL[name]
