"""The simulated AWS account: what `doctor` asks about, as its operations answer."""

from dataclasses import dataclass, field
from typing import Any

from chroniccare.simulator.receipts import TOPIC

_ARN = "arn:aws:sms-voice:us-east-1:123456789012"
_MADE = 1_800_000_000


@dataclass(slots=True)
class Account:
    """All is well unless a test says otherwise. Money in USD a month, sends a day and a second."""

    sms_sandbox: bool = False
    sms_limit: int = 500
    sms_numbers: list[str] = field(default_factory=lambda: ["+12065550100"])
    sms_number_status: str = "ACTIVE"
    sms_opt_outs: bool = True
    sms_sets: dict[str, list[str]] = field(default_factory=lambda: {"chroniccare": [TOPIC]})
    sns_sandbox: bool = False
    sns_limit: str = "500"
    sns_status_role: str = ""
    sns_apps: bool = True
    ses_sandbox: bool = False
    ses_sending: bool = True
    ses_day: float = 50_000.0
    ses_sent: float = 100.0
    ses_identities: list[str] = field(default_factory=lambda: ["example.com"])
    ses_sets: dict[str, list[str]] = field(default_factory=lambda: {"chroniccare": [TOPIC]})
    denied: frozenset[str] = frozenset()
    devices: dict[str, dict[str, str]] = field(default_factory=dict)
    """Endpoints of devices by ARN, each with its token and whether it is enabled."""
    deleted: set[str] = field(default_factory=set)

    def sms(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """Answer an operation of End User Messaging; None: what was asked for is not there."""
        if operation == "DescribeAccountAttributes":
            tier = "SANDBOX" if self.sms_sandbox else "PRODUCTION"
            return {"AccountAttributes": [{"Name": "ACCOUNT_TIER", "Value": tier}]}
        if operation == "DescribeSpendLimits":
            limit = {
                "Name": "TEXT_MESSAGE_MONTHLY_SPEND_LIMIT",
                "EnforcedLimit": self.sms_limit,
                "MaxLimit": max(self.sms_limit, 500),
                "Overridden": False,
            }
            return {"SpendLimits": [limit]}
        if operation == "DescribePhoneNumbers":
            return {"PhoneNumbers": [self._number(number) for number in self.sms_numbers]}
        if operation in {"DescribePools", "DescribeSenderIds"}:
            return {operation.removeprefix("Describe"): []}
        names = parameters.get("ConfigurationSetNames") or list(self.sms_sets)
        if operation != "DescribeConfigurationSets" or not set(names) <= set(self.sms_sets):
            return None
        return {"ConfigurationSets": [self._set(name) for name in names]}

    def _number(self, number: str) -> dict[str, Any]:
        return {
            "PhoneNumberArn": f"{_ARN}:phone-number/phone-1",
            "PhoneNumberId": "phone-1",
            "PhoneNumber": number,
            "Status": self.sms_number_status,
            "IsoCountryCode": "US",
            "MessageType": "TRANSACTIONAL",
            "NumberCapabilities": ["SMS"],
            "NumberType": "TEN_DLC",
            "MonthlyLeasingPrice": "1.00",
            "TwoWayEnabled": True,
            "SelfManagedOptOutsEnabled": self.sms_opt_outs,
            "OptOutListName": "Default",
            "DeletionProtectionEnabled": True,
            "CreatedTimestamp": _MADE,
        }

    def _set(self, name: str) -> dict[str, Any]:
        return {
            "ConfigurationSetArn": f"{_ARN}:configuration-set/{name}",
            "ConfigurationSetName": name,
            "EventDestinations": [
                {
                    "EventDestinationName": "events",
                    "Enabled": True,
                    "MatchingEventTypes": ["TEXT_ALL"],
                    "SnsDestination": {"TopicArn": topic},
                }
                for topic in self.sms_sets[name]
            ],
            "CreatedTimestamp": _MADE,
        }

    def sns(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answer an operation of SNS."""
        if operation == "SetSMSAttributes":
            self.sns_limit = parameters["attributes"]["MonthlySpendLimit"]
            self.sns_status_role = parameters["attributes"].get("DeliveryStatusIAMRole", "")
            return {}
        if operation == "GetSMSSandboxAccountStatus":
            return {"IsInSandbox": self.sns_sandbox}
        if operation == "GetPlatformApplicationAttributes":
            return {"Attributes": {"Enabled": str(self.sns_apps).lower()}}
        return {"attributes": {"MonthlySpendLimit": self.sns_limit}}

    def ses(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """Answer an operation of SES; None: what was asked for is not there."""
        if operation == "GetAccount":
            return {
                "ProductionAccessEnabled": not self.ses_sandbox,
                "SendingEnabled": self.ses_sending,
                "SendQuota": {
                    "Max24HourSend": self.ses_day,
                    "MaxSendRate": 14.0,
                    "SentLast24Hours": self.ses_sent,
                },
            }
        if operation == "GetEmailIdentity":
            known = parameters["EmailIdentity"] in self.ses_identities
            return {"VerifiedForSendingStatus": True, "Tags": []} if known else None
        topics = self.ses_sets.get(parameters["ConfigurationSetName"])
        if topics is None:
            return None
        return {
            "EventDestinations": [
                {
                    "Name": "events",
                    "Enabled": True,
                    "MatchingEventTypes": ["SEND", "DELIVERY", "BOUNCE", "COMPLAINT"],
                    "SnsDestination": {"TopicArn": topic},
                }
                for topic in topics
            ]
        }
