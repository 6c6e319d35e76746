"""Doses that are due together are one message, and what changes them changes it."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.medications.reminders import rounds
from chroniccare.medications.reminders.actions import doses_changed
from chroniccare.notifications import dispatch
from chroniccare.platform.postgres import Command, begin
from tests.conftest import Running
from tests.medications.support import Ward, put_doses
from tests.notifications.inbound.phone import own_number
from tests.notifications.provider import Provider, by_sms, claimed
from tests.notifications.support import NOON

IN_AN_HOUR = NOON + timedelta(hours=1)


async def texts(ward: Ward) -> list[str]:
    return [one.body for one in await ward.bench.outbox()]


async def two(ward: Ward, **apart: float) -> tuple[UUID, list[UUID]]:
    """Plan two doses of two drugs, so far apart, in one transaction."""
    patient = await ward.bench.patient()
    drugs = [await ward.medication(patient, medication_name=name) for name in ("Foo", "Bar")]
    async with begin(ward.clinic.caller) as tx:
        due = [IN_AN_HOUR, IN_AN_HOUR + timedelta(**apart)]
        made = await put_doses(tx, patient, list(zip(drugs, due, strict=True)))
        await doses_changed(tx, [patient])
    return patient, made


async def test_doses_due_together_are_one_message_that_names_no_drug(ward: Ward) -> None:
    await two(ward, minutes=20)
    [message] = await ward.messages()
    assert (message.at, message.next_at, message.status) == (IN_AN_HOUR, IN_AN_HOUR, "pending")
    assert message.priority == "urgent"
    assert message.expires_at == IN_AN_HOUR + timedelta(hours=4, minutes=20)
    assert await ward.at(IN_AN_HOUR - timedelta(seconds=1)) == []
    [sent] = await ward.at(IN_AN_HOUR)
    assert sent.body.startswith("Hello Maria, a reminder from clinic-")
    assert sent.body.endswith(": it is time for your 1:00 PM EST medicines (2).")


async def test_doses_further_apart_are_two_and_the_first_is_over_when_the_next_is_due(
    ward: Ward,
) -> None:
    await two(ward, minutes=31)
    first, second = await ward.messages()
    assert second.at == IN_AN_HOUR + timedelta(minutes=31)
    assert first.expires_at == second.at
    await ward.at(second.at)
    assert [one.status for one in await ward.messages()] == ["expired", "delivered"]


async def test_a_message_is_given_up_with_its_last_dose_and_comes_back_with_one(
    ward: Ward,
) -> None:
    patient, made = await two(ward)
    await ward.settle(patient, made[0])
    assert [one.status for one in await ward.messages()] == ["pending"]
    cancel = "UPDATE medication_doses SET state = 'cancelled' WHERE id = $1"
    await ward.change(patient, cancel, made[1])
    assert [(one.status, one.reason) for one in await ward.messages()] == [
        ("cancelled", "doses_changed")
    ]
    await ward.change(
        patient, "UPDATE medication_doses SET state = 'planned' WHERE id = $1", made[1]
    )
    assert [one.status for one in await ward.messages()] == ["pending"]
    await ward.at(IN_AN_HOUR)
    [text] = await texts(ward)
    assert text.endswith("it is time for your 1:00 PM EST medicine.")


async def test_a_dose_that_moves_takes_its_message_along(ward: Ward) -> None:
    patient, made = await two(ward)
    move = "UPDATE medication_doses SET due_at = $2, late_at = $2 WHERE id = ANY ($1::uuid[])"
    later = IN_AN_HOUR + timedelta(minutes=45)
    await ward.change(patient, move, made, later)
    assert [(one.at, one.status) for one in await ward.messages()] == [
        (IN_AN_HOUR, "cancelled"),
        (later, "pending"),
    ]
    await ward.change(patient, move, made, IN_AN_HOUR)
    assert [(one.at, one.status) for one in await ward.messages()] == [
        (IN_AN_HOUR, "pending"),
        (later, "cancelled"),
    ]


async def test_what_was_told_is_not_told_again(ward: Ward) -> None:
    patient, made = await two(ward, minutes=20)
    await ward.at(IN_AN_HOUR)
    await ward.settle(patient, made[0])  # the other one would be a message of its own now
    third = await ward.medication(patient)
    await ward.dose(patient, third, IN_AN_HOUR + timedelta(minutes=25))
    waiting = await ward.messages("pending")
    assert [one.at for one in waiting] == [IN_AN_HOUR + timedelta(minutes=25)]
    await ward.at(IN_AN_HOUR + timedelta(minutes=25))
    assert [text.partition(" time for ")[2] for text in await texts(ward)] == [
        "your 1:00 PM EST medicines (2).",
        "your 1:25 PM EST medicine.",
    ]


@pytest.mark.parametrize(
    ("sql", "verdict"),
    [
        ("UPDATE medication_doses SET state = 'cancelled'", ("cancelled", "doses_settled")),
        ("UPDATE medications SET status = 'on_hold'", ("cancelled", "doses_settled")),
        ("UPDATE medications SET reminders = false", ("cancelled", "doses_settled")),
        (
            "UPDATE medication_doses SET due_at = due_at + interval '1 minute'",
            ("superseded", "doses_moved"),
        ),
    ],
)
async def test_delivery_reads_the_doses_again(
    ward: Ward, sql: str, verdict: tuple[str, str]
) -> None:
    await two(ward)
    await ward.bench.sql(sql)  # whoever did it did not say so
    assert await ward.at(IN_AN_HOUR) == []
    [message] = await ward.messages()
    assert (message.status, message.reason) == verdict


async def test_two_plans_at_once_make_one_message(ward: Ward) -> None:
    patient = await ward.bench.patient()
    drugs = [await ward.medication(patient) for _ in range(2)]

    async def one(drug: UUID, minutes: int) -> None:
        async with begin(ward.clinic.caller) as tx:
            due = IN_AN_HOUR + timedelta(minutes=minutes)
            await put_doses(tx, patient, [(drug, due)])
            await doses_changed(tx, [patient])
            await asyncio.sleep(0.05)  # the other one has begun

    await asyncio.gather(one(drugs[0], 0), one(drugs[1], 10))
    assert len(await ward.messages("pending")) == 1
    await ward.at(IN_AN_HOUR + timedelta(minutes=10))
    [text] = await texts(ward)
    assert text.endswith("medicines (2).")


async def test_messages_are_planned_as_their_time_comes_near(ward: Ward) -> None:
    patient = await ward.bench.patient()
    drug = await ward.medication(patient)
    far = NOON + timedelta(hours=40)
    await ward.dose(patient, drug, far)
    assert await ward.messages() == []
    assert await rounds.run(ward.clinic.tenant_id) == 0
    ward.clock.forward(hours=5)
    assert await rounds.run(ward.clinic.tenant_id) == 1
    assert [one.at for one in await ward.messages()] == [far]
    assert await rounds.run(ward.clinic.tenant_id) == 0


async def test_reminders_that_are_switched_on_again_come_back_by_themselves(ward: Ward) -> None:
    patient, _ = await two(ward)
    await ward.bench.sql("UPDATE medications SET reminders = false")
    await ward.change(patient, "SELECT 1")
    assert [one.status for one in await ward.messages()] == ["cancelled"]
    await ward.bench.sql("UPDATE medications SET reminders = true")
    assert await rounds.run(ward.clinic.tenant_id) == 1
    assert [one.status for one in await ward.messages()] == ["pending"]


async def test_a_dose_is_reminded_once_its_message_was_taken_by_a_provider(ward: Ward) -> None:
    patient, made = await two(ward)
    await rounds.run(ward.clinic.tenant_id)
    assert {one.state for one in await ward.doses(*made)} == {"planned"}
    await ward.settle(patient, made[0])
    await ward.at(IN_AN_HOUR)
    await rounds.run(ward.clinic.tenant_id)
    assert {one.state for one in await ward.doses(*made)} == {"taken", "reminded"}


async def test_a_dose_at_night_is_told_at_its_time_unless_its_patient_sleeps(ward: Ward) -> None:
    night = NOON + timedelta(hours=10)  # 22:00: the clinic's quiet hours
    told, asleep = await ward.bench.patient(), await ward.bench.patient()
    body: dict[str, Any] = {"channels": [], "consents": {}, "categories": []}
    own = {**body, "quiet_hours": {"start": "21:45", "end": "07:00"}}
    path = f"/patients/{asleep}/notification-preferences"
    assert (await ward.clinic.put(path, own)).status_code == 200
    for patient in (told, asleep):
        for minutes in (20, 0):
            drug = await ward.medication(patient)
            await ward.dose(patient, drug, night - timedelta(minutes=minutes))
    # One message for both doses, but not across the hours in which the second patient sleeps.
    assert len(await ward.messages()) == 3
    await ward.at(night - timedelta(minutes=20))
    sent = [one.body.partition(" time for ")[2] for one in await ward.at(night)]
    assert sorted(sent) == ["your 9:40 PM EST medicine.", "your 9:40 PM EST medicines (2)."]
    assert [one.status for one in await ward.messages("expired")] == ["expired"]


async def test_a_caregiver_receives_it_as_well_and_who_joins_later(ward: Ward) -> None:
    patient, made = await two(ward)
    person = {
        "name": "Lucia", "relationship": "daughter", "categories": ["medications"],
        "contact_info": {"telecom": [{"system": "phone", "value": "+14155559001"}]},
        "consents": {"sms": True},
    }  # fmt: skip
    path = f"/patients/{patient}/related-persons"
    joined = (await ward.clinic.post(path, person)).json()["data"]["id"]
    assert [str(one.related_person_id) for one in await ward.messages()].count(joined) == 1
    await ward.change(patient, "SELECT 1")
    assert len(await ward.messages("pending")) == 2
    await ward.settle(patient, made[0])
    await ward.at(IN_AN_HOUR)
    bodies = await texts(ward)
    [copied] = [one for one in bodies if one.startswith("You get this because you help Maria. ")]
    assert sorted(bodies) == sorted([copied, copied.partition(". ")[2]])
    await ward.settle(patient, made[1])
    assert {one.status for one in await ward.messages()} == {"delivered"}


async def test_names_only_where_the_patient_wants_them(ward: Ward) -> None:
    patient, _ = await two(ward)
    body = {"channels": [], "consents": {}, "categories": [], "drug_names": True}
    path = f"/patients/{patient}/notification-preferences"
    assert (await ward.clinic.put(path, body)).json()["data"]["drug_names"] is True
    await ward.at(IN_AN_HOUR)
    [text] = await texts(ward)
    assert text.endswith("your 1:00 PM EST medicines (2) (Foo 500 mg, Bar 500 mg).")


async def test_the_clinic_asks_for_an_answer_and_says_it_in_spanish(
    ward: Ward, running: Running
) -> None:
    del running
    patient = await ward.bench.patient(language="es")
    await ward.dose(patient, await ward.medication(patient), IN_AN_HOUR)
    ward.bench.channels = replace(ward.bench.channels, asks="reply")
    await ward.at(IN_AN_HOUR)
    [text] = await texts(ward)
    assert text.endswith("es hora de su medicina (1:00 PM EST). Responda TOMADO u OMITIR.")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE medication_doses SET state = 'taken', source = 'staff', taken_at = now()",
        "UPDATE medications SET status = 'stopped'",
        "UPDATE medication_doses SET due_at = due_at + interval '1 minute'",
    ],
    ids=["taken", "stopped", "moved"],
)
async def test_what_is_committed_while_a_message_waits_for_its_turn_counts(
    ward: Ward, change: str
) -> None:
    provider = Provider(slow=asyncio.Event())
    channels = by_sms(ward.bench, provider.calls())
    patients = [await ward.bench.patient(contact_info=own_number()) for _ in range(2)]
    for patient in patients:
        await ward.dose(patient, await ward.medication(patient), IN_AN_HOUR)
    ward.clock.at = IN_AN_HOUR
    working = asyncio.create_task(dispatch.handle(await claimed(ward.bench), channels))
    await provider.called.wait()
    async with begin(ward.clinic.caller) as tx:
        called = await tx.value(
            Command("SELECT patient_id FROM notifications WHERE id = $1"),
            provider.got[0].notification_id,
        )
    [waiting] = [one for one in patients if one != called]
    await ward.bench.sql(f"{change} WHERE patient_id = $1", waiting)
    assert provider.slow is not None
    provider.slow.set()
    await working
    await dispatch.drain(channels)
    assert len(provider.got) == 1
    assert sorted(one.status for one in await ward.messages()) in (
        ["accepted", "cancelled"],
        ["accepted", "superseded"],
    )


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["plan", "move", "cancel", "again", "take", "wait", "round"]),
        st.integers(0, 3),
        st.integers(0, 90),
    ),
    min_size=2, max_size=14,
)  # fmt: skip
_TWICE = Command(
    "SELECT count(*) FROM (SELECT FROM medication_reminder_doses b JOIN notifications n"
    " ON n.dedupe_key = 'doses:' || b.bundle_id::text WHERE n.delivery_status = 'delivered'"
    " GROUP BY b.dose_id, b.due_at HAVING count(*) > 1) t"
)
# Open, to come, and in no message that waits, or was sent.
_FORGOTTEN = Command(
    "SELECT count(*) FROM medication_doses d WHERE d.state IN ('planned', 'due', 'reminded')"
    " AND d.due_at > $1 AND NOT EXISTS (SELECT FROM medication_reminder_doses b"
    " JOIN notifications n ON n.dedupe_key = 'doses:' || b.bundle_id::text"
    " WHERE b.dose_id = d.id AND b.due_at = d.due_at"
    " AND n.delivery_status IN ('pending', 'delivered', 'expired'))"
)
# A message that waits although none of its doses is open.
_EMPTY = Command(
    "SELECT count(*) FROM notifications n WHERE n.delivery_status = 'pending' AND NOT EXISTS"
    " (SELECT FROM medication_reminder_doses b JOIN medication_doses d ON d.id = b.dose_id"
    " WHERE n.dedupe_key = 'doses:' || b.bundle_id::text AND d.due_at = b.due_at"
    " AND d.state IN ('planned', 'due', 'reminded'))"
)
_CHANGES = {
    "move": "UPDATE medication_doses SET due_at = due_at + make_interval(mins => $2),"
    " late_at = late_at + make_interval(mins => $2),"
    " missed_at = missed_at + make_interval(mins => $2)"
    " WHERE id = $1 AND state NOT IN ('taken', 'cancelled')",
    "cancel": "UPDATE medication_doses SET state = 'cancelled'"
    " WHERE id = $1 AND state NOT IN ('taken', 'cancelled') AND $2::int IS NOT NULL",
    "again": "UPDATE medication_doses SET state = 'planned'"
    " WHERE id = $1 AND state = 'cancelled' AND $2::int IS NOT NULL",
    "take": "UPDATE medication_doses SET state = 'taken', source = 'staff', taken_at = due_at"
    " WHERE id = $1 AND state NOT IN ('taken', 'cancelled') AND $2::int IS NOT NULL",
}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STEPS)
async def test_whatever_happens_no_dose_is_forgotten_or_told_twice(
    ward: Ward, steps: list[tuple[str, int, int]]
) -> None:
    patient = await ward.bench.patient()
    drug = await ward.medication(patient)
    made: list[UUID] = []
    for step, which, minutes in steps:
        if step == "plan" or not made:
            due = ward.clock.at + timedelta(minutes=minutes + 1)
            async with begin(ward.clinic.caller) as tx:
                made += await put_doses(tx, patient, [(drug, due)], ordinal=len(made))
                await doses_changed(tx, [patient])
        elif step == "wait":
            ward.clock.forward(minutes=minutes)
            await ward.bench.drain()
        elif step == "round":
            await rounds.run(ward.clinic.tenant_id)
        else:
            await ward.change(patient, _CHANGES[step], made[which % len(made)], minutes)
    async with begin(ward.clinic.caller) as tx:
        assert await tx.value(_TWICE) == 0
        assert await tx.value(_FORGOTTEN, tx.now) == 0
        assert await tx.value(_EMPTY) == 0
