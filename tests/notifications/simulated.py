"""The simulated providers, and each driver set up to call them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chroniccare.commands.simulate import APPLICATIONS
from chroniccare.core.ids import new_id
from chroniccare.notifications.attachment import Attachment
from chroniccare.notifications.channels import email, push, sms
from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.notifications.templates.text import Text
from chroniccare.settings import Settings, load
from chroniccare.simulator.faults import Fault, Kind
from chroniccare.simulator.run import Simulator
from tests.notifications.support import NOON

SECRET = "a secret of the gateway"
NUMBER = "+14155550123"
ADDRESS = "maria@example.com"
DEVICE = "arn:aws:sns:us-east-1:123456789012:endpoint/GCM/clinic/5e3e9847"
BODY = "Maria, your visit is on Tue, Mar 4 at 9:30."

CHANNELS = {
    "aws": ("sms", NUMBER),
    "sns": ("sms", NUMBER),
    "http": ("sms", NUMBER),
    "push": ("push", DEVICE),
    "ses": ("email", ADDRESS),
    "smtp": ("email", ADDRESS),
}
"""Each driver's channel and an address on it; `push` stands for SNS to a device."""
BY_AWS = ("aws", "sns", "push", "ses")


def chosen(simulator: Simulator, name: str, **changes: str) -> Settings:
    """Return settings that choose the driver `name`, which calls the simulator."""
    channel = CHANNELS[name][0]
    values = {
        f"{channel}_driver": "sns" if name == "push" else name,
        "aws_region": "us-east-1",
        "aws_endpoint_url": simulator.url,
        "sms_origination": "+12065550100",
        "sms_configuration_set": "chroniccare",
        "sms_max_price": "0.10",
        "ses_configuration_set": "chroniccare",
        "push_applications": APPLICATIONS,
        "http_sms_url": simulator.gateway_url,
        "http_sms_secret": SECRET,
        "smtp_url": simulator.smtp_url,
        **changes,
    }
    return load({f"CHRONICCARE_{field.upper()}": value for field, value in values.items()})


def message(name: str, **changes: Any) -> Message:
    """Return a message for the driver `name`."""
    channel, to = CHANNELS[name]
    mailed = channel == "email"
    calendar = Attachment("PUBLISH", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n") if mailed else None
    fields: dict[str, Any] = {
        "attempt_id": new_id(),
        "notification_id": new_id(),
        "tenant_id": new_id(),
        "channel": channel,
        "recipient": to,
        "text": Text(BODY, "Your visit" if mailed else None, "<p>x</p>", calendar),
        "at": NOON,
        "expires_at": NOON + timedelta(hours=3),
    }
    return Message(**{**fields, **changes})


@dataclass(slots=True)
class Line:
    """A driver, and the simulator at its other end."""

    simulator: Simulator
    driver: Calls
    name: str

    async def send(self, kind: Kind = "ok", **changes: Any) -> Outcome:
        """Send one message, of which becomes what `kind` says."""
        self.simulator.plan.script.append(Fault(kind))
        return await self.driver.send(message(self.name, **changes))


@asynccontextmanager
async def line(simulator: Simulator, name: str, **changes: str) -> AsyncIterator[Line]:
    """Open the driver `name` towards the simulator."""
    settings = chosen(simulator, name, **changes)
    modules = {"sms": sms, "email": email, "push": push}
    async with AsyncExitStack() as stack:
        named = "sns" if name == "push" else name
        driver = modules[CHANNELS[name][0]].driver(named, settings, stack)
        assert isinstance(driver, Calls)
        yield Line(simulator, driver, name)
