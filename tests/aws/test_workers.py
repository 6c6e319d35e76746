"""Functions without a gateway: what is due is sent, what the broker names, the audit sealed."""

import asyncio
import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from chroniccare.audit import heads as exported
from chroniccare.audit import queries_seals
from chroniccare.notifications import dispatch
from chroniccare.platform import key_file
from chroniccare.platform.postgres import Command, begin
from tests.aws import rie
from tests.client import Clinic

_UNSEALED = Command(
    "SELECT count(*) FROM audit_logs AS a WHERE NOT EXISTS"
    " (SELECT FROM audit_seals AS s WHERE s.audit_id = a.id)"
)


async def booked(clinic: Clinic) -> str:
    """Book a visit; return the id of the patient, who is told at once."""
    patient, provider = await clinic.patient(), await clinic.provider()
    start = (datetime.now(UTC) + timedelta(days=9)).replace(second=0, microsecond=0)
    await clinic.make("/appointments", {
        "patient_id": patient["id"], "provider_id": provider["id"],
        "facility_id": provider["facilities"][0]["facility_id"],
        "appointment_type": "follow_up", "scheduled_start": start.isoformat(),
        "duration_minutes": 30,
    })  # fmt: skip
    return str(patient["id"])


async def confirmation(clinic: Clinic, patient: str) -> dict[str, Any]:
    """Return the message that confirms the visit."""
    listed = await clinic.get(f"/patients/{patient}/notifications")
    [found] = [one for one in listed.json()["data"]["items"]
               if one["notification_type"] == "appointment_confirmation"]  # fmt: skip
    made: dict[str, Any] = found
    return made


async def test_a_tick_sends_what_is_due_once(
    clinic: Clinic, function: Callable[[str], rie.Function]
) -> None:
    patient = await booked(clinic)
    tick = function("SchedulerFunction")
    said = await asyncio.to_thread(tick, {"schedule": "2026-12-01T10:00:00Z"})
    assert said["claimed"] >= 1
    assert (await confirmation(clinic, patient))["delivery_status"] == "delivered"
    assert tick.metrics()[-1]["Runs"] == 1
    assert await asyncio.to_thread(tick, "any event is a tick") == {"claimed": 0}


def message(tenant: object, notification: object) -> dict[str, Any]:
    body = orjson.dumps({"payload": {"tenantId": str(tenant), "notificationId": str(notification)}})
    return {
        "basicProperties": {"contentType": "application/json", "deliveryMode": 2},
        "redelivered": False, "data": base64.b64encode(body).decode(),
    }  # fmt: skip


def brought(*messages: Any) -> dict[str, Any]:
    """Return the event of a mapping from RabbitMQ."""
    return {
        "eventSource": "aws:rmq",
        "eventSourceArn": "arn:aws:mq:us-east-1:123456789012:broker:clinic:b-1",
        "rmqMessagesByQueue": {"notifications.urgent::/": list(messages)},
    }  # fmt: skip


async def test_the_processor_delivers_what_messages_name_once(
    clinic: Clinic, function: Callable[[str], rie.Function]
) -> None:
    patient = await booked(clinic)
    claims = [one for one in await dispatch.claim() if one.tenant_id == clinic.tenant_id]
    named = [message(one.tenant_id, one.id) for one in claims]
    processor = function("ProcessorFunction")
    said = await asyncio.to_thread(processor, brought(*named, {"data": "?"}))
    assert said == {"delivered": len(claims), "rejected": 1}
    assert (await confirmation(clinic, patient))["delivery_status"] == "delivered"
    assert processor.metrics()[-1]["RejectedMessages"] == 1
    assert (await asyncio.to_thread(processor, brought(*named)))["delivered"] == 0


@pytest.mark.parametrize(
    "event",
    [None, {}, [], brought("text"), brought({}), brought({"data": 7}), brought({"data": "e30="}),
     brought({"data": "bm8="}), {"rmqMessagesByQueue": {"q::/": "none"}},
     {"Records": [{"eventSource": "aws:sqs", "body": "{}"}]}],
)  # fmt: skip
def test_messages_that_are_not_ours_are_counted_and_passed_over(
    function: Callable[[str], rie.Function], event: Any
) -> None:
    processor = function("ProcessorFunction")
    assert processor(event) == {"delivered": 0, "rejected": 1}
    assert processor.metrics()[-1]["RejectedMessages"] == 1


async def test_a_tick_seals_the_audit_and_exports_its_signed_head_once(
    clinic: Clinic, function: Callable[[str], rie.Function], heads: Path
) -> None:
    await clinic.patient()
    async with begin(clinic.caller) as tx:
        assert await tx.value(_UNSEALED)
    auditor = function("AuditorFunction")
    said = await asyncio.to_thread(auditor, {})
    assert said["copied"] == 0
    async with begin(clinic.caller) as tx:
        assert await tx.value(_UNSEALED) == 0
        last = await tx.one(queries_seals.LAST)
    assert last is not None
    key = key_file.public_key(heads / exported.PUBLIC)
    lines = (heads / exported.FILE).read_bytes().splitlines()
    told = [exported.read(key, one) for one in lines]
    assert (clinic.tenant_id, last.seq, last.hash) in [(o.tenant_id, o.seq, o.hash) for o in told]
    assert (await asyncio.to_thread(auditor, {}))["heads"] == 0  # none has moved
