"""Text messages through AWS End User Messaging, which echoes the attempt's id in its events."""

from contextlib import AsyncExitStack
from typing import Any

from chroniccare.notifications.channels.by_aws import calls
from chroniccare.notifications.channels.message import Calls, Message
from chroniccare.settings import Settings

_LEAST_TTL_S = 5
_MOST_TTL_S = 259_200
SERVICE = "pinpoint-sms-voice-v2"


def driver(settings: Settings, stack: AsyncExitStack) -> Calls:
    """Return the driver; `stack` closes its connections."""
    return calls(
        settings, stack, name="aws", service=SERVICE, operation="send_text_message",
        request=lambda message: request(settings, message),
    )  # fmt: skip


def request(settings: Settings, message: Message) -> dict[str, Any]:
    """Return the parameters of SendTextMessage; what is not set is left out."""
    ttl = message.ttl_s
    optional = {
        "ConfigurationSetName": settings.sms_configuration_set,
        "ProtectConfigurationId": settings.sms_protect_configuration,
        "MaxPrice": settings.sms_max_price,
        "TimeToLive": ttl and min(max(ttl, _LEAST_TTL_S), _MOST_TTL_S),
    }
    return {
        "DestinationPhoneNumber": message.recipient,
        "OriginationIdentity": settings.sms_origination,
        "MessageBody": message.text.body,
        "MessageType": "TRANSACTIONAL",
        "Context": {"attempt": str(message.attempt_id)},
        **{name: value for name, value in optional.items() if value},
    }
