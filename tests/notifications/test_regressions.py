"""Defects of the seed's own scripts that no other test is about; docs/regressions.md lists all."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from chroniccare.notifications import dispatch
from chroniccare.notifications.batch import notify
from chroniccare.notifications.channels import sms_aws, sms_sns
from chroniccare.notifications.channels.message import Calls, Message, Outcome
from chroniccare.notifications.plan import plan_visit
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.simulator.run import Simulator
from tests.notifications.provider import Provider, by_sms
from tests.notifications.simulated import chosen, message
from tests.notifications.support import NOON, Bench

_ROW = {
    "patientId": 17, "phoneNumber": 4155550117, "email": None, "location": 4.5,
    "appointmentTime": NOON.replace(day=6).isoformat(), "appointmentId": 1.5,
}  # fmt: skip


async def test_d06_the_price_limit_reaches_the_provider(simulator: Simulator) -> None:
    """The seed's parameter was referenced nowhere."""
    settings = chosen(simulator, "aws", sms_max_price="0.07")
    assert sms_aws.request(settings, message("aws"))["MaxPrice"] == "0.07"
    attributes = sms_sns.request(settings, message("sns"))["MessageAttributes"]
    assert attributes["AWS.SNS.SMS.MaxPrice"]["StringValue"] == "0.07"


async def test_d13_a_refusal_without_another_channel_is_not_called_a_missing_contact(
    bench: Bench,
) -> None:
    await bench.planned(
        patient_id=await bench.patient(
            contact_info={"telecom": [{"system": "phone", "value": "+14155550123"}]}
        )
    )
    provider = Provider([Outcome("rejected", "no_such_number")])
    await dispatch.drain(by_sms(bench, provider.calls()))
    row = (await bench.rows())[-1]
    assert (row.delivery_status, row.details["reason"]) == ("failed", "no_such_number")


@pytest.mark.parametrize("odd", [{}, {"patientId": "P17"}, {"appointmentId": {"a": 1}}])
async def test_d15_d16_ids_that_are_numbers_and_items_that_are_none_break_nothing(
    bench: Bench, tmp_path: Path, odd: dict[str, object]
) -> None:
    """Numeric ids broke the log after the send; a string in the list aborted the whole run."""
    path = tmp_path / "list.json"
    items = ["a string", 5, None, [], _ROW | odd, {"patientId": "P18", "phoneNumber": "4155550118",
             "appointmentTime": _ROW["appointmentTime"]}]  # fmt: skip
    path.write_text(json.dumps(items))
    result = await notify(path, tenant_id=bench.clinic.tenant_id, channels=bench.channels)
    assert result.processed == len(items)
    assert result.success + result.invalid + result.failed == len(items)
    assert "+14155550118" in {kept.recipient for kept in await bench.outbox()}


async def test_d23_d25_calls_go_on_side_by_side_and_a_failure_makes_nobody_wait(
    bench: Bench,
) -> None:
    """The seed slept between tries and sent one at a time: 100 failures were its five minutes."""
    together = asyncio.Barrier(10)

    async def send(sent: Message) -> Outcome:
        async with asyncio.timeout(15):
            await together.wait()
        odd = int(sent.recipient[-1]) % 2
        return Outcome("accepted") if odd else Outcome("transient", "throttled")

    patients = [
        await bench.patient(
            contact_info={"telecom": [{"system": "phone", "value": f"+141555501{number:02d}"}]}
        )
        for number in range(20)
    ]
    visits = await bench.visits(patients, bench.clock.at.replace(day=6))
    await bench.plan(visits)
    calls = Calls("provider", send, timedelta(seconds=16), asyncio.Semaphore(10))
    await dispatch.drain(by_sms(bench, calls))
    confirmations = [
        row for row in await bench.rows() if row.notification_type == "appointment_confirmation"
    ]
    states = sorted(row.delivery_status for row in confirmations)
    assert states == ["accepted"] * 10 + ["pending"] * 10
    waiting = [row for row in confirmations if row.delivery_status == "pending"]
    assert all(row.next_attempt_at > bench.clock.at for row in waiting)


async def test_n1_a_booking_that_is_undone_leaves_no_message(bench: Bench) -> None:
    """The seed queued notifications before its COMMIT."""

    class UndoneError(Exception):
        pass

    [visit] = await bench.visits([await bench.patient()], bench.clock.at.replace(day=8))
    rung: list[str] = []
    with pytest.raises(UndoneError):
        async with begin(bench.clinic.caller) as tx:
            assert await plan_visit(tx, [visit]) == 4
            rung = sorted(tx.woken)
            raise UndoneError
    assert rung == ["dispatch"]
    assert await bench.rows() == []
    assert await bench.drain() == 0


@pytest.fixture
async def columns(database_url: str) -> list[tuple[str, str]]:
    """Every column of the schema with its type."""
    async with owner_connection(database_url) as owner:
        found = await owner.fetch(
            "SELECT table_name || '.' || column_name AS name, data_type"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        )
    return [(row["name"], row["data_type"]) for row in found]


async def test_n6_d49_no_instant_is_without_its_zone(columns: list[tuple[str, str]]) -> None:
    assert len(columns) > 300
    assert [name for name, kind in columns if kind == "timestamp without time zone"] == []
