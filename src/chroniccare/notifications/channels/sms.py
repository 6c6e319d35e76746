"""Text messages: kept, dropped, or handed to AWS or to a vendor's gateway.

A provider's library is loaded only where the settings choose it.
"""

from contextlib import AsyncExitStack

from chroniccare.notifications.channels.local import LOCAL
from chroniccare.notifications.channels.message import Driver
from chroniccare.settings import Settings


def driver(settings: Settings, stack: AsyncExitStack) -> Driver:
    """Return the driver that the settings choose; `stack` closes its connections."""
    if settings.sms_driver == "aws":
        from chroniccare.notifications.channels import sms_aws

        return sms_aws.driver(settings, stack)
    if settings.sms_driver == "sns":
        from chroniccare.notifications.channels import sms_sns

        return sms_sns.driver(settings, stack)
    if settings.sms_driver == "http":
        from chroniccare.notifications.channels import sms_http

        return sms_http.driver(settings, stack)
    return LOCAL[settings.sms_driver]
