"""Whether the providers that settings choose will do what is asked of them; see docs/providers.md.

`doctor` shows it, and the worker logs what is not well when it starts and once an hour.
"""

from dataclasses import dataclass
from typing import Literal

from chroniccare.settings import Settings, drivers

_OF_AWS = {"aws", "sns", "ses"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing asked of a provider: what it is like, and when it is not well what to do."""

    verdict: Literal["ok", "warn", "fail"]
    subject: str
    text: str


def is_needed(settings: Settings) -> bool:
    """Return whether a provider is chosen that can be asked."""
    return any(_OF_AWS & drivers(settings, channel).keys() for channel in ("sms", "email", "push"))


async def checks(settings: Settings) -> list[Check]:
    """Ask each chosen provider; nothing is sent, and nothing changed."""
    if not is_needed(settings):
        return []
    from chroniccare.notifications.channels import selftest_aws

    return await selftest_aws.checks(settings)
