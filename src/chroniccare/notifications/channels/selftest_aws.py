"""What AWS says of our account: sandbox, limits, sender, and where events go."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from email.utils import parseaddr
from typing import Any

from chroniccare.core.drivers import applications
from chroniccare.notifications.channels import email_ses, sms_aws
from chroniccare.notifications.channels.by_aws import client
from chroniccare.notifications.channels.selftest import Check
from chroniccare.platform.aws import Client
from chroniccare.platform.aws_error import AwsError
from chroniccare.settings import Settings, drivers, variable

_LITTLE_USD = 1  # what a new account may spend in a month
_NEARLY = 0.8
_SMS_EVENTS = frozenset({"ALL", "TEXT_ALL", "TEXT_DELIVERED"})
_MAIL_EVENTS = frozenset({"DELIVERY", "BOUNCE", "COMPLAINT"})

Found = AsyncIterator[Check]


async def checks(settings: Settings) -> list[Check]:
    """Ask about each driver of AWS that is chosen, side by side."""
    asked: list[tuple[str, Callable[[Client, Settings], Found]]] = []
    if "aws" in drivers(settings, "sms"):
        asked += [
            (sms_aws.SERVICE, one) for one in (_sms_account, _sms_spend, _sms_sender, _sms_events)
        ]
    if "sns" in drivers(settings, "sms"):
        asked += [("sns", one) for one in (_sns_account, _sns_spend)]
    if "ses" in drivers(settings, "email"):
        asked += [(email_ses.SERVICE, one) for one in (_mail_account, _mail_sender, _mail_events)]
    if "sns" in drivers(settings, "push"):
        asked.append(("sns", _push))
    async with AsyncExitStack() as stack:
        clients = {name: client(settings, name) for name, _ in asked}
        for held in clients.values():
            stack.push_async_callback(held.close)
        found = await asyncio.gather(
            *(_answered(question(clients[name], settings), name) for name, question in asked)
        )
    return [check for part in found for check in part]


async def _answered(found: Found, service: str) -> list[Check]:
    """Return what was found; of a question that AWS did not answer, why."""
    try:
        return [check async for check in found]
    except AwsError as error:
        if error.code != "configuration":
            text = f"AWS gives no answer ({error.code}): try again, or check the network"
        else:
            text = f"{error.aws}: check credentials, {variable('aws_region')} and the IAM policy"
        return [Check("fail", service, text)]


def _judged(subject: str, good: bool, well: str, advice: str) -> Check:  # noqa: FBT001
    return Check("ok", subject, well) if good else Check("fail", subject, advice)


async def _sms_account(held: Client, _settings: Settings) -> Found:
    answer = await held.call("describe_account_attributes")
    tier = {one["Name"]: one["Value"] for one in answer["AccountAttributes"]}.get("ACCOUNT_TIER")
    yield _judged(
        "SMS account", tier == "PRODUCTION", "in production",
        "in the sandbox: only verified numbers get messages; ask AWS for production access",
    )  # fmt: skip


async def _sms_spend(held: Client, _settings: Settings) -> Found:
    answer = await held.call("describe_spend_limits")
    limits = {one["Name"]: one["EnforcedLimit"] for one in answer["SpendLimits"]}
    yield _spend(float(limits.get("TEXT_MESSAGE_MONTHLY_SPEND_LIMIT", 0)))


def _spend(limit: float) -> Check:
    return _judged(
        "SMS spend limit", limit > _LITTLE_USD, f"{limit:g} USD a month",
        f"{limit:g} USD a month, which a day uses up: ask AWS for a higher limit",
    )  # fmt: skip


async def _sms_sender(held: Client, settings: Settings) -> Found:
    subject, origin = "SMS sender", settings.sms_origination
    pool = "pool" in origin
    if not pool and not origin.startswith("+") and "phone-number" not in origin:
        yield Check("ok", subject, f"{origin}, a sender id: AWS says nothing about it here")
        return
    operation, key = _POOLS if pool else _NUMBERS
    async for one in _pages(held, operation, key):
        if origin not in {one.get(f"{key[:-1]}{name}") for name in ("", "Id", "Arn")}:
            continue
        yield _judged(
            subject, one["Status"] == "ACTIVE", f"{origin}, active",
            f"{origin} is {one['Status'].lower()}: finish its registration with AWS",
        )  # fmt: skip
        if not one["SelfManagedOptOutsEnabled"]:
            yield Check(
                "warn", subject,
                "AWS answers STOP itself, and CANCEL as if it were STOP: switch self-managed"
                " opt-outs on, with two-way messages",
            )  # fmt: skip
        return
    yield Check("fail", subject, f"{origin} is not of this account and region: check the name")


_POOLS = ("describe_pools", "Pools")
_NUMBERS = ("describe_phone_numbers", "PhoneNumbers")


async def _pages(held: Client, operation: str, key: str) -> AsyncIterator[dict[str, Any]]:
    following: dict[str, str] = {}
    while True:
        answer = await held.call(operation, **following)
        for one in answer[key]:
            yield one
        if not answer.get("NextToken"):
            return
        following = {"NextToken": answer["NextToken"]}


async def _sms_events(held: Client, settings: Settings) -> Found:
    subject, name = "SMS events", settings.sms_configuration_set
    if not name:
        yield _deaf(subject, "sms_configuration_set")
        return
    try:
        answer = await held.call("describe_configuration_sets", ConfigurationSetNames=[name])
    except AwsError as error:
        if not error.aws.startswith("ResourceNotFound"):
            raise
        yield Check("fail", subject, f"no configuration set {name}: make it, or correct the name")
        return
    destinations = [one for found in answer["ConfigurationSets"] for one in found[_DESTINATIONS]]
    heard = any(one["Enabled"] and _SMS_EVENTS & set(one["MatchingEventTypes"])
                for one in destinations)  # fmt: skip
    yield _judged(
        subject, heard, f"{name}: deliveries are passed on",
        f"{name}: no deliveries are passed on, give it an event destination (SNS) for TEXT_ALL",
    )  # fmt: skip


_DESTINATIONS = "EventDestinations"


def _deaf(subject: str, name: str) -> Check:
    text = f"nobody hears whether messages arrive: set {variable(name)}"
    return Check("warn", subject, text)


async def _sns_account(held: Client, _settings: Settings) -> Found:
    answer = await held.call("get_sms_sandbox_account_status")
    yield _judged(
        "SMS account", not answer["IsInSandbox"], "in production",
        "in the sandbox: only verified numbers get messages; ask AWS for production access",
    )  # fmt: skip


async def _sns_spend(held: Client, _settings: Settings) -> Found:
    answer = await held.call("get_sms_attributes")
    attributes = answer.get("attributes", {})
    yield _spend(float(attributes.get("MonthlySpendLimit", _LITTLE_USD)))
    if "DeliveryStatusIAMRole" not in attributes:
        yield Check(
            "warn", "SMS events",
            "SNS logs no deliveries: set DeliveryStatusIAMRole, or better use the driver aws",
        )  # fmt: skip


async def _mail_account(held: Client, _settings: Settings) -> Found:
    answer = await held.call("get_account")
    yield _judged(
        "email account", answer.get("ProductionAccessEnabled", False), "in production",
        "in the sandbox: only verified addresses get letters; ask AWS for production access",
    )  # fmt: skip
    if not answer.get("SendingEnabled", True):
        yield Check("fail", "email account", "AWS has paused sending: see the SES console for why")
    quota = answer.get("SendQuota", {})
    most, sent = quota.get("Max24HourSend", 0.0), quota.get("SentLast24Hours", 0.0)
    text = f"{sent:.0f} of {most:.0f} letters in 24 hours"
    if most < 0:  # AWS's word for no limit
        yield Check("ok", "email quota", "no limit")
    elif sent >= most * _NEARLY:
        yield Check("warn", "email quota", f"{text}: ask AWS for more")
    else:
        yield Check("ok", "email quota", text)


async def _mail_sender(held: Client, settings: Settings) -> Found:
    subject, address = "email sender", parseaddr(settings.email_from)[1]
    for name in (address, address.rpartition("@")[2]):
        try:
            answer = await held.call("get_email_identity", EmailIdentity=name)
        except AwsError as error:
            if not error.aws.startswith("NotFound"):
                raise
            continue
        if answer.get("VerifiedForSendingStatus"):
            yield Check("ok", subject, f"{name} is verified")
            return
    yield Check("fail", subject, f"neither {address} nor its domain is verified: do so in SES")


async def _mail_events(held: Client, settings: Settings) -> Found:
    subject, name = "email events", settings.ses_configuration_set
    if not name:
        yield _deaf(subject, "ses_configuration_set")
        return
    try:
        answer = await held.call(
            "get_configuration_set_event_destinations", ConfigurationSetName=name
        )
    except AwsError as error:
        if not error.aws.startswith("NotFound"):
            raise
        yield Check("fail", subject, f"no configuration set {name}: make it, or correct the name")
        return
    heard = {
        kind
        for one in answer.get(_DESTINATIONS, ())
        if one.get("Enabled")
        for kind in one["MatchingEventTypes"]
    }
    missing = ", ".join(sorted(_MAIL_EVENTS - heard)).lower()
    yield _judged(
        subject, not missing, f"{name}: deliveries, bounces and complaints are passed on",
        f"{name}: not passed on: {missing}; give it an event destination for them",
    )  # fmt: skip


async def _push(held: Client, settings: Settings) -> Found:
    apps = applications(settings.push_applications)
    if not apps:
        yield Check(
            "warn", "push",
            f"no device can be registered: set {variable('push_applications')}",
        )  # fmt: skip
    for platform, arn in apps.items():
        try:
            answer = await held.call(
                "get_platform_application_attributes", PlatformApplicationArn=arn
            )
        except AwsError as error:
            if not error.aws.startswith("NotFound"):
                raise
            yield Check("fail", f"push {platform}", f"no platform application {arn}: make it")
            continue
        yield _judged(
            f"push {platform}", answer.get("Attributes", {}).get("Enabled") != "false",
            "its platform application takes messages",
            "its platform application is disabled: renew its credentials at SNS",
        )  # fmt: skip
