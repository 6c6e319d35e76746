"""Why a message stands where it stands: every send, hold and skip, in order and in words."""

from datetime import timedelta

from chroniccare.core.ids import new_id
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels.message import Outcome
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.notifications.provider import Provider, by_sms
from tests.notifications.support import NOON, Bench
from tests.notifications.why.support import check_history, codes, steps, timeline

_RECEIPT = Command(
    "INSERT INTO notification_receipts (id, tenant_id, attempt_id, driver, provider_event_id,"
    " status, received_at) SELECT gen_random_uuid(), tenant_id, id, driver, 'e-1', 'delivered', $1"
    " FROM notification_attempts"
)


async def test_a_message_that_arrived_tells_its_way_and_nothing_private(bench: Bench) -> None:
    await bench.planned()
    await bench.drain()
    sent = (await bench.rows())[-1]
    response = await bench.clinic.get(f"/notifications/{sent.id}/timeline")
    found = response.json()["data"]
    assert codes(found) == [
        "planned", "taken_up", "sending", "attempt_begun", "attempt_accepted", "delivered",
    ]  # fmt: skip
    assert found["explanation"] == "It arrived."
    assert found["events"][0]["text"] == "Planned for 2031-03-04 12:00 (America/New_York)."
    assert found["events"][4]["text"] == "Attempt 1: outbox accepted it."
    for private in ("+1415555", "Maria", "Rahman", bench.facility_name, "@example"):
        assert private not in response.text
    await check_history(bench)


async def test_skipped_channels_and_a_retry_are_told(bench: Bench) -> None:
    provider = Provider([Outcome("transient", "busy"), Outcome("rejected", "smpp_11")])
    await bench.planned()
    channels = by_sms(bench, provider.calls())
    await dispatch.drain(channels)
    bench.clock.forward(minutes=1)
    await dispatch.drain(channels)
    sent = (await bench.rows())[-1]
    found = await timeline(bench, sent.id)
    assert codes(found) == [
        "planned", "taken_up", "sending", "attempt_begun", "attempt_transient", "retry",
        "taken_up", "sending", "attempt_begun", "attempt_rejected", "retry",
        "taken_up", "sending", "attempt_begun", "attempt_accepted", "delivered",
    ]  # fmt: skip
    assert [event["attempt"] for event in found["events"] if event["attempt"]] == [1, 1, 2, 2, 3, 3]
    assert found["events"][4]["text"] == "Attempt 1: provider refused it for now (busy)."
    assert found["events"][10]["text"].startswith("To be tried again by email: 2031-03-04 12:01")
    await check_history(bench)


async def test_no_consent_for_a_channel_is_told(bench: Bench) -> None:
    await bench.planned()
    await bench.sql("UPDATE patients SET consent_settings = '{\"sms\": false}'")
    await bench.drain()
    found = await timeline(bench, (await bench.rows())[-1].id)
    [skipped] = [event for event in found["events"] if event["code"] == "channel_skipped"]
    assert (skipped["channel"], skipped["reason"]) == ("sms", "no_consent")
    assert skipped["text"] == "Passed over sms: the patient does not consent to this channel."


async def test_quiet_hours_are_told_in_the_patients_zone(bench: Bench) -> None:
    patient = await bench.patient(time_zone="America/Los_Angeles")
    # 72 hours before is 05:00 in Los Angeles: it waits until 08:00 there.
    await bench.planned(NOON + timedelta(days=4, hours=-4), patient_id=patient)
    reminders = {row.scheduled_send_time: row for row in await bench.rows()}
    paper = NOON + timedelta(days=1, hours=-4)
    early = reminders[paper]
    text = (await timeline(bench, early.id))["explanation"]
    assert text == (
        "Planned for 2031-03-05 08:00 (America/Los_Angeles): 2031-03-05 05:00"
        " (America/Los_Angeles) would fall into quiet hours."
    )
    await bench.sql("UPDATE notifications SET next_attempt_at = $2 WHERE id = $1", early.id, paper)
    bench.clock.at = paper
    await bench.drain()
    held = await timeline(bench, early.id)
    assert held["explanation"] == (
        "Held until 2031-03-05 08:00 (America/Los_Angeles): quiet hours where the recipient lives."
    )
    assert held["events"][-1]["until"] == "2031-03-05T16:00:00Z"
    await check_history(bench)


async def test_a_cancelled_visit_and_a_doubt_are_told(bench: Bench) -> None:
    provider = Provider([Outcome("unknown", "timeout")])
    visit = await bench.planned()
    await dispatch.drain(by_sms(bench, provider.calls()))
    await bench.cancel(visit)
    *given_up, doubtful = await bench.rows()
    found = await timeline(bench, doubtful.id)
    assert codes(found)[-2:] == ["attempt_unknown", "in_doubt"]
    assert "did not answer in time" in found["explanation"]
    assert codes(await timeline(bench, given_up[0].id)) == ["planned", "cancelled"]
    async with begin(bench.clinic.caller) as tx:
        from_planning = await tx.run(Command("SELECT FROM notification_history"))
    assert from_planning == sum(len(path) for path in (await steps(bench)).values())


async def test_a_receipt_stands_behind_its_attempt(bench: Bench) -> None:
    await bench.planned()
    await dispatch.drain(by_sms(bench, Provider().calls()))
    async with begin(bench.clinic.caller) as tx:
        await tx.run(_RECEIPT, tx.now + timedelta(minutes=3))
    found = await timeline(bench, (await bench.rows())[-1].id)
    assert codes(found)[-3:] == ["attempt_accepted", "accepted", "receipt"]
    assert found["events"][-1]["text"] == "Attempt 1: provider reported delivered."
    assert found["explanation"].startswith("The provider has it")


async def test_another_clinic_and_unknown_ids_get_404(bench: Bench, other_clinic: Clinic) -> None:
    await bench.planned()
    [one, *_] = await bench.rows()
    assert (await other_clinic.get(f"/notifications/{one.id}/timeline")).status_code == 404
    assert (await bench.clinic.get(f"/notifications/{new_id()}/timeline")).status_code == 404


async def test_ten_thousand_changes_are_kept_in_one_statement(bench: Bench) -> None:
    """Also right after a change of one row, for which the trigger's plan was made."""
    await bench.many(5000)  # two messages each
    [first, *_] = await bench.rows()
    await bench.sql("UPDATE notifications SET delivery_status = 'held' WHERE id = $1", first.id)
    await bench.sql("UPDATE notifications SET delivery_status = 'cancelled'")
    assert len(await bench.rows()) >= 10_000
    await check_history(bench)
