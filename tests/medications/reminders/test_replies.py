"""What patients and caregivers reply to reminders of doses, and what is noted then."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chroniccare.medications.reminders import replies
from chroniccare.notifications.inbound import receiving
from chroniccare.platform.postgres import Command
from chroniccare.settings import Settings
from tests.conftest import Running
from tests.medications.support import Ward
from tests.notifications.inbound.phone import Phone, clear_the_inbox, own_number, phone_of
from tests.notifications.receipts.amazon import SECRET
from tests.notifications.support import NOON

IN_AN_HOUR = NOON + timedelta(hours=1)
_SETTLE = Command(
    "UPDATE medication_doses SET state = $2, source = $3, taken_at = $4 WHERE id = ANY ($1::uuid[])"
)


@pytest.fixture(autouse=True)
async def taking(running: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Settings.model_validate(settings.model_dump() | {"receipts_secret": SECRET})
    monkeypatch.setattr(running.platform.database, "settings", made)
    await clear_the_inbox()


async def says(ward: Ward, phone: Phone, text: str) -> dict[str, Any]:
    """Send one text message and return what the clinic made of it."""
    assert (await phone.post(text)).status_code == 200
    await receiving.receive_due()
    await replies.sweep(ward.clinic.tenant_id)
    return (await phone.replies())[0]


async def reminded(
    ward: Ward, http: httpx.AsyncClient, *, doses: int = 1, **fields: Any
) -> tuple[UUID, list[UUID], Phone]:
    """Remind a patient of doses by text; return the patient, the doses and the phone."""
    patient = await ward.bench.patient(**{"contact_info": own_number(), **fields})
    made = [
        await ward.dose(patient, await ward.medication(patient), IN_AN_HOUR) for _ in range(doses)
    ]
    await ward.at(IN_AN_HOUR)
    return patient, made, await phone_of(ward.clinic, ward.clock, http, patient)


async def states(ward: Ward, doses: list[UUID]) -> list[tuple[str, str | None]]:
    return [(one.state, one.source) for one in await ward.doses(*doses)]


async def answers(ward: Ward) -> list[str]:
    await ward.bench.drain()
    return [one.body for one in await ward.bench.outbox() if "it is time" not in one.body]


@pytest.mark.parametrize("text", ["TAKEN", "took it", "Tomado", "1", "yes", "\N{THUMBS UP SIGN}"])
async def test_taken_settles_every_dose_of_the_reminder_and_says_nothing(
    ward: Ward, anonymous: httpx.AsyncClient, text: str
) -> None:
    _, doses, phone = await reminded(ward, anonymous, doses=2)
    ward.clock.forward(minutes=5)
    reply = await says(ward, phone, text)
    assert (reply["outcome"], reply["action"], reply["action_status"]) == (
        "taking", "taken", "done",
    )  # fmt: skip
    assert reply["notification_id"] == str((await ward.messages())[0].id)
    assert await states(ward, doses) == [("taken", "patient")] * 2
    assert {one.taken_at for one in await ward.doses(*doses)} == {IN_AN_HOUR + timedelta(minutes=5)}
    assert await answers(ward) == []
    assert await phone.tasks() == []


async def test_the_last_word_counts_while_the_window_lasts(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    _, doses, phone = await reminded(ward, anonymous)
    await says(ward, phone, "TAKEN")
    await says(ward, phone, "taken")
    assert (await says(ward, phone, "SKIP"))["action_status"] == "done"
    assert await states(ward, doses) == [("skipped", "patient")]
    assert await answers(ward) == [
        "Thank you. We have corrected what we noted about your medicine."
    ]
    ward.clock.forward(hours=4)
    late = await says(ward, phone, "TAKEN")
    assert (late["action_status"], late["action_reason"]) == ("refused", "DOSES_SETTLED")
    assert await states(ward, doses) == [("skipped", "patient")]
    assert await phone.tasks() == [("read_reply", "doses_settled")]


async def test_a_late_reply_corrects_what_was_inferred(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    patient, doses, phone = await reminded(ward, anonymous)
    ward.clock.forward(hours=5)
    await ward.change(
        patient,
        "UPDATE medication_doses SET state = 'missed', source = 'inference' WHERE id = $1",
        doses[0],
    )
    assert (await says(ward, phone, "taken"))["action_status"] == "done"
    [dose] = await ward.doses(*doses)
    assert (dose.state, dose.taken_at) == ("taken", IN_AN_HOUR + timedelta(hours=5))
    assert len(await answers(ward)) == 1


async def test_what_staff_noted_stands_and_the_rest_is_settled(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    patient, doses, phone = await reminded(ward, anonymous, doses=2)
    await ward.settle(patient, doses[0])
    assert (await says(ward, phone, "skip"))["outcome"] == "skipping"
    assert sorted(await states(ward, doses)) == [("skipped", "patient"), ("taken", "staff")]


async def test_a_caregiver_answers_for_the_patient(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    patient = await ward.bench.patient(contact_info=own_number())
    hers = own_number()
    person = {
        "name": "Lucia", "relationship": "daughter", "categories": ["medications"],
        "contact_info": hers, "consents": {"sms": True},
    }  # fmt: skip
    assert (await ward.clinic.post(f"/patients/{patient}/related-persons", person)).is_success
    made = await ward.dose(patient, await ward.medication(patient), IN_AN_HOUR)
    await ward.at(IN_AN_HOUR)
    number = str(hers["telecom"][0]["value"])
    phone = Phone(ward.clinic, ward.clock, anonymous, number)
    assert (await says(ward, phone, "taken"))["patient_id"] == str(patient)
    assert await states(ward, [made]) == [("taken", "caregiver")]


async def test_a_phone_of_two_patients_is_for_staff_until_one_is_left(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    shared = own_number()
    first = await ward.bench.patient(contact_info=shared)
    second = await ward.bench.patient(contact_info=shared)
    made = [await ward.dose(one, await ward.medication(one), IN_AN_HOUR) for one in (first, second)]
    await ward.at(IN_AN_HOUR)
    phone = await phone_of(ward.clinic, ward.clock, anonymous, first)
    assert (await says(ward, phone, "taken"))["outcome"] == "unread"
    assert await phone.tasks() == [("read_reply", "not_understood")]
    assert await states(ward, made) == [("planned", None)] * 2
    await ward.settle(first, made[0])
    assert (await says(ward, phone, "taken"))["patient_id"] == str(second)
    assert await states(ward, made) == [("taken", "staff"), ("taken", "patient")]


async def test_a_yes_to_a_visit_and_to_doses_is_asked_about(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    patient = await ward.bench.patient(contact_info=own_number())
    await ward.bench.planned(patient_id=patient)
    made = await ward.dose(patient, await ward.medication(patient), IN_AN_HOUR)
    await ward.at(IN_AN_HOUR)
    phone = await phone_of(ward.clinic, ward.clock, anonymous, patient)
    reply = await says(ward, phone, "yes")
    assert (reply["outcome"], reply["action"]) == ("asked", None)
    [asked] = [text for text in await answers(ward) if "Your visit or" in text]
    assert "reply 1A. For your medicine, reply TAKEN or SKIP. A: " in asked
    assert (await says(ward, phone, "1A"))["outcome"] == "confirming"
    assert (await says(ward, phone, "yes"))["outcome"] == "asked"
    assert (await says(ward, phone, "yes"))["outcome"] == "unread"
    assert (await says(ward, phone, "taken"))["outcome"] == "taking"
    assert await states(ward, [made]) == [("taken", "patient")]
    assert (await says(ward, phone, "yes"))["outcome"] == "confirming"  # nothing else is open


async def test_a_day_later_or_without_a_reminder_it_is_only_kept(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    _, doses, phone = await reminded(ward, anonymous)
    ward.clock.forward(hours=24)
    reply = await says(ward, phone, "taken")
    assert (reply["outcome"], reply["action"], reply["notification_id"]) == ("noted", None, None)
    assert await states(ward, doses) == [("planned", None)]
