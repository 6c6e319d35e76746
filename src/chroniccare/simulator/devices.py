"""Platform endpoints of SNS: made for a token, disabled, deleted, and what SNS says of each."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from chroniccare.simulator.account import Account

Fault = tuple[str, str]
"""SNS's word for what is wrong, and its text."""

_TOKEN = ("InvalidParameter", "Invalid parameter: Token Reason: simulated")
_MISSING = ("NotFound", "Endpoint does not exist")
_DISABLED = ("EndpointDisabled", "Endpoint is disabled")
_TARGET = (
    "InvalidParameter",
    "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified",
)


def operate(
    account: Account, operation: str, parameters: dict[str, Any]
) -> dict[str, Any] | Fault | None:
    """Answer an operation on endpoints; None: it is another operation."""
    if operation == "CreatePlatformEndpoint":
        return _create(account, parameters)
    if operation == "DeleteEndpoint":
        arn = parameters["EndpointArn"]
        account.devices.pop(arn, None)
        account.deleted.add(arn)
        return {}
    if operation == "SetEndpointAttributes":
        return _set(account, parameters["EndpointArn"], parameters["Attributes"])
    return None


def refusal(account: Account, arn: str) -> Fault | None:
    """Return why nothing is published to an endpoint; one that was not made here takes all."""
    if arn in account.deleted:
        return _TARGET
    return _DISABLED if account.devices.get(arn, {}).get("Enabled") == "false" else None


def _create(account: Account, parameters: dict[str, Any]) -> dict[str, Any] | Fault:
    """Return the endpoint of a token: the same each time, disabled or not."""
    app, token = parameters["PlatformApplicationArn"], parameters["Token"]
    if token.startswith("bad"):
        return _TOKEN
    begins = app.replace(":app/", ":endpoint/") + "/"
    for arn, attributes in account.devices.items():
        if arn.startswith(begins) and attributes["Token"] == token:
            if attributes.get("CustomUserData"):
                text = f"Invalid parameter: Token Reason: Endpoint {arn} already exists"
                return "InvalidParameter", f"{text} with the same Token, but different attributes."
            return {"EndpointArn": arn}
    made = f"{begins}{uuid5(NAMESPACE_URL, token + str(len(account.deleted)))}"
    account.devices[made] = {"Token": token, "Enabled": "true"}
    return {"EndpointArn": made}


def _set(account: Account, arn: str, attributes: dict[str, str]) -> dict[str, Any] | Fault:
    if arn not in account.devices:
        return _MISSING
    token, begins = attributes.get("Token"), arn.rpartition("/")[0]
    for other, known in account.devices.items():
        if other != arn and other.startswith(begins) and known["Token"] == token:
            text = f"Invalid parameter: Token Reason: Endpoint {other} already exists"
            return "InvalidParameter", f"{text} with the same Token, but different attributes."
    account.devices[arn] |= attributes
    return {}
