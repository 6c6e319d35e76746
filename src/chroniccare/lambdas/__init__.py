"""The functions on AWS Lambda: one short handler each. See docs/aws.md.

One event loop an environment: it is kept from one invocation to the next.
"""

import asyncio
import os
from functools import cache
from typing import Any

from chroniccare.lambdas.lean import IS_LAMBDA as IS_LAMBDA  # first
from chroniccare.platform.postgres import utc_now
from chroniccare.platform.telemetry import configure_logging
from chroniccare.settings import Settings, load

_REGION = "AWS_REGION"


@cache
def _loop() -> asyncio.Runner:
    configure_logging("INFO")
    return asyncio.Runner()


@cache
def _settings() -> Settings:
    """Return the settings; the region is the one that Lambda runs in."""
    return load({"CHRONICCARE_AWS_REGION": os.environ.get(_REGION, ""), **os.environ})


def notify(event: Any, context: Any) -> dict[str, Any]:
    """Send the reminders of a list of appointments, or of the day's file: `notifications.daily`."""
    from chroniccare.notifications.daily.entry import Function, Invocation, Place

    function = Function(Place.of(os.environ), _settings())
    invocation = Invocation(
        context.aws_request_id, context.function_name,
        lambda: context.get_remaining_time_in_millis() / 1000, utc_now,
    )  # fmt: skip
    return _loop().run(function.handle(event, invocation))


def sms_account(event: dict[str, Any], context: Any) -> None:
    """Apply the SMS spend limit to the account: a custom resource of `deploy/aws/notifier.yaml`."""
    from chroniccare.notifications.daily import account

    _loop().run(account.handle(event, _settings(), request_id=context.aws_request_id))
