"""What a stack cannot say of an account's text messages in its template: the monthly limit."""

import logging
from collections.abc import Mapping
from typing import Any

from chroniccare.notifications.channels import by_aws
from chroniccare.platform.aws_custom import answer
from chroniccare.platform.aws_error import AwsError
from chroniccare.settings import Settings

log = logging.getLogger(__name__)

RESOURCE = "sms-account-settings"


async def handle(event: Mapping[str, Any], settings: Settings, *, request_id: str) -> None:
    """Set what the resource's properties name; deleting it leaves the account as it is.

    `MonthlySpendLimit` is in whole USD; `DeliveryStatusRole` writes what became of each SMS of SNS
    to CloudWatch Logs. Both are the account's in that region, not the stack's.
    """
    fault = None
    if event["RequestType"] != "Delete":
        try:
            await _apply(event["ResourceProperties"], settings)
        except AwsError as error:
            log.error("account not set", extra={"aws_code": error.aws})  # noqa: TRY400
            fault = f"{error.code} {error.aws}"
        except (KeyError, ValueError):  # else the stack would wait an hour for an answer
            fault = "MonthlySpendLimit must be whole USD, DeliveryStatusRole an ARN"
    await answer(event, resource_id=RESOURCE, fault=fault, request_id=request_id)


async def _apply(properties: Mapping[str, Any], settings: Settings) -> None:
    limit = int(properties["MonthlySpendLimit"])
    client = by_aws.client(settings, "sns")
    try:
        await client.call("set_sms_attributes", attributes={
            "MonthlySpendLimit": str(limit),
            "DefaultSMSType": "Transactional",
            "DeliveryStatusIAMRole": properties["DeliveryStatusRole"],
            "DeliveryStatusSuccessSamplingRate": "100",
        })  # fmt: skip
    finally:
        await client.close()
    if properties.get("EndUserMessaging") != "true":
        return
    client = by_aws.client(settings, "pinpoint-sms-voice-v2")
    try:
        await client.call("set_text_message_spend_limit_override", MonthlyLimit=limit)
    finally:
        await client.close()
