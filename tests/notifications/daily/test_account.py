"""The custom resource that applies the SMS spend limit: CloudFormation hears of it, always."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chroniccare.notifications.daily import account
from chroniccare.simulator.server import Answer, Request, listening, speaking_http
from tests.notifications.daily.conftest import Bench

ROLE = "arn:aws:iam::123456789012:role/status"


@pytest.fixture
async def told() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Where CloudFormation waits, and what it was told."""
    heard: list[dict[str, Any]] = []

    async def hear(request: Request) -> Answer:
        assert request.method == "PUT"
        heard.append(json.loads(request.body))
        return Answer(200, b"")

    async with listening(speaking_http(hear)) as port:
        yield f"http://127.0.0.1:{port}/answer?signed=1", heard


def event(url: str, kind: str = "Create", **properties: Any) -> dict[str, Any]:
    return {
        "RequestType": kind, "ResponseURL": url, "StackId": "stack", "RequestId": "request",
        "LogicalResourceId": "SmsAccount",
        "ResourceProperties": {
            "MonthlySpendLimit": "77", "DeliveryStatusRole": ROLE, **properties
        },
    }  # fmt: skip


async def test_the_limit_is_set_and_cloudformation_told(bench: Bench, told: Any) -> None:
    url, heard = told
    await account.handle(event(url), bench.function.settings, request_id="r")
    assert bench.simulator.account.sns_limit == "77"
    assert bench.simulator.account.sns_status_role == ROLE
    assert heard[0] == {
        "Status": "SUCCESS", "Reason": "see the function's log, request r",
        "PhysicalResourceId": "sms-account-settings", "StackId": "stack", "RequestId": "request",
        "LogicalResourceId": "SmsAccount",
    }  # fmt: skip


async def test_deleting_the_stack_leaves_the_account_as_it_is(bench: Bench, told: Any) -> None:
    url, heard = told
    await account.handle(event(url, "Delete"), bench.function.settings, request_id="r")
    assert bench.simulator.account.sns_limit == "500"
    assert heard[0]["Status"] == "SUCCESS"


async def test_a_fault_is_told_at_once_and_not_after_an_hour(bench: Bench, told: Any) -> None:
    url, heard = told
    wrong = event(url, MonthlySpendLimit="a lot")
    await account.handle(wrong, bench.function.settings, request_id="r")
    bench.simulator.account.denied = frozenset({"SetSMSAttributes"})
    await account.handle(event(url), bench.function.settings, request_id="r")
    assert [one["Status"] for one in heard] == ["FAILED", "FAILED"]
    assert "AuthorizationError" in heard[1]["Reason"]
